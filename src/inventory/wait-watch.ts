/**
 * Notices machines that are stuck: a waiting state whose deadline has passed is marked and gets one `machine.overdue`
 * event, in which the reason and the next step stand. Any change of state ends it.
 */
import type { Database } from 'better-sqlite3';
import type { Hardwarename } from '../wire/ids.ts';
import type { Clock } from '../wire/time.ts';
import type { EventStore } from './event-store.ts';

export interface WaitWatch {
  /** Inside the caller's transaction; a bounded number, the rest at the next look. @returns how many are newly overdue */
  look(): number;
}

const AT_ONCE = 100;

export function openWaitWatch(
  db: Database,
  { clock, events }: { clock: Clock; events: EventStore },
): WaitWatch {
  const late = db.prepare<
    [number, number],
    { hardwarename: Hardwarename; state: string; why: string; next: string; at: number }
  >(
    `SELECT hardwarename, state, state_why AS why, state_next AS next, state_at AS at FROM machines
     WHERE state_deadline > 0 AND overdue = 0 AND state_deadline <= ? ORDER BY state_deadline LIMIT ?`,
  );
  const mark = db.prepare(
    'UPDATE machines SET overdue = 1, version = version + 1 WHERE hardwarename = ?',
  );
  return {
    look() {
      const now = clock();
      const found = late.all(now, AT_ONCE);
      for (const { hardwarename, state, why, next, at } of found) {
        mark.run(hardwarename);
        const data = { state, why, next, sinceMs: now - at };
        events.append({ name: 'machine.overdue', hardwarename, data });
      }
      return found.length;
    },
  };
}
