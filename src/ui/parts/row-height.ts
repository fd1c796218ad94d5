/**
 * How high a row of the board has to be for all of what it says. The list draws only what is on the screen, so heights are known
 * before anything is drawn: words are laid into lines here as the browser will, by letters that are a little wider than its own.
 * Too wide is a blank line; too narrow would cut off what somebody in the aisle has to do next. Pure: a test holds it.
 */

/** In rem: the widest that an average letter is in the text of a row, and in bold. */
const LETTER = 0.52;
const BOLD = 0.57;
/** In rem: a line, and the frame around what is wrong. */
const LINE = 1.3;
const FRAME = 1.1;
/** In rem, with the gap to the next row: a row that has no trouble. */
const PLAIN = { phone: 5, desk: 4.25 };
/** In rem, of the width of the screen: what is not text. */
const BESIDE = { phone: 4.6, desk: 19.5 };
/** Nobody reads more than this while walking; the page of the boot has it all. */
export const LINES_MAX = 6;

/** Lines that a text takes when a line holds so many letters. */
export function linesOf(text: string, lettersMax: number): number {
  let lines = 1;
  let used = 0;
  for (const word of text.split(' ')) {
    if (used > 0 && used + 1 + word.length > lettersMax) {
      lines += 1;
      used = 0;
    }
    used += (used > 0 ? 1 : 0) + word.length;
    // A word that is longer than a line is broken.
    lines += Math.floor(Math.max(0, used - 1) / lettersMax);
    used = used > lettersMax ? ((used - 1) % lettersMax) + 1 : used;
  }
  return Math.min(LINES_MAX, lines);
}

export interface Screen {
  readonly kind: 'phone' | 'desk';
  readonly widthRem: number;
}

/** @returns the height in rem of a row with this trouble, or with none */
export function rowHeights({ kind, widthRem }: Screen) {
  const space = widthRem - BESIDE[kind];
  const [bold, plain] = [Math.floor(space / BOLD), Math.floor(space / LETTER)];
  const known = new Map<string, number>();
  const lines = (text: string, lettersMax: number): number => {
    const found = known.get(text) ?? linesOf(text, lettersMax);
    // Causes are few, and told of many machines.
    if (known.size < 1000) known.set(text, found);
    return found;
  };
  return (trouble: { readonly cause: string; readonly next: string } | undefined): number =>
    trouble === undefined
      ? PLAIN[kind]
      : PLAIN[kind] + FRAME + LINE * (lines(trouble.cause, bold) + lines(trouble.next, plain));
}
