/** The reader that every decoder shares: both byte orders, and what happens at the end of the bytes. */
import { expect, it } from 'vitest';
import { Reader } from '../../../src/wire/cursor.ts';

const bytes = Uint8Array.of(0xf1, 0x02, 0x03, 0x04, 0x05);
const reads = {
  u8: (reader: Reader) => reader.u8(),
  u16: (reader: Reader) => reader.u16(),
  u32: (reader: Reader) => reader.u32(),
  u16Le: (reader: Reader) => reader.u16Le(),
  u32Le: (reader: Reader) => reader.u32Le(),
};

it.each([
  ['u8', 0xf1, 1],
  ['u16', 0xf102, 2],
  ['u32', 0xf1020304, 4],
  ['u16Le', 0x02f1, 2],
  ['u32Le', 0x040302f1, 4],
] as const)('%s reads a number without a sign and goes on behind it', (name, value, length) => {
  const reader = new Reader(bytes);
  expect(reads[name](reader)).toBe(value);
  expect(reader).toMatchObject({ offset: length, failedAt: undefined });
});

it.each([
  ['u16', 0x0500],
  ['u32', 0x0500_0000],
  ['u16Le', 0x05],
  ['u32Le', 0x05],
] as const)('%s past the end reads zeros, and the first overrun is remembered', (name, value) => {
  // In memory that goes on: not one byte of it is read.
  const reader = new Reader(Buffer.from([...bytes, 0xff, 0xff, 0xff]).subarray(0, bytes.length));
  reader.take(4);
  expect(reads[name](reader)).toBe(value);
  expect(reader.u8()).toBe(0);
  expect(reader.rest()).toHaveLength(0);
  expect(reader).toMatchObject({ failedAt: 4, remaining: 0 });
});

it('a view that does not fit is what is left', () => {
  const reader = new Reader(bytes);
  expect([...reader.take(3)]).toEqual([0xf1, 2, 3]);
  expect([...reader.take(3)]).toEqual([4, 5]);
  expect(reader.failedAt).toBe(3);
});
