/** The decoder against one that is as plain as RFC 2132 and RFC 3396 read: each value copied into a map as it is met. */
import { readdirSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodePacket } from '../../../src/dhcp/packet.ts';
import { mutate, random } from '../../support/mutate.ts';
import { udpDatagrams } from '../../support/pcap.ts';

const MAIN_AT = 240;
const FILE = [108, 236] as const;
const SNAME = [44, 108] as const;

type Read =
  | { readonly ok: true; readonly options: Map<number, number[]> }
  | { readonly ok: false; readonly code: string; readonly at: number };

/** What comes behind a header that is one. */
function plainly(bytes: Uint8Array): Read {
  const options = new Map<number, number[]>();
  const read = (from: number, to: number): { code: string; at: number } | undefined => {
    for (let at = from; at < to; ) {
      const code = bytes[at] as number;
      if (code === 255) return undefined;
      if (code === 0) {
        at += 1;
        continue;
      }
      if (at + 1 >= to) return { code: 'option-overruns', at };
      const end = at + 2 + (bytes[at + 1] as number);
      if (end > to) return { code: 'option-overruns', at };
      options.set(code, [...(options.get(code) ?? []), ...bytes.slice(at + 2, end)]);
      at = end;
    }
    return from === MAIN_AT ? undefined : { code: 'no-end-option', at: to };
  };
  let fault = read(MAIN_AT, bytes.length);
  const overload = options.get(52)?.[0] ?? 0;
  if (!fault && overload & 1) fault = read(...FILE);
  if (!fault && overload & 2) fault = read(...SNAME);
  return fault ? { ok: false, ...fault } : { ok: true, options };
}

/** @returns whether it was a packet */
function checkAlike(bytes: Uint8Array): boolean {
  const kept = Uint8Array.from(bytes);
  const packet = decodePacket(bytes);
  const expected = plainly(bytes);
  if (!packet.ok) {
    expect({ ...packet }).toEqual(expected);
    return false;
  }
  const { options, chaddr } = packet.value;
  if (!expected.ok) throw new Error(`decoded what is ${expected.code} at ${expected.at}`);
  const codes = [...expected.options.keys()];
  const found = [...options].map(([code, value]) => [code, [...value]]);
  expect(found).toEqual([...expected.options]);
  expect([...options.keys()]).toEqual(codes);
  expect([...options.values()].map((value) => [...value])).toEqual([...expected.options.values()]);
  expect(options.size).toBe(codes.length);
  const visited: number[] = [];
  options.forEach((_, code) => {
    visited.push(code);
  });
  expect(visited).toEqual(codes);
  for (let code = 0; code < 256; code++) {
    const value = options.get(code);
    expect(options.has(code)).toBe(value !== undefined);
    expect(value && [...value]).toEqual(expected.options.get(code));
  }
  expect([...chaddr]).toEqual([...kept.subarray(28, 44)]);
  expect(bytes).toEqual(kept);
  return true;
}

/** As it comes from a socket: within a larger buffer. */
function within(bytes: Uint8Array): Uint8Array {
  const buffer = new Uint8Array(bytes.length + 64).fill(53);
  buffer.set(bytes, 24);
  return buffer.subarray(24, 24 + bytes.length);
}

function headed(options: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(MAIN_AT + options.length);
  bytes.set([1, 1, 6, 0]);
  bytes.set([0x63, 0x82, 0x53, 0x63], MAIN_AT - 4);
  bytes.set(options, MAIN_AT);
  return within(bytes);
}

const CODES = [0, 1, 3, 43, 52, 53, 55, 61, 82, 255];
const code = fc.oneof(fc.constantFrom(...CODES), fc.integer({ min: 0, max: 255 }));
const option = fc
  .tuple(code, fc.array(fc.integer({ min: 0, max: 255 }), { maxLength: 12 }))
  .map(([which, value]) =>
    which === 0 || which === 255 ? [which] : [which, value.length, ...value],
  );
const field = fc.array(option, { maxLength: 12 }).map((all) => all.flat());

describe('options of any packet', () => {
  it('are what a plain reading finds, or the same fault at the same byte', () => {
    let [whole, faulty] = [0, 0];
    fc.assert(
      fc.property(
        fc.record({
          main: field,
          file: field,
          sname: field,
          overload: fc.integer({ min: 0, max: 3 }),
        }),
        fc.nat({ max: 40 }),
        ({ main, file, sname, overload }, cut) => {
          const options = overload === 0 ? main : [52, 1, overload, ...main];
          const bytes = headed(cut > 20 ? options : options.slice(0, options.length - cut));
          bytes.set(file.slice(0, FILE[1] - FILE[0]), FILE[0]);
          bytes.set(sname.slice(0, SNAME[1] - SNAME[0]), SNAME[0]);
          if (checkAlike(bytes)) whole += 1;
          else faulty += 1;
        },
      ),
      { numRuns: 2000 },
    );
    expect(whole).toBeGreaterThan(200);
    expect(faulty).toBeGreaterThan(100);
  });

  it('are so in mutated packets of real clients', () => {
    const packets = readdirSync('test/fixtures/dhcp')
      .filter((name) => name.endsWith('.pcap'))
      .flatMap((name) => udpDatagrams(`test/fixtures/dhcp/${name}`))
      .filter(({ destinationPort }) => destinationPort === 67 || destinationPort === 68);
    const pick = random(20_261_122);
    let whole = 0;
    for (let run = 0; run < 2000; run++) {
      const bytes = mutate(packets[pick(packets.length)]?.payload ?? new Uint8Array(), pick);
      if (bytes.length < MAIN_AT) continue;
      // The header is another test's.
      bytes.set([1, 1, 6]);
      bytes.set([0x63, 0x82, 0x53, 0x63], MAIN_AT - 4);
      if (checkAlike(within(bytes))) whole += 1;
    }
    expect(whole).toBeGreaterThan(200);
  });

  it('keep to their order with all codes there are, and with one too many', () => {
    const codes = Array.from({ length: 254 }, (_, index) => 254 - index);
    // Without a bit of option 52: that would open other fields.
    const all = codes.flatMap((code) => [code, 1, code === 52 ? 0 : code]);
    expect(checkAlike(headed(all))).toBe(true);
    expect(checkAlike(headed([...all, 7, 2, 8, 9]))).toBe(true);
  });
});
