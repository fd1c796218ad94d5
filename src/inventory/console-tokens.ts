/**
 * Boot tokens in what a machine has printed, found as whoever looks at its terminal could read them: a token opens the machine's
 * script and its report. What is printed is looked at in three ways, and what any of them finds is hidden.
 *
 * - As a stream, without control characters and control sequences (ECMA-48): firmware breaks a line at the width of its terminal,
 *   by a new line or by a jump of the cursor, and begins lines anew with a lone carriage return.
 * - As a screen, where sequences move the cursor: redirection of a BIOS's text screen prints the cells that have changed, with
 *   those of a clock between them, and none that was the same before. Such a screen is looked at so many times; what is painted
 *   into it afterwards is hidden whole.
 * - By pieces of the tokens that were found so: what is painted twice is not painted whole twice.
 *
 * Of a token that is cut (by a gap, or because nothing more was heard) the piece is hidden that is long enough to guess the rest,
 * where it looks like one: plain text is not spoilt. Pure, total, and in linear time.
 */
import { BEFORE_TOKEN_AT_A_BREAK } from '../wire/ids.ts';
import { BREAK, type ConsoleBit, consoleBits, isAside, type SeenLetters } from './console-bits.ts';
import { ConsoleScreen } from './console-screen.ts';

const TOKEN_CHARS = 32;
/** Letters of a token of which the rest can be found by trying: 24 leave 2^48. */
const USABLE_CHARS = 24;
/** After a path, at the end of what was heard: with the piece of 16 that is hidden at the beginning of what follows. */
const CUT_CHARS = 8;
const REST_CHARS = 16;
const RUN_CHARS_MAX = 64;
/** Pieces of known tokens are looked for by blocks of four letters (28 bits): any 7 in a row hold one. */
const PIECE_CHARS = 7;
const STEP = 4;
const KNOWN_MAX = 16;

const BEFORE = new RegExp(BEFORE_TOKEN_AT_A_BREAK, 'g');
const ENCODED_SLASH = /^%2[Ff]$/;
const MIXED = /[a-z].*[A-Z]|[A-Z].*[a-z]/;

type Gaps = Pick<ReadonlySet<number>, 'has'>;

/**
 * @param kept one character for each byte that was kept
 * @param gaps has the places before which something was given up
 * @returns for each place 1 where it is hidden
 */
export function tokenPlaces(kept: string, gaps: Gaps): Uint8Array {
  const hidden = new Uint8Array(kept.length);
  const bits = consoleBits(kept);
  const stream = streamOf(kept, bits, gaps);
  const known = new Set<string>();
  const note = (seen: SeenLetters, from: number, to: number): void => {
    const letters = seen.text.slice(from, to);
    if (letters.length === TOKEN_CHARS && MIXED.test(letters) && known.size < KNOWN_MAX)
      known.add(letters);
  };
  for (const [from, to] of tokensIn(stream)) {
    note(stream, from, to);
    // With what stands between its letters: nothing that is seen does.
    hidden.fill(1, stream.places[from], (stream.places[to - 1] ?? 0) + 1);
  }
  if (bits.some(isAside))
    new ConsoleScreen({
      look: (seen) => {
        for (const [from, to] of tokensIn(seen)) {
          note(seen, from, to);
          hideEach(hidden, seen, from, to);
        }
      },
      unseen: ({ at, text }) => hidden.fill(1, at, at + text.length),
    }).paint(bits);
  if (known.size > 0) hidePieces(hidden, stream, known);
  return hidden;
}

function streamOf(kept: string, bits: readonly ConsoleBit[], gaps: Gaps): SeenLetters {
  const places = new Int32Array(kept.length);
  const breaks = new Uint8Array(kept.length);
  const pieces: string[] = [];
  let count = 0;
  let pending: number = BREAK.none;
  for (const { kind, at, text } of bits) {
    if (gaps.has(at)) pending = BREAK.gap;
    if (kind !== 'text' && kind !== 'string' && kind !== 'glyph') {
      pending = Math.max(pending, kind === 'newline' ? BREAK.newline : BREAK.sequence);
      continue;
    }
    // A glyph is none of a token's letters, and stays what it is here.
    pieces.push(text);
    for (let index = 0; index < text.length; index++, count++) {
      if (gaps.has(at + index)) pending = BREAK.gap;
      places[count] = at + index;
      breaks[count] = pending;
      pending = BREAK.none;
    }
    // The text of an operating system command is shown elsewhere, and ends there.
    if (kind === 'string') pending = BREAK.sequence;
  }
  return { text: pieces.join(''), places, breaks, open: true };
}

function hideEach(hidden: Uint8Array, seen: SeenLetters, from: number, to: number): void {
  for (let index = from; index < to; index++) {
    const place = seen.places[index] ?? -1;
    if (place >= 0) hidden[place] = 1;
  }
}

interface Block {
  readonly token: string;
  readonly start: number;
}

/** Each place of the text is compared with one token at most: no two that are random have a block in common. */
function hidePieces(hidden: Uint8Array, seen: SeenLetters, known: Iterable<string>): void {
  const { text } = seen;
  const blocks = new Map<number, Block>();
  for (const token of known)
    for (let start = 0; start < TOKEN_CHARS; start += STEP) {
      const key = [0, 1, 2, 3].reduce((sum, by) => sum * 128 + token.charCodeAt(start + by), 0);
      if (!blocks.has(key)) blocks.set(key, { token, start });
    }
  let [key, from] = [0, 0];
  for (let to = 1; to <= text.length; to++) {
    key = ((key << 7) | (text.charCodeAt(to - 1) & 0x7f)) & 0xfffffff;
    const block = blocks.get(key);
    // What was compared is not compared again with another block of it.
    if (block && to - STEP >= from) from = hideAround(hidden, seen, to - STEP, block) - STEP + 1;
  }
}

/** @returns where to go on */
function hideAround(hidden: Uint8Array, seen: SeenLetters, at: number, block: Block): number {
  const { text } = seen;
  const { token, start } = block;
  let before = 0;
  while (before < start && text[at - before - 1] === token[start - before - 1]) before += 1;
  let end = 0;
  while (start + end < TOKEN_CHARS && text[at + end] === token[start + end]) end += 1;
  if (before + end < PIECE_CHARS) return at + STEP;
  hideEach(hidden, seen, at - before, at + end);
  return at + end;
}

/** From and to of the letters of each token, or of as much of one as is there. */
function* tokensIn(seen: SeenLetters): Generator<readonly [number, number]> {
  const { text, breaks, open } = seen;
  for (const found of text.matchAll(BEFORE)) {
    if (!isWord(seen, found.index)) continue;
    const from = found.index + found[0].length;
    const length = lettersAfter(seen, from);
    if (length > 0) yield [from, from + length];
  }
  if (!open) return;
  for (let at = 0; at < text.length; at = nextGap(breaks, at + 1, text.length)) {
    const length = longestCut(seen, at, { min: REST_CHARS, end: runEnd(seen, at) });
    if (length > 0) yield [at, at + length];
  }
}

function isWord({ text, breaks }: SeenLetters, at: number): boolean {
  return (
    at === 0 ||
    breaks[at] !== BREAK.none ||
    !isLetter(text, at - 1) ||
    ENCODED_SLASH.test(text.slice(Math.max(0, at - 3), at))
  );
}

function nextGap(breaks: Uint8Array, from: number, end: number): number {
  const found = breaks.indexOf(BREAK.gap, from);
  return found < 0 ? end : found;
}

/** How many letters after a path, or the word of a kernel's command line, are of a token. */
function lettersAfter(seen: SeenLetters, from: number): number {
  const { text, breaks, open } = seen;
  const end = runEnd(seen, from);
  if (isName(seen, end)) return 0;
  const whole = from + TOKEN_CHARS;
  if (end === whole || (end > whole && breaks[whole])) return TOKEN_CHARS;
  if (end > whole) {
    // A letter that was printed twice, at the end of a line and where the cursor went then.
    const jumped = breaks.subarray(from + 1, whole).includes(BREAK.sequence);
    return jumped && MIXED.test(text.slice(from, whole)) ? end - from : 0;
  }
  const cut = open && (end === text.length || breaks[end] === BREAK.gap);
  return longestCut(seen, from, { min: cut ? CUT_CHARS : USABLE_CHARS, end });
}

/** The name of a file has an extension, and a token has none. */
function isName({ text, breaks }: SeenLetters, end: number): boolean {
  return text[end] === '.' && isLetter(text, end + 1) && !breaks[end] && !breaks[end + 1];
}

/** The longest piece that ends where something stands between letters, or with the letters. */
function longestCut(
  { text, breaks }: SeenLetters,
  from: number,
  { min, end }: { readonly min: number; readonly end: number },
): number {
  for (let to = Math.min(end, from + TOKEN_CHARS - 1); to >= from + min; to--)
    if (to === end || breaks[to]) return MIXED.test(text.slice(from, to)) ? to - from : 0;
  return 0;
}

function runEnd({ text, breaks }: SeenLetters, from: number): number {
  let end = from;
  while (end < from + RUN_CHARS_MAX && isLetter(text, end)) {
    if (breaks[end] === BREAK.gap && end > from) break;
    end += 1;
  }
  return end;
}

/** Base64url (RFC 4648, section 5). */
function isLetter(text: string, at: number): boolean {
  const code = text.charCodeAt(at);
  return (
    (code >= 0x61 && code <= 0x7a) ||
    (code >= 0x41 && code <= 0x5a) ||
    (code >= 0x30 && code <= 0x39) ||
    code === 0x2d ||
    code === 0x5f
  );
}
