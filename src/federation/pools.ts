/**
 * Which machine is in which pool of this site, as documents for a snapshot. Between two snapshots the events of pools say it.
 */
import type { Pool, PoolStore } from '../provisioning/pool-store.ts';
import type { MemberDocument, PoolDocument } from './protocol.ts';

export interface FleetPoolPorts {
  membersOf(machines: readonly string[]): readonly MemberDocument[];
  pools(): readonly PoolDocument[];
}

const WHY_CHARS_MAX = 1000;

export function openFleetPools(store: PoolStore): FleetPoolPorts {
  return {
    membersOf: (machines) =>
      machines.flatMap((machine): MemberDocument[] => {
        const member = store.member(machine);
        if (!member) return [];
        const { pool, joinedAt, unhealthyAt, held, why } = member;
        return [{ machine, pool, joinedAt, unhealthyAt, held, why: why.slice(0, WHY_CHARS_MAX) }];
      }),
    pools: () =>
      store.pools().map(({ name, why }: Pool) => ({ name, why: why.slice(0, WHY_CHARS_MAX) })),
  };
}
