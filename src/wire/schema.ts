/**
 * Schemas of the value types, for every file that parses configuration or a request body: text that is not one ends in
 * a sentence that says what would be, and what comes out is branded.
 */
import { z } from 'zod';
import { type Cidr, formatIpv4, type Ipv4, parseCidr, parseIpv4 } from './ipv4.ts';
import { isUnicastMac, type Mac, parseMac } from './mac.ts';

export const ipv4Schema = z.string().transform((text, context): Ipv4 => {
  const address = parseIpv4(text);
  if (address !== undefined) return address;
  context.addIssue({ code: 'custom', message: `'${text}' is not an IPv4 address` });
  return z.NEVER;
});

export const cidrSchema = z.string().transform((text, context): Cidr => {
  const network = parseCidr(text);
  if (network !== undefined) return network;
  context.addIssue({ code: 'custom', message: `'${text}' is not a network such as 10.77.0.0/24` });
  return z.NEVER;
});

export const macSchema = z.string().transform((text, context): Mac => {
  const mac = parseMac(text);
  if (mac !== undefined && isUnicastMac(mac)) return mac;
  context.addIssue({
    code: 'custom',
    message: `'${text}' is not the MAC address of one NIC, such as 52:54:00:12:34:56`,
  });
  return z.NEVER;
});

/** Both ends belong to it. */
export interface AddressRange {
  readonly first: Ipv4;
  readonly last: Ipv4;
}

/** One address, or `first-last`. */
export const rangeSchema = z.string().transform((text, context): AddressRange => {
  const [firstText = '', lastText = firstText, ...rest] = text
    .split('-')
    .map((part) => part.trim());
  const [first, last] = [parseIpv4(firstText), parseIpv4(lastText)];
  if (first === undefined || last === undefined || rest.length > 0) {
    const message = `'${text}' is neither an address nor a range such as 10.77.0.10-10.77.0.19`;
    context.addIssue({ code: 'custom', message });
    return z.NEVER;
  }
  if (first > last) {
    const message = `${formatIpv4(first)} is above ${formatIpv4(last)}`;
    context.addIssue({ code: 'custom', message });
    return z.NEVER;
  }
  return { first, last };
});

export interface FirstIssue {
  readonly path: readonly string[];
  readonly message: string;
}

/**
 * What to tell whoever wrote it. Of forms of which one had to be met, what is wrong with the one that was meant: the one that went wrong
 * inside, or else one that is not of another type altogether. A key that nobody knows is a part of the place.
 */
export function issueOf({ issues: [first] }: z.ZodError): FirstIssue {
  return first ? toldOf(first) : { path: [], message: '' };
}

function toldOf(issue: z.core.$ZodIssue): FirstIssue {
  const path = issue.path.map(String);
  const { message } = issue;
  if (issue.code === 'unrecognized_keys')
    return { path: [...path, ...issue.keys.slice(0, 1)], message };
  if (issue.code !== 'invalid_union') return { path, message };
  const firsts = issue.errors.flatMap((branch) => branch.slice(0, 1));
  const meant =
    firsts.find((one) => one.path.length > 0 || one.code === 'unrecognized_keys') ??
    firsts.find((one) => one.code !== 'invalid_type');
  if (!meant) return { path, message };
  const within = toldOf(meant);
  return { path: [...path, ...within.path], message: within.message };
}
