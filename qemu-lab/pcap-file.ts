/** Writes classic pcap files, for captures that are cut down to what they prove. */
import type { Frame } from '../src/capture/pcap.ts';

/**
 * @param frames all of one link type; times are kept to the microsecond
 * @param order byte order and resolution, for those who test a reader
 */
export function encodePcap(
  frames: readonly Omit<Frame, 'number'>[],
  { little = true, nanoseconds = false }: { little?: boolean; nanoseconds?: boolean } = {},
): Uint8Array {
  const size = frames.reduce((sum, { bytes }) => sum + 16 + bytes.length, 24);
  const file = new Uint8Array(size);
  const view = new DataView(file.buffer);
  const u32 = (at: number, value: number) => view.setUint32(at, value, little);
  u32(0, nanoseconds ? 0xa1b23c4d : 0xa1b2c3d4);
  view.setUint16(4, 2, little);
  view.setUint16(6, 4, little);
  u32(16, 262_144);
  u32(20, frames[0]?.linkType ?? 1);
  let at = 24;
  for (const { atUs, bytes, lengthBytes } of frames) {
    u32(at, Math.floor(atUs / 1_000_000));
    u32(at + 4, (atUs % 1_000_000) * (nanoseconds ? 1000 : 1));
    u32(at + 8, bytes.length);
    u32(at + 12, lengthBytes);
    file.set(bytes, at + 16);
    at += 16 + bytes.length;
  }
  return file;
}
