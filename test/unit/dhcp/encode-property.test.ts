import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { OPTION, u8 } from '../../../src/dhcp/options.ts';
import { BOOTREPLY, decodePacket, encodePacket } from '../../../src/dhcp/packet.ts';
import { encodedBytes } from '../../../src/dhcp/packet-options.ts';
import { dhcpPacket, mac } from '../../support/world.ts';

const base = { ...dhcpPacket({ mac: mac('52:54:00:00:00:0a'), type: 2 }), op: BOOTREPLY };
const value = fc.oneof(
  { weight: 8, arbitrary: fc.uint8Array({ maxLength: 60, size: 'max' }) },
  { weight: 2, arbitrary: fc.uint8Array({ minLength: 200, maxLength: 700, size: 'max' }) },
);
const code = fc.integer({ min: 1, max: 254 }).filter((n) => ![52, 53].includes(n));
const reply = fc.record({
  options: fc.array(fc.tuple(code, value), { maxLength: 24, size: 'max' }),
  overload: fc.constantFrom(undefined, 0, 1, 2, 3),
  file: fc.constantFrom('', 'snponly.efi'),
  bytesMax: fc.integer({ min: 548, max: 1472 }),
});

describe('any reply that can be put together', () => {
  it('is written within its bounds, and what is read back was put in, whole', () => {
    fc.assert(
      fc.property(reply, ({ options, overload, file, bytesMax }) => {
        const put = new Map<number, Uint8Array>([...options, [53, u8(2)]]);
        if (overload !== undefined) put.set(OPTION.overload, u8(overload));
        const bytes = encodePacket({ ...base, file, options: put }, bytesMax);
        const relay = put.get(OPTION.relayAgent);
        // A relay's own bytes may go beyond the client's maximum, by themselves and no more.
        const beyond = relay ? 240 + 61 + encodedBytes(relay) : 0;
        expect(bytes.length).toBeGreaterThanOrEqual(300);
        expect(bytes.length).toBeLessThanOrEqual(Math.max(bytesMax, beyond));
        const again = decodePacket(bytes);
        if (!again.ok) throw new Error(`${again.code} at ${again.at}`);
        expect(again.value.file).toBe(file);
        for (const [read, found] of again.value.options) {
          if (read === OPTION.overload) {
            // Used only where it was permitted, and never over a file name.
            expect((found[0] ?? 0) & ~(overload ?? 0)).toBe(0);
            expect(file !== '' && ((found[0] ?? 0) & 1) === 1).toBe(false);
          } else {
            expect(found).toEqual(put.get(read));
          }
        }
        expect(again.value.options.has(OPTION.messageType)).toBe(true);
        if (relay) {
          expect(again.value.options.has(OPTION.relayAgent)).toBe(true);
          const end = bytes.lastIndexOf(255);
          const parts = Math.max(1, Math.ceil(relay.length / 255));
          const last = relay.length === 0 ? 0 : relay.length - (parts - 1) * 255;
          expect(bytes[end - last - 2]).toBe(OPTION.relayAgent);
        }
        const total = [...put].reduce((sum, [n, v]) => sum + (n === 52 ? 0 : encodedBytes(v)), 241);
        if (total <= bytesMax) {
          const all = [...put.keys()].filter((n) => n !== OPTION.overload);
          for (const n of all) expect(again.value.options.has(n)).toBe(true);
        }
      }),
      { numRuns: 400 },
    );
  });
});
