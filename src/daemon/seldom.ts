/** Says a trouble that goes on, or that strangers can cause, once in a while: each of them in the log would bury it. */

const SELDOM_MS = 60_000;

export function seldom<Trouble>(
  tell: (trouble: Trouble) => void,
  now: () => number = () => performance.now(),
): (trouble: Trouble) => void {
  let toldAt = Number.NEGATIVE_INFINITY;
  return (trouble) => {
    if (now() - toldAt < SELDOM_MS) return;
    toldAt = now();
    tell(trouble);
  };
}
