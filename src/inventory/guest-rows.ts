/** Events of guests that wait for the end of their transaction, to be written many by one statement. */
import type { Database } from 'better-sqlite3';
import type { NewEvent } from '../events.ts';
import type { Clock } from '../wire/time.ts';
import { openManyRows } from './many-rows.ts';

export interface GuestRows {
  /** One that is of a guest (`isOfGuest` in guest-run.ts). */
  add(event: NewEvent): void;
  /** Writes what waits. */
  settle(): void;
  /** The transaction has failed: nothing waits. */
  forget(): void;
}

/** Name, MAC and data. */
const WIDTH = 3;

export function openGuestRows(
  db: Database,
  options: {
    readonly clock: Clock;
    /** Rows with numbers from the first to the last are there. */
    written(first: number, last: number): void;
  },
): GuestRows {
  const insert = openManyRows(db, 'INSERT INTO events (at, name, mac, data)', '(@at, ?, ?, ?)');
  let waiting: (string | null)[] = [];
  return {
    add({ name, mac = null, data }) {
      waiting.push(name, mac, JSON.stringify(data));
    },
    settle() {
      if (waiting.length === 0) return;
      const values = waiting;
      waiting = [];
      const last = insert(values, { at: options.clock() });
      options.written(last - values.length / WIDTH + 1, last);
    },
    forget() {
      waiting = [];
    },
  };
}
