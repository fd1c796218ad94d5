/**
 * The DHCP options that a site may configure, for a segment or for one machine: schema in, encoded options out.
 *
 * Everything is encoded once, when the configuration is read; the packet path only copies. Options that carry the
 * protocol itself are refused by number with the reason: a second lease time, server identifier or boot file in a reply
 * would not be "more configuration" but a broken exchange.
 */
import { z } from 'zod';
import { broadcastOf, type Cidr, IPV4_ANY, type Ipv4, netmask } from '../wire/ipv4.ts';
import { cidrSchema, ipv4Schema } from '../wire/schema.ts';
import {
  encodeRoutes,
  encodeS32,
  encodeSearchList,
  labelsOf,
  parseHex,
  type Route,
} from './option-values.ts';
import { addresses, OPTION, text, u8, u16, u32 } from './options.ts';

/** Codes that a configuration may not set, and why. */
const REFUSED: Readonly<Record<number, string>> = {
  0: 'is padding',
  1: 'follows from cidr',
  3: 'is set by routers',
  6: 'is set by dns',
  12: 'is set by hostname, of a reservation or a machine',
  15: 'is set by domain',
  28: 'follows from cidr',
  50: 'is sent by clients only',
  51: 'is set by leaseSeconds',
  52: 'is the packing of the reply',
  53: 'is the type of the message',
  54: 'is the address of this segment',
  55: 'is sent by clients only',
  56: 'is the text of a refusal',
  57: 'is sent by clients only',
  58: 'follows from the lease time',
  59: 'follows from the lease time',
  60: 'is decided for each client: a wrong one stops UEFI firmware',
  61: 'is sent by clients and echoed',
  67: 'is the boot decision; see boot.binaries',
  77: 'is sent by clients only',
  82: 'belongs to the relay and is echoed',
  93: 'is sent by clients only',
  94: 'is sent by clients only',
  97: 'is sent by clients and echoed',
  118: 'is sent by clients and echoed',
  175: 'is decided for each iPXE',
  255: 'ends the options',
};
/** Options that have a key of their own, which checks their value. */
const NAMED: Readonly<Record<number, string>> = {
  2: 'timeOffsetSeconds',
  7: 'logServers',
  26: 'mtu',
  42: 'ntp',
  66: 'tftpServerName',
  119: 'domainSearch',
  121: 'routes',
  249: 'routes',
};

/** `code` and exactly one form of the value. */
const rawOption = z
  .strictObject({
    code: z.number().int().min(0).max(255),
    hex: z.string().optional(),
    text: z.string().min(1).max(1024).optional(),
    ipv4: z.array(ipv4Schema).min(1).optional(),
    u8: z.number().int().min(0).max(255).optional(),
    u16: z.number().int().min(0).max(65_535).optional(),
    u32: z.number().int().min(0).max(4_294_967_295).optional(),
    always: z.boolean().default(false),
    vendorClass: z.string().min(1).max(255).optional(),
  })
  .transform((raw, context) => {
    const refuse = (message: string) => {
      context.addIssue({ code: 'custom', message });
      return z.NEVER;
    };
    const { code, always, vendorClass } = raw;
    const why = REFUSED[code];
    if (why && !(code === OPTION.bootFile && isForOthers(vendorClass)))
      return refuse(`option ${code} cannot be configured: it ${why}`);
    if (NAMED[code]) return refuse(`option ${code} has a key of its own: ${NAMED[code]}`);
    const forms = [
      raw.hex === undefined ? undefined : (parseHex(raw.hex) ?? ('bad-hex' as const)),
      raw.text === undefined ? undefined : text(raw.text),
      raw.ipv4 === undefined ? undefined : addresses(raw.ipv4),
      raw.u8 === undefined ? undefined : u8(raw.u8),
      raw.u16 === undefined ? undefined : u16(raw.u16),
      raw.u32 === undefined ? undefined : u32(raw.u32),
    ].filter((form) => form !== undefined);
    const [bytes] = forms;
    if (forms.length !== 1 || bytes === undefined) {
      return refuse(`option ${code} needs exactly one of hex, text, ipv4, u8, u16, u32`);
    }
    if (bytes === 'bad-hex') return refuse(`option ${code}: hex is pairs of hex digits, as 0a:1b`);
    return { code, bytes, always, vendorClass };
  });

/** What network-boots says one of these; who is asked for something else is never handed a boot file of ours. */
const BOOT_CLASSES = ['PXEClient', 'HTTPClient'];

/** Are these clients none that the boot decision is about, such as switches that fetch their configuration? */
function isForOthers(vendorClass: string | undefined): boolean {
  return (
    vendorClass !== undefined &&
    BOOT_CLASSES.every((one) => !one.startsWith(vendorClass) && !vendorClass.startsWith(one))
  );
}

const hostName = z.string().refine((name) => labelsOf(name) !== undefined, 'is not a host name');

/** `options:` of a segment or of a machine. */
export const optionsSchema = z.strictObject({
  routes: z.array(z.strictObject({ to: cidrSchema, via: ipv4Schema })).optional(),
  domainSearch: z.array(hostName).min(1).max(64).optional(),
  ntp: z.array(ipv4Schema).min(1).optional(),
  mtu: z.number().int().min(68).max(65_535).optional(),
  logServers: z.array(ipv4Schema).min(1).optional(),
  tftpServerName: z.string().min(1).max(255).optional(),
  timeOffsetSeconds: z.number().int().min(-50_400).max(50_400).optional(),
  raw: z.array(rawOption).optional(),
});
export type OptionSettings = z.output<typeof optionsSchema>;

/** What the options of one client are made from. */
export interface NetworkSettings {
  readonly cidr: Cidr;
  readonly routers: readonly Ipv4[];
  readonly dns: readonly Ipv4[];
  readonly domain: string;
  readonly hostname?: string | undefined;
  readonly options: OptionSettings;
}

export type EncodedOption = readonly [code: number, bytes: Uint8Array];

/** An option for clients of one kind alone. */
export interface ClassOption {
  /** How their vendor class (option 60) begins; empty: whoever does not boot from the network. */
  readonly start: string;
  readonly option: EncodedOption;
  readonly always: boolean;
}

/** The network part of a reply, encoded. */
export interface NetworkOptions {
  /** Everybody's, asked for or not; in the order of sending. */
  readonly always: readonly EncodedOption[];
  /** For clients that name the code in option 55 (RFC 2131 4.3.1). */
  readonly requested: readonly EncodedOption[];
  /** For clients of a vendor class; later ones win. */
  readonly byClass: readonly ClassOption[];
}

/** @returns the options of `settings`, each encoded once. */
export function encodeNetwork(settings: NetworkSettings): NetworkOptions {
  const { cidr, routers, dns, domain, hostname, options } = settings;
  const raw = options.raw ?? [];
  const always: EncodedOption[] = [
    [OPTION.subnetMask, u32(netmask(cidr.prefixBits))],
    [OPTION.broadcast, u32(broadcastOf(cidr))],
  ];
  if (routers.length > 0) always.push([OPTION.router, addresses(routers)]);
  if (dns.length > 0) always.push([OPTION.dns, addresses(dns)]);
  if (domain !== '') always.push([OPTION.domain, text(domain)]);
  if (hostname !== undefined) always.push([OPTION.hostname, text(hostname)]);
  for (const one of raw) if (one.always && isForAll(one)) always.push([one.code, one.bytes]);
  const byClass = raw.flatMap((one): ClassOption[] => {
    const option = [one.code, one.bytes] as const;
    return isForAll(one) ? [] : [{ start: one.vendorClass ?? '', option, always: one.always }];
  });
  return { always, requested: requestedOptions(settings), byClass };
}

type RawOption = NonNullable<OptionSettings['raw']>[number];

/**
 * What option 43 says is a matter of the vendor class (RFC 2132 8.4). To firmware its sub-options are those of PXE: another vendor's
 * 6 or 8 sends it to look for boot servers that there are none of (edk2 PxeBcDhcp4.c, iPXE net/udp/dhcp.c).
 */
function isForAll({ code, vendorClass }: RawOption): boolean {
  return vendorClass === undefined && code !== OPTION.vendorSpecific;
}

function requestedOptions({ routers, options }: NetworkSettings): EncodedOption[] {
  const list: EncodedOption[] = [];
  if (options.routes && options.routes.length > 0) {
    const bytes = encodeRoutes(withDefault(options.routes, routers));
    list.push([OPTION.classlessRoutes, bytes], [OPTION.classlessRoutesOld, bytes]);
  }
  const search = options.domainSearch && encodeSearchList(options.domainSearch);
  if (search) list.push([OPTION.domainSearch, search]);
  if (options.ntp) list.push([OPTION.ntp, addresses(options.ntp)]);
  if (options.mtu !== undefined) list.push([OPTION.mtu, u16(options.mtu)]);
  if (options.logServers) list.push([OPTION.logServers, addresses(options.logServers)]);
  if (options.tftpServerName) list.push([OPTION.tftpServer, text(`${options.tftpServerName}\0`)]);
  if (options.timeOffsetSeconds !== undefined) {
    list.push([OPTION.timeOffset, encodeS32(options.timeOffsetSeconds)]);
  }
  for (const one of options.raw ?? []) {
    if (!one.always && isForAll(one)) list.push([one.code, one.bytes]);
  }
  return list;
}

/** A client that takes option 121 ignores the router option (RFC 3442), so the default route must be in the list. */
function withDefault(routes: readonly Route[], routers: readonly Ipv4[]): readonly Route[] {
  const [via] = routers;
  if (via === undefined || routes.some(({ to }) => to.prefixBits === 0)) return routes;
  return [{ to: { network: IPV4_ANY, prefixBits: 0 }, via }, ...routes];
}

/** One machine's settings laid over its segment's: what it names replaces, raw options by their code. */
export function overlayOptions(base: OptionSettings, over: OptionSettings): OptionSettings {
  const codes = new Set((over.raw ?? []).map(({ code }) => code));
  const raw = [...(base.raw ?? []).filter(({ code }) => !codes.has(code)), ...(over.raw ?? [])];
  return { ...base, ...over, ...(raw.length > 0 ? { raw } : {}) };
}
