/**
 * DHCP option codes and the few value types that we read or write (RFC 2132 unless noted), with their names for people.
 */
import { type Ipv4, ipv4ToBytes } from '../wire/ipv4.ts';

export const OPTION = {
  pad: 0,
  subnetMask: 1,
  timeOffset: 2,
  router: 3,
  dns: 6,
  logServers: 7,
  hostname: 12,
  domain: 15,
  mtu: 26,
  broadcast: 28,
  ntp: 42,
  /** RFC 2132 8.4; for a PXEClient its sub-options are those of PXE 2.1, table 2-1. */
  vendorSpecific: 43,
  requestedAddress: 50,
  leaseTime: 51,
  overload: 52,
  messageType: 53,
  serverId: 54,
  parameterList: 55,
  message: 56,
  maxMessageSize: 57,
  renewalTime: 58,
  rebindingTime: 59,
  vendorClass: 60,
  clientId: 61,
  tftpServer: 66,
  bootFile: 67,
  /** RFC 3004; iPXE sends the bare four letters. */
  userClass: 77,
  /** RFC 3046 */
  relayAgent: 82,
  /** RFC 4578 2.1 */
  clientArch: 93,
  /** RFC 4578 2.3: a type byte and 16 bytes as SMBIOS stores them */
  clientUuid: 97,
  /** RFC 3011 */
  subnetSelection: 118,
  /** RFC 3397 */
  domainSearch: 119,
  /** RFC 3442 */
  classlessRoutes: 121,
  /** Microsoft's number for the same, from before RFC 3442 */
  classlessRoutesOld: 249,
  /** iPXE's encapsulated options */
  ipxe: 175,
  end: 255,
} as const;

export const MESSAGE = {
  discover: 1,
  offer: 2,
  request: 3,
  decline: 4,
  ack: 5,
  nak: 6,
  release: 7,
  inform: 8,
} as const;

export function u8(value: number): Uint8Array {
  return Uint8Array.of(value);
}

export function u16(value: number): Uint8Array {
  return Uint8Array.of(value >>> 8, value);
}

export function u32(value: number): Uint8Array {
  return Uint8Array.of(value >>> 24, value >>> 16, value >>> 8, value);
}

export function addresses(list: readonly Ipv4[]): Uint8Array {
  return Uint8Array.from(list.flatMap((address) => [...ipv4ToBytes(address)]));
}

/** A big-endian number of four bytes, or `undefined` for another length. */
export function readU32(value: Uint8Array | undefined): number | undefined {
  if (value?.length !== 4) return undefined;
  const [a = 0, b = 0, c = 0, d = 0] = value;
  return ((a << 24) | (b << 16) | (c << 8) | d) >>> 0;
}

/** Text as Latin-1 bytes. */
export function text(value: string): Uint8Array {
  const bytes = new Uint8Array(value.length);
  for (let index = 0; index < value.length; index++) bytes[index] = value.charCodeAt(index);
  return bytes;
}

/** Options 66 and 67 end in a NUL that the length counts: some ROMs, and edk2, write one over the next byte otherwise. */
export function nulTerminated(value: string): Uint8Array {
  return text(`${value}\0`);
}

/** Bytes as Latin-1 text, up to the first NUL. Options are short: no buffer is made for them. */
export function readText(value: Uint8Array | undefined): string {
  if (!value) return '';
  let text = '';
  for (const byte of value) {
    if (byte === 0) break;
    text += String.fromCharCode(byte);
  }
  return text;
}

/** Option 97 as a UUID in the spelling of SMBIOS 2.6: its first three fields travel little-endian. */
export function readUuid(value: Uint8Array | undefined): string | undefined {
  if (value?.length !== 17 || value[0] !== 0) return undefined;
  let uuid = '';
  for (const index of UUID_ORDER) {
    if (index === 6 || index === 8 || index === 9 || index === 11) uuid += '-';
    uuid += HEX[value[index] ?? 0] ?? '';
  }
  return uuid;
}

const UUID_ORDER = [4, 3, 2, 1, 6, 5, 8, 7, 9, 10, 11, 12, 13, 14, 15, 16] as const;
const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));
