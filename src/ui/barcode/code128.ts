/**
 * Code 128 (ISO/IEC 15417), the barcode of most serial labels: each sign is three bars and three spaces of one to four modules,
 * eleven in all; a check sign follows the text. What fails the check is not read. Pure and total: any list of lengths is welcome.
 *
 * Signs are told apart by the distances between edges of the same kind, as the standard's own procedure does, because ink that
 * has spread makes every bar wider and every space narrower and leaves those distances as they are.
 */

/** Widths of the signs 0 to 106, bar first; the last is the stop, whose final bar of two modules is not here. */
export const CODE_128_WIDTHS: readonly string[] = (
  '212222 222122 222221 121223 121322 131222 122213 122312 132212 221213 221312 231212 112232 122132 122231 113222 ' +
  '123122 123221 223211 221132 221231 213212 223112 312131 311222 321122 321221 312212 322112 322211 212123 212321 ' +
  '232121 111323 131123 131321 112313 132113 132311 211313 231113 231311 112133 112331 132131 113123 113321 133121 ' +
  '313121 211331 231131 213113 213311 213131 311123 311321 331121 312113 312311 332111 314111 221411 431111 111224 ' +
  '111422 121124 121421 141122 141221 112214 112412 122114 122411 142112 142211 241211 221114 413111 241112 134111 ' +
  '111242 121142 121241 114212 124112 124211 411212 421112 421211 212141 214121 412121 111143 111341 131141 114113 ' +
  '114311 411113 411311 113141 114131 311141 411131 211412 211214 211232 233111'
).split(' ');

const SIGNS = CODE_128_WIDTHS.map((text) => [...text].map(Number));
const MODULES = 11;
const START_A = 103;
const STOP = 106;
/** White before the first and after the last bar, in modules; the standard asks for ten, labels are cut closer. */
const QUIET_MIN = 5;
/** Sum of what the edges may be off, in modules. */
const OFF_MAX = 2.2;
/** How much wider or narrower a sign may be than the one before: a label is bent, or seen from the side. */
const STRETCH_MAX = 1.3;

/** The sign that six lengths are nearest to, or undefined where none is near. */
function signAt(runs: readonly number[], at: number): { sign: number; total: number } | undefined {
  const six = runs.slice(at, at + 6);
  const total = six.reduce((sum, run) => sum + run, 0);
  if (six.length < 6 || total <= 0) return undefined;
  const widths = six.map((run) => (run * MODULES) / total);
  let best = OFF_MAX;
  let sign = -1;
  SIGNS.forEach((pattern, index) => {
    let off = 0;
    for (let k = 0; k < 6 && off < best; k++) {
      const [width = 0, next = 0] = [widths[k], widths[k + 1]];
      const [wanted = 0, wantedNext = 0] = [pattern[k], pattern[k + 1]];
      off += 0.3 * Math.abs(width - wanted);
      if (k < 5) off += Math.abs(width + next - wanted - wantedNext);
    }
    if (off >= best) return;
    best = off;
    sign = index;
  });
  return sign < 0 ? undefined : { sign, total };
}

/** The first text that stands in these lengths from left to right; the first length is light. */
export function readCode128(runs: readonly number[]): string | undefined {
  for (let at = 1; at < runs.length - 6; at += 2) {
    const start = signAt(runs, at);
    if (!start || start.sign < START_A || start.sign >= STOP) continue;
    if ((runs[at - 1] ?? 0) < (QUIET_MIN * start.total) / MODULES) continue;
    const text = readFrom(runs, at);
    if (text !== undefined) return text;
  }
  return undefined;
}

function readFrom(runs: readonly number[], from: number): string | undefined {
  const signs: number[] = [];
  let last = 0;
  for (let at = from; at < runs.length; at += 6) {
    const found = signAt(runs, at);
    if (!found) return undefined;
    const stretch = last === 0 ? 1 : found.total / last;
    if (stretch > STRETCH_MAX || stretch < 1 / STRETCH_MAX) return undefined;
    last = found.total;
    if (found.sign !== STOP) signs.push(found.sign);
    else return ends(runs, at + 6, last / MODULES) ? textOf(signs) : undefined;
  }
  return undefined;
}

/** The stop's last bar, and white behind it. */
function ends(runs: readonly number[], at: number, module: number): boolean {
  const bar = (runs[at] ?? 0) / module;
  return bar > 1.2 && bar < 2.9 && (runs[at + 1] ?? 0) >= QUIET_MIN * module;
}

const SETS = ['A', 'B', 'C'] as const;

/** @param signs from the start to the check sign; undefined where the check fails */
function textOf(signs: readonly number[]): string | undefined {
  const [start = 0, ...rest] = signs;
  const check = rest.pop();
  const sum = rest.reduce((total, sign, index) => total + sign * (index + 1), start);
  if (rest.length === 0 || check !== sum % START_A) return undefined;
  let set = SETS[start - START_A] ?? 'B';
  let shifted: typeof set | undefined;
  let text = '';
  for (const sign of rest) {
    const now = shifted ?? set;
    shifted = undefined;
    if (now === 'C' && sign < 100) text += String(sign).padStart(2, '0');
    else if (now !== 'C' && sign < 96) text += letter(sign, now);
    else if (sign === 98) shifted = now === 'A' ? 'B' : 'A';
    else if (sign === 99) set = 'C';
    else if (sign === 100 && now !== 'B') set = 'B';
    else if (sign === 101 && now !== 'A') set = 'A';
    // The others are functions for the reader, and no part of the text.
  }
  return text;
}

/** Set A has control characters where B has small letters; no serial has any, so they are left out. */
const letter = (sign: number, set: 'A' | 'B'): string =>
  set === 'A' && sign >= 64 ? '' : String.fromCharCode(32 + sign);
