/** The walk over zstd frames, against what Node's compressor makes and what no compressor makes. */
import { zstdCompressSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { findFrames, looksLikeZstd } from '../../../src/wire/zstd-frames.ts';

const framesOf = (file: Uint8Array) =>
  findFrames({
    sizeBytes: file.length,
    read: (offset, count) => file.subarray(offset, offset + count),
  });
const one = zstdCompressSync(Buffer.from('first '.repeat(100_000)));
const two = zstdCompressSync(Buffer.alloc(400_000, 7));
const skippable = Buffer.concat([
  Buffer.from([0x5a, 0x2a, 0x4d, 0x18, 3, 0, 0, 0]),
  Buffer.from('abc'),
]);

describe('frames', () => {
  it('of one compressor are one', () => {
    expect(framesOf(one)).toEqual([{ first: 0, last: one.length - 1 }]);
    expect(looksLikeZstd(one)).toBe(true);
  });
  it('follow one another, skippable ones between them', () => {
    const file = Buffer.concat([skippable, one, skippable, skippable, two, skippable]);
    const begin = skippable.length;
    const next = begin + one.length + 2 * skippable.length;
    expect(framesOf(file)).toEqual([
      { first: begin, last: begin + one.length - 1 },
      { first: next, last: next + two.length - 1 },
    ]);
  });
  it('of every size, level and header are found', () => {
    for (const sizeBytes of [0, 1, 255, 256, 65_791, 65_792, 131_072, 131_073, 1_000_000]) {
      const file = zstdCompressSync(Buffer.alloc(sizeBytes, 'reveille'));
      expect(framesOf(Buffer.concat([file, file])), String(sizeBytes)).toHaveLength(2);
    }
  });
  it('that are cut off anywhere are an error', () => {
    const file = Buffer.concat([zstdCompressSync(Buffer.alloc(300, 1)), skippable]);
    const whole = framesOf(file);
    expect(whole).toHaveLength(1);
    const end = (whole[0]?.last ?? 0) + 1;
    for (let length = 1; length < file.length; length++) {
      if (length === end) continue;
      expect(() => framesOf(file.subarray(0, length)), `${length} bytes`).toThrow();
    }
  });
  it.each([
    ['junk behind a frame', Buffer.concat([one, Buffer.from('junkjunk')]), /begins neither/],
    ['no frame at all', Buffer.from('a tarball'), /byte 0 begins neither/],
    [
      'a block of the reserved type',
      Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0, 0, 7, 0, 0]),
      /no known type/,
    ],
  ])('%s is an error', (_what, file, why) => expect(() => framesOf(file)).toThrow(why));
});
