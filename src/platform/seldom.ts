/** Says a trouble that goes on, or that strangers can cause, once in a while: each of them in the log would bury it. */

import type { Log } from './log.ts';

const SELDOM_MS = 60_000;

/** @param tell is given how many there were since it was told last, beside this one, of which nothing was said */
export function seldom<Trouble>(
  tell: (trouble: Trouble, unsaid: number) => void,
  now: () => number = () => performance.now(),
): (trouble: Trouble) => void {
  let toldAt = Number.NEGATIVE_INFINITY;
  let unsaid = 0;
  return (trouble) => {
    if (now() - toldAt < SELDOM_MS) {
      unsaid += 1;
      return;
    }
    toldAt = now();
    const before = unsaid;
    unsaid = 0;
    tell(trouble, before);
  };
}

/**
 * For what may fail with each packet: of each message one error a minute, which says how many there were meanwhile (`unsaid`).
 * Messages are words of the program, and so few.
 */
export function seldomErrors(
  log: Pick<Log, 'error'>,
  now?: () => number,
): (fields: object, message: string) => void {
  const tellers = new Map<string, (fields: object) => void>();
  return (fields, message) => {
    let tell = tellers.get(message);
    if (!tell) {
      tell = seldom((first: object, unsaid) => {
        log.error(unsaid > 0 ? { ...first, unsaid } : first, message);
      }, now);
      tellers.set(message, tell);
    }
    tell(fields);
  };
}
