/**
 * A disk that boots under BIOS and UEFI and says so, without an operating system: a FAT16 file system (Microsoft's FAT
 * specification 1.03) whose boot sector has a program for BIOS, and the same program for UEFI as `BOOTX64.EFI` and `BOOTIA32.EFI`
 * in `\EFI\BOOT`. `BOOTAA64.EFI` beside them says the same line on the serial port of QEMU's `virt`, and stays.
 *
 * The program prints a line on the first serial port, then echoes what is typed there; `!` resets the machine as an operating
 * system would, by port 0xcf9. It is assembled here, because that takes fewer lines than a toolchain takes packages. It polls
 * the port with interrupts off, so that OVMF's own console does not take characters away from it.
 */
import { UEFI_PROCESSORS, type UefiProcessor, uefiImage } from './uefi-image.ts';

export const TEST_DISK_SAYS = 'REVEILLE-TEST-DISK';
/** What is typed to make it reset the machine. */
export const TEST_DISK_RESET = '!';

const SECTOR = 512;
const SECTORS = 16_384;
const ROOT_ENTRIES = 512;
const FAT_SECTORS = 64;
const FAT_AT = SECTOR;
const ROOT_AT = FAT_AT + FAT_SECTORS * SECTOR;
const DATA_AT = ROOT_AT + ROOT_ENTRIES * 32;
/** Where the BIOS puts the boot sector, and where its program begins in it. */
const BOOT_AT = 0x7c00;
const PROGRAM_AT = 0x3e;

/** Bytes as they are, a place, or a jump to a place: one byte of opcode, one of distance. */
type Part = readonly number[] | string | { readonly jump: number; readonly to: string };

const ALWAYS = 0xeb;
const IF_ZERO = 0x74;

const TEXT = Buffer.from(`\r\n${TEST_DISK_SAYS}\r\n\0`, 'latin1');

/** The program for a PC: most instructions are the same bytes in 16, 32 and 64 bits. */
function program(bits: 16 | 32 | 64): Uint8Array {
  const setDx = (port: number) => [
    ...(bits === 16 ? [] : [0x66]),
    ...[0xba, port & 0xff, port >> 8],
  ];
  const [readStatus, toData] = [[...setDx(0x3fd), 0xec], setDx(0x3f8)];
  const body = assemble([
    'print',
    // lodsb; test al, al; mov ah, al
    ...[[0xac, 0x84, 0xc0], { jump: IF_ZERO, to: 'listen' }, [0x88, 0xc4]],
    'full',
    ...[readStatus, [0xa8, 0x20], { jump: IF_ZERO, to: 'full' }, toData],
    // mov al, ah; out dx, al
    ...[[0x88, 0xe0, 0xee], { jump: ALWAYS, to: 'print' }],
    'listen',
    ...[readStatus, [0xa8, 0x01], { jump: IF_ZERO, to: 'listen' }, toData],
    // in al, dx; cmp al, '!'
    ...[[0xec, 0x3c, TEST_DISK_RESET.charCodeAt(0)], { jump: IF_ZERO, to: 'reset' }, [0x88, 0xc4]],
    'busy',
    ...[readStatus, [0xa8, 0x20], { jump: IF_ZERO, to: 'busy' }, toData],
    ...[[0x88, 0xe0, 0xee], { jump: ALWAYS, to: 'listen' }],
    'reset',
    // mov al, 6; out dx, al; hlt
    ...[setDx(0xcf9), [0xb0, 0x06, 0xee, 0xf4], { jump: ALWAYS, to: 'reset' }],
  ]);
  // cli; cld; then SI points to the text behind the body: lea rsi, [rip + n]; call, pop esi and add esi, n; or with DS 0, mov si, n.
  const head = [0xfa, 0xfc];
  const distance = (more: number) => [(body.length + more) & 0xff, (body.length + more) >> 8, 0, 0];
  if (bits === 64)
    return Uint8Array.from([...head, 0x48, 0x8d, 0x35, ...distance(0), ...body, ...TEXT]);
  if (bits === 32) {
    const here = [0xe8, 0, 0, 0, 0, 0x5e, 0x81, 0xc6, ...distance(7)];
    return Uint8Array.from([...head, ...here, ...body, ...TEXT]);
  }
  const setDs = [0x31, 0xc0, 0x8e, 0xd8];
  const textAt = BOOT_AT + PROGRAM_AT + head.length + setDs.length + 3 + body.length;
  const movSi = [0xbe, textAt & 0xff, textAt >> 8];
  return Uint8Array.from([...head, ...setDs, ...movSi, ...body, ...TEXT]);
}

/** For ARM64 and the PL011 of QEMU's `virt`, whose flag register has bit 5 set while it can take nothing. */
function armProgram(): Uint8Array {
  const words = [
    0x10000141, // adr x1, text
    0xd2a12002, // mov x2, #0x9000000
    0x38401423, // next: ldrb w3, [x1], #1
    0x340000a3, // cbz w3, stay
    0xb9401844, // full: ldr w4, [x2, #0x18]
    0x372fffe4, // tbnz w4, #5, full
    0xb9000043, // str w3, [x2]
    0x17fffffb, // b next
    0xd503207f, // stay: wfi
    0x17ffffff, // b stay
  ];
  const code = Buffer.alloc(words.length * 4);
  for (const [index, word] of words.entries()) code.writeUInt32LE(word, index * 4);
  return Buffer.concat([code, TEXT]);
}

const PROGRAMS: Readonly<Record<UefiProcessor, () => Uint8Array>> = {
  x64: () => program(64),
  ia32: () => program(32),
  arm64: armProgram,
};

function assemble(parts: readonly Part[]): number[] {
  const places = new Map<string, number>();
  let size = 0;
  for (const part of parts) {
    if (typeof part === 'string') places.set(part, size);
    else size += 'jump' in part ? 2 : part.length;
  }
  const bytes: number[] = [];
  for (const part of parts) {
    if (typeof part === 'string') continue;
    if (!('jump' in part)) bytes.push(...part);
    else bytes.push(part.jump, ((places.get(part.to) ?? 0) - bytes.length - 2) & 0xff);
  }
  return bytes;
}

function bootSector(): Uint8Array {
  const sector = Buffer.alloc(SECTOR);
  sector.set([0xeb, PROGRAM_AT - 2, 0x90]);
  sector.write('REVEILLE', 3, 'latin1');
  sector.writeUInt16LE(SECTOR, 11);
  // One sector in a cluster, one reserved, one FAT.
  sector[13] = 1;
  sector.writeUInt16LE(1, 14);
  sector[16] = 1;
  sector.writeUInt16LE(ROOT_ENTRIES, 17);
  sector.writeUInt16LE(SECTORS, 19);
  sector[21] = 0xf8;
  sector.writeUInt16LE(FAT_SECTORS, 22);
  sector.writeUInt16LE(63, 24);
  sector.writeUInt16LE(255, 26);
  sector[36] = 0x80;
  sector[38] = 0x29;
  sector.write('REVEILLE   FAT16   ', 43, 'latin1');
  sector.set(program(16), PROGRAM_AT);
  sector.writeUInt16LE(0xaa55, 510);
  return sector;
}

const FOLDER = 0x10;
const ARCHIVE = 0x20;

function entry(name: string, file: { kind: number; cluster: number; size: number }): Uint8Array {
  const bytes = Buffer.alloc(32);
  bytes.write(name.padEnd(11), 0, 'latin1');
  bytes[11] = file.kind;
  bytes.writeUInt16LE(file.cluster, 26);
  bytes.writeUInt32LE(file.size, 28);
  return bytes;
}

/** The first sectors of the disk; the rest of it is zeros. */
export function testDisk(): Uint8Array {
  const [efi, boot, first] = [2, 3, 4];
  const programs = UEFI_PROCESSORS.map((processor, index) => ({
    name: { x64: 'BOOTX64 EFI', ia32: 'BOOTIA32EFI', arm64: 'BOOTAA64EFI' }[processor],
    bytes: uefiImage(processor, PROGRAMS[processor]()),
    cluster: first + 2 * index,
  }));
  const disk = Buffer.alloc(DATA_AT + (2 + 2 * programs.length) * SECTOR);
  const folder = (cluster: number) => ({ kind: FOLDER, cluster, size: 0 });
  const put = (cluster: number, bytes: Uint8Array) =>
    disk.set(bytes, DATA_AT + (cluster - 2) * SECTOR);
  disk.set(bootSector());
  // Media and end marks; both folders have one cluster, each program two.
  const chains = programs.flatMap(({ cluster }) => [cluster + 1, 0xffff]);
  for (const [index, next] of [0xfff8, 0xffff, 0xffff, 0xffff, ...chains].entries())
    disk.writeUInt16LE(next, FAT_AT + index * 2);
  disk.set(entry('EFI', folder(efi)), ROOT_AT);
  const dots = (own: number, parent: number) => [
    entry('.', folder(own)),
    entry('..', folder(parent)),
  ];
  put(efi, Buffer.concat([...dots(efi, 0), entry('BOOT', folder(boot))]));
  const files = programs.map(({ name, bytes, cluster }) =>
    entry(name, { kind: ARCHIVE, cluster, size: bytes.length }),
  );
  put(boot, Buffer.concat([...dots(boot, efi), ...files]));
  for (const { cluster, bytes } of programs) put(cluster, bytes);
  return disk;
}
