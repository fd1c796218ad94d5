/**
 * Who is asking: PXE firmware, UEFI HTTP Boot, iPXE, a BMC, or an operating system, and for which processor.
 *
 * In this order, because a machine shows several signs at once: iPXE announces itself by its user class or its own
 * option 175 and still says PXEClient; HTTP Boot says HTTPClient or has an HTTP architecture code; PXE firmware says
 * PXEClient. What is left is a BMC when its vendor class says so or when it sits on an out-of-band network, where nothing
 * else lives; and an operating system otherwise.
 */
import type { ClientStage } from '../events.ts';
import { architecture, archName, preferredArch } from './architecture.ts';
import { OPTION, readText } from './options.ts';
import type { DhcpPacket } from './packet.ts';

export { archName } from './architecture.ts';

export interface DhcpClient {
  readonly stage: ClientStage;
  /** Option 93: the first entry that we can boot, else its first; 0 when the client names none. */
  readonly arch: number;
  readonly archName: string;
  /** An iPXE with another user class than `iPXE`, or without HTTP and HTTPS: a card's own build, which is handed ours like any firmware. */
  readonly foreignIpxe: boolean;
  /** An iPXE that says it speaks HTTPS; whether it trusts the site's CA, it does not say. */
  readonly ipxeHttps: boolean;
  /** It lists what it speaks, and HTTP is not there: it fetches a script by HTTPS or not at all. */
  readonly httpsAlone: boolean;
  readonly userClass: string;
  readonly vendorClass: string;
  readonly hostname: string;
}

/**
 * How a BMC's option 60 begins. iDRAC: Dell's iDRAC 7/8/9 User's Guides, "DHCP options". Others are recognised by the
 * network that they are on; a row needs a manual or a capture that shows the text.
 */
const BMC_VENDOR_CLASSES: readonly string[] = ['iDRAC'];

export function classify(packet: DhcpPacket, outOfBand = false): DhcpClient {
  const { options } = packet;
  const userClass = readUserClass(options.get(OPTION.userClass));
  const vendorClass = readText(options.get(OPTION.vendorClass));
  const ipxe = options.get(OPTION.ipxe);
  const named = userClass.includes('iPXE') || (ipxe !== undefined && userClass === '');
  const ipxeHttps = hasIpxeFeature(ipxe, IPXE_FEATURE_HTTPS);
  const withoutHttp = lacksHttp(ipxe);
  const ours = named && (ipxeHttps || !withoutHttp);
  const arch = readArch(options.get(OPTION.clientArch), vendorClass);
  const signs = { ours, speaksIpxe: ipxe !== undefined, vendorClass, arch };
  const stage = stageOf(signs) ?? (outOfBand || isBmc(vendorClass) ? 'bmc' : 'os');
  return {
    stage,
    arch,
    archName: stage === 'os' || stage === 'bmc' ? '' : archName(arch),
    foreignIpxe: ipxe !== undefined && !ours,
    ipxeHttps,
    httpsAlone: ipxeHttps && withoutHttp,
    userClass,
    vendorClass,
    hostname: readText(options.get(OPTION.hostname)).slice(0, 63),
  };
}

/** Of a client that boots from the network. */
function stageOf(signs: {
  readonly ours: boolean;
  readonly speaksIpxe: boolean;
  readonly vendorClass: string;
  readonly arch: number;
}): ClientStage | undefined {
  const { ours, speaksIpxe, vendorClass, arch } = signs;
  const pxe = vendorClass.startsWith('PXEClient');
  if (ours) return 'ipxe';
  if (vendorClass.startsWith('HTTPClient')) return 'http-boot';
  if (!pxe && architecture(arch).http) return 'http-boot';
  return speaksIpxe || pxe ? 'firmware' : undefined;
}

/** Does it boot from the network? Everybody else is given addresses only, and nothing by a proxy. */
export function isBootClient({ stage }: Pick<DhcpClient, 'stage'>): boolean {
  return stage === 'firmware' || stage === 'http-boot' || stage === 'ipxe';
}

/** iPXE include/ipxe/features.h, DHCP_EB_FEATURE_: the build has the code. The list of them goes from PXE extensions to NFS. */
const IPXE_FEATURE_HTTP = 0x13;
const IPXE_FEATURE_HTTPS = 0x14;
const IPXE_FEATURES = { first: 0x10, last: 0x29 } as const;

/**
 * Ours all have HTTP; the ROM of a card may be built without it (DOWNLOAD_PROTO_HTTP), and could not fetch its script. One that
 * lists no features says nothing of them. One with HTTPS alone is a site's own, which is to fetch nothing in the clear: handed what
 * it was loaded from, it would ask again. Where the site offers it no HTTPS, it is a card's (boot/desk.ts).
 */
function lacksHttp(value: Uint8Array | undefined): boolean {
  if (!value || hasIpxeFeature(value, IPXE_FEATURE_HTTP)) return false;
  for (let at = 0; at + 1 < value.length; at += 2 + (value[at + 1] ?? 0)) {
    const code = value[at] ?? 0;
    if (code >= IPXE_FEATURES.first && code <= IPXE_FEATURES.last) return true;
  }
  return false;
}

/** Option 175 holds code, length and value over and over; a feature is there when its code is. */
function hasIpxeFeature(value: Uint8Array | undefined, code: number): boolean {
  if (!value) return false;
  for (let at = 0; at + 1 < value.length; at += 2 + (value[at + 1] ?? 0)) {
    if (value[at] === code) return true;
  }
  return false;
}

function isBmc(vendorClass: string): boolean {
  return vendorClass !== '' && BMC_VENDOR_CLASSES.some((start) => vendorClass.startsWith(start));
}

/** RFC 3004 puts a length before each class; iPXE and most scripts send the bare text. Both come out as the text. */
function readUserClass(value: Uint8Array | undefined): string {
  if (!value) return '';
  return value[0] === value.length - 1 ? readText(value.subarray(1)) : readText(value);
}

/** Option 93, else `Arch:NNNNN` (decimal) of option 60 (PXE 2.1, 2.2.2). */
function readArch(list: Uint8Array | undefined, vendorClass: string): number {
  if (list && list.length >= 2) return preferredArch(list);
  const at = vendorClass.indexOf('Arch:');
  const digits = at < 0 ? '' : vendorClass.slice(at + 5, at + 10);
  return digits.length === 5 && Number.isInteger(Number(digits)) ? Number(digits) : 0;
}
