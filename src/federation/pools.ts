/**
 * The pools of this site as documents: each as it is with the batch whose events have changed it, all of them in a snapshot; and, in a
 * snapshot, which machine is in which. Between two snapshots the events of pools say who comes and goes.
 */
import type { Pool, PoolStore } from '../provisioning/pool-store.ts';
import type { MemberDocument, PoolDocument } from './protocol.ts';

export interface FleetPoolPorts {
  membersOf(machines: readonly string[]): readonly MemberDocument[];
  pool(name: string): PoolDocument;
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
    pool(name) {
      const pool = store.pool(name);
      return pool ? documentOf(pool) : { name, gone: true };
    },
    pools: () => store.pools().map(documentOf),
  };
}

const documentOf = ({ name, version, doc, who, updatedAt, why }: Pool): PoolDocument => ({
  ...{ name, version, who, updatedAt, why: why.slice(0, WHY_CHARS_MAX) },
  doc: JSON.parse(JSON.stringify(doc)),
});
