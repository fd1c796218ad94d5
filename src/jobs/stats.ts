/**
 * What jobs have done so far: how many succeeded, how long they and their steps took, which BMCs made trouble, and from
 * that how long a step usually takes. Read from the newest jobs of each kind, a bounded number of them.
 */
import type { Database } from 'better-sqlite3';
import { limit } from '../limits.ts';
import type { Clock } from '../wire/time.ts';

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
  readonly duration: Durations;
}

export interface StepStats {
  readonly action: string;
  readonly hardwareType: string;
  readonly step: string;
  readonly duration: Durations;
}

export interface BmcTrouble {
  readonly bmc: string;
  readonly target: string;
  readonly jobs: number;
  readonly failed: number;
  readonly retries: number;
  readonly code: string;
}

export interface StatsDocument {
  readonly kinds: readonly KindStats[];
  readonly steps: readonly StepStats[];
  readonly failures: readonly { readonly code: string; readonly jobs: number }[];
  readonly worstBmcs: readonly BmcTrouble[];
}

export interface JobStats {
  read(): StatsDocument;
  /** How long this step usually takes on this type of hardware, else on any; `undefined` without history. */
  medianMs(kind: string, step: string, hardwareType: string): number | undefined;
}

const WORST_BMCS = 10;
/** Estimates may be this old: they are asked for with each look at a job. */
const ESTIMATE_AGE_MS = 30_000;

export function openJobStats(db: Database, clock: Clock): JobStats {
  const sql = prepare(db);
  let medians = new Map<string, number>();
  let readAt = 0;
  const refresh = (): void => {
    if (clock() - readAt < ESTIMATE_AGE_MS && readAt > 0) return;
    readAt = clock();
    medians = new Map();
    for (const { action, step, hardwareType, duration } of stepStats(sql))
      medians.set(`${action}/${step}/${hardwareType}`, duration.p50Ms);
  };
  return {
    read: () => ({
      kinds: kindStats(sql),
      steps: stepStats(sql),
      failures: sql.failures.all(limit('jobHistoryMax')),
      worstBmcs: sql.worst.all(limit('jobHistoryMax'), WORST_BMCS),
    }),
    medianMs(kind, step, hardwareType) {
      refresh();
      return medians.get(`${kind}/${step}/${hardwareType}`) ?? medians.get(`${kind}/${step}/`);
    },
  };
}

type Statements = ReturnType<typeof prepare>;

function kindStats(sql: Statements): KindStats[] {
  const groups = new Map<string, { action: string; hardwareType: string; rows: EndedRow[] }>();
  for (const row of sql.ended.all(limit('jobHistoryMax')))
    for (const hardwareType of new Set(['', row.hardware_type])) {
      const key = `${row.kind}/${hardwareType}`;
      const group = groups.get(key) ?? { action: row.kind, hardwareType, rows: [] };
      groups.set(key, group);
      group.rows.push(row);
    }
  return [...groups.values()].map(({ rows, ...group }) => {
    const count = (status: string) => rows.filter((row) => row.status === status).length;
    const [finished, failed, cancelled] = [count('finished'), count('failed'), count('cancelled')];
    const done = rows.filter(({ status }) => status === 'finished');
    return {
      ...{ ...group, finished, failed, cancelled },
      successRate: finished + failed === 0 ? 1 : finished / (finished + failed),
      duration: durationsOf(done.map(({ duration_ms }) => duration_ms)),
    };
  });
}

function stepStats(sql: Statements): StepStats[] {
  const groups = new Map<string, Omit<StepStats, 'duration'> & { times: number[] }>();
  for (const row of sql.steps.all(limit('jobHistoryMax')))
    for (const hardwareType of new Set(['', row.hardware_type])) {
      const { kind: action, step } = row;
      const key = `${action}/${step}/${hardwareType}`;
      const group = groups.get(key) ?? { action, hardwareType, step, times: [] };
      groups.set(key, group);
      group.times.push(row.duration_ms);
    }
  return [...groups.values()].map(({ times, ...group }) => ({
    ...group,
    duration: durationsOf(times),
  }));
}

/** Nearest rank. */
export function durationsOf(times: readonly number[]): Durations {
  const sorted = times.toSorted((a, b) => a - b);
  const rank = (share: number) => sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? 0;
  return { count: sorted.length, p50Ms: rank(0.5), p90Ms: rank(0.9), p99Ms: rank(0.99) };
}

interface EndedRow {
  kind: string;
  hardware_type: string;
  status: string;
  duration_ms: number;
}

function prepare(db: Database) {
  return {
    ended: db.prepare<[number], EndedRow>(
      `SELECT kind, hardware_type, status, ended_at - iif(started_at = 0, created_at, started_at) AS duration_ms
       FROM jobs WHERE ended_at > 0 ORDER BY ended_at DESC LIMIT ?`,
    ),
    steps: db.prepare<
      [number],
      { kind: string; hardware_type: string; step: string; duration_ms: number }
    >('SELECT kind, hardware_type, step, duration_ms FROM job_steps ORDER BY id DESC LIMIT ?'),
    failures: db.prepare<[number], { code: string; jobs: number }>(
      `SELECT code, count(*) AS jobs FROM
         (SELECT code FROM jobs WHERE ended_at > 0 AND status = 'failed' ORDER BY ended_at DESC LIMIT ?)
       GROUP BY code ORDER BY jobs DESC, code`,
    ),
    worst: db.prepare<[number, number], BmcTrouble>(
      `SELECT bmc, max(target) AS target, count(*) AS jobs, sum(code LIKE 'BMC_%') AS failed,
         sum(retries) AS retries, max(code) AS code
       FROM (SELECT * FROM jobs WHERE ended_at > 0 AND bmc <> '' ORDER BY ended_at DESC LIMIT ?)
       GROUP BY bmc HAVING failed + retries > 0
       ORDER BY failed DESC, retries DESC, bmc LIMIT ?`,
    ),
  };
}
