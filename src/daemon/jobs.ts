/** Jobs put together: the desk for whoever asks, and the engine with real BMCs, clocks and timers. */
import type { Database } from 'better-sqlite3';
import type { BmcAccess } from '../bmc/access.ts';
import type { Config } from '../config.ts';
import type { Inventory } from '../inventory/inventory.ts';
import { type JobDesk, openJobDesk } from '../jobs/desk.ts';
import { createEngine } from '../jobs/engine.ts';
import { jobKinds } from '../jobs/kinds/index.ts';
import { forgetSome } from '../jobs/retention.ts';
import type { Job } from '../jobs/store.ts';
import type { Log } from '../platform/log.ts';
import type { GroupCommit } from '../platform/sqlite.ts';
import type { Clock } from '../wire/time.ts';
import { keepForgetting } from './forgetting.ts';
import { createJobWorld } from './job-bmc.ts';

export interface JobParts {
  readonly db: Database;
  readonly inventory: Inventory;
  readonly config: Config;
  readonly clock: Clock;
  readonly log: Log;
  readonly groupCommit: Pick<GroupCommit, 'whenDurable'>;
  readonly closers: (() => unknown)[];
}

export function openJobs({
  db,
  inventory,
  config,
  clock,
}: Omit<JobParts, 'log' | 'closers' | 'groupCommit'>) {
  const { credential: site, ...policy } = config.jobs.bmcSetup;
  const { events, machines } = inventory;
  const kinds = jobKinds({
    bmcSetup: { site, ...policy },
    recycle: config.jobs.recycle,
    install: { bmcPatienceMs: config.jobs.install.bmcPatienceMinutes * 60_000 },
  });
  const onCancel = ({ id }: Job) => inventory.work.end(id, 'its job was called off');
  return openJobDesk({
    ...{ db, clock, events, machines, kinds, onCancel },
    endsOf: (job) => ({
      copyAt: inventory.work.copyEndsAt(job),
      workAt: inventory.work.endsAt(job),
    }),
  });
}

export function startJobs(
  parts: JobParts,
  { desk, access }: { readonly desk: JobDesk; readonly access: BmcAccess },
): void {
  const { inventory, config, clock, log, closers, groupCommit } = parts;
  const { enabled, siteMax, rackMax, keepDays: days, keepMax: most } = config.jobs;
  keepForgetting(parts, 'old jobs', () => forgetSome(desk.store, { days, most }, clock()));
  if (!enabled) return;
  const engine = createEngine({
    store: desk.store,
    kinds: desk.kinds,
    world: createJobWorld({ inventory, access, clock }),
    timers: {
      now: clock,
      after(ms, callback) {
        const timer = setTimeout(callback, Math.min(ms, 2 ** 31 - 1));
        return () => clearTimeout(timer);
      },
      random: Math.random,
    },
    events: inventory.events,
    machines: inventory.machines,
    limits: { siteMax, rackMax },
    destroyed: (job) => (inventory.work.ofJob(job)?.destroysAt ?? 0) > 0,
    transaction: inventory.transactionUnsynced,
    whenDurable: groupCommit.whenDurable,
    onError: (err, job) => log.error({ err, job }, 'a job could not be carried on'),
  });
  desk.blockedBy = (job) => engine.blockedBy(job);
  engine.start();
  closers.push(() => engine.stop());
}
