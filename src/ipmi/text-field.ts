/**
 * The type/length byte in front of a text in SDRs and FRU areas (FRU specification section 13, IPMI 2.0 section 43.15):
 * Latin-1, 6-bit packed ASCII, BCD plus, or bytes.
 */
import type { Reader } from '../wire/cursor.ts';

const BCD_PLUS = '0123456789 -.???';
/** In FRU areas: no more fields. */
const END_OF_FIELDS = 0xc1;

/** Reads the byte and the text behind it; `undefined` at the end mark. */
export function readTextField(reader: Reader): string | undefined {
  const head = reader.u8();
  if (head === END_OF_FIELDS) return undefined;
  const bytes = reader.take(head & 0x3f);
  switch (head >> 6) {
    case 3:
      return clean(Buffer.from(bytes).toString('latin1'));
    case 2:
      return clean(sixBit(bytes));
    case 1:
      return clean(
        [...bytes].map((byte) => `${BCD_PLUS[byte >> 4]}${BCD_PLUS[byte & 15]}`).join(''),
      );
    default:
      return Buffer.from(bytes).toString('hex');
  }
}

/** Six bits a character, low bits first, from 0x20 on. */
function sixBit(bytes: Uint8Array): string {
  let text = '';
  let bits = 0;
  let value = 0;
  for (const byte of bytes) {
    value |= byte << bits;
    bits += 8;
    while (bits >= 6) {
      text += String.fromCharCode(0x20 + (value & 0x3f));
      value >>= 6;
      bits -= 6;
    }
  }
  return text;
}

/** Vendors pad with spaces and zeros. Control characters would reach a terminal. */
function clean(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is removed
  return text.replace(/[\x00-\x1f\x7f-\x9f]/g, '').trim();
}
