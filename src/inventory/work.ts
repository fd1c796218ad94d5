/**
 * Work orders: what a job has a machine do in pxeimage, and the tokens without which nothing destructive is served.
 *
 * An order is *live* while it is armed, its time has not run out, its job has neither ended nor been called off, and the
 * machine is in the state that this kind of work belongs to. All of that is asked of the database each time: there is no
 * moment in which a job has ended and its token still opens something. A token is bound to the order, its round, the boot and
 * the NIC that took it; the next round and the next boot get another one, and once a later boot has begun the work, the token
 * of an earlier one opens nothing: whoever still has it would write the same disks beside it.
 *
 * A machine that comes back into the same work boot after boot is not looped: beyond `workBootsMax` boots that began it, or
 * twice as many that were offered it and never did, the order fails with WORK_LOOP, and its job with it.
 */
import type { Database } from 'better-sqlite3';
import { AppError } from '../errors.ts';
import { limit } from '../limits.ts';
import { type BootId, type BootToken, type Hardwarename, newBootToken } from '../wire/ids.ts';
import type { Mac } from '../wire/mac.ts';
import type { Clock, Millis } from '../wire/time.ts';
import type { EventStore } from './event-store.ts';
import { type MachineState, statesOfWork } from './states.ts';
import { copyEndOf, endOf } from './work-end.ts';
import type { AgentProgress, AgentResult } from './work-report.ts';

export type WorkPurpose = 'install' | 'recycle' | 'burn-in';

/** `done` and `failed` are the agent's word on this round, `ended` the job's or its owner's. */
export type WorkState = 'armed' | 'done' | 'failed' | 'ended';

export interface WorkOrder {
  readonly job: string;
  readonly hardwarename: Hardwarename;
  readonly purpose: WorkPurpose;
  readonly state: WorkState;
  /** In the purpose's own form. */
  readonly detail: unknown;
  readonly round: number;
  readonly boots: number;
  readonly armedAt: Millis;
  readonly expiresAt: Millis;
  readonly boot: BootId | undefined;
  /** 0: not yet. */
  readonly takenAt: number;
  readonly destroysAt: number;
  readonly progressAt: number;
  readonly phonedAt: number;
  readonly progress: Partial<AgentProgress> & { readonly movedAt?: number };
  readonly result: AgentResult | undefined;
}

export interface WorkToken {
  readonly token: BootToken;
  readonly purpose: WorkPurpose | 'metadata';
  readonly round: number;
  readonly boot: BootId | undefined;
  readonly mac: Mac | undefined;
  readonly expiresAt: Millis;
  readonly order: WorkOrder;
}

export interface ArmedWork {
  readonly job: string;
  readonly hardwarename: Hardwarename;
  readonly purpose: WorkPurpose;
  readonly detail: unknown;
  /** `workOrderMs` from now when absent. */
  readonly expiresAt?: Millis;
}

export interface Work {
  /** A new order, or the next round of this job's, perhaps of another purpose. In the caller's transaction. */
  arm(work: ArmedWork): WorkOrder;
  ofJob(job: string): WorkOrder | undefined;
  /** The order that this machine may be handed now. */
  liveOf(hardwarename: Hardwarename): WorkOrder | undefined;
  /** Its agent has finished an install whose job still waits for the system's own word. */
  isInstalled(hardwarename: Hardwarename): boolean;
  /** What a job has this machine do now: all that the boot decision asks of it. */
  standing(hardwarename: Hardwarename): WorkStanding;
  /**
   * Offers a live order to a boot: the same token each time the same boot asks. It may be said to nobody: a machine that was
   * switched off leaves its question behind.
   * @returns undefined when it has been taken by too many boots: the order has failed
   */
  take(order: WorkOrder, by: { boot: BootId; mac: Mac }): WorkToken | undefined;
  /** The boot that was offered the order has come for it. */
  fetched(token: WorkToken): void;
  /** Of the order's job, for the system that is being installed; the same in every round. */
  metadataToken(job: string): BootToken;
  /**
   * What a token opens now.
   * @throws AppError TOKEN_UNKNOWN, TOKEN_EXPIRED, WORK_ENDED
   */
  find(token: BootToken): WorkToken;
  /** From now on, what was on the disks is gone. */
  destroys(job: string): void;
  /** @returns whether it is worth an event: another step, or a while since the last one */
  progressed(token: WorkToken, progress: AgentProgress): boolean;
  /** When the agent of this job says that its copy will be over; undefined when it copies nothing now. */
  copyEndsAt(job: string): Millis | undefined;
  /** When all of its work will be over at its pace so far; undefined for as long as that says nothing. */
  endsAt(job: string): Millis | undefined;
  /** @returns false when this round has had its result already */
  concluded(token: WorkToken, result: AgentResult): boolean;
  /** @returns false when it has called before */
  phoned(job: string): boolean;
  /** Nothing of it is served from now on. Twice is as once. */
  end(job: string, why: string): void;
  /** Forgets tokens that expired before this moment. */
  forget(before: Millis): number;
}

export interface WorkStanding {
  readonly work: WorkPurpose | undefined;
  /** That work is an install by the image's own installer. */
  readonly installer: boolean;
  readonly installed: boolean;
}

interface OrderRow {
  job: string;
  hardwarename: string;
  purpose: string;
  state: string;
  detail: string;
  round: number;
  boots: number;
  armed_at: number;
  expires_at: number;
  boot: string | null;
  taken_at: number;
  destroys_at: number;
  progress_at: number;
  progress: string;
  result: string;
  phoned_at: number;
}

interface TokenRow {
  token: string;
  job: string;
  round: number;
  purpose: string;
  boot: string;
  mac: string;
  expires_at: number;
}

function orderFrom(row: OrderRow): WorkOrder {
  return {
    job: row.job,
    hardwarename: row.hardwarename as Hardwarename,
    purpose: row.purpose as WorkPurpose,
    state: row.state as WorkState,
    detail: JSON.parse(row.detail),
    round: row.round,
    boots: row.boots,
    armedAt: row.armed_at as Millis,
    expiresAt: row.expires_at as Millis,
    boot: (row.boot ?? undefined) as BootId | undefined,
    takenAt: row.taken_at,
    destroysAt: row.destroys_at,
    progressAt: row.progress_at,
    phonedAt: row.phoned_at,
    progress: JSON.parse(row.progress),
    result: JSON.parse(row.result) ?? undefined,
  };
}

/** An install whose image is a distribution's own installer: it is booted, and no agent carries it out. */
export function isForInstaller({ purpose, detail }: WorkOrder): boolean {
  const { image } = (detail ?? {}) as { readonly image?: { readonly kind?: unknown } };
  return purpose === 'install' && image?.kind === 'installer';
}

/** The agent says of its work what it said before. */
function stands({ progressAt, progress }: WorkOrder, said: AgentProgress): boolean {
  const keys = ['step', 'percent', 'bytes', 'activity'] as const;
  return progressAt > 0 && keys.every((key) => progress[key] === said[key]);
}

export function openWork(
  db: Database,
  { clock, events }: { clock: Clock; events: EventStore },
): Work {
  const sql = prepare(db);
  const one = (row: OrderRow | undefined) => row && orderFrom(row);
  const must = (job: string): WorkOrder => {
    const order = one(sql.ofJob.get(job));
    if (!order) throw new AppError('NOT_FOUND', { detail: `Job ${job.slice(0, 64)} has no work.` });
    return order;
  };
  const mint = (order: WorkOrder, row: Omit<TokenRow, 'token' | 'job'>): WorkToken => {
    const { round, purpose, boot, mac, expires_at } = row;
    const made = sql.mint.get(newBootToken(), order.job, round, purpose, boot, mac, expires_at);
    if (!made) throw new Error('a token was neither minted nor found');
    return tokenFrom(made, order);
  };
  const liveOf = (hardwarename: Hardwarename): WorkOrder | undefined => {
    const row = sql.live.get(hardwarename, clock());
    if (
      !row ||
      !statesOfWork(row.purpose as WorkPurpose).includes(row.machine_state as MachineState)
    )
      return undefined;
    return orderFrom(row);
  };

  return {
    liveOf,
    arm({ job, hardwarename, purpose, detail, expiresAt = clock() + limit('workOrderMs') }) {
      const now = clock();
      // Only one job of a machine is unfinished: what another one left armed is dead.
      sql.endOthers.run(hardwarename, job);
      sql.arm.run(job, hardwarename, purpose, JSON.stringify(detail), now, now, expiresAt);
      const order = must(job);
      const data = { job, purpose, round: order.round };
      events.append({ name: 'work.armed', hardwarename, data });
      return order;
    },
    ofJob: (job) => one(sql.ofJob.get(job)),
    isInstalled: (hardwarename) => sql.installed.get(hardwarename) !== undefined,
    standing(hardwarename) {
      const order = liveOf(hardwarename);
      const installed = sql.installed.get(hardwarename) !== undefined;
      return {
        ...{ work: order?.purpose, installed },
        installer: order !== undefined && isForInstaller(order),
      };
    },
    take(order, { boot, mac }) {
      const { job, purpose, round, hardwarename } = order;
      const again = sql.taken.get(job, round, purpose, boot);
      if (again) return tokenFrom(again, order);
      const detail = loopOf(order, sql.offered.get(job, purpose)?.boots ?? 0);
      if (detail !== undefined) {
        const result = { ok: false, step: 'boot', code: 'WORK_LOOP', detail } as const;
        sql.conclude.run('failed', JSON.stringify(result), job);
        const data = { job, purpose, round, ...result, retry: false, log: '' };
        events.append({ name: 'agent.failed', hardwarename, boot, mac, data });
        return undefined;
      }
      return mint(order, { round, purpose, boot, mac, expires_at: order.expiresAt });
    },
    fetched({ boot, mac, order: { job } }) {
      const order = must(job);
      if (boot === undefined || order.boot === boot) return;
      sql.take.run(boot, clock(), job);
      const { purpose, round, hardwarename } = order;
      sql.outdate.run(clock(), job, purpose, boot);
      const data = { job, purpose, round, boots: order.boots + 1 };
      events.append({ name: 'work.taken', hardwarename, boot, mac, data });
    },
    metadataToken(job) {
      const order = must(job);
      const expires_at = clock() + limit('metadataTokenMs');
      return mint(order, { round: 0, purpose: 'metadata', boot: '', mac: '', expires_at }).token;
    },
    find(text) {
      const row = sql.token.get(text);
      const order = row && one(sql.ofJob.get(row.job));
      if (!row || !order) throw new AppError('TOKEN_UNKNOWN');
      const token = tokenFrom(row, order);
      if (token.expiresAt <= clock()) throw new AppError('TOKEN_EXPIRED');
      if (!isOpen(token, liveOf(order.hardwarename), sql.jobOf.get(order.job)?.status))
        throw new AppError('WORK_ENDED');
      return token;
    },
    destroys: (job) => void sql.destroys.run(clock(), job),
    progressed({ order }, progress) {
      const now = clock();
      const known = must(order.job);
      const told =
        known.progress.step !== progress.step ||
        known.progressAt === 0 ||
        now - known.progressAt >= limit('workProgressMs');
      if (!told) return false;
      const movedAt = stands(known, progress) ? (known.progress.movedAt ?? known.progressAt) : now;
      sql.progress.run(now, JSON.stringify({ ...progress, movedAt }), order.job);
      return true;
    },
    copyEndsAt: (job) => copyEndOf(one(sql.ofJob.get(job))),
    endsAt: (job) => endOf(one(sql.ofJob.get(job))),
    concluded({ order }, result) {
      if (must(order.job).result !== undefined) return false;
      sql.conclude.run(result.ok ? 'done' : 'failed', JSON.stringify(result), order.job);
      return true;
    },
    phoned: (job) => sql.phoned.run(clock(), job).changes > 0,
    end(job, why) {
      const order = one(sql.ofJob.get(job));
      if (!order || sql.end.run(job).changes === 0) return;
      const { hardwarename, purpose } = order;
      events.append({ name: 'work.ended', hardwarename, data: { job, purpose, why } });
    },
    forget: (before) => sql.forget.run(before).changes,
  };
}

function tokenFrom(row: TokenRow, order: WorkOrder): WorkToken {
  return {
    token: row.token as BootToken,
    purpose: row.purpose as WorkToken['purpose'],
    round: row.round,
    boot: (row.boot || undefined) as BootId | undefined,
    mac: (row.mac || undefined) as Mac | undefined,
    expiresAt: row.expires_at as Millis,
    order,
  };
}

/** @returns what keeps it from being handed out once more; undefined for nothing */
function loopOf({ boots }: WorkOrder, offered: number): string | undefined {
  if (boots >= limit('workBootsMax'))
    return `It has begun this work in ${boots} boots and finished it in none.`;
  if (offered >= 2 * limit('workBootsMax'))
    return `It was offered this work in ${offered} boots and began it in ${boots}.`;
  return undefined;
}

/**
 * A token of work opens as long as its order is live in the same round; once the agent has had its last word, it still
 * opens that word (so that a repeated POST is answered), which is why callers look at the order's state for more. A token
 * of metadata opens until its job fails or is called off.
 */
function isOpen(token: WorkToken, live: WorkOrder | undefined, job: string | undefined): boolean {
  const { order, purpose, round } = token;
  if (purpose === 'metadata')
    return order.state !== 'ended' && job !== undefined && !['failed', 'cancelled'].includes(job);
  if (round !== order.round || purpose !== order.purpose) return false;
  if (order.state === 'done' || order.state === 'failed') return job === 'running';
  return live?.job === order.job;
}

function prepare(db: Database) {
  return {
    arm: db.prepare(
      `INSERT INTO work_orders (job, hardwarename, purpose, state, detail, round, created_at, armed_at, expires_at)
       VALUES (?, ?, ?, 'armed', ?, 1, ?, ?, ?)
       ON CONFLICT (job) DO UPDATE SET purpose = excluded.purpose, state = 'armed', detail = excluded.detail, round = round + 1,
         armed_at = excluded.armed_at, expires_at = excluded.expires_at, boot = NULL, taken_at = 0,
         progress_at = 0, progress = '{}', result = 'null', phoned_at = 0`,
    ),
    endOthers: db.prepare(
      "UPDATE work_orders SET state = 'ended' WHERE hardwarename = ? AND job <> ? AND state = 'armed'",
    ),
    ofJob: db.prepare<[string], OrderRow>('SELECT * FROM work_orders WHERE job = ?'),
    live: db.prepare<[string, number], OrderRow & { machine_state: string }>(
      `SELECT work_orders.*, machines.state AS machine_state
       FROM work_orders JOIN jobs ON jobs.id = work_orders.job AND jobs.ended_at = 0
         AND jobs.target = work_orders.hardwarename
       JOIN machines ON machines.hardwarename = work_orders.hardwarename
       WHERE work_orders.hardwarename = ? AND work_orders.state = 'armed' AND work_orders.expires_at > ?`,
    ),
    installed: db.prepare<[string], { job: string }>(
      `SELECT job FROM work_orders JOIN jobs ON jobs.id = work_orders.job AND jobs.ended_at = 0
       WHERE work_orders.hardwarename = ? AND purpose = 'install' AND state = 'done'`,
    ),
    jobOf: db.prepare<[string], { status: string }>('SELECT status FROM jobs WHERE id = ?'),
    taken: db.prepare<[string, number, string, string], TokenRow>(
      'SELECT * FROM work_tokens WHERE job = ? AND round = ? AND purpose = ? AND boot = ?',
    ),
    outdate: db.prepare(
      `UPDATE work_tokens SET expires_at = min(expires_at, ?)
       WHERE job = ? AND purpose = ? AND boot NOT IN ('', ?)`,
    ),
    offered: db.prepare<[string, string], { boots: number }>(
      'SELECT count(DISTINCT boot) AS boots FROM work_tokens WHERE job = ? AND purpose = ?',
    ),
    take: db.prepare(
      'UPDATE work_orders SET boot = ?, taken_at = ?, boots = boots + 1 WHERE job = ?',
    ),
    mint: db.prepare<[string, string, number, string, string, string, number], TokenRow>(
      `INSERT INTO work_tokens (token, job, round, purpose, boot, mac, expires_at) VALUES (?, ?, ?, ?, ?, ?, ?)
       ON CONFLICT (job, round, purpose, boot) DO UPDATE SET expires_at = excluded.expires_at RETURNING *`,
    ),
    token: db.prepare<[string], TokenRow>('SELECT * FROM work_tokens WHERE token = ?'),
    destroys: db.prepare(
      'UPDATE work_orders SET destroys_at = iif(destroys_at = 0, ?, destroys_at) WHERE job = ?',
    ),
    progress: db.prepare('UPDATE work_orders SET progress_at = ?, progress = ? WHERE job = ?'),
    conclude: db.prepare('UPDATE work_orders SET state = ?, result = ? WHERE job = ?'),
    phoned: db.prepare('UPDATE work_orders SET phoned_at = ? WHERE job = ? AND phoned_at = 0'),
    end: db.prepare("UPDATE work_orders SET state = 'ended' WHERE job = ? AND state <> 'ended'"),
    forget: db.prepare('DELETE FROM work_tokens WHERE expires_at < ?'),
  };
}
