/**
 * Code 39 (ISO/IEC 16388), the barcode of older labels: each sign is five bars and four spaces, three of the nine wide, with a
 * narrow space between signs and an asterisk at both ends. It has no check sign, so that whoever uses this reads twice. Pure and
 * total.
 */

/** Bars and spaces by turns; 1 is wide. */
const CODE_39_SIGNS: Readonly<Record<string, string>> = {
  ...{ '0': '000110100', '1': '100100001', '2': '001100001', '3': '101100000', '4': '000110001' },
  ...{ '5': '100110000', '6': '001110000', '7': '000100101', '8': '100100100', '9': '001100100' },
  ...{ A: '100001001', B: '001001001', C: '101001000', D: '000011001', E: '100011000' },
  ...{ F: '001011000', G: '000001101', H: '100001100', I: '001001100', J: '000011100' },
  ...{ K: '100000011', L: '001000011', M: '101000010', N: '000010011', O: '100010010' },
  ...{ P: '001010010', Q: '000000111', R: '100000110', S: '001000110', T: '000010110' },
  ...{ U: '110000001', V: '011000001', W: '111000000', X: '010010001', Y: '110010000' },
  ...{ Z: '011010000', '-': '010000101', '.': '110000100', ' ': '011000100', '*': '010010100' },
  ...{ $: '010101000', '/': '010100010', '+': '010001010', '%': '000101010' },
};

const LETTERS: ReadonlyMap<string, string> = new Map(
  Object.entries(CODE_39_SIGNS).map(([letter, sign]) => [sign, letter]),
);
/** Against the narrow ones of the same sign: labels are printed with two to three. */
const WIDE_MIN = 1.4;
/** White before and after, and the least and the most that a sign may differ from its neighbour. */
const QUIET_MIN = 5;
const STRETCH_MAX = 1.3;

interface Sign {
  readonly letter: string;
  readonly total: number;
  /** The mean of its narrow parts. */
  readonly narrow: number;
}

function signAt(runs: readonly number[], at: number): Sign | undefined {
  const nine = runs.slice(at, at + 9);
  if (nine.length < 9) return undefined;
  const sorted = nine.toSorted((a, b) => b - a);
  const [leastWide = 0, mostNarrow = 0] = [sorted[2], sorted[3]];
  if (mostNarrow <= 0 || leastWide < WIDE_MIN * mostNarrow) return undefined;
  const letter = LETTERS.get(nine.map((run) => (run >= leastWide ? '1' : '0')).join(''));
  if (letter === undefined) return undefined;
  const narrow = sorted.slice(3).reduce((sum, run) => sum + run, 0) / 6;
  return { letter, total: nine.reduce((sum, run) => sum + run, 0), narrow };
}

/** The first text that stands in these lengths from left to right; the first length is light. */
export function readCode39(runs: readonly number[]): string | undefined {
  for (let at = 1; at < runs.length - 9; at += 2) {
    const start = signAt(runs, at);
    if (start?.letter !== '*' || (runs[at - 1] ?? 0) < QUIET_MIN * start.narrow) continue;
    const text = readFrom(runs, at + 10, start);
    if (text !== undefined && text !== '') return text;
  }
  return undefined;
}

function readFrom(runs: readonly number[], from: number, start: Sign): string | undefined {
  let text = '';
  let last = start;
  for (let at = from; at < runs.length; at += 10) {
    const gap = runs[at - 1] ?? 0;
    const sign = signAt(runs, at);
    if (!sign || gap > 4 * last.narrow) return undefined;
    const stretch = sign.total / last.total;
    if (stretch > STRETCH_MAX || stretch < 1 / STRETCH_MAX) return undefined;
    last = sign;
    if (sign.letter !== '*') text += sign.letter;
    else return (runs[at + 9] ?? 0) >= QUIET_MIN * sign.narrow ? text : undefined;
  }
  return undefined;
}
