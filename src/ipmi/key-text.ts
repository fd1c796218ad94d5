/**
 * K_G as people write it: text of at most 20 bytes, or `0x` and 40 hexadecimal digits for a key that is no text (section 13.31).
 * Text that merely begins with `0x` is text.
 */
const HEX = /^0x[0-9a-f]{40}$/i;

export function parseKeyText(text: string): Uint8Array {
  return Uint8Array.from(
    HEX.test(text) ? Buffer.from(text.slice(2), 'hex') : Buffer.from(text, 'utf8'),
  );
}
