/**
 * What jobs have done lately: how many succeeded, how long they and their steps took, which BMCs made trouble, and from that
 * how long a step usually takes.
 *
 * A group is a kind on a type of hardware (or on all of them), and each of its steps. Each is made from its own newest
 * entries within a window of time, so that a kind that is run a thousand times a day does not drive out one that is run once.
 * A group is read again only when a job of it has got somewhere, and then from an index that holds nothing else: whoever
 * looks at the board pays for what has changed, however long the history is.
 */
import type { Database } from 'better-sqlite3';
import { limit } from '../limits.ts';
import type { Clock, Millis } from '../wire/time.ts';
import type { Job } from './store.ts';
import { type BmcTrouble, openTrouble } from './trouble.ts';

export interface Durations {
  readonly count: number;
  readonly p50Ms: number;
  readonly p90Ms: number;
  readonly p99Ms: number;
}

export interface KindStats {
  readonly action: string;
  /** '' for all of them. */
  readonly hardwareType: string;
  readonly finished: number;
  readonly failed: number;
  readonly cancelled: number;
  /** Finished of those that finished or failed, 0 to 1. */
  readonly successRate: number;
  /** Of those that finished. */
  readonly duration: Durations;
}

export interface StepStats {
  readonly action: string;
  readonly hardwareType: string;
  readonly step: string;
  readonly duration: Durations;
}

export interface StatsDocument {
  /** What is older, or further back than so many entries of its group, is not counted. */
  readonly window: { readonly days: number; readonly newest: number };
  readonly kinds: readonly KindStats[];
  readonly steps: readonly StepStats[];
  readonly failures: readonly { readonly code: string; readonly jobs: number }[];
  readonly worstBmcs: readonly BmcTrouble[];
}

export interface JobStats {
  read(): StatsDocument;
  /** How long this step usually takes on this type of hardware, else on any; `undefined` without history. */
  medianMs(kind: string, step: string, hardwareType: string): number | undefined;
  /** The same of whichever of these kinds has the most to say of such a step. */
  medianOfAnyMs(kinds: readonly string[], step: string): number | undefined;
  /** A step of this job, or the job itself, has come to an end. */
  touched(job: Pick<Job, 'kind' | 'hardwareType'>): void;
}

const DAY_MS = 86_400_000;
/** A group that nothing happened to is read again after this long, because its window moves. */
const OLD_MS = 600_000;
/** Times of one type of hardware are believed from here on; before, those of all types are the better guess. */
const ENOUGH = 3;

interface Group {
  readonly kind: KindStats;
  readonly steps: ReadonlyMap<string, Durations>;
  readonly readAt: Millis;
}

export function openJobStats(db: Database, clock: Clock): JobStats {
  const sql = prepare(db);
  const groups = new Map<string, Group>();
  const trouble = openTrouble(db);
  const count = limit('jobHistoryMax');
  const cutoff = (): number => clock() - limit('jobStatsMs');

  const readGroup = (action: string, hardwareType: string): Group => {
    const asked = { kind: action, type: hardwareType, cutoff: cutoff(), count };
    const all = hardwareType === '';
    const ended = all ? sql.endedOfAll.all(asked) : sql.ended.all(asked);
    const steps = new Map<string, Durations>();
    const names = all ? sql.stepNamesOfAll.all(asked) : sql.stepNames.all(asked);
    for (const { step } of names) {
      const wanted = { ...asked, step };
      const rows = all ? sql.timesOfAll.all(wanted) : sql.times.all(wanted);
      if (rows.length > 0) steps.set(step, durationsOf(rows.map((row) => row.duration_ms)));
    }
    return { kind: kindOf(action, hardwareType, ended), steps, readAt: clock() };
  };
  const group = (action: string, hardwareType: string): Group => {
    const key = `${action}/${hardwareType}`;
    const known = groups.get(key);
    if (known && clock() - known.readAt < OLD_MS) return known;
    const made = readGroup(action, hardwareType);
    groups.set(key, made);
    return made;
  };

  return {
    read() {
      const all = sql.groups
        .all()
        .flatMap(({ kind, hardware_type }) =>
          [...new Set(['', hardware_type])].map((type) => [kind, type] as const),
        );
      const keys = new Map(all.map(([kind, type]) => [`${kind}/${type}`, [kind, type] as const]));
      const found = [...keys.values()].map(([kind, type]) => group(kind, type));
      return {
        window: { days: limit('jobStatsMs') / DAY_MS, newest: count },
        kinds: found
          .map(({ kind }) => kind)
          .filter(({ finished, failed, cancelled }) => finished + failed + cancelled > 0),
        steps: found.flatMap(({ kind: { action, hardwareType }, steps }) =>
          [...steps].map(([step, duration]) => ({ action, hardwareType, step, duration })),
        ),
        ...trouble.read(cutoff()),
      };
    },
    medianMs(kind, step, hardwareType) {
      const own = hardwareType === '' ? undefined : group(kind, hardwareType).steps.get(step);
      if (own && own.count >= ENOUGH) return own.p50Ms;
      return (group(kind, '').steps.get(step) ?? own)?.p50Ms;
    },
    medianOfAnyMs(kinds, step) {
      const known = kinds.flatMap((kind) => group(kind, '').steps.get(step) ?? []);
      return known.sort((a, b) => b.count - a.count)[0]?.p50Ms;
    },
    touched({ kind, hardwareType }) {
      for (const type of ['', hardwareType]) groups.delete(`${kind}/${type}`);
      trouble.touched();
    },
  };
}

interface EndedRow {
  status: string;
  duration_ms: number;
}

function kindOf(action: string, hardwareType: string, rows: readonly EndedRow[]): KindStats {
  const count = (status: string) => rows.filter((row) => row.status === status).length;
  const [finished, failed, cancelled] = [count('finished'), count('failed'), count('cancelled')];
  const done = rows.filter(({ status }) => status === 'finished');
  return {
    ...{ action, hardwareType, finished, failed, cancelled },
    successRate: finished + failed === 0 ? 1 : finished / (finished + failed),
    duration: durationsOf(done.map(({ duration_ms }) => duration_ms)),
  };
}

/** Nearest rank. */
export function durationsOf(times: readonly number[]): Durations {
  const sorted = Float64Array.from(times).sort();
  const rank = (share: number) => sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? 0;
  return { count: sorted.length, p50Ms: rank(0.5), p90Ms: rank(0.9), p99Ms: rank(0.99) };
}

interface Asked {
  kind: string;
  type: string;
  cutoff: number;
  count: number;
}

/** One name after the other, each found by one search of the index: a list of all that there are would read all of it. */
const loose = (index: string, from: string, column: string) =>
  `WITH RECURSIVE names (name) AS (
     SELECT min(${column}) FROM ${index} WHERE ${from}
     UNION ALL
     SELECT (SELECT min(${column}) FROM ${index} WHERE ${from} AND ${column} > name)
     FROM names WHERE name IS NOT NULL)
   SELECT name AS step FROM names WHERE name IS NOT NULL`;

function prepare(db: Database) {
  const ended = (where: string) =>
    db.prepare<[Asked], EndedRow>(
      `SELECT status, ended_at - iif(started_at = 0, created_at, started_at) AS duration_ms FROM jobs
       WHERE ended_at > 0 AND ended_at > $cutoff AND ${where} ORDER BY ended_at DESC LIMIT $count`,
    );
  const times = (where: string) =>
    db.prepare<[Asked & { step: string }], { duration_ms: number }>(
      `SELECT duration_ms FROM job_steps WHERE ${where} AND step = $step AND at > $cutoff
       ORDER BY at DESC LIMIT $count`,
    );
  const names = (where: string) =>
    db.prepare<[Asked], { step: string }>(loose('job_steps', where, 'step'));
  const [ofAll, ofType] = ['kind = $kind', 'kind = $kind AND hardware_type = $type'];
  return {
    endedOfAll: ended(ofAll),
    ended: ended(ofType),
    timesOfAll: times(ofAll),
    times: times(ofType),
    stepNamesOfAll: names(ofAll),
    stepNames: names(ofType),
    /** The same way, over pairs. */
    groups: db.prepare<[], { kind: string; hardware_type: string }>(
      `WITH RECURSIVE pairs (kind, type) AS (
         SELECT kind, hardware_type FROM
           (SELECT kind, hardware_type FROM jobs WHERE ended_at > 0 ORDER BY kind, hardware_type LIMIT 1)
         UNION ALL
         SELECT next.kind, next.hardware_type FROM pairs JOIN jobs AS next ON next.number =
           (SELECT number FROM jobs WHERE ended_at > 0
              AND (kind, hardware_type) > (pairs.kind, pairs.type)
            ORDER BY kind, hardware_type LIMIT 1))
       SELECT kind, type AS hardware_type FROM pairs`,
    ),
  };
}
