/** Addresses as text: what is strict dotted decimal is read, and nothing else. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { formatIpv4, type Ipv4, parseIpv4 } from '../../../src/wire/ipv4.ts';

const OCTET = '(?:0|[1-9][0-9]?|1[0-9]{2}|2[0-4][0-9]|25[0-5])';
const STRICT = new RegExp(`^${OCTET}(?:\\.${OCTET}){3}$`);

it('reads every address as it is written', () => {
  fc.assert(
    fc.property(fc.nat(0xffff_ffff), (address) => {
      expect(parseIpv4(formatIpv4(address as Ipv4))).toBe(address);
    }),
  );
});

it('reads nothing else: no octal, no short forms, no blanks', () => {
  const parts = fc.constantFrom(
    ...['0', '1', '7', '25', '255', '256', '00', '.', '..', ' ', '-', 'a'],
  );
  const texts = fc.array(parts, { maxLength: 12 }).map((words) => words.join(''));
  const dotted = fc
    .array(fc.nat(300).map(String), { maxLength: 5 })
    .map((words) => words.join('.'));
  fc.assert(
    fc.property(fc.oneof(texts, dotted), (text) => {
      expect(parseIpv4(text) !== undefined).toBe(STRICT.test(text));
    }),
    { numRuns: 2000 },
  );
  for (const text of [
    '',
    '1.2.3',
    '1.2.3.4.',
    '.1.2.3',
    '01.2.3.4',
    '1.2.3.256',
    '1.2.3.4\n',
    '١.2.3.4',
  ])
    expect(parseIpv4(text)).toBeUndefined();
});
