/**
 * Whether a text is like a pattern with `*` (anything) and `?` (one character). SQLite's own GLOB goes back to every star of the
 * pattern: four of them and a page of notes keep it busy for hours, and with it the thread that answers DHCP. Here nothing goes back:
 * how much of the pattern may be behind each letter of the text is kept for all ways at once, a bit for each (Shift-And), so that a text
 * costs its length times the words that the pattern's bits fill, whatever is in either. Pure.
 */
import type { Database } from 'better-sqlite3';

export type Wildcards = (text: string) => boolean;

const WORD_BITS = 32;
/** Letters of ASCII are found by their number. */
const PLAIN = 128;
/** Filters of one question have few; what falls out is compiled anew. */
const COMPILED_MAX = 64;

const setBit = (words: Int32Array, bit: number): void => {
  const word = Math.floor(bit / WORD_BITS);
  words[word] = (words[word] ?? 0) | (1 << (bit % WORD_BITS));
};

/** What comparing a text of so many characters costs at most: letters looked at, once for each word of bits. */
export function wildcardWork(charsMax: number, pattern: string): number {
  return charsMax * Math.ceil((pattern.length + 1) / WORD_BITS);
}

export function compileWildcards(pattern: string): Wildcards {
  const wanted = pattern.replaceAll('*', '').split('');
  const size = Math.ceil((wanted.length + 1) / WORD_BITS);
  /** Bit i: a star stands before the i-th letter that is wanted, so that any letter leaves it at that. */
  const stays = new Int32Array(size);
  /** Of each letter, bit i: it may be the i-th that is wanted. */
  const takes = new Map<string, Int32Array>();
  const others = new Int32Array(size);
  for (const letter of new Set(wanted)) takes.set(letter, new Int32Array(size));
  for (const [at, letter] of wanted.entries()) {
    if (letter !== '?') setBit(takes.get(letter) ?? others, at);
    else for (const bits of [others, ...takes.values()]) setBit(bits, at);
  }
  let before = 0;
  for (const letter of pattern.split('')) {
    if (letter === '*') setBit(stays, before);
    else before += 1;
  }
  const plain = Array.from({ length: PLAIN }, (_, code) => {
    return takes.get(String.fromCharCode(code)) ?? others;
  });
  const end = wanted.length;
  return (text) => {
    const ways = new Int32Array(size);
    ways[0] = 1;
    for (let at = 0; at < text.length; at++) {
      const may = plain[text.charCodeAt(at)] ?? takes.get(text[at] ?? '') ?? others;
      let carry = 0;
      let any = 0;
      for (let word = 0; word < size; word++) {
        const now = ways[word] ?? 0;
        const moved = now & (may[word] ?? 0);
        const next = (moved << 1) | carry | (now & (stays[word] ?? 0));
        carry = moved >>> (WORD_BITS - 1);
        ways[word] = next;
        any |= next;
      }
      if (any === 0) return false;
    }
    return (((ways[Math.floor(end / WORD_BITS)] ?? 0) >>> (end % WORD_BITS)) & 1) === 1;
  };
}

/** As a function of SQL, `wildcards(text, pattern)`: what is not there is like nothing. */
export function addWildcards(db: Database): void {
  const compiled = new Map<string, Wildcards>();
  const matcherOf = (pattern: string): Wildcards => {
    const known = compiled.get(pattern);
    if (known) return known;
    if (compiled.size >= COMPILED_MAX) compiled.clear();
    const matcher = compileWildcards(pattern);
    compiled.set(pattern, matcher);
    return matcher;
  };
  db.function('wildcards', { deterministic: true }, (text, pattern) =>
    text !== null && matcherOf(String(pattern))(String(text)) ? 1 : 0,
  );
}
