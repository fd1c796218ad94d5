/**
 * Options inside of options, one line each: PXE's part of 43, the relay's 82, vendors' 124 and 125, iPXE's 175.
 *
 * All of them are runs of code, length and value; only 43 and 175 know pad and end. A run that does not come out even gives
 * `undefined`, and the whole value is shown as hex.
 */
import { ipv4FromBytes } from '../wire/ipv4.ts';
import { addressList, hex, number, quoted, type Reading } from './option-plain.ts';

type Sub = readonly [code: number, value: Uint8Array];
type Table = Readonly<Record<number, readonly [name: string, read: Reading]>>;

/** The sub-options of a value; `undefined` when one runs over the end. */
export function subOptions(value: Uint8Array, padded: boolean): Sub[] | undefined {
  const found: Sub[] = [];
  for (let at = 0; at < value.length; ) {
    const code = value[at] ?? 0;
    if (padded && code === 255) return found;
    if (padded && code === 0) {
      at += 1;
      continue;
    }
    const length = value[at + 1];
    if (length === undefined || at + 2 + length > value.length) return undefined;
    found.push([code, value.subarray(at + 2, at + 2 + length)]);
    at += 2 + length;
  }
  return found;
}

function lines(subs: readonly Sub[] | undefined, table: Table): string[] | undefined {
  return subs?.map(([code, value]) => {
    const [name, read] = table[code] ?? ['sub-option', hex];
    return `${code} ${name}: ${read(value) ?? hex(value)}`;
  });
}

/** PXE 2.1, table 2-1 and RFC 4578; the servers' part is in 2.4. */
const PXE: Table = {
  1: ['mtftp address', addressList],
  2: ['mtftp client port', number],
  3: ['mtftp server port', number],
  4: ['mtftp timeout', number],
  5: ['mtftp delay', number],
  6: ['discovery control', discoveryControl],
  7: ['discovery multicast', addressList],
  8: ['boot servers', bootServers],
  9: ['boot menu', bootMenu],
  10: [
    'menu prompt',
    (value) => (value.length > 0 ? `${value[0]} s ${quoted(value.subarray(1))}` : undefined),
  ],
  12: ['credential types', hex],
  71: [
    'boot item',
    (value) => (value.length === 4 ? `type ${word(value, 0)}, layer ${word(value, 2)}` : undefined),
  ],
};

const DISCOVERY = [
  'no broadcast discovery',
  'no multicast discovery',
  'only the servers of 8',
  'boot the file of this offer',
];

function discoveryControl(value: Uint8Array): string | undefined {
  if (value.length !== 1) return undefined;
  const bits = value[0] ?? 0;
  const set = DISCOVERY.filter((_, bit) => bits & (1 << bit));
  return `${bits}${set.length > 0 ? ` (${set.join('; ')})` : ''}`;
}

function bootServers(value: Uint8Array): string | undefined {
  const found: string[] = [];
  for (let at = 0; at < value.length; ) {
    const count = value[at + 2] ?? 0;
    const end = at + 3 + count * 4;
    if (end > value.length) return undefined;
    found.push(`type ${word(value, at)}: ${addressList(value.subarray(at + 3, end)) ?? 'any'}`);
    at = end;
  }
  return found.join(', ');
}

function bootMenu(value: Uint8Array): string | undefined {
  const found: string[] = [];
  for (let at = 0; at < value.length; ) {
    const end = at + 3 + (value[at + 2] ?? 0);
    if (end > value.length) return undefined;
    found.push(`type ${word(value, at)}: ${quoted(value.subarray(at + 3, end))}`);
    at = end;
  }
  return found.join(', ');
}

function word(value: Uint8Array, at: number): number {
  return ((value[at] ?? 0) << 8) | (value[at + 1] ?? 0);
}

/** Option 43 speaks PXE when option 60 says so, or when it opens like PXE does and option 60 is silent. */
export function readVendor(value: Uint8Array, vendorClass: string): string[] | undefined {
  const subs = subOptions(value, true);
  const pxe =
    vendorClass === ''
      ? [6, 8, 9, 10, 71].includes(value[0] ?? 0)
      : vendorClass.startsWith('PXEClient');
  return lines(subs, pxe ? PXE : {});
}

/** Sub-options 6 to 10 of option 43 make an offer one of PXE (edk2 PxeBcDhcp4.c); what other vendors have there does not. */
export function speaksPxe(value: Uint8Array | undefined): boolean {
  return (subOptions(value ?? new Uint8Array(), true) ?? []).some(
    ([code]) => code >= 6 && code <= 10,
  );
}

/** RFC 3046 and those who added to it. */
const RELAY: Table = {
  1: ['circuit id', textOrHex],
  2: ['remote id', textOrHex],
  4: ['docsis device class', number],
  5: ['link selection', addressList],
  6: ['subscriber id', quoted],
  7: ['radius attributes', hex],
  8: ['authentication', hex],
  9: ['vendor specific', hex],
  10: ['flags', hex],
  11: ['server id override', addressList],
  12: ['relay id', hex],
  13: ['access technology type', hex],
  14: ['access network', quoted],
  19: ['source port', (value) => (value.length === 0 ? 'yes' : number(value))],
  151: ['virtual subnet', hex],
  152: ['virtual subnet control', hex],
};

function textOrHex(value: Uint8Array): string {
  return value.length > 0 && value.every((byte) => byte >= 0x20 && byte < 0x7f)
    ? quoted(value)
    : hex(value);
}

export function readRelay(value: Uint8Array): string[] | undefined {
  return lines(subOptions(value, false), RELAY);
}

/** RFC 3925: enterprise number, length, data; the data of 125 are sub-options, those of 124 counted strings. */
function enterprises(
  value: Uint8Array,
): (readonly [number: number, data: Uint8Array])[] | undefined {
  const found: (readonly [number, Uint8Array])[] = [];
  for (let at = 0; at < value.length; ) {
    const length = value[at + 4];
    if (length === undefined || at + 5 + length > value.length) return undefined;
    found.push([ipv4FromBytes(value, at), value.subarray(at + 5, at + 5 + length)]);
    at += 5 + length;
  }
  return found;
}

export function readVendorOptions(value: Uint8Array): string[] | undefined {
  return enterprises(value)?.flatMap(([enterprise, data]) => {
    const subs = subOptions(data, false);
    if (!subs) return [`enterprise ${enterprise}: ${hex(data)}`];
    return subs.map(([code, sub]) => `enterprise ${enterprise}, ${code}: ${textOrHex(sub)}`);
  });
}

export function readVendorClasses(value: Uint8Array): string[] | undefined {
  return enterprises(value)?.map(([enterprise, data]) => {
    const classes: string[] = [];
    for (let at = 0; at < data.length; at += 1 + (data[at] ?? 0)) {
      classes.push(textOrHex(data.subarray(at + 1, at + 1 + (data[at] ?? 0))));
    }
    return `enterprise ${enterprise}: ${classes.join(' ')}`;
  });
}

/** iPXE include/ipxe/dhcp.h and features.h. The features say yes by being there. */
const IPXE: Table = {
  1: [
    'priority',
    (value) => (value.length === 1 ? String(((value[0] ?? 0) << 24) >> 24) : undefined),
  ],
  8: ['keep-san', number],
  9: ['skip-san-boot', number],
  81: ['scriptlet', quoted],
  85: ['syslogs', quoted],
  91: ['certificate', hex],
  92: ['private key', hex],
  93: ['cross-certificate', quoted],
  176: ['no-pxedhcp', number],
  177: ['bus id', busId],
  178: ['san retry', number],
  188: ['san filename', quoted],
  189: ['drive', hex],
  190: ['user name', () => '(not shown)'],
  191: ['password', () => '(not shown)'],
  192: ['reverse user name', () => '(not shown)'],
  193: ['reverse password', () => '(not shown)'],
  235: ['version', (value) => [...value].join('.')],
};

const FEATURES: Readonly<Record<number, string>> = {
  16: 'PXE',
  17: 'iSCSI',
  18: 'AoE',
  19: 'HTTP',
  20: 'HTTPS',
  21: 'TFTP',
  22: 'FTP',
  23: 'DNS',
  24: 'bzImage',
  25: 'multiboot',
  26: 'SLAM',
  27: 'SRP',
  32: 'NBI',
  33: 'PXE image',
  34: 'ELF',
  35: 'COMBOOT',
  36: 'EFI',
  37: 'FCoE',
  38: 'VLAN',
  39: 'menu',
  40: 'SDI',
  41: 'NFS',
};

/** PCI as iPXE announces its NIC: type 1, vendor, device. */
function busId(value: Uint8Array): string | undefined {
  if (value.length !== 5) return undefined;
  const id = hex(value.subarray(1));
  return `${value[0] === 1 ? 'pci' : `bus ${value[0]}`} ${id.slice(0, 4)}:${id.slice(4)}`;
}

export function readIpxe(value: Uint8Array): string[] | undefined {
  const subs = subOptions(value, true);
  if (!subs) return undefined;
  const features = subs.flatMap(([code]) => FEATURES[code] ?? []);
  const others = lines(
    subs.filter(([code]) => FEATURES[code] === undefined),
    IPXE,
  );
  return [...(features.length > 0 ? [`features: ${features.join(' ')}`] : []), ...(others ?? [])];
}
