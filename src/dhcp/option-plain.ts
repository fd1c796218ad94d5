/** The plain shapes that values of DHCP options have, as text. A value that does not have the shape gives `undefined`. */
import { formatIpv4, ipv4FromBytes } from '../wire/ipv4.ts';

export type Reading = (value: Uint8Array) => string | undefined;

export const hex = (value: Uint8Array): string => Buffer.from(value).toString('hex');

/** Printable ASCII as it is, in quotes; every other byte, and what would end the quotes, as `\xNN`. */
export function quoted(value: Uint8Array): string {
  const text = Buffer.from(value).toString('latin1').replace(/\0+$/, '');
  return `"${printable(text)}"`;
}

export function printable(text: string): string {
  return text.replace(
    /[^\x20\x21\x23-\x5b\x5d-\x7e]/g,
    (char) => `\\x${(char.codePointAt(0) ?? 0).toString(16).padStart(2, '0')}`,
  );
}

export const addressList: Reading = (value) =>
  value.length > 0 && value.length % 4 === 0
    ? Array.from({ length: value.length / 4 }, (_, index) =>
        formatIpv4(ipv4FromBytes(value, index * 4)),
      ).join(' ')
    : undefined;

export const number: Reading = (value) =>
  value.length > 0 && value.length <= 6
    ? String(value.reduce((sum, byte) => sum * 256 + byte, 0))
    : undefined;
