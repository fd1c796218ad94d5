/**
 * Two texts without what they have in common: the lines of each that the other does not have, as often. Pure, and in the time of
 * reading both, because it is asked of thousands of machines.
 */

export interface Changed {
  readonly before: string;
  readonly after: string;
}

/** Of texts that differ in nothing but the order of their lines, what is between the first and the last that differ. */
export function changedLines(before: string, after: string): Changed {
  const [was, is] = [before.split('\n'), after.split('\n')];
  const least = Math.min(was.length, is.length);
  let from = 0;
  while (from < least && was[from] === is[from]) from += 1;
  let end = 0;
  while (end < least - from && was.at(-1 - end) === is.at(-1 - end)) end += 1;
  const between = (lines: string[]) => lines.slice(from, lines.length - end);
  const [gone, come] = [between(was), between(is)];
  const [without, within] = [lacking(gone, come), lacking(come, gone)];
  const moved = without.length + within.length === 0;
  const text = (lines: string[]) => lines.join('\n');
  return { before: text(moved ? gone : without), after: text(moved ? come : within) };
}

/** Those lines that `others` does not have, or has less often. */
function lacking(lines: readonly string[], others: readonly string[]): string[] {
  const left = new Map<string, number>();
  for (const line of others) left.set(line, (left.get(line) ?? 0) + 1);
  return lines.filter((line) => {
    const count = left.get(line) ?? 0;
    if (count > 0) left.set(line, count - 1);
    return count === 0;
  });
}
