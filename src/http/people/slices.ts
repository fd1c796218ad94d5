/**
 * Runs work that is cut into bounded steps (inventory/machine-query.ts), giving the event loop back between two of them:
 * DHCP, TFTP and DNS answer on the same loop and go first.
 */
import { setImmediate } from 'node:timers/promises';

/** @returns what the last step gave */
export async function finish<Result>(steps: Generator<undefined, Result>): Promise<Result> {
  for (;;) {
    const step = steps.next();
    if (step.done) return step.value;
    await setImmediate();
  }
}

/** Runs one function for each chunk of a list, with the loop given back in between. */
export async function inChunks<Item, Result>(
  items: readonly Item[],
  size: number,
  run: (chunk: readonly Item[]) => readonly Result[] | Promise<readonly Result[]>,
): Promise<Result[]> {
  const results: Result[] = [];
  for (let from = 0; from < items.length; from += size) {
    results.push(...(await run(items.slice(from, from + size))));
    await setImmediate();
  }
  return results;
}
