/**
 * A site of machines that install when they are told to, and an appliance without sockets that provisions them, on one
 * simulated clock. Inventory, job engine and provisioning are the real ones; the job kind `install` is a stand-in of one
 * step that takes as long, and fails for whom, as the test says. The appliance can be killed at any commit.
 */
import Sqlite, { type Database } from 'better-sqlite3';
import { z } from 'zod';
import { AppError, type ErrorCode } from '../../src/errors.ts';
import { openInventory } from '../../src/inventory/inventory.ts';
import {
  createKinds,
  defineJob,
  type JobKinds,
  type JobParams,
  later,
  type StepContext,
  step,
} from '../../src/jobs/definition.ts';
import { openJobDesk } from '../../src/jobs/desk.ts';
import { createEngine } from '../../src/jobs/engine.ts';
import type { JobWork } from '../../src/jobs/ports.ts';
import { createJobWork } from '../../src/jobs/work.ts';
import { openRequestDesk } from '../../src/provisioning/desk.ts';
import { createRequestEngine } from '../../src/provisioning/engine.ts';
import { poolSchema, resetSchema } from '../../src/provisioning/pool.ts';
import { openPoolDesk } from '../../src/provisioning/pool-desk.ts';
import { createPoolEngine } from '../../src/provisioning/pool-engine.ts';
import { type RequestBody, requestSchema } from '../../src/provisioning/request.ts';
import { provisioningSchema } from '../../src/provisioning/settings.ts';
import { createWarmKeeper } from '../../src/provisioning/warm-keeper.ts';
import type { Hardwarename } from '../../src/wire/ids.ts';
import type { Millis } from '../../src/wire/time.ts';
import { addImage, enter, nameOf, type SimHardware } from './provision-machines.ts';
import { createSimTime } from './sim-time.ts';

export const EPOCH = 1_700_000_000_000;

export interface ProvisionHallOptions {
  readonly machines?: number;
  readonly seed?: number;
  /** What machine `index` is; racks of ten by default. */
  readonly machine?: (index: number) => SimHardware;
  readonly installMs?: (machine: Hardwarename) => number;
  /** Why an install of it fails; `undefined`: it does not. */
  readonly fails?: (machine: Hardwarename) => ErrorCode | undefined;
  readonly settings?: z.input<typeof provisioningSchema>;
  /** Instead of the stand-ins, and what jobs are told of work instead of the truth. */
  readonly kinds?: JobKinds;
  readonly work?: Partial<JobWork>;
  /** After each commit of an engine. */
  readonly onCommit?: () => void;
  /** Switched on, it comes as far as its firmware. */
  readonly stuck?: (machine: Hardwarename) => boolean;
  readonly reopen?: (db: Database) => Database;
  readonly limits?: { siteMax: number; rackMax: number };
}

/** A power cycle, from power to pxeimage, and between two questions of a machine that waits. */
const SWITCH_MS = 5000;
const START_MS = 60_000;
const HEARTBEAT_MS = 20_000;

const installParams = z.looseObject({
  image: z.string(),
  hostname: z.string(),
  role: z.string(),
  sshKeys: z.array(z.string().startsWith('ssh-')),
}) as unknown as z.ZodType<JobParams>;

/** A database with its tables, made once: each hall starts from a copy. */
const empty = (() => {
  const db = new Sqlite(':memory:');
  openInventory({ db, clock: () => EPOCH as Millis });
  const bytes = db.serialize();
  db.close();
  return bytes;
})();

export type ProvisionHall = ReturnType<typeof createProvisionHall>;

export function createProvisionHall(options: ProvisionHallOptions = {}) {
  const { machines: count = 10, seed = 1 } = options;
  const time = createSimTime(seed);
  const clock = () => (EPOCH + Math.floor(time.now())) as Millis;
  let db: Database = new Sqlite(Buffer.from(empty));
  const kinds =
    options.kinds ??
    createKinds([
      ...[simulated('install'), simulated('reinstall'), recycle()],
      ...[switching('netboot'), switching('power-off')],
    ]);

  async function run({ machine, sinceAt, now }: StepContext) {
    const leftMs = sinceAt + (options.installMs?.(machine.hardwarename) ?? 60_000) - now();
    if (leftMs > 0) return later(leftMs, 'it is being written');
    const code = options.fails?.(machine.hardwarename);
    if (code) throw new AppError(code, { detail: 'made to fail' });
    return undefined;
  }
  function simulated(kind: 'install' | 'reinstall') {
    return defineJob<JobParams>(kind, 1, {
      says: 'A stand-in of one step.',
      params: installParams,
      allowedFrom: kind === 'install' ? ['available'] : ['in-use'],
      interrupts: kind === 'reinstall',
      destructive: true,
      steps: [step('install', { timeoutMs: 7_200_000, withinMs: 7_200_000, run })],
      onStart: {
        to: 'installing',
        why: 'an install was asked for',
      },
      onFinish: { to: 'in-use', why: 'it is installed' },
      onFail: { to: 'broken', why: 'its install failed' },
      onCancel: {
        to: kind === 'install' ? 'available' : 'held',
        why: 'its install was called off',
      },
    });
  }
  /** Leaves what a proven one leaves. */
  async function wipe(context: StepContext) {
    const waiting = await run(context);
    if (waiting) return waiting;
    const { inventory } = hall.now;
    const { hardwarename } = context.machine;
    inventory.transaction(() => inventory.machines.write(hardwarename, { mayHoldData: false }));
    return undefined;
  }
  /** As far as warmth goes: a machine that is on waits in pxeimage some seconds later, unless it is one that does not come. */
  function switching(kind: 'netboot' | 'power-off') {
    return defineJob<JobParams>(kind, 1, {
      says: 'A stand-in of one step.',
      params: z.looseObject({}) as unknown as z.ZodType<JobParams>,
      allowedFrom: ['available'],
      interrupts: true,
      destructive: false,
      steps: [
        step('switch', {
          ...{ timeoutMs: 60_000, withinMs: 60_000 },
          run: async ({ machine: { hardwarename }, sinceAt, now }) => {
            if (now() - sinceAt < SWITCH_MS) return later(SWITCH_MS, 'its power');
            if (options.fails?.(hardwarename)) throw new AppError('BMC_REFUSED');
            if (kind === 'netboot') hall.power(hardwarename, true);
            else hall.power(hardwarename, false);
            return undefined;
          },
        }),
      ],
    });
  }
  /** Asks what to do, as its agent does for as long as it waits. */
  function beat(name: Hardwarename, startedAt: number): void {
    const { inventory, life } = hall.now;
    if (hall.on.get(name) !== startedAt) return;
    if (life.alive && inventory.machines.record(name)?.state === 'available')
      inventory.transaction(() => {
        for (const { mac } of inventory.machines.nicsOf(name)) {
          const boot = inventory.boots.latest(mac);
          if (boot) inventory.tokens.mint(boot.id, mac, 'wait');
        }
      });
    time.at(time.now() + HEARTBEAT_MS, () => beat(name, startedAt));
  }
  function recycle() {
    return defineJob<JobParams>('recycle', 1, {
      says: 'A stand-in of one step.',
      params: z.looseObject({}) as unknown as z.ZodType<JobParams>,
      allowedFrom: ['recycling'],
      interrupts: true,
      destructive: true,
      steps: [step('wipe', { timeoutMs: 7_200_000, withinMs: 7_200_000, run: wipe })],
      onFinish: { to: 'available', why: 'it is clean' },
      onFail: { to: 'broken', why: 'it could not be wiped' },
    });
  }

  /** What one life of the appliance holds; a crash throws it all away but the database. */
  function boot() {
    const life = { alive: true, commits: 0, errors: [] as unknown[] };
    const inventory = openInventory({ db, clock });
    const onCancel = ({ id }: { id: string }) => inventory.work.end(id, 'its job was called off');
    const jobs = openJobDesk({ ...inventory, db, clock, kinds, onCancel });
    const settings = provisioningSchema.parse(options.settings ?? {});
    const desk = openRequestDesk({ db, clock, inventory, jobs, settings, site: 'lon' });
    const timers = time.timersOf(() => life.alive);
    const after = (ms: number, callback: () => void) => timers.at(time.now() + ms, callback);
    const transaction = <T>(inside: () => T): T => {
      const cut = hall.cut;
      if (!life.alive) throw new Error('killed');
      life.commits += 1;
      if (cut && cut.at === life.commits && cut.when === 'before') hall.crash();
      if (!life.alive) throw new Error('killed');
      const result = inventory.transaction(inside);
      if (cut && cut.at === life.commits && cut.when === 'after') hall.crash();
      if (!life.alive) throw new Error('killed');
      options.onCommit?.();
      return result;
    };
    const onError = (error: unknown) => void (life.alive && life.errors.push(error));
    const engine = createEngine({
      ...{ store: jobs.store, kinds, events: inventory.events, machines: inventory.machines },
      world: {
        machine: (name) => inventory.machines.record(name),
        openBmc: () => Promise.reject(new Error('no BMC here')),
        login: () => ({ username: '', password: '' }),
        adopt: () => undefined,
        work: { ...createJobWork(inventory, clock), ...options.work },
      },
      destroyed: () => false,
      limits: options.limits ?? { siteMax: 100_000, rackMax: 100_000 },
      timers: { now: clock, after, random: time.random },
      ...{ transaction, onError },
    });
    const requests = createRequestEngine({
      ...{ desk, jobs, inventory, events: inventory.events, timers: { after } },
      ...{ installsMax: settings.installsMax, transaction, onError },
      join: (pool, machine) => pools.store.join(pool, machine),
    });
    const pools = openPoolDesk({
      db,
      clock,
      inventory,
      requests: desk,
      site: 'lon',
    });
    const keeper = createPoolEngine({
      ...{ pools, requests: desk, jobs, inventory, events: inventory.events },
      ...{ timers: { after, now: clock }, transaction, onError },
      probe: {
        addressOf: (name) => name,
        fetch: async (url) => {
          const name = /\/\/([^:/]+)/.exec(url)?.[1] ?? '';
          // Nothing answers on a machine that is being installed.
          const works = inventory.machines.record(name as Hardwarename)?.state === 'in-use';
          return hall.dead.has(name) || !works ? 'ECONNREFUSED' : '';
        },
      },
    });
    const warm = createWarmKeeper({
      ...{ db, candidates: desk.candidates, jobs, inventory, events: inventory.events },
      ...{ timers: { after, now: clock }, transaction, onError },
      ...{ rules: settings.warm.keep, idleMs: settings.warm.idleMinutes * 60_000 },
    });
    return { life, inventory, jobs, desk, pools, engine, requests, keeper, warm };
  }

  const hall = {
    database: () => db,
    time,
    clock,
    cut: undefined as { at: number; when: 'before' | 'after' } | undefined,
    crashes: 0,
    /** Machines that are on, and since when. */
    on: new Map<Hardwarename, number>(),
    /** Machines whose check URL does not answer. */
    dead: new Set<string>(),
    now: undefined as unknown as ReturnType<typeof boot>,
    crash() {
      hall.cut = undefined;
      hall.crashes += 1;
      hall.now.life.alive = false;
      if (options.reopen) db = options.reopen(db);
      time.at(time.now() + 3, () => hall.start());
    },
    start() {
      hall.now = boot();
      hall.now.engine.start();
      hall.now.requests.start();
      hall.now.keeper.start();
      hall.now.warm.start();
    },
    ask(body: Partial<z.input<typeof requestSchema>> = {}, requester = 'negz') {
      const parsed: RequestBody = requestSchema.parse({
        ...{ role: 'fancydb', image: 'debian-12/stable', count: 3, squad: 'music' },
        hostname: { pattern: '{role}-{n}' },
        ...body,
      });
      const { desk, inventory } = hall.now;
      return inventory.transaction(() => desk.create(parsed, { requester }));
    },
    pool(name: string, body: Partial<z.input<typeof poolSchema>> = {}) {
      const parsed = poolSchema.parse({
        ...{ role: 'web', image: 'debian-12/stable', count: 3, squad: 'music' },
        health: { url: 'http://{address}:80/', everySeconds: 10, graceSeconds: 0 },
        ...body,
      });
      const { pools, inventory } = hall.now;
      const cause = { who: 'negz', why: 'test' };
      return inventory.transaction(() => pools.put(name, parsed, cause));
    },
    reset(pool: string, body: Partial<z.input<typeof resetSchema>> = {}, site = 'lon') {
      const { pools, inventory } = hall.now;
      const parsed = resetSchema.parse({ why: 'test', ...body });
      return inventory.transaction(() => pools.reset({ pool, site }, parsed, 'negz'));
    },
    members: (name: string) =>
      hall.now.pools.store.members(name).map(({ hardwarename }) => hardwarename as string),
    request: (id: string) => hall.now.desk.get(id),
    state: (index: number) => hall.now.inventory.machines.record(nameOf(index))?.state,
    squad(name: string, quota?: { machines?: number; types?: Record<string, number> }) {
      const { inventory } = hall.now;
      inventory.transaction(() =>
        inventory.serverdb.records.put(
          'squad',
          { name, doc: { contact: '', notes: '', ...(quota && { quota }) } },
          { who: 'test', why: 'test' },
        ),
      );
    },
    /** New machines, from this number on. */
    power(name: Hardwarename, on: boolean, startMs = START_MS) {
      if (!on) return void hall.on.delete(name);
      const startedAt = time.now();
      hall.on.set(name, startedAt);
      if (options.stuck?.(name)) return;
      time.at(startedAt + startMs, () => {
        const { inventory } = hall.now;
        if (hall.on.get(name) !== startedAt) return;
        inventory.transaction(() => {
          for (const { mac } of inventory.machines.nicsOf(name))
            inventory.boots.sight({ mac, client: 'firmware', arch: 'x', hardwarename: name });
        });
        beat(name, startedAt);
      });
    },
    add(from: number, to: number) {
      const { inventory } = hall.now;
      inventory.transaction(() => {
        inventory.machines.together(() => {
          for (let index = from; index < to; index++)
            enter(inventory, index, options.machine?.(index) ?? {});
        });
      });
    },
    async until(done: () => boolean, mostMs = 7 * 86_400_000) {
      const until = time.now() + mostMs;
      await time.run(() => hall.now.life.alive && done(), until);
    },
    /** Until no request is open. */
    settle: (mostMs?: number) =>
      hall.until(
        () =>
          hall.now.desk.store.open().length === 0 && hall.now.jobs.store.unfinished().length === 0,
        mostMs,
      ),
  };
  hall.now = boot();
  hall.add(0, count);
  hall.squad('music');
  hall.now.inventory.transaction(() => addImage(hall.now.inventory, '1'));
  hall.now.engine.start();
  hall.now.requests.start();
  hall.now.keeper.start();
  hall.now.warm.start();
  return hall;
}
