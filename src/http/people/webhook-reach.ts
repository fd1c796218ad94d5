/**
 * Where webhooks may go: a squad's operator names the address, and the appliance stands in networks that he does not.
 *
 * Loopback, link-local and out-of-band addresses are refused unless the configuration names their network. The address is
 * looked at after the name was resolved, and it is that address which is connected to: a name that changes what it stands
 * for gains nothing. Redirects are not followed. Nothing is sent to what is refused, so that it does not even tell which
 * ports answer.
 */
import { lookup } from 'node:dns';
import { Agent as HttpAgent, request as httpRequest } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { BlockList, isIP, type LookupFunction } from 'node:net';
import { type Cidr, formatIpv4 } from '../../wire/ipv4.ts';

export interface Reach {
  /** @param address as text, of either family */
  may(address: string): boolean;
}

/** RFC 1122 section 3.2.1.3, RFC 3927, RFC 4291 sections 2.5.2, 2.5.3 and 2.5.6; an IPv4 address within IPv6 counts as itself. */
const LOCAL = [
  ['0.0.0.0', 8, 'ipv4'],
  ['127.0.0.0', 8, 'ipv4'],
  ['169.254.0.0', 16, 'ipv4'],
  ['::', 128, 'ipv6'],
  ['::1', 128, 'ipv6'],
  ['fe80::', 10, 'ipv6'],
] as const;

export function createReach(networks: {
  /** What the site wants to be reached, whatever it is. */
  readonly allowed: readonly Cidr[];
  /** Networks of BMCs, as they are on record now. */
  outOfBand(): readonly Cidr[];
}): Reach {
  const local = new BlockList();
  for (const [network, bits, family] of LOCAL) local.addSubnet(network, bits, family);
  const allowed = blockListOf(networks.allowed);
  return {
    may(address) {
      const family = isIP(address) === 6 ? 'ipv6' : 'ipv4';
      if (allowed.check(address, family)) return true;
      if (local.check(address, family)) return false;
      return !blockListOf(networks.outOfBand()).check(address, family);
    },
  };
}

function blockListOf(networks: readonly Cidr[]): BlockList {
  const list = new BlockList();
  for (const { network, prefixBits } of networks)
    list.addSubnet(formatIpv4(network), prefixBits, 'ipv4');
  return list;
}

const REFUSED = 'webhooks do not go to loopback, link-local or out-of-band addresses';

export interface Post {
  readonly body: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
}

/** @returns the status of the answer, whose body is not read. @throws Error when there is none, or it may not be asked */
export function postWithin(reach: Reach, target: string, { body, ...rest }: Post): Promise<number> {
  const url = new URL(target);
  const literal = url.hostname.replace(/^\[|\]$/g, '');
  return new Promise((resolve, reject) => {
    // An address that stands in the URL is not looked up.
    if (isIP(literal) !== 0 && !reach.may(literal)) throw new Error(REFUSED);
    const options = { ...rest, method: 'POST', lookup: lookupWithin(reach) };
    // A connection of its own, so that each goes through the look at its address.
    const request =
      url.protocol === 'https:'
        ? httpsRequest(url, { ...options, agent: new HttpsAgent() })
        : httpRequest(url, { ...options, agent: new HttpAgent() });
    request.on('error', reject);
    request.once('response', (answer) => {
      resolve(answer.statusCode ?? 0);
      answer.destroy();
    });
    request.end(body);
  });
}

function lookupWithin(reach: Reach): LookupFunction {
  return (name, options, done) =>
    lookup(name, { ...options, all: true }, (error, found) => {
      if (error) return done(error, '', 0);
      const good = found.filter(({ address }) => reach.may(address));
      const [first] = good;
      if (!first) return done(new Error(REFUSED), '', 0);
      if (options.all) return done(null, good);
      done(null, first.address, first.family);
    });
}
