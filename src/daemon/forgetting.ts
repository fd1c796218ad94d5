/** What grows and is forgotten one day: an hour after the start and hourly, and at once again for as long as there is more. */
import type { Inventory } from '../inventory/inventory.ts';
import type { Log } from '../platform/log.ts';

const EVERY_MS = 3_600_000;
/** Between two slices of a large backlog: others have the main thread meanwhile. */
const PAUSE_MS = 200;

export interface ForgettingParts {
  readonly inventory: Pick<Inventory, 'transactionUnsynced'>;
  readonly log: Log;
  readonly closers: (() => unknown)[];
}

/** @param forget in a transaction, of some milliseconds; returns whether there is more */
export function keepForgetting(
  { inventory, log, closers }: ForgettingParts,
  what: string,
  forget: () => boolean,
): void {
  let timer: NodeJS.Timeout;
  const step = (): void => {
    let more = false;
    try {
      // Lost in a crash, it is done again: nobody waits for the disk.
      more = inventory.transactionUnsynced(forget);
    } catch (err) {
      log.error({ err }, `${what} could not be forgotten`);
    }
    timer = setTimeout(step, more ? PAUSE_MS : EVERY_MS);
  };
  timer = setTimeout(step, EVERY_MS);
  closers.push(() => clearTimeout(timer));
}
