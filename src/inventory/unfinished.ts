/** When each boot last moved that has not reported and is not known to be stalled; read once, and then kept in memory. */
import type { Database } from 'better-sqlite3';
import { limit } from '../limits.ts';
import type { BootId } from '../wire/ids.ts';
import type { Clock, Millis } from '../wire/time.ts';

export interface Unfinished {
  all(): ReadonlyMap<BootId, Millis>;
  moved(id: BootId, at: Millis): void;
  ended(id: BootId): void;
  /** It may be any: what is asked for next is read. */
  reread(): void;
}

export function openUnfinished(db: Database, clock: Clock): Unfinished {
  const read = db.prepare<[number], { id: string; last_at: number }>(
    `SELECT id, last_at FROM boots WHERE last_at >= ? AND report_digest IS NULL AND stalled_at IS NULL`,
  );
  let running: Map<BootId, Millis> | undefined;
  const all = (): Map<BootId, Millis> => {
    running ??= new Map(
      read
        .all(clock() - limit('bootIdleMs'))
        .map((row) => [row.id as BootId, row.last_at as Millis]),
    );
    return running;
  };
  return {
    all,
    moved: (id, at) => void all().set(id, at),
    ended: (id) => void all().delete(id),
    reread() {
      running = undefined;
    },
  };
}
