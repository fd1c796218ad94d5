/**
 * A hall of simulated machines with BMCs, and an appliance without sockets that runs jobs on them, all on one simulated
 * clock. The engine, the store, the IPMI client and the BMCs' protocol are the real ones; only datagrams, timers and
 * firmware are simulated. The appliance can be killed between any two commits: what was not committed is lost, its timers
 * and sessions are gone, and the BMCs go on.
 */
import Sqlite, { type Database } from 'better-sqlite3';
import { createBmcAccess } from '../../src/bmc/access.ts';
import { createJobWorld } from '../../src/daemon/job-bmc.ts';
import type { ErrorCode } from '../../src/errors.ts';
import { openInventory } from '../../src/inventory/inventory.ts';
import { createSecretBox } from '../../src/inventory/secrets.ts';
import type { WorkToken } from '../../src/inventory/work.ts';
import type { JobKinds } from '../../src/jobs/definition.ts';
import { openJobDesk } from '../../src/jobs/desk.ts';
import { createEngine } from '../../src/jobs/engine.ts';
import type { Engine } from '../../src/jobs/engine-parts.ts';
import { jobKinds } from '../../src/jobs/kinds/index.ts';
import type { JobWorld } from '../../src/jobs/ports.ts';
import { type Hardwarename, newBootId } from '../../src/wire/ids.ts';
import type { Mac } from '../../src/wire/mac.ts';
import type { Millis } from '../../src/wire/time.ts';
import { createSimMachine, type SimMachine } from './sim-machine.ts';
import { createSimTime, type SimTime } from './sim-time.ts';

export const EPOCH = 1_700_000_000_000;

export interface HallOptions {
  readonly machines?: number;
  readonly racks?: number;
  readonly seed?: number;
  readonly kinds?: JobKinds;
  readonly db?: Database;
  /** A crash closes the database and opens it anew by this; without it the one in memory stays. */
  readonly reopen?: () => Database;
  readonly limits?: { siteMax: number; rackMax: number };
  /** Share of datagrams that are lost, in each direction. */
  readonly lossRate?: number;
  readonly suites?: readonly number[];
  /** A machine has booted pxeimage: what its agent does then. */
  readonly onPxeimage?: (hall: Hall, hardwarename: Hardwarename) => void;
  /** The disk has what was committed so much later; a crash is a power cut, and what it had not is gone. */
  readonly slowDiskMs?: number;
}

/** A database with its tables, made once: each hall starts from a copy. */
const empty = (() => {
  const db = new Sqlite(':memory:');
  openInventory({ db, clock: () => EPOCH as Millis });
  const bytes = db.serialize();
  db.close();
  return bytes;
})();

export type Hall = Awaited<ReturnType<typeof createHall>>;

export const PASSWORD = 'correct-horse-9';

export function createHall(options: HallOptions = {}) {
  const { machines: count = 1, racks = 1, seed = 1, lossRate = 0 } = options;
  let db = options.db ?? new Sqlite(Buffer.from(empty));
  const { slowDiskMs } = options;
  /** What a power cut leaves. */
  let onDisk = db.serialize();
  const persist = () => {
    if (slowDiskMs !== undefined) onDisk = db.serialize();
  };
  const time = createSimTime(seed);
  const clock = () => (EPOCH + Math.floor(time.now())) as Millis;
  const key = createSecretBox(() => new Uint8Array(32).fill(7));
  const machines = new Map<string, SimMachine>();
  const listeners = new Map<string, Set<(bytes: Uint8Array) => void>>();
  const network = { lossRate };
  const kinds =
    options.kinds ??
    jobKinds({
      bmcSetup: {
        ...{ site: 'site', factory: ['factory'], disableFactory: true },
        ...{ restorePolicy: 'always-on', setClock: true, useDhcp: true },
      },
    });

  const lost = () => network.lossRate > 0 && time.random() < network.lossRate;
  const datagrams = {
    send(bytes: Uint8Array, to: { address: string; port: number }) {
      const machine = machines.get(to.address);
      if (!machine || lost()) return;
      time.at(time.now() + 1, () => {
        for (const reply of machine.respond(bytes)) {
          if (lost()) continue;
          time.at(time.now() + 1, () => {
            for (const handler of listeners.get(to.address) ?? []) handler(reply);
          });
        }
      });
    },
    listen({ address }: { address: string }, handler: (bytes: Uint8Array) => void) {
      const set = listeners.get(address) ?? new Set();
      listeners.set(address, set.add(handler));
      return () => set.delete(handler);
    },
  };

  /** What one life of the appliance holds; a crash throws it all away but the database. */
  function boot() {
    const life = { alive: true, commits: 0, errors: [] as unknown[] };
    const inventory = openInventory({ db, clock, secrets: key });
    const desk = openJobDesk({
      ...{ ...inventory, db, clock, kinds },
      onCancel: ({ id }) => inventory.work.end(id, 'its job was called off'),
    });
    const timers = time.timersOf(() => life.alive);
    const ports = {
      ...{ datagrams, random: time.randomBytes },
      timers: { nowMs: time.now, at: timers.at },
    };
    const access = createBmcAccess({
      ...{ ...inventory.serverdb, ports, clock, siteCredentials: ['site'] },
      soon: (change) => void (life.alive && inventory.soon(change)),
      factoryCredentials: ['factory'],
      transaction: (change) => void (life.alive && inventory.transaction(change)),
    });
    const world = watched(createJobWorld({ inventory, access, clock }));
    const engine: Engine = createEngine({
      ...{ store: desk.store, kinds, world, events: inventory.events },
      machines: inventory.machines,
      destroyed: (job) => (inventory.work.ofJob(job)?.destroysAt ?? 0) > 0,
      limits: options.limits ?? { siteMax: 200, rackMax: 8 },
      timers: {
        now: clock,
        after: (ms, callback) => timers.at(time.now() + ms, callback),
        random: time.random,
      },
      transaction: (run) => {
        const cut = hall.cut;
        if (!life.alive) throw new Error('killed');
        life.commits += 1;
        if (cut && cut.at === life.commits && cut.when === 'before') hall.crash();
        if (!life.alive) throw new Error('killed');
        const result = inventory.transaction(run);
        if (cut && cut.at === life.commits && cut.when === 'after') hall.crash();
        if (!life.alive) throw new Error('killed');
        return result;
      },
      whenDurable:
        slowDiskMs === undefined
          ? undefined
          : (done) => {
              timers.at(time.now() + slowDiskMs, () => {
                persist();
                done();
              });
            },
      onError: (error) => void (life.alive && life.errors.push(error)),
    });
    desk.blockedBy = (job) => engine.blockedBy(job);
    return { life, inventory, desk, engine, access };
  }

  /** Counts open sessions: the limits are judged by what the BMCs see, not by what the engine says. */
  const open = { site: 0, siteMost: 0, bmc: new Map<string, number>(), bmcMost: 0 };
  const racksOpen = { now: new Map<string, number>(), most: 0 };
  function watched(world: JobWorld): JobWorld {
    const add = (map: Map<string, number>, key: string, by: number) => {
      map.set(key, (map.get(key) ?? 0) + by);
      return map.get(key) ?? 0;
    };
    return {
      ...world,
      async openBmc(machine, credential) {
        open.site += 1;
        open.siteMost = Math.max(open.siteMost, open.site);
        open.bmcMost = Math.max(open.bmcMost, add(open.bmc, machine.bmcAddress, 1));
        racksOpen.most = Math.max(racksOpen.most, add(racksOpen.now, machine.rack, 1));
        let counted = true;
        const leave = () => {
          if (!counted) return;
          counted = false;
          open.site -= 1;
          add(open.bmc, machine.bmcAddress, -1);
          add(racksOpen.now, machine.rack, -1);
        };
        hall.leavers.add(leave);
        try {
          const bmc = await world.openBmc(machine, credential);
          const close = () => bmc.close().finally(leave);
          return { ...bmc, close };
        } catch (error) {
          leave();
          throw error;
        }
      },
    };
  }

  const hall = {
    database: () => db,
    time,
    clock,
    network,
    kinds,
    machines,
    open,
    racksOpen,
    leavers: new Set<() => void>(),
    /** How the agent's work ends. */
    agent: { failure: '' as ErrorCode | '' },
    /** Kill the appliance at its n-th commit of a life; cleared by the crash. */
    cut: undefined as { at: number; when: 'before' | 'after' } | undefined,
    crashes: 0,
    now: undefined as unknown as ReturnType<typeof boot>,
    crash() {
      hall.cut = undefined;
      hall.crashes += 1;
      hall.now.life.alive = false;
      listeners.clear();
      if (options.reopen) {
        db.close();
        db = options.reopen();
      }
      if (slowDiskMs !== undefined) {
        db.close();
        db = new Sqlite(onDisk);
      }
      for (const leave of hall.leavers) leave();
      hall.leavers.clear();
      // Whoever restarts it does so a moment later: nothing of the old life runs in the new one.
      time.at(time.now() + 3, () => hall.start());
    },
    start() {
      hall.now = boot();
      hall.now.engine.start();
    },
    machine(index: number): SimMachine {
      const machine = machines.get(addressOf(index));
      if (!machine) throw new Error(`there is no machine ${index}`);
      return machine;
    },
    submit(action: string, index = 0, params: unknown = {}) {
      const target = nameOf(index);
      const { inventory, desk } = hall.now;
      const job = inventory.transaction(() =>
        desk.create({ action, target, params, requester: 'test', release: target }),
      );
      persist();
      return job;
    },
    /** What a test has written by hand is on disk, too. */
    persist,
    /** Its agent, which waits, hears that there is something to do. */
    wakeAgent: (name: Hardwarename) => options.onPxeimage?.(hall, name),
    job: (id: string) => hall.now.desk.get(id),
    /** Runs until every job has ended. */
    async settle(mostMs = 86_400_000) {
      const until = time.now() + mostMs;
      await time.run(
        () => hall.now.life.alive && hall.now.desk.store.unfinished().length === 0,
        until,
      );
    },
  };

  hall.now = boot();
  const { inventory } = hall.now;
  inventory.transaction(() => {
    const { credentials, editor } = inventory.serverdb;
    for (const [name, username, password] of [
      ['site', 'reveille', PASSWORD],
      ['factory', 'admin', 'secret'],
    ] as const)
      credentials.put({ name, squad: '', username, notes: '', password }, { who: 'test' });
    inventory.machines.together(() => {
      for (let index = 0; index < count; index++) {
        const [address, hardwarename] = [addressOf(index), nameOf(index)];
        const rack = `R${index % racks}`;
        const entry = { serial: hardwarename, manufacturer: 'LabCorp', product: 'X' };
        const place = { bmcAddress: address, bmcCredential: 'factory', rack, nics: [] };
        editor.enter({ ...entry, ...place, state: 'held' } as never, { who: 'test', why: 'test' });
        machines.set(
          address,
          createSimMachine({
            ...{ time, address, suites: options.suites ?? [17] },
            tell: (name) => tell(hardwarename, name),
          }),
        );
      }
    });
  });
  /** The appliance hears of it, or is down and the firmware asks again. */
  function tell(hardwarename: Hardwarename, name: 'boot.started' | 'recon.received') {
    const { life, inventory: current } = hall.now;
    if (!life.alive) return void time.at(time.now() + 4000, () => tell(hardwarename, name));
    const data =
      name === 'boot.started'
        ? ({ client: 'firmware', arch: 'uefi-x64', iface: 'prov0' } as const)
        : { digest: 'd', sizeBytes: 1, repeated: false };
    current.transaction(() => current.events.append({ name, hardwarename, data } as never));
    persist();
    if (name !== 'recon.received') return;
    if (options.onPxeimage) options.onPxeimage(hall, hardwarename);
    else begin(hardwarename);
  }
  /** Where a test brings no agent of its own: it asks what to do, does it for a minute, and has its last word. */
  function begin(hardwarename: Hardwarename) {
    const { life, inventory: current } = hall.now;
    if (!life.alive) return void time.at(time.now() + 4000, () => begin(hardwarename));
    const order = current.work.liveOf(hardwarename);
    if (!order) return;
    const by = { boot: newBootId(), mac: '52:54:00:00:00:01' as Mac };
    const token = current.transaction(() => {
      const offered = current.work.take(order, by);
      if (offered) current.work.fetched(offered);
      return offered;
    });
    persist();
    if (token) time.at(time.now() + 60_000, () => finish(token));
  }
  function finish(token: WorkToken) {
    const { life, inventory: current } = hall.now;
    if (!life.alive) return void time.at(time.now() + 4000, () => finish(token));
    const { job, purpose, round, hardwarename } = token.order;
    const about = { job, purpose, round };
    const { failure } = hall.agent;
    const detail = failure && { detail: 'made to fail', retry: false, log: '' };
    const result = failure
      ? ({ ok: false, step: 'test', code: failure, ...detail } as const)
      : ({ ok: true, step: 'test', measurements: { 'cpu-count': 2, model: 'x' } } as const);
    current.transaction(() => {
      if (!current.work.concluded(token, result)) return;
      const data = result.ok
        ? { ...about, measurements: result.measurements }
        : { ...about, ...result };
      const name = result.ok ? 'agent.finished' : 'agent.failed';
      current.events.append({ name, hardwarename, data } as never);
    });
    persist();
  }
  persist();
  hall.now.engine.start();
  return hall;
}

export function nameOf(index: number): Hardwarename {
  return `SIM${String(index).padStart(5, '0')}` as Hardwarename;
}

export function addressOf(index: number): string {
  return `10.66.${Math.floor(index / 250)}.${(index % 250) + 1}`;
}

export type { SimTime };
