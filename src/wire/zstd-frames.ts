/**
 * Finds the frames of a zstd file without unpacking anything: RFC 8878 section 3.1.
 *
 * A decompressor is for one frame; Node's stops silently behind the first (v24), while the `zstd` program goes on. A file may
 * have many: `pzstd` and `cat` make them, and skippable ones hold tables of contents. So whoever unpacks with Node cuts the
 * file here. Only headers are read, so a file of gigabytes takes thousands of small reads. The walk is strict: what is no
 * frame, or ends in the middle of one, is an error.
 */

export interface Frame {
  readonly first: number;
  /** Of its last byte. */
  readonly last: number;
}

export interface Readable {
  readonly sizeBytes: number;
  /** Fewer than `count` bytes only at the end. */
  read(offset: number, count: number): Uint8Array;
}

const FRAME = 0xfd2fb528;
const SKIPPABLE = 0x184d2a50;
const MAGIC_BYTES = 4;
const BLOCK_HEADER_BYTES = 3;
const CHECKSUM_BYTES = 4;
const RLE = 1;
const RESERVED = 3;

/** Whether a file that begins with these four bytes is meant to be zstd. */
export function looksLikeZstd(head: Uint8Array): boolean {
  const magic = number(head.subarray(0, MAGIC_BYTES));
  return magic === FRAME || isSkippable(magic);
}

/** In order, without the skippable ones. @throws Error naming the offset of what is no zstd */
export function findFrames(file: Readable): Frame[] {
  const frames: Frame[] = [];
  const take = (offset: number, count: number): number => {
    const bytes = file.read(offset, count);
    if (bytes.length < count) throw new Error(`the file ends in the middle, at byte ${offset}`);
    return number(bytes);
  };
  let at = 0;
  while (at < file.sizeBytes) {
    const magic = take(at, MAGIC_BYTES);
    const first = at;
    if (isSkippable(magic)) at += MAGIC_BYTES + 4 + take(at + MAGIC_BYTES, 4);
    else if (magic === FRAME) {
      at = endOfFrame(at + MAGIC_BYTES, take);
      frames.push({ first, last: at - 1 });
    } else
      throw new Error(`byte ${at} begins neither a zstd frame nor anything that may follow one`);
    if (at > file.sizeBytes) throw new Error(`the frame that begins at byte ${first} is cut off`);
  }
  return frames;
}

/** @param at the frame's header, behind the magic number @returns the offset behind the frame */
function endOfFrame(at: number, take: (offset: number, count: number) => number): number {
  const flags = take(at, 1);
  const single = (flags & 0x20) !== 0;
  const checksumBytes = (flags & 0x04) !== 0 ? CHECKSUM_BYTES : 0;
  const contentSizeBytes = [single ? 1 : 0, 2, 4, 8][flags >> 6] ?? 0;
  const dictionaryBytes = [0, 1, 2, 4][flags & 3] ?? 0;
  let next = at + 1 + (single ? 0 : 1) + dictionaryBytes + contentSizeBytes;
  for (;;) {
    const header = take(next, BLOCK_HEADER_BYTES);
    const type = (header >> 1) & 3;
    if (type === RESERVED) throw new Error(`byte ${next} begins a block of no known type`);
    next += BLOCK_HEADER_BYTES + (type === RLE ? 1 : header >> 3);
    if ((header & 1) !== 0) return next + checksumBytes;
  }
}

function isSkippable(magic: number): boolean {
  return (magic & 0xfffffff0) >>> 0 === SKIPPABLE;
}

/** Little-endian, up to six bytes. */
function number(bytes: Uint8Array): number {
  return bytes.reduceRight((value, byte) => value * 256 + byte, 0);
}
