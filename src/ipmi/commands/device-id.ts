/**
 * Get Device ID (IPMI 2.0 section 20.1), Get System GUID (22.14) and Cold Reset (20.2).
 */
import { type Command, nothing, reading } from '../command.ts';
import { NETFN } from '../message.ts';

export interface DeviceId {
  readonly deviceId: number;
  readonly revision: number;
  readonly providesSdrs: boolean;
  /** `2.10`: major, and minor in BCD. */
  readonly firmware: string;
  /** Not available: updating its firmware, or starting. */
  readonly busy: boolean;
  /** `2.0`, `1.5`. */
  readonly ipmiVersion: string;
  readonly supports: readonly string[];
  /** IANA enterprise number. */
  readonly manufacturerId: number;
  readonly productId: number;
}

/** Bits of "additional device support". */
const SUPPORT = [
  'sensor',
  'sdr',
  'sel',
  'fru',
  'ipmb-receiver',
  'ipmb-generator',
  'bridge',
  'chassis',
];

/** IANA enterprise numbers of those who make BMCs or sell them. */
const MANUFACTURER: Readonly<Record<number, string>> = {
  2: 'IBM',
  11: 'Hewlett Packard Enterprise',
  343: 'Intel',
  674: 'Dell',
  5771: 'Cisco',
  6653: 'Tyan',
  7244: 'Quanta',
  10368: 'Fujitsu',
  10418: 'Avocent',
  10876: 'Supermicro',
  13742: 'Raritan',
  15000: 'Kontron',
  15370: 'Gigabyte',
  19046: 'Lenovo',
  20301: 'IBM',
  20974: 'AMI',
  37945: 'Inspur',
  40092: 'Wiwynn',
  47196: 'Hewlett Packard Enterprise',
  47488: 'Supermicro',
  49622: 'ASRock Rack',
  49871: 'OpenBMC',
};

export function manufacturerName(id: number): string {
  return MANUFACTURER[id] ?? `manufacturer ${id}`;
}

export const getDeviceId: Command<void, DeviceId> = {
  name: 'Get Device ID',
  netFn: NETFN.app,
  command: 0x01,
  repeatable: true,
  encode: () => new Uint8Array(),
  decode: reading((reader) => {
    const deviceId = reader.u8();
    const revision = reader.u8();
    const major = reader.u8();
    const minor = reader.u8();
    const version = reader.u8();
    const support = reader.u8();
    const manufacturer = reader.take(3);
    const productId = reader.u16Le();
    return {
      deviceId,
      revision: revision & 0x0f,
      providesSdrs: (revision & 0x80) !== 0,
      firmware: `${major & 0x7f}.${(minor >> 4) & 0xf}${minor & 0xf}`,
      busy: (major & 0x80) !== 0,
      // The digits are the other way round than in any other BCD byte: 0x51 is 1.5.
      ipmiVersion: `${version & 0x0f}.${version >> 4}`,
      supports: SUPPORT.filter((_, bit) => support & (1 << bit)),
      manufacturerId:
        (manufacturer[0] ?? 0) | ((manufacturer[1] ?? 0) << 8) | ((manufacturer[2] ?? 0) << 16),
      productId,
    };
  }),
};

/** 16 bytes whose order vendors do not agree on; `guidSpellings` gives what SMBIOS may call it. */
export const getSystemGuid: Command<void, Uint8Array> = {
  name: 'Get System GUID',
  netFn: NETFN.app,
  command: 0x37,
  repeatable: true,
  encode: () => new Uint8Array(),
  decode: reading((reader) => reader.take(16)),
};

/**
 * The three UUIDs that a GUID can mean: least significant byte first (as IPMI says), as it stands, and with the first
 * three fields swapped (as SMBIOS stores it).
 */
export function guidSpellings(guid: Uint8Array): readonly string[] {
  const dashed = (bytes: readonly number[]) => {
    const text = bytes.map((byte) => byte.toString(16).padStart(2, '0')).join('');
    return [
      [0, 8],
      [8, 12],
      [12, 16],
      [16, 20],
      [20, 32],
    ]
      .map(([a, b]) => text.slice(a, b))
      .join('-');
  };
  const bytes = [...guid];
  const order = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15];
  return [dashed(bytes.toReversed()), dashed(bytes), dashed(order.map((from) => bytes[from] ?? 0))];
}

/** No answer is normal: the BMC restarts, and is back in one to three minutes. */
export const coldReset: Command<void, void> = {
  name: 'Cold Reset',
  netFn: NETFN.app,
  command: 0x02,
  repeatable: false,
  encode: () => new Uint8Array(),
  decode: nothing,
};
