/**
 * A line of a picture as the lengths of its light and dark stretches: what a hand scanner's single diode sees. The border between
 * light and dark follows the neighbourhood, so that a shadow across a label is no bar, and edges are placed between pixels where
 * the brightness crosses it: a phone that is held far away leaves two pixels for a bar. Pure.
 */

const BLOCK = 16;
/** To either side: wide enough for the widest bar beside the widest space of a label that fills the picture. */
const REACH = 3;
/** Less contrast than this is paper, or noise. */
const CONTRAST_MIN = 24;

/** Halfway between the darkest and the lightest of each neighbourhood; of flat ones, the same of the whole line. */
function borders(luma: ArrayLike<number>): Float32Array {
  const blocks = Math.ceil(luma.length / BLOCK);
  const least = new Float32Array(blocks).fill(255);
  const most = new Float32Array(blocks);
  for (let x = 0; x < luma.length; x++) {
    const block = Math.floor(x / BLOCK);
    const value = luma[x] ?? 0;
    if (value < (least[block] ?? 0)) least[block] = value;
    if (value > (most[block] ?? 0)) most[block] = value;
  }
  const whole = (Math.min(...least) + Math.max(...most)) / 2;
  return Float32Array.from({ length: blocks }, (_, block) => {
    const from = Math.max(0, block - REACH);
    const to = block + REACH + 1;
    const low = Math.min(...least.subarray(from, to));
    const high = Math.max(...most.subarray(from, to));
    return high - low < CONTRAST_MIN ? whole : (low + high) / 2;
  });
}

/** Lengths in pixels, by turns light and dark; the first is light, and 0 where the line begins dark. */
export function runsOf(luma: ArrayLike<number>): number[] {
  const border = borders(luma);
  const above = (x: number) => (luma[x] ?? 0) - (border[Math.floor(x / BLOCK)] ?? 0);
  const runs: number[] = [];
  let from = 0;
  let isLight = true;
  for (let x = 0; x < luma.length; x++) {
    const now = above(x);
    if (now >= 0 === isLight) continue;
    const before = x === 0 ? now : above(x - 1);
    const edge = x === 0 ? 0 : x - now / (now - before || 1);
    runs.push(Math.max(0, edge - from));
    from = edge;
    isLight = !isLight;
  }
  runs.push(luma.length - from);
  return runs;
}
