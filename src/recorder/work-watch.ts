/**
 * Notices work in pxeimage that stands still: its agent, which speaks every ten seconds, has fallen silent, or speaks and says
 * the same. The stall watch does not look at such boots, because a boot that has reported, or that works for a job, has come to
 * its own end; and the job itself waits for minutes. Here it is judged within 90 seconds of its last sign, once; when it goes on
 * after all, what was said of it ends.
 *
 * What is asked of the database each second is a row for each machine at work.
 */
import type { Database } from 'better-sqlite3';
import { limit } from '../limits.ts';
import type { BootId } from '../wire/ids.ts';
import type { Clock } from '../wire/time.ts';
import type { Attempt } from './recorder.ts';
import type { FlightStore } from './store.ts';
import type { Verdicts } from './verdicts.ts';

/** As long as `agent-stuck` waits (rules/agent.ts), which judges it. */
const SILENT_MS = 75_000;
/** A little more than `work-stands-still` wants: the agent's word of it may be ten seconds old. */
const STANDS_MS = 56_000;
/** One that could not be named is looked at again. */
const AGAIN_MS = 5000;

interface Late {
  boot: string;
  progressAt: number;
  movedAt: number;
}

interface Judged {
  /** What it was judged of: another silence is another judgement. */
  readonly of: number;
  readonly named: boolean;
  readonly at: number;
}

export interface WorkWatchParts {
  readonly db: Database;
  readonly clock: Clock;
  readonly verdicts: Verdicts;
  readonly store: Pick<FlightStore, 'endBoot'>;
  readonly attempt: Attempt;
}

/** @returns the look of each second */
export function createWorkWatch(parts: WorkWatchParts): () => void {
  const { db, clock, verdicts, store, attempt } = parts;
  const late = db.prepare<[number, number, number], Late>(
    `SELECT boot, progressAt, movedAt FROM (
       SELECT boot, purpose, progress_at AS progressAt, coalesce(progress ->> 'movedAt', progress_at) AS movedAt
       FROM work_orders WHERE state = 'armed' AND boot IS NOT NULL AND progress_at > 0)
     WHERE progressAt <= ? OR (movedAt <= ? AND purpose <> 'recycle') LIMIT ?`,
  );
  const isAtWork = db.prepare<[string], { one: number }>(
    "SELECT 1 AS one FROM work_orders WHERE boot = ? AND state = 'armed'",
  );
  const judged = new Map<string, Judged>();
  return () => {
    const now = clock();
    const found = late.all(now - SILENT_MS, now - STANDS_MS, limit('listPageMax'));
    for (const { boot, progressAt, movedAt } of found) {
      const of = progressAt <= now - SILENT_MS ? progressAt : movedAt;
      const before = judged.get(boot);
      if (before?.of === of && (before.named || now - before.at < AGAIN_MS)) continue;
      let named = false;
      attempt(`work of boot ${boot}`, () => {
        named = verdicts.judge(boot as BootId);
      });
      judged.set(boot, { of, named, at: now });
    }
    const still = new Set(found.map(({ boot }) => boot));
    for (const boot of judged.keys()) {
      if (still.has(boot)) continue;
      judged.delete(boot);
      // It moves again; of work that has ended, its own last word says how.
      if (isAtWork.get(boot)) attempt(`work of boot ${boot}`, () => store.endBoot(boot));
    }
  };
}
