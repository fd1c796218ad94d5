/** Pools, their members and their resets on disk. Every write is inside the caller's transaction, with its event. */
import type { Database } from 'better-sqlite3';
import { AppError } from '../errors.ts';
import type { EventStore } from '../inventory/event-store.ts';
import { assertVersion } from '../inventory/records.ts';
import type { Hardwarename } from '../wire/ids.ts';
import type { Clock, Millis } from '../wire/time.ts';
import type { Member, PoolBody, ResetBody, ResetMachineStatus } from './pool.ts';

export interface Pool {
  readonly name: string;
  readonly version: number;
  readonly doc: PoolBody;
  readonly who: string;
  readonly why: string;
  readonly createdAt: Millis;
  readonly updatedAt: Millis;
}

export const RESET_STATUSES = ['running', 'paused', 'finished', 'stopped', 'aborted'] as const;
export type ResetStatus = (typeof RESET_STATUSES)[number];

export interface Reset {
  readonly id: number;
  /** '' for all pools of the site. */
  readonly pool: string;
  readonly site: string;
  readonly doc: ResetBody;
  readonly who: string;
  readonly startedAt: Millis;
  readonly deadlineAt: Millis;
  /** 0: not yet. */
  readonly endedAt: number;
  readonly status: ResetStatus;
  readonly why: string;
}

export interface ResetMachine {
  readonly hardwarename: Hardwarename;
  readonly pool: string;
  readonly status: ResetMachineStatus;
  readonly job: string;
  readonly endedAt: number;
  readonly code: string;
}

interface Cause {
  readonly who: string;
  readonly why: string;
}

export type PoolStore = ReturnType<typeof openPoolStore>;

export function openPoolStore(db: Database, clock: Clock, events: EventStore) {
  return {
    ...openPools(db, clock, events),
    ...openMembers(db, clock, events),
    ...openResets(db, clock, events),
  };
}

interface PoolRow {
  name: string;
  version: number;
  doc: string;
  who: string;
  why: string;
  created_at: number;
  updated_at: number;
}

const poolFrom = ({ created_at, updated_at, ...row }: PoolRow): Pool => ({
  ...row,
  doc: JSON.parse(row.doc),
  createdAt: created_at as Millis,
  updatedAt: updated_at as Millis,
});

function openPools(db: Database, clock: Clock, events: EventStore) {
  const one = db.prepare<[string], PoolRow>('SELECT * FROM pools WHERE name = ?');
  const all = db.prepare<[], PoolRow>('SELECT * FROM pools ORDER BY name');
  const put = db.prepare(
    `INSERT INTO pools (name, version, doc, who, created_at, updated_at) VALUES (?, 1, ?, ?, ?, ?)
     ON CONFLICT (name) DO UPDATE SET version = version + 1, doc = excluded.doc, who = excluded.who,
       updated_at = excluded.updated_at`,
  );
  const drop = db.prepare('DELETE FROM pools WHERE name = ?');
  const tell = db.prepare('UPDATE pools SET why = ? WHERE name = ?');
  const pool = (name: string): Pool | undefined => {
    const row = one.get(name);
    return row && poolFrom(row);
  };
  return {
    pool,
    pools: () => all.all().map(poolFrom),
    /** @throws AppError VERSION_CONFLICT */
    putPool(name: string, doc: PoolBody, cause: Cause & { version?: number | undefined }): Pool {
      const before = pool(name);
      assertVersion(before?.version ?? 0, cause.version);
      put.run(name, JSON.stringify(doc), cause.who, clock(), clock());
      const counts = { before: before?.doc.count ?? 0, after: doc.count };
      const { who, why } = cause;
      const data = { pool: name, change: before ? 'changed' : 'made', ...counts, who, why };
      events.append({ name: 'pool.changed', data });
      return pool(name) as Pool;
    },
    /** Its machines stay in use. @throws AppError NOT_FOUND, VERSION_CONFLICT */
    removePool(name: string, cause: Cause & { version?: number | undefined }): void {
      const before = pool(name);
      if (!before) throw new AppError('NOT_FOUND', { detail: `No pool ${name}.` });
      assertVersion(before.version, cause.version);
      drop.run(name);
      const { who, why } = cause;
      const data = { pool: name, change: 'removed', before: before.doc.count, after: 0, who, why };
      events.append({ name: 'pool.changed', data });
    },
    /** What keeps it from its size; an event when that is something new. */
    setPoolWhy({ name, why: before }: Pool, why: string): void {
      if (why === before) return;
      tell.run(why, name);
      if (why !== '') events.append({ name: 'pool.waiting', data: { pool: name, why } });
    },
  };
}

interface MemberRow {
  hardwarename: string;
  pool: string;
  joined_at: number;
  unhealthy_at: number;
  held: number;
  why: string;
}

const memberFrom = ({ joined_at, unhealthy_at, held, ...row }: MemberRow): Member => ({
  ...row,
  hardwarename: row.hardwarename as Hardwarename,
  joinedAt: joined_at as Millis,
  unhealthyAt: unhealthy_at,
  held: held === 1,
});

function openMembers(db: Database, clock: Clock, events: EventStore) {
  const all = db.prepare<[], MemberRow>('SELECT * FROM pool_members ORDER BY hardwarename');
  const of = db.prepare<[string], MemberRow>(
    'SELECT * FROM pool_members WHERE pool = ? ORDER BY hardwarename',
  );
  const byName = db.prepare<[string], MemberRow>(
    'SELECT * FROM pool_members WHERE hardwarename = ?',
  );
  const add = db.prepare(
    `INSERT INTO pool_members (hardwarename, pool, joined_at) VALUES (?, ?, ?)
     ON CONFLICT (hardwarename) DO UPDATE SET pool = excluded.pool, joined_at = excluded.joined_at,
       unhealthy_at = 0, held = 0, why = ''`,
  );
  const drop = db.prepare('DELETE FROM pool_members WHERE hardwarename = ?');
  const mark = db.prepare(
    'UPDATE pool_members SET unhealthy_at = ?, held = ?, why = ? WHERE hardwarename = ?',
  );
  return {
    allMembers: () => all.all().map(memberFrom),
    members: (pool: string) => of.all(pool).map(memberFrom),
    member(hardwarename: string): Member | undefined {
      const row = byName.get(hardwarename);
      return row && memberFrom(row);
    },
    join(pool: string, hardwarename: Hardwarename): void {
      add.run(hardwarename, pool, clock());
      events.append({ name: 'pool.joined', hardwarename, data: { pool } });
    },
    leave({ pool, hardwarename }: Member, why: string): void {
      drop.run(hardwarename);
      events.append({ name: 'pool.left', hardwarename, data: { pool, why } });
    },
    setHealth({ pool, hardwarename, unhealthyAt, held }: Member, why: string): void {
      if (why === '' && unhealthyAt === 0) return;
      mark.run(
        why === '' ? 0 : unhealthyAt || clock(),
        held && why !== '' ? 1 : 0,
        why,
        hardwarename,
      );
      if (why === '') events.append({ name: 'pool.healthy', hardwarename, data: { pool } });
      else if (unhealthyAt === 0)
        events.append({ name: 'pool.unhealthy', hardwarename, data: { pool, why } });
    },
    hold({ pool, hardwarename, unhealthyAt, held, why }: Member, by: string): void {
      if (held) return;
      mark.run(unhealthyAt, 1, why, hardwarename);
      events.append({ name: 'pool.held', hardwarename, data: { pool, why: by } });
    },
  };
}

interface ResetRow {
  id: number;
  pool: string;
  site: string;
  doc: string;
  who: string;
  started_at: number;
  deadline_at: number;
  ended_at: number;
  status: string;
  why: string;
}

const resetFrom = ({ started_at, deadline_at, ended_at, ...row }: ResetRow): Reset => ({
  ...row,
  doc: JSON.parse(row.doc),
  status: row.status as ResetStatus,
  startedAt: started_at as Millis,
  deadlineAt: deadline_at as Millis,
  endedAt: ended_at,
});

function openResets(db: Database, clock: Clock, events: EventStore) {
  const sql = {
    one: db.prepare<[number], ResetRow>('SELECT * FROM resets WHERE id = ?'),
    open: db.prepare<[], ResetRow>('SELECT * FROM resets WHERE ended_at = 0 ORDER BY id'),
    list: db.prepare<[number], ResetRow>('SELECT * FROM resets ORDER BY id DESC LIMIT ?'),
    add: db.prepare(
      `INSERT INTO resets (pool, site, doc, who, started_at, deadline_at, status)
       VALUES (?, ?, ?, ?, ?, ?, 'running')`,
    ),
    status: db.prepare('UPDATE resets SET status = ?, why = ?, ended_at = ? WHERE id = ?'),
    addMachine: db.prepare(
      'INSERT INTO reset_machines (reset, hardwarename, pool) VALUES (?, ?, ?)',
    ),
    machines: db.prepare<[number], Omit<ResetMachine, 'endedAt'> & { ended_at: number }>(
      `SELECT hardwarename, pool, status, job, ended_at, code FROM reset_machines WHERE reset = ?
       ORDER BY hardwarename`,
    ),
    machine: db.prepare(
      'UPDATE reset_machines SET status = ?, job = ?, code = ?, ended_at = ? WHERE reset = ? AND hardwarename = ?',
    ),
  };
  const get = (id: number): Reset => {
    const row = sql.one.get(id);
    if (!row) throw new AppError('NOT_FOUND', { detail: `No reset ${id}.` });
    return resetFrom(row);
  };
  return {
    reset: get,
    openResets: () => sql.open.all().map(resetFrom),
    resets: (count: number) => sql.list.all(count).map(resetFrom),
    resetMachines: (id: number): ResetMachine[] =>
      sql.machines.all(id).map(({ ended_at, ...row }) => ({ ...row, endedAt: ended_at })),
    addReset(
      reset: Pick<Reset, 'pool' | 'site' | 'doc' | 'who' | 'deadlineAt'>,
      members: readonly Member[],
    ): Reset {
      const { pool, site, doc, who, deadlineAt } = reset;
      const now = clock();
      const { lastInsertRowid } = sql.add.run(
        pool,
        site,
        JSON.stringify(doc),
        who,
        now,
        deadlineAt,
      );
      const id = Number(lastInsertRowid);
      for (const member of members) sql.addMachine.run(id, member.hardwarename, member.pool);
      const { atOnceMax, why } = doc;
      const data = { reset: id, pool, site, machines: members.length, atOnceMax, who, why };
      events.append({ name: 'reset.started', data });
      return get(id);
    },
    /** @throws AppError REQUEST_ENDED */
    turnReset(id: number, status: ResetStatus, { who, why }: Cause): Reset {
      const { endedAt, status: before } = get(id);
      if (endedAt > 0) throw new AppError('REQUEST_ENDED', { detail: `It is ${before}.` });
      const ends = status !== 'running' && status !== 'paused';
      sql.status.run(status, why, ends ? clock() : 0, id);
      events.append({ name: 'reset.turned', data: { reset: id, status, who, why } });
      return get(id);
    },
    setResetMachine(
      { id }: Reset,
      { hardwarename, ...one }: Pick<ResetMachine, 'hardwarename' | 'status' | 'job' | 'code'>,
    ): void {
      const { status, job, code } = one;
      sql.machine.run(status, job, code, status === 'running' ? 0 : clock(), id, hardwarename);
      events.append({
        name: 'reset.machine',
        hardwarename,
        data: { reset: id, status, job, code },
      });
    },
  };
}
