/** How many machines a squad may still have: its quota less those that it has. One that is broken is nobody's to use. */
import type { Database } from 'better-sqlite3';
import type { Records } from '../inventory/records.ts';
import type { Quota } from './match.ts';

export interface Quotas {
  /** '' is no squad, and has no quota. */
  left(squad: string): Quota;
}

const UNLIMITED: Quota = { left: Number.POSITIVE_INFINITY, leftOfType: new Map() };

export function openQuotas(db: Database, records: Records): Quotas {
  const held = db.prepare<[string], { type: string; count: number }>(
    `SELECT hardware_type AS type, count(*) AS count FROM machines
     WHERE squad = ? AND state NOT IN ('broken', 'retired') GROUP BY hardware_type`,
  );
  return {
    left(squad) {
      const quota = squad === '' ? undefined : records.get('squad', squad)?.doc.quota;
      if (!quota) return UNLIMITED;
      const has = new Map(held.all(squad).map(({ type, count }) => [type, count]));
      const all = [...has.values()].reduce((sum, count) => sum + count, 0);
      const less = (most: number, count: number) => Math.max(0, most - count);
      const ofType = Object.entries(quota.types ?? {}).map(
        ([type, most]) => [type, less(most, has.get(type) ?? 0)] as const,
      );
      const { machines: most } = quota;
      return {
        left: most === undefined ? Number.POSITIVE_INFINITY : less(most, all),
        leftOfType: new Map(ofType),
      };
    },
  };
}
