/** The checksum of IPv4, ICMP and UDP (RFC 1071), in two steps: what a pseudo header adds comes between them. */

/** The 16-bit words from one place to before another, the last byte of an odd number as if a zero followed (RFC 1071). */
export function sumOfWords(bytes: Uint8Array, from: number, to: number): number {
  let sum = 0;
  for (let at = from; at < to - 1; at += 2) sum += ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
  return (to - from) % 2 === 0 ? sum : sum + ((bytes[to - 1] ?? 0) << 8);
}

/** The checksum that belongs to a sum of words: its complement, in one's complement of 16 bits. */
export function complement(sum: number): number {
  let folded = sum;
  while (folded > 0xffff) folded = (folded & 0xffff) + (folded >>> 16);
  return ~folded & 0xffff;
}
