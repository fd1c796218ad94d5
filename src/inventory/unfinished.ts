/** When each boot last moved that has not reported and is not known to be stalled; read once, and then kept in memory. */
import type { Database } from 'better-sqlite3';
import { limit } from '../limits.ts';
import type { BootId } from '../wire/ids.ts';
import type { Clock, Millis } from '../wire/time.ts';
import type { Kept } from './transactions.ts';

export interface Unfinished {
  all(): ReadonlyMap<BootId, Millis>;
  moved(id: BootId, at: Millis): void;
  ended(id: BootId): void;
  readonly kept: Kept;
  /** It may be any: what is asked for next is read. */
  reread(): void;
}

export function openUnfinished(db: Database, clock: Clock): Unfinished {
  const read = db.prepare<[number], { id: string; last_at: number }>(
    `SELECT id, last_at FROM boots WHERE last_at >= ? AND report_digest IS NULL AND stalled_at IS NULL`,
  );
  let running: Map<BootId, Millis> | undefined;
  /** What was there of those that have changed since the beginning. */
  const before = new Map<BootId, Millis | undefined>();
  /** It was read since then, and may hold what is taken back. */
  let isOfTransaction = false;
  const all = (): Map<BootId, Millis> => {
    if (running) return running;
    isOfTransaction = true;
    const rows = read.all(clock() - limit('bootIdleMs'));
    running = new Map(rows.map((row) => [row.id as BootId, row.last_at as Millis]));
    return running;
  };
  const changing = (id: BootId): Map<BootId, Millis> => {
    const held = all();
    if (!before.has(id)) before.set(id, held.get(id));
    return held;
  };
  const reread = (): void => {
    running = undefined;
    before.clear();
  };
  return {
    all,
    moved: (id, at) => void changing(id).set(id, at),
    ended: (id) => void changing(id).delete(id),
    kept: {
      begin() {
        before.clear();
        isOfTransaction = false;
      },
      settle: () => undefined,
      commit: () => undefined,
      rollback() {
        if (isOfTransaction) running = undefined;
        for (const [id, at] of before) {
          if (at === undefined) running?.delete(id);
          else running?.set(id, at);
        }
        before.clear();
      },
      mark: () => reread,
    },
    reread,
  };
}
