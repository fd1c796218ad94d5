/**
 * One step of a rolling reset: what has ended is noted, then as many begin as may be away at once. Machines that a pool is
 * short of for any reason count as away, so that a reset never takes what a failure has left.
 */
import { AppError } from '../errors.ts';
import type { Inventory } from '../inventory/inventory.ts';
import { needsRelease } from '../inventory/states.ts';
import type { JobDesk } from '../jobs/desk.ts';
import type { Hardwarename } from '../wire/ids.ts';
import type { Millis } from '../wire/time.ts';
import type { Known } from './candidates.ts';
import type { RequestDesk } from './desk.ts';
import { nextResetAction } from './pool.ts';
import type { PoolDesk } from './pool-desk.ts';
import type { Reset, ResetMachine } from './pool-store.ts';

export interface ResetParts {
  readonly pools: PoolDesk;
  readonly requests: RequestDesk;
  readonly jobs: JobDesk;
  readonly inventory: Pick<Inventory, 'machines' | 'serverdb'>;
  readonly timers: { now(): Millis };
  transaction<T>(run: () => T): T;
}

export function stepReset(
  parts: ResetParts,
  reset: Reset,
  known: ReadonlyMap<Hardwarename, Known>,
): void {
  const { pools, timers, transaction } = parts;
  settle(parts, reset);
  if (reset.status === 'paused') return;
  const machines = pools.store.resetMachines(reset.id);
  const { atOnceMax, failuresMax } = reset.doc;
  const action = nextResetAction({
    ...{ machines, atOnceMax, failuresMax, deadlineAt: reset.deadlineAt, now: timers.now() },
    away: awayOf(parts, machines, known),
  });
  switch (action.do) {
    case 'nothing':
      return;
    case 'begin':
      for (const hardwarename of action.machines) begin(parts, reset, hardwarename);
      return;
    case 'end':
      transaction(() =>
        pools.store.turnReset(reset.id, action.status, { who: reset.who, why: action.why }),
      );
  }
}

function settle({ pools, jobs, transaction }: ResetParts, reset: Reset): void {
  for (const machine of pools.store.resetMachines(reset.id)) {
    if (machine.status !== 'running') continue;
    const job = jobs.store.byId(machine.job);
    if (job && job.endedAt === 0) continue;
    const status = job?.status === 'finished' ? 'done' : 'failed';
    const code = job?.code || (status === 'failed' ? 'NOT_FOUND' : '');
    transaction(() => pools.store.setResetMachine(reset, { ...machine, status, code }));
  }
}

function awayOf(
  { pools, jobs }: ResetParts,
  machines: readonly ResetMachine[],
  known: ReadonlyMap<Hardwarename, Known>,
): number {
  const names = new Set(machines.map(({ pool }) => pool));
  return [...names].reduce((sum, name) => {
    const pool = pools.store.pool(name);
    if (!pool) return sum;
    const healthy = pools.store.members(name).filter(({ hardwarename, unhealthyAt }) => {
      const state = known.get(hardwarename)?.state;
      const works = state !== undefined && needsRelease(state) && unhealthyAt === 0;
      return works && jobs.store.unfinishedOf(hardwarename) === undefined;
    });
    return sum + Math.max(0, pool.doc.count - healthy.length);
  }, 0);
}

/** A machine that has left its pool meanwhile is not touched: it may be somebody else's. */
function begin(
  { pools, requests, jobs, inventory, transaction }: ResetParts,
  reset: Reset,
  hardwarename: Hardwarename,
): void {
  transaction(() => {
    const entry = pools.store
      .resetMachines(reset.id)
      .find((one) => one.hardwarename === hardwarename);
    const pool = entry && pools.store.pool(entry.pool);
    const member =
      pool && pools.store.members(pool.name).find((one) => one.hardwarename === hardwarename);
    const base = { hardwarename, job: '' };
    if (!pool || !member) {
      pools.store.setResetMachine(reset, { ...base, status: 'gone', code: '' });
      return;
    }
    try {
      const job = inventory.serverdb.savepoint(() => {
        const asked = pools.requestOf(pool, 1);
        const image = reset.doc.image ?? asked.image;
        const doc = requests.prepare({ ...asked, image }, reset.who);
        const hostname = inventory.machines.record(hardwarename)?.hostname ?? '';
        const params = requests.paramsOf(doc, hostname);
        const wanted = { action: 'reinstall', target: hardwarename, params, release: hardwarename };
        return jobs.create({ ...wanted, requester: reset.who });
      });
      pools.store.setResetMachine(reset, {
        hardwarename,
        status: 'running',
        job: job.id,
        code: '',
      });
    } catch (error) {
      if (!(error instanceof AppError) || error.httpStatus >= 500) throw error;
      pools.store.setResetMachine(reset, { ...base, status: 'failed', code: error.code });
    }
  });
}
