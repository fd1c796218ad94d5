/** The disk that boots, read back by the specifications it is written to; that it boots is the scenario `power`'s to show. */
import { describe, expect, it } from 'vitest';
import { TEST_DISK_SAYS, testDisk } from '../../../qemu-lab/test-disk.ts';

const disk = Buffer.from(testDisk());
const [fatAt, rootAt] = [512, 65 * 512];
const dataAt = rootAt + 512 * 32;
const cluster = (number: number) => disk.subarray(dataAt + (number - 2) * 512).subarray(0, 512);

/** Follows a path of 8.3 names from the root folder. */
function find(...path: string[]): { cluster: number; size: number } {
  let folder = disk.subarray(rootAt, dataAt);
  let found = { cluster: 0, size: 0 };
  for (const name of path) {
    const at = folder.indexOf(name.padEnd(11), 0, 'latin1');
    expect(at % 32, name).toBe(0);
    found = { cluster: folder.readUInt16LE(at + 26), size: folder.readUInt32LE(at + 28) };
    folder = cluster(found.cluster);
  }
  return found;
}

describe('the disk that boots', () => {
  it('has a boot sector that a BIOS starts, with the text in it', () => {
    expect(disk.readUInt16LE(510)).toBe(0xaa55);
    expect(disk.subarray(0, 510).includes(TEST_DISK_SAYS)).toBe(true);
    // No partition table: OVMF would look for file systems in it.
    expect(disk.subarray(446, 510).every((byte) => byte === 0)).toBe(true);
  });

  it.each([
    // lea rsi, [rip + n] after cli and cld; call, pop esi, add esi, n after them; adr x1, n.
    ['BOOTX64 EFI', 0x8664, (code: Buffer) => 9 + code.readUInt32LE(5)],
    ['BOOTIA32EFI', 0x014c, (code: Buffer) => 7 + code.readUInt32LE(10)],
    ['BOOTAA64EFI', 0xaa64, (code: Buffer) => ((code.readUInt32LE(0) >> 5) & 0x7ffff) * 4],
  ] as const)('has %s where UEFI looks for it', (name, processor, textOf) => {
    const file = find('EFI', 'BOOT', name);
    const chain = [file.cluster];
    for (let next = disk.readUInt16LE(fatAt + file.cluster * 2); next < 0xfff0; ) {
      chain.push(next);
      next = disk.readUInt16LE(fatAt + next * 2);
    }
    const bytes = Buffer.concat(chain.map(cluster)).subarray(0, file.size);
    expect(bytes.toString('latin1', 0, 2)).toBe('MZ');
    const pe = bytes.readUInt32LE(0x3c);
    expect(bytes.toString('latin1', pe, pe + 4)).toBe('PE\0\0');
    expect(bytes.readUInt16LE(pe + 4)).toBe(processor);
    const entry = bytes.readUInt32LE(pe + 24 + 16);
    const section = pe + 24 + bytes.readUInt16LE(pe + 20);
    expect(entry).toBe(bytes.readUInt32LE(section + 12));
    const raw = bytes.readUInt32LE(section + 20);
    expect(bytes.subarray(raw).includes(TEST_DISK_SAYS)).toBe(true);
    // The text is where the program looks for it.
    const text = raw + textOf(bytes.subarray(raw));
    expect(bytes.toString('latin1', text, text + 2 + TEST_DISK_SAYS.length)).toBe(
      `\r\n${TEST_DISK_SAYS}`,
    );
  });
});
