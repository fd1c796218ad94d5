/** Where pools are written and looked at, and resets begun and turned. Who may is the caller's question. */
import type { Database } from 'better-sqlite3';
import { AppError } from '../errors.ts';
import type { Inventory } from '../inventory/inventory.ts';
import type { Clock, Millis } from '../wire/time.ts';
import type { RequestDesk } from './desk.ts';
import type { PoolBody, ResetBody } from './pool.ts';
import { openPoolStore, type Pool, type PoolStore, type Reset } from './pool-store.ts';
import { type RequestBody, requestSchema } from './request.ts';

interface Cause {
  readonly who: string;
  readonly why: string;
  readonly version?: number | undefined;
}

export interface PoolDesk {
  readonly store: PoolStore;
  /** @throws AppError NOT_FOUND */
  get(name: string): Pool;
  /** @throws AppError REQUEST_INVALID, VERSION_CONFLICT */
  put(name: string, body: PoolBody, cause: Cause): Pool;
  /** A smaller pool wipes machines that somebody uses. @throws AppError CONFIRMATION_NEEDED unless `confirm` is how many go */
  assertConfirmed(name: string, count: number, confirm: number | undefined): void;
  remove(name: string, cause: Cause): void;
  /** The request that brings so many machines. */
  requestOf(pool: Pool, count: number): RequestBody;
  /**
   * Installs every machine of a pool anew, or of all pools of a site.
   * @throws AppError NOT_FOUND, ALREADY_EXISTS while another one runs on the same machines
   */
  reset(of: { pool: string; site: string }, body: ResetBody, who: string): Reset;
}

const HOUR_MS = 3_600_000;
/** Names of machines that come and go: nobody should grow fond of them. */
const RANDOM_NAME = { pattern: '{role}-{random:5}', first: 1 };

export function openPoolDesk(parts: {
  readonly db: Database;
  readonly clock: Clock;
  readonly inventory: Pick<Inventory, 'events' | 'images'>;
  readonly requests: RequestDesk;
  readonly site: string;
}): PoolDesk {
  const { db, clock, inventory, requests, site: ownSite } = parts;
  const store = openPoolStore(db, clock, inventory.events);
  inventory.images.guard(({ refs }) => usesOf(store, refs));
  const get = (name: string): Pool => {
    const pool = store.pool(name);
    if (!pool) throw new AppError('NOT_FOUND', { detail: `No pool ${name.slice(0, 63)}.` });
    return pool;
  };
  const bodyOf = ({ health: _, ...doc }: PoolBody, count: number, why: string): RequestBody =>
    requestSchema.parse({ ...doc, hostname: doc.hostname ?? RANDOM_NAME, count, why });
  return {
    ...{ store, get },
    requestOf: ({ name, doc }, count) => bodyOf(doc, count, `pool ${name}`),
    put(name, body, cause) {
      requests.prepare(bodyOf(body, Math.max(1, body.count), `pool ${name}`), cause.who);
      return store.putPool(name, { ...body, site: body.site ?? ownSite }, cause);
    },
    assertConfirmed(name, count, confirm) {
      const leaving = store.members(name).length - count;
      if (leaving > 0 && confirm !== leaving)
        throw new AppError('CONFIRMATION_NEEDED', {
          detail: `${leaving} machines would be released and wiped.`,
          path: '/confirm',
          more: { count: leaving },
        });
    },
    remove(name, cause) {
      for (const { id } of requests.store.openOfPool(name)) requests.cancel(id, cause);
      store.removePool(name, cause);
    },
    reset({ pool, site }, body, who) {
      const pools =
        pool === '' ? store.pools().filter(({ doc }) => doc.site === site) : [get(pool)];
      const members = pools.flatMap(({ name }) => store.members(name));
      if (members.length === 0)
        throw new AppError('NOT_FOUND', { detail: 'There is no machine to reset.' });
      const names = new Set(pools.map(({ name }) => name));
      const other = store
        .openResets()
        .find(({ id }) => store.resetMachines(id).some((one) => names.has(one.pool)));
      if (other)
        throw new AppError('ALREADY_EXISTS', { detail: `Reset ${other.id} is ${other.status}.` });
      const deadlineAt = (clock() + body.withinHours * HOUR_MS) as Millis;
      return store.addReset({ pool, site, doc: body, who, deadlineAt }, members);
    },
  };
}

/** The next machine of a pool is installed with it, or the next one of a reset. */
function usesOf(store: PoolStore, refs: readonly string[]): string[] {
  const pools = store.pools().filter(({ doc }) => refs.includes(doc.image));
  const resets = store
    .openResets()
    .filter(({ doc }) => doc.image !== undefined && refs.includes(doc.image));
  return [
    ...pools.map(({ name }) => `pool ${name} is made of it`),
    ...resets.map(({ id }) => `reset ${id} has not ended`),
  ];
}
