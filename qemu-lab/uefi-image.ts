/**
 * The least that UEFI loads: a PE image of one section and two sectors, without relocations because nothing in it needs any
 * (PE/COFF specification; UEFI 2.10, 2.1.1).
 */
const SECTOR = 512;
/** Where the section is in memory. */
const PAGE = 0x1000;

export const UEFI_PROCESSORS = ['x64', 'ia32', 'arm64'] as const;
export type UefiProcessor = (typeof UEFI_PROCESSORS)[number];

const PROCESSORS = {
  x64: { machine: 0x8664, bits: 64 },
  ia32: { machine: 0x014c, bits: 32 },
  arm64: { machine: 0xaa64, bits: 64 },
} as const;
/** PE32 and PE32+: the optional header's magic number and size, and where it counts its directories. */
const HEADERS = {
  32: { magic: 0x010b, bytes: 224, directoriesAt: 92 },
  64: { magic: 0x020b, bytes: 240, directoriesAt: 108 },
} as const;

/** @param code runs from its first byte, wherever it is loaded; at most a sector */
export function uefiImage(processor: UefiProcessor, code: Uint8Array): Uint8Array {
  const { machine, bits } = PROCESSORS[processor];
  const header = HEADERS[bits];
  const file = Buffer.alloc(2 * SECTOR);
  file.write('MZ', 0, 'latin1');
  file.writeUInt32LE(0x40, 0x3c);
  file.write('PE\0\0', 0x40, 'latin1');
  const coff = 0x44;
  file.writeUInt16LE(machine, coff);
  file.writeUInt16LE(1, coff + 2);
  file.writeUInt16LE(header.bytes, coff + 16);
  // Executable, and for 64 bits that addresses above 2 GB are fine; else that it is for 32 bits.
  file.writeUInt16LE(bits === 64 ? 0x0022 : 0x0102, coff + 18);
  const optional = coff + 20;
  const fields: readonly (readonly [at: number, value: number])[] = [
    ...([
      [4, SECTOR], // size of code
      [16, PAGE], // entry
      [20, PAGE], // base of code
      [32, PAGE], // alignment in memory
      [36, SECTOR], // and in the file
      [56, 2 * PAGE], // size of the image
      [60, SECTOR], // and of its headers
    ] as const),
    [header.directoriesAt, 16],
  ];
  file.writeUInt16LE(header.magic, optional);
  for (const [at, value] of fields) file.writeUInt32LE(value, optional + at);
  // An EFI application.
  file.writeUInt16LE(10, optional + 68);
  const section = optional + header.bytes;
  file.write('.text', section, 'latin1');
  file.writeUInt32LE(code.length, section + 8);
  file.writeUInt32LE(PAGE, section + 12);
  file.writeUInt32LE(SECTOR, section + 16);
  file.writeUInt32LE(SECTOR, section + 20);
  file.writeUInt32LE(0x60000020, section + 36);
  file.set(code, SECTOR);
  return file;
}
