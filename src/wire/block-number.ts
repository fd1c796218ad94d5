/**
 * The 16-bit number that TFTP block `index` carries (1 is the first block, counted in full). What follows 65,535 is not in
 * RFC 1350: nearly every client expects 0, a few 1.
 */
export function blockNumber(index: number, rollover: 0 | 1): number {
  return rollover === 0 || index < 65_536 ? index & 0xffff : ((index - 1) % 65_535) + 1;
}
