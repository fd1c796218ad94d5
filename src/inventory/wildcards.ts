/**
 * Whether a text is like a pattern with `*` (anything) and `?` (one character). SQLite's own GLOB goes back to every star of the
 * pattern: four of them and a page of notes keep it busy for hours, and with it the thread that answers DHCP. Here it goes back to the
 * newest alone, which finds the same (whatever an earlier star could take, the newest one can too), so the work is bounded by
 * the two lengths, multiplied. Pure.
 */
import type { Database } from 'better-sqlite3';

export function matchesWildcards(text: string, pattern: string): boolean {
  let [at, next] = [0, 0];
  let [star, from] = [-1, 0];
  while (at < text.length) {
    const wanted = pattern[next];
    if (wanted === '*') {
      star = next++;
      from = at;
    } else if (wanted === '?' || wanted === text[at]) {
      at += 1;
      next += 1;
    } else if (star >= 0) {
      next = star + 1;
      at = ++from;
    } else return false;
  }
  while (pattern[next] === '*') next += 1;
  return next === pattern.length;
}

/** The same as a function of SQL, `wildcards(text, pattern)`: what is not there is like nothing. */
export function addWildcards(db: Database): void {
  db.function('wildcards', { deterministic: true }, (text, pattern) =>
    text !== null && matchesWildcards(String(text), String(pattern)) ? 1 : 0,
  );
}
