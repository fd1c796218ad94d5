/**
 * Jobs on disk: a row each, their logs, the queue's switch. `append` writes an entry, what lists show of it, and its event, in the
 * caller's transaction: nobody ever sees one without the others.
 */
import type { Database, Statement } from 'better-sqlite3';
import type { ErrorCode } from '../errors.ts';
import type { EventName, StoredEvent } from '../events.ts';
import type { EventStore } from '../inventory/event-store.ts';
import type { Hardwarename } from '../wire/ids.ts';
import type { Clock, Millis } from '../wire/time.ts';
import type { JobParams } from './definition.ts';
import type { EndStatus, JobEntry, LoggedEntry } from './fold.ts';
import type { Pauses } from './pauses.ts';
import { eventOf } from './tell.ts';

export type JobStatus = 'queued' | 'running' | EndStatus;
export const JOB_STATUSES = ['queued', 'running', 'finished', 'failed', 'cancelled'] as const;

export interface Job {
  /** Counts jobs in the order of their creation. */
  readonly number: number;
  /** UUID. */
  readonly id: string;
  readonly kind: string;
  readonly version: number;
  readonly target: Hardwarename;
  readonly params: JobParams;
  readonly requester: string;
  readonly user: string;
  readonly priority: number;
  readonly createdAt: Millis;
  /** 0: not yet. */
  readonly startedAt: number;
  readonly endedAt: number;
  readonly status: JobStatus;
  readonly step: string;
  readonly retries: number;
  readonly code: ErrorCode | '';
  readonly detail: string;
  readonly bmc: string;
  readonly hardwareType: string;
  readonly result: unknown;
}

export type NewJob = Pick<
  Job,
  | 'id'
  | 'kind'
  | 'version'
  | 'target'
  | 'params'
  | 'requester'
  | 'user'
  | 'priority'
  | 'bmc'
  | 'hardwareType'
>;

export interface JobFilter {
  readonly status?: readonly JobStatus[] | undefined;
  readonly kind?: string | undefined;
  readonly target?: string | undefined;
  readonly requester?: string | undefined;
  /** These, by id. */
  readonly ids?: readonly string[] | undefined;
  /** Numbers below this one: the cursor. */
  readonly below?: number | undefined;
}

export interface QueueSwitch extends Pauses {
  readonly who: string;
  readonly why: string;
}

/** What the engine looks for in the event feed. */
export interface Signal {
  readonly id: number;
  readonly name: EventName;
  readonly hardwarename: Hardwarename | undefined;
}

export interface AppendDetails {
  /** How long the step took that this entry ends. */
  readonly durationMs?: number;
  /** With `ended`. */
  readonly result?: unknown;
}

export interface JobStore {
  insert(job: NewJob): Job;
  byId(id: string): Job | undefined;
  byNumber(number: number): Job | undefined;
  unfinished(): Job[];
  unfinishedOf(target: Hardwarename): Job | undefined;
  /** Newest first. */
  page(filter: JobFilter, count: number): Job[];
  countByStatus(): Readonly<Record<JobStatus, number>>;
  logOf(number: number): LoggedEntry[];
  append(job: Job, entry: JobEntry, details?: AppendDetails): void;
  /** The machine's events of this name with a number above the cursor, oldest first. */
  machineEvents(target: Hardwarename, name: EventName, cursor: number): StoredEvent[];
  /** When the newest such event above the cursor was; 0 for none. */
  lastEventAt(target: Hardwarename, name: EventName, cursor: number): number;
  /** Jobs of this kind and machine, before this one, that failed since the last that finished. */
  failuresInARow(job: Pick<Job, 'number' | 'kind' | 'target'>): number;
  /** A page of the feed without its data. */
  signals(after: number, count: number): Signal[];
  /** How the newest ended job of this BMC failed; '' when it did not. */
  lastCode(bmc: string): string;
  queue(): QueueSwitch;
  setQueue(queue: QueueSwitch): void;
  /** Forgets jobs that ended before this moment, at most so many; the newest burn-in of each machine stays. */
  forget(before: Millis, count: number): number;
  /** When the job ended behind which there are so many newer ones; 0 when there are not so many. */
  endedBeyond(count: number): number;
}

interface JobRow {
  number: number;
  id: string;
  kind: string;
  version: number;
  target: string;
  params: string;
  requester: string;
  user: string;
  priority: number;
  created_at: number;
  started_at: number;
  ended_at: number;
  status: string;
  step: string;
  retries: number;
  code: string;
  detail: string;
  bmc: string;
  hardware_type: string;
  result: string;
}

function fromRow(row: JobRow): Job {
  const { created_at, started_at, ended_at, hardware_type, ...rest } = row;
  return {
    ...rest,
    target: row.target as Hardwarename,
    status: row.status as JobStatus,
    code: row.code as ErrorCode | '',
    params: JSON.parse(row.params),
    result: JSON.parse(row.result),
    createdAt: created_at as Millis,
    startedAt: started_at,
    endedAt: ended_at,
    hardwareType: hardware_type,
  };
}

export function openJobStore(db: Database, clock: Clock, events: EventStore): JobStore {
  const sql = prepare(db);
  const one = (row: JobRow | undefined) => row && fromRow(row);
  return {
    ...openReads(db, sql),
    insert(job) {
      const { id, kind, version, target, params, requester, user, priority } = job;
      const values = [id, kind, version, target, JSON.stringify(params), requester, user, priority];
      sql.insert.run(...values, clock(), job.bmc, job.hardwareType);
      const made = one(sql.byId.get(id));
      if (!made) throw new Error(`job ${id} vanished inside its own transaction`);
      this.append(made, { is: 'queued' });
      return made;
    },
    append(job, entry, { durationMs, result } = {}) {
      const at = clock();
      sql.log.run(job.number, job.number, at, JSON.stringify(entry));
      if (durationMs !== undefined && 'step' in entry)
        sql.duration.run(job.number, job.kind, job.hardwareType, entry.step, durationMs, at);
      switch (entry.is) {
        case 'started':
        case 'waiting':
          sql.started.run(entry.step, at, job.number);
          break;
        case 'failed':
        case 'again':
          sql.retried.run(job.number);
          break;
        case 'ended': {
          const { status, code, detail } = entry;
          sql.ended.run(status, code, detail, at, JSON.stringify(result ?? null), job.number);
          break;
        }
      }
      const event = eventOf(job, entry);
      if (event) events.append(event);
    },
    setQueue: ({ pausedAt, pausedMs, who, why }) =>
      void sql.setQueue.run(pausedAt, pausedMs, who, why),
    forget(before, count) {
      const old = sql.old.all(before, count);
      for (const { number, id } of old) {
        sql.forgetWork.run(id);
        sql.forget.run(number);
      }
      return old.length;
    },
  };
}

function openReads(db: Database, sql: ReturnType<typeof prepare>) {
  const one = (row: JobRow | undefined) => row && fromRow(row);
  const page = openPages(db);
  return {
    byId: (id: string) => one(sql.byId.get(id)),
    byNumber: (number: number) => one(sql.byNumber.get(number)),
    unfinished: () => sql.unfinished.all().map(fromRow),
    unfinishedOf: (target: Hardwarename) => one(sql.unfinishedOf.get(target)),
    page,
    countByStatus() {
      const none = Object.fromEntries(JOB_STATUSES.map((status) => [status, 0]));
      const counts = sql.counts.all().map(({ status, count }) => [status, count]);
      return { ...none, ...Object.fromEntries(counts) } as Record<JobStatus, number>;
    },
    logOf: (number: number): LoggedEntry[] =>
      sql.logOf.all(number).map(({ seq, at, entry }) => ({
        ...{ seq, at: at as Millis },
        entry: JSON.parse(entry),
      })),
    machineEvents: (target: Hardwarename, name: EventName, cursor: number) =>
      sql.machineEvents.all(target, cursor, name).map(eventFromRow),
    lastEventAt: (target: Hardwarename, name: EventName, cursor: number) =>
      sql.lastEventAt.get(target, cursor, name)?.at ?? 0,
    failuresInARow: ({ number, kind, target }: Pick<Job, 'number' | 'kind' | 'target'>) =>
      sql.failures.get({ number, kind, target })?.count ?? 0,
    signals: (after: number, count: number): Signal[] =>
      sql.signals.all(after, count).map(({ id, name, hardwarename }) => ({
        ...{ id, name: name as EventName },
        hardwarename: (hardwarename ?? undefined) as Hardwarename | undefined,
      })),
    endedBeyond: (count: number) => sql.beyond.get(count)?.ended_at ?? 0,
    lastCode: (bmc: string) => sql.lastCode.get(bmc)?.code ?? '',
    queue(): QueueSwitch {
      const row = sql.queue.get();
      const { paused_at: pausedAt, paused_ms: pausedMs, who, why } = row ?? NEVER_PAUSED;
      return { pausedAt, pausedMs, who, why };
    },
  };
}

const NEVER_PAUSED = { paused_at: 0, paused_ms: 0, who: '', why: '' };

/**
 * What a list is filtered by, the most selective first: the first one that is asked for leads through its index, newest first, and
 * the others are looked at on the way (a unary + takes a column from the planner, which guesses).
 */
const FILTERS = [
  {
    by: 'ids',
    form: (column: string) => `${column} IN (SELECT value FROM json_each(?))`,
    of: 'id',
  },
  { by: 'target', form: (column: string) => `${column} = ?`, of: 'target' },
  { by: 'requester', form: (column: string) => `${column} = ?`, of: 'requester' },
  { by: 'kind', form: (column: string) => `${column} = ?`, of: 'kind' },
] as const;

/** A machine's page asks for one each time it is read: the questions of one form are prepared once. */
function openPages(db: Database): (filter: JobFilter, count: number) => Job[] {
  const prepared = new Map<string, Statement<(string | number)[], JobRow>>();
  return (filter, count) => {
    const { status, below } = filter;
    const where: string[] = [];
    const values: (string | number)[] = [];
    const add = (text: string, ...given: (string | number)[]) => {
      where.push(text);
      values.push(...given);
    };
    for (const { by, form, of } of FILTERS) {
      const value = filter[by];
      if (value === undefined) continue;
      const column = where.length === 0 ? of : `+${of}`;
      add(form(column), typeof value === 'string' ? value : JSON.stringify(value));
    }
    const led = where.length === 0 ? 'status' : '+status';
    if (status) add(`${led} IN (${status.map(() => '?').join(', ')})`, ...status);
    if (below !== undefined) add('number < ?', below);
    const clause = where.length > 0 ? `WHERE ${where.join(' AND ')}` : '';
    const text = `SELECT * FROM jobs ${clause} ORDER BY number DESC LIMIT ?`;
    const statement = prepared.get(text) ?? db.prepare(text);
    prepared.set(text, statement);
    return statement.all(...values, count).map(fromRow);
  };
}

interface EventRow {
  id: number;
  at: number;
  name: string;
  hardwarename: string | null;
  data: string;
}

function eventFromRow({ id, at, name, hardwarename, data }: EventRow): StoredEvent {
  return { id, at, name, hardwarename, data: JSON.parse(data) } as unknown as StoredEvent;
}

function prepare(db: Database) {
  return {
    insert: db.prepare(
      `INSERT INTO jobs (id, kind, version, target, params, requester, user, priority, created_at, status, bmc, hardware_type)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 'queued', ?, ?)`,
    ),
    byId: db.prepare<[string], JobRow>('SELECT * FROM jobs WHERE id = ?'),
    byNumber: db.prepare<[number], JobRow>('SELECT * FROM jobs WHERE number = ?'),
    unfinished: db.prepare<[], JobRow>(
      'SELECT * FROM jobs INDEXED BY jobs_unfinished WHERE ended_at = 0 ORDER BY number',
    ),
    unfinishedOf: db.prepare<[string], JobRow>(
      'SELECT * FROM jobs WHERE target = ? AND ended_at = 0',
    ),
    counts: db.prepare<[], { status: string; count: number }>(
      'SELECT status, count(*) AS count FROM jobs GROUP BY status',
    ),
    log: db.prepare(
      `INSERT INTO job_log (job, seq, at, entry)
       VALUES (?, (SELECT coalesce(max(seq), 0) + 1 FROM job_log WHERE job = ?), ?, ?)`,
    ),
    logOf: db.prepare<[number], { seq: number; at: number; entry: string }>(
      'SELECT seq, at, entry FROM job_log WHERE job = ? ORDER BY seq',
    ),
    duration: db.prepare(
      'INSERT INTO job_steps (job, kind, hardware_type, step, duration_ms, at) VALUES (?, ?, ?, ?, ?, ?)',
    ),
    started: db.prepare(
      `UPDATE jobs SET status = 'running', step = ?, started_at = iif(started_at = 0, ?, started_at)
       WHERE number = ?`,
    ),
    retried: db.prepare('UPDATE jobs SET retries = retries + 1 WHERE number = ?'),
    ended: db.prepare(
      'UPDATE jobs SET status = ?, code = ?, detail = ?, ended_at = ?, result = ? WHERE number = ?',
    ),
    machineEvents: db.prepare<[string, number, string], EventRow>(
      'SELECT * FROM events WHERE hardwarename = ? AND id > ? AND name = ? ORDER BY id LIMIT 100',
    ),
    lastEventAt: db.prepare<[string, number, string], { at: number | null }>(
      'SELECT max(at) AS at FROM events WHERE hardwarename = ? AND id > ? AND name = ?',
    ),
    failures: db.prepare<{ number: number; kind: string; target: string }, { count: number }>(
      `SELECT count(*) AS count FROM jobs INDEXED BY jobs_by_target
       WHERE target = $target AND kind = $kind AND status = 'failed' AND number < $number
         AND number > (SELECT coalesce(max(number), 0) FROM jobs INDEXED BY jobs_by_target
           WHERE target = $target AND kind = $kind AND status = 'finished')`,
    ),
    signals: db.prepare<
      [number, number],
      { id: number; name: string; hardwarename: string | null }
    >('SELECT id, name, hardwarename FROM events WHERE id > ? ORDER BY id LIMIT ?'),
    lastCode: db.prepare<[string], { code: string }>(
      `SELECT code FROM jobs INDEXED BY jobs_by_bmc WHERE bmc = ? AND ended_at > 0 AND status <> 'cancelled'
       ORDER BY number DESC LIMIT 1`,
    ),
    queue: db.prepare<[], typeof NEVER_PAUSED>(
      'SELECT paused_at, paused_ms, who, why FROM job_queue',
    ),
    setQueue: db.prepare(
      'UPDATE job_queue SET paused_at = ?, paused_ms = ?, who = ?, why = ? WHERE id = 1',
    ),
    old: db.prepare<[number, number], { number: number; id: string }>(
      `SELECT number, id FROM jobs WHERE ended_at > 0 AND ended_at < ? AND NOT (kind = 'burn-in' AND number =
         (SELECT max(number) FROM jobs AS other INDEXED BY jobs_by_target WHERE other.target = jobs.target AND other.kind = 'burn-in'
            AND other.status IN ('finished', 'failed')))
       ORDER BY ended_at LIMIT ?`,
    ),
    forget: db.prepare('DELETE FROM jobs WHERE number = ?'),
    forgetWork: db.prepare('DELETE FROM work_orders WHERE job = ?'),
    beyond: db.prepare<[number], { ended_at: number }>(
      'SELECT ended_at FROM jobs WHERE ended_at > 0 ORDER BY ended_at DESC LIMIT 1 OFFSET ?',
    ),
  };
}
