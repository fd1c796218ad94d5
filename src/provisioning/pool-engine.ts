/**
 * Keeps pools: takes in what requests have brought, lets go what has left, gives up what has failed, asks for what is
 * missing, releases what is too much, and moves resets on.
 *
 * It is woken by the event feed and by a slow poll, like the engine of requests, and each pool is one transaction. Where a
 * machine of a pool is decided by ServerDb; the member's row only adds since when it is unhealthy. What has failed is asked
 * of the breakers first: a machine that shares what too many failures share stays where it is, and no spare is spent on it.
 */

import { AppError } from '../errors.ts';
import type { EventStore } from '../inventory/event-store.ts';
import type { Inventory } from '../inventory/inventory.ts';
import { rackPlace } from '../inventory/rack-place.ts';
import { type MachineState, needsRelease } from '../inventory/states.ts';
import type { JobDesk } from '../jobs/desk.ts';
import type { JobTimers } from '../jobs/ports.ts';
import { limit } from '../limits.ts';
import type { Hardwarename } from '../wire/ids.ts';
import { breakerFor } from './breakers.ts';
import type { Known } from './candidates.ts';
import type { RequestDesk } from './desk.ts';
import { type Exposure, factorsOf } from './factors.ts';
import { type ComingPlace, nextSizeAction, placesToCallOff, type SeenMember } from './pool.ts';
import type { PoolDesk } from './pool-desk.ts';
import { createHealthWatch, type HealthProbe, type HealthWatch } from './pool-health.ts';
import { stepReset } from './pool-reset.ts';
import type { Pool } from './pool-store.ts';
import type { ProvisioningRequest } from './store.ts';

export interface PoolEngineOptions {
  readonly pools: PoolDesk;
  readonly requests: RequestDesk;
  readonly jobs: JobDesk;
  readonly inventory: Pick<Inventory, 'machines' | 'serverdb'>;
  readonly events: Pick<EventStore, 'follow'>;
  readonly timers: Pick<JobTimers, 'after' | 'now'>;
  readonly probe: HealthProbe;
  transaction<T>(run: () => T): T;
  onError(error: unknown, pool?: string): void;
}

export interface PoolEngine {
  start(): void;
  stop(): void;
}

/** On its way through a job: it comes back to the pool, or rests somewhere else. */
const ON_ITS_WAY: readonly MachineState[] = ['installing', 'recycling'];

export function createPoolEngine(options: PoolEngineOptions): PoolEngine {
  return new Keeper(options);
}

class Keeper implements PoolEngine {
  private readonly options: PoolEngineOptions;
  private readonly health: HealthWatch;
  private passDue = false;
  private stopped = false;
  private unfollow: (() => void) | undefined;
  private cancelPoll: (() => void) | undefined;

  constructor(options: PoolEngineOptions) {
    this.options = options;
    this.health = createHealthWatch(options, () => this.passSoon());
  }

  start(): void {
    this.unfollow = this.options.events.follow(() => this.passSoon(), 'machines');
    this.poll();
    this.passSoon();
  }

  stop(): void {
    this.stopped = true;
    this.unfollow?.();
    this.cancelPoll?.();
    this.health.stop();
  }

  private poll(): void {
    this.cancelPoll = this.options.timers.after(limit('provisioningPollMs'), () => {
      if (this.stopped) return;
      this.passSoon();
      this.poll();
    });
  }

  private passSoon(): void {
    if (this.passDue || this.stopped) return;
    this.passDue = true;
    this.options.timers.after(limit('provisioningGatherMs'), () => {
      this.passDue = false;
      if (!this.stopped) this.pass();
    });
  }

  private pass(): void {
    const { pools } = this.options;
    if (pools.store.pools().length === 0 && pools.store.openResets().length === 0) return;
    const known = new Map<Hardwarename, Known>();
    this.guarded(undefined, () => {
      for (const one of this.options.requests.candidates.read()) known.set(one.hardwarename, one);
    });
    for (const pool of pools.store.pools()) this.guarded(pool.name, () => this.keep(pool, known));
    for (const reset of pools.store.openResets())
      this.guarded(reset.pool, () => stepReset(this.options, reset, known));
    this.guarded(undefined, () => this.health.look(known));
  }

  private keep(pool: Pool, known: ReadonlyMap<Hardwarename, Known>): void {
    const { pools, requests } = this.options;
    this.dismiss(pool, known);
    for (const member of this.seen(pool, known)) this.giveUp(pool, member, known);
    const members = this.seen(pool, known);
    const open = requests.store
      .openOfPool(pool.name)
      .filter(({ status }) => status !== 'cancelling');
    const pending = open.reduce((sum, { count, done }) => sum + count - done, 0);
    const held = members.filter((one) => one.held).length;
    const action = nextSizeAction(pool.doc.count, members, pending);
    const why =
      held > 0
        ? `${held} have failed and are held by a breaker`
        : (open.find((one) => one.why)?.why ?? '');
    switch (action.do) {
      case 'nothing':
        if (why !== pool.why) this.options.transaction(() => pools.store.setPoolWhy(pool, why));
        return;
      case 'ask':
        this.orSayWhy(pool, () => {
          const body = pools.requestOf(pool, action.count);
          requests.create(body, { requester: pool.who, pool: pool.name });
        });
        return;
      case 'call-off':
        this.callOff(pool, open, action.count);
        return;
      case 'release':
        this.release(pool, action.machine);
    }
  }

  /** A request of which nothing is left to come is called off as a whole; of another one these places are given up. */
  private callOff(pool: Pool, open: readonly ProvisioningRequest[], count: number): void {
    const { requests } = this.options;
    const cause = { who: pool.who, why: `pool ${pool.name} is to be smaller` };
    const coming = open.flatMap((request) => this.coming(request));
    const off = placesToCallOff(coming, count);
    this.options.transaction(() => {
      for (const { id } of open) {
        const places = off.flatMap(({ request, place }) => (request === id ? [place] : []));
        // One whose last places are being called off has nothing more to come, and ends by itself.
        if (places.length === 0) continue;
        if (places.length === coming.filter(({ request }) => request === id).length)
          requests.cancel(id, cause);
        else requests.shrink(id, places, cause);
      }
    });
  }

  private coming(request: ProvisioningRequest): ComingPlace[] {
    return this.options.requests.store.foldOf(request).places.flatMap((one, place) => {
      const base = { request: request.id, place };
      if (one.is === 'open') return [{ ...base, far: 0, sinceAt: 0 }];
      if (one.is !== 'claimed' || one.off) return [];
      return [{ ...base, far: this.farness(one.job), sinceAt: one.sinceAt }];
    });
  }

  /** What has ended without success is as far as a place that has no machine. */
  private farness(id: string): number {
    const { store, kinds } = this.options.jobs;
    const job = store.byId(id);
    if (!job || job.status === 'failed' || job.status === 'cancelled') return 0;
    if (job.status === 'finished') return Number.POSITIVE_INFINITY;
    const steps = kinds.find(job.kind, job.version)?.steps ?? [];
    return 2 + steps.findIndex(({ name }) => name === job.step);
  }

  /** Members whose machine rests somewhere else now, whoever did that. */
  private dismiss(pool: Pool, known: ReadonlyMap<Hardwarename, Known>): void {
    const { pools, jobs } = this.options;
    for (const member of pools.store.members(pool.name)) {
      const state = known.get(member.hardwarename)?.state;
      if (state !== undefined && needsRelease(state)) continue;
      const onItsWay = state !== undefined && ON_ITS_WAY.includes(state);
      const job = jobs.store.unfinishedOf(member.hardwarename);
      if (onItsWay && job?.kind === 'reinstall') continue;
      this.options.transaction(() => pools.store.leave(member, `it is ${state ?? 'gone'}`));
    }
  }

  private seen(pool: Pool, known: ReadonlyMap<Hardwarename, Known>): SeenMember[] {
    return this.options.pools.store.members(pool.name).map((member) => {
      // As of this pass: a record of each, at each event of a site of thousands, would hold up DHCP.
      const machine = known.get(member.hardwarename);
      return {
        ...member,
        place: machine ? rackPlace(machine) : '',
        protected: machine?.protected === true,
        atWork: machine !== undefined && needsRelease(machine.state),
      };
    });
  }

  /** A member that has been unhealthy for too long, unless what it shares with others has failed. */
  private giveUp(pool: Pool, member: SeenMember, known: ReadonlyMap<Hardwarename, Known>): void {
    const { pools, requests, inventory, jobs } = this.options;
    const { hardwarename, unhealthyAt, why } = member;
    const machine = known.get(hardwarename);
    if (unhealthyAt === 0 || !machine || !member.atWork || member.protected) return;
    if (jobs.store.unfinishedOf(hardwarename)) return;
    const factors = factorsOf({ ...machine, image: pool.doc.image });
    this.options.transaction(() => {
      if (!member.held) {
        const { site } = machine;
        const outcome = {
          hardwarename,
          site,
          source: 'work',
          failed: true,
          code: why,
          factors,
        } as const;
        requests.breakers.note(outcome, this.atWork(hardwarename, known));
      }
      const breaker = breakerFor(requests.breakers.open(), factors);
      if (breaker) {
        const by = `breaker ${breaker.id}: ${breaker.factor} ${breaker.value}`;
        pools.store.hold(member, by);
        return;
      }
      // The name is free for the machine that comes instead.
      const cause = { by: 'owner', who: `pool ${pool.name}`, why, release: hardwarename } as const;
      inventory.serverdb.editor.move(hardwarename, 'broken', cause);
      const none = { hostname: '', role: '', squad: '', owner: '' };
      inventory.serverdb.editor.edit(hardwarename, none, { who: cause.who, why });
      pools.store.leave(member, why);
    });
  }

  /** Every other member that is healthy: what the failures are compared with. */
  private atWork(but: Hardwarename, known: ReadonlyMap<Hardwarename, Known>): Exposure[] {
    const { pools } = this.options;
    const images = new Map(pools.store.pools().map(({ name, doc }) => [name, doc.image]));
    return pools.store.allMembers().flatMap((member) => {
      const machine = known.get(member.hardwarename);
      if (!machine || member.unhealthyAt > 0 || member.hardwarename === but) return [];
      return [
        { failed: false, factors: factorsOf({ ...machine, image: images.get(member.pool) }) },
      ];
    });
  }

  /** Out of the pool and into a recycle job: its disks are wiped before anybody else gets it. */
  private release(pool: Pool, machine: Hardwarename): void {
    const { pools, jobs, inventory } = this.options;
    const kind = jobs.kinds.newest('recycle');
    if (!kind) {
      const why = 'it is too large, and this appliance cannot recycle';
      this.options.transaction(() => pools.store.setPoolWhy(pool, why));
      return;
    }
    this.orSayWhy(pool, () => {
      const record = inventory.machines.record(machine);
      const who = `pool ${pool.name}`;
      const why = 'the pool has become smaller';
      if (record && !kind.allowedFrom.includes(record.state)) {
        const cause = { by: 'owner', who, why, release: machine } as const;
        inventory.serverdb.editor.move(machine, 'recycling', cause);
      }
      jobs.create({ action: 'recycle', target: machine, requester: who, release: machine });
      // A transition by a job ends no assignment: without this its name and its squad's quota stay taken.
      const none = { hostname: '', role: '', squad: '', owner: '' };
      inventory.serverdb.editor.edit(machine, none, { who, why });
      const member = pools.store.members(pool.name).find((one) => one.hardwarename === machine);
      if (member) pools.store.leave(member, why);
    });
  }

  /** What cannot be done is the pool's to say, for whoever looks at it. */
  private orSayWhy(pool: Pool, run: () => void): void {
    try {
      this.options.transaction(run);
    } catch (error) {
      if (!(error instanceof AppError) || error.httpStatus >= 500) throw error;
      this.options.transaction(() => this.options.pools.store.setPoolWhy(pool, error.message));
    }
  }

  private guarded(pool: string | undefined, run: () => void): void {
    try {
      run();
    } catch (error) {
      if (!this.stopped) this.options.onError(error, pool);
    }
  }
}
