/**
 * Health of machines in pools: a URL of each is fetched regularly, and so many failures in a row are a fact about the member.
 * One success ends it. The counts in between are in memory: after a restart a dying machine has a few seconds more.
 */

import type { Inventory } from '../inventory/inventory.ts';
import type { JobDesk } from '../jobs/desk.ts';
import { limit } from '../limits.ts';
import type { Hardwarename } from '../wire/ids.ts';
import type { Known } from './candidates.ts';
import type { Member } from './pool.ts';
import type { PoolDesk } from './pool-desk.ts';
import type { Pool } from './pool-store.ts';

export interface HealthProbe {
  /** '' when it has none that is known. */
  addressOf(hardwarename: Hardwarename): string;
  /** @returns '' for a 2xx, else what was wrong. Never rejects. */
  fetch(url: string): Promise<string>;
}

export interface HealthWatch {
  /** Begins the checks that are due. */
  look(known: ReadonlyMap<Hardwarename, Known>): void;
  stop(): void;
}

interface Watched {
  dueAt: number;
  failures: number;
  running: boolean;
}

export function createHealthWatch(
  options: {
    readonly pools: PoolDesk;
    readonly jobs: Pick<JobDesk, 'store'>;
    readonly inventory: Pick<Inventory, 'machines'>;
    readonly timers: { now(): number; after(ms: number, callback: () => void): () => void };
    readonly probe: HealthProbe;
    transaction<T>(run: () => T): T;
    onError(error: unknown): void;
  },
  wake: () => void,
): HealthWatch {
  const { pools, jobs, inventory, timers, probe } = options;
  const watched = new Map<Hardwarename, Watched>();
  let running = 0;
  let stopped = false;

  const conclude = (pool: Pool, hardwarename: Hardwarename, why: string): void => {
    const one = watched.get(hardwarename);
    const member = pools.store
      .members(pool.name)
      .find((each) => each.hardwarename === hardwarename);
    if (!one || !member || stopped || jobs.store.unfinishedOf(hardwarename)) return;
    one.failures = why === '' ? 0 : one.failures + 1;
    if (why !== '' && one.failures < pool.doc.health.failuresMax) return;
    if (why === '' ? member.unhealthyAt === 0 : member.unhealthyAt > 0) return;
    const told = why === '' ? '' : `Its check has failed ${one.failures} times in a row: ${why}.`;
    options.transaction(() => pools.store.setHealth(member, told));
    wake();
  };
  /** In the hands of a job, which switches it off or writes its disks: silence says nothing about it. */
  const isAway = (hardwarename: Hardwarename, known: ReadonlyMap<Hardwarename, Known>): boolean =>
    known.get(hardwarename)?.state !== 'in-use' ||
    jobs.store.unfinishedOf(hardwarename) !== undefined;
  /** Since when it is expected to answer: it joined, or was installed anew. */
  const backAt = ({ hardwarename, joinedAt }: Member): number =>
    Math.max(joinedAt, inventory.machines.record(hardwarename)?.stateAt ?? 0);
  const check = async (pool: Pool, member: Member, one: Watched): Promise<void> => {
    const { everySeconds, url = '' } = pool.doc.health;
    const { hardwarename } = member;
    one.running = true;
    running += 1;
    try {
      const address = probe.addressOf(hardwarename);
      const why =
        address === '' ? 'it has no address' : await probe.fetch(url.replace('{address}', address));
      conclude(pool, hardwarename, why);
    } catch (error) {
      options.onError(error);
    } finally {
      running -= 1;
      one.running = false;
      one.dueAt = timers.now() + everySeconds * 1000;
      if (!stopped) timers.after(everySeconds * 1000, wake);
    }
  };
  return {
    look(known) {
      const now = timers.now();
      const members = new Set<Hardwarename>();
      for (const pool of pools.store.pools()) {
        const { url, graceSeconds } = pool.doc.health;
        if (url === undefined) continue;
        for (const member of pools.store.members(pool.name)) {
          const { hardwarename } = member;
          members.add(hardwarename);
          const one = watched.get(hardwarename) ?? { dueAt: 0, failures: 0, running: false };
          watched.set(hardwarename, one);
          if (isAway(hardwarename, known)) {
            one.failures = 0;
            continue;
          }
          if (one.running || now < one.dueAt) continue;
          if (member.unhealthyAt === 0 && now < backAt(member) + graceSeconds * 1000) continue;
          if (running >= limit('healthChecksMax')) return;
          void check(pool, member, one);
        }
      }
      for (const name of watched.keys()) if (!members.has(name)) watched.delete(name);
    },
    stop() {
      stopped = true;
    },
  };
}
