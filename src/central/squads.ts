/**
 * The squads of the fleet: who gets machines, and how many in all. They are records (records.ts), so each site knows them.
 *
 * A quota holds for all sites together where a request is asked for here. A site holds the same figure for itself as well, for
 * what is asked for there. Squads that only a site knows stay its own.
 */
import type { z } from 'zod';
import { AppError } from '../errors.ts';
import type { squadSchema } from '../inventory/record-kinds.ts';
import { OPEN_PARTS } from './parts.ts';
import {
  type FleetRecord,
  type FleetRecords,
  type Json,
  type RecordRow,
  readRecord,
} from './records.ts';
import type { FleetDatabase, Sql } from './sql.ts';

export type SquadDoc = z.output<typeof squadSchema>;

export interface SquadView extends SquadDoc {
  readonly name: string;
  readonly version: number;
  readonly changedAt: number;
  readonly changedBy: string;
  readonly updatedAt: number;
  readonly createdAt: number | null;
  /** What it has, and what it was promised and has not got yet. */
  readonly has: number;
  readonly promised: number;
}

export interface Squads {
  list(): Promise<SquadView[]>;
  /** @throws AppError NOT_FOUND */
  get(name: string): Promise<SquadView>;
  /** Makes or replaces it, and tells each site. @throws AppError VERSION_CONFLICT, REQUEST_INVALID when there are too many */
  put(
    name: string,
    doc: SquadDoc,
    by: { readonly who: string; readonly version: number | undefined },
  ): Promise<SquadView>;
}

export function openSquads(db: FleetDatabase, records: FleetRecords): Squads {
  const show = async ({ doc, ...rest }: FleetRecord): Promise<SquadView> => {
    const { has, promised } = await heldBy(db, rest.name, '');
    const { name, ...changed } = rest;
    return { name, ...(doc as unknown as SquadDoc), ...changed, has, promised };
  };
  return {
    async get(name) {
      const squad = await records.get('squad', name);
      if (!squad) throw new AppError('NOT_FOUND', { detail: `No squad ${name}.` });
      return show(squad);
    },
    async list() {
      return Promise.all((await records.list('squad')).map(show));
    },
    async put(name, doc, by) {
      const squad = { kind: 'squad', name, doc: doc as unknown as Json } as const;
      return show(await records.put({ ...squad, ...by }));
    },
  };
}

/**
 * Machines that a squad has anywhere, broken and retired ones apart, and those that open requests still owe it.
 *
 * @param hardwareType of this type only; '' for all
 */
async function heldBy(
  sql: Sql,
  squad: string,
  hardwareType: string,
): Promise<{ has: number; promised: number }> {
  const [type, values] =
    hardwareType === '' ? ['', [squad]] : ['AND hardware_type = ?', [squad, hardwareType]];
  const [machines] = await sql.all<{ count: number }>(
    `SELECT CAST(count(*) AS BIGINT) AS count FROM machines
     WHERE squad = ? AND claimed = 0 AND state NOT IN ('broken', 'retired') ${type}`,
    values,
  );
  const open = OPEN_PARTS.map((status) => `'${status}'`).join(', ');
  const [parts] = await sql.all<{ count: number }>(
    `SELECT CAST(coalesce(sum(p.wanted - (SELECT count(*) FROM fleet_places WHERE intent = p.intent)), 0) AS BIGINT)
       AS count
     FROM fleet_parts p JOIN fleet_requests r ON r.id = p.request
     WHERE r.squad = ? AND p.status IN (${open}) ${type}`,
    values,
  );
  return { has: machines?.count ?? 0, promised: parts?.count ?? 0 };
}

interface QuotaWish {
  readonly squad: string;
  readonly hardwareType: string;
  readonly count: number;
}

/**
 * Holds the squad's row until the transaction ends, so that two requests cannot both take what is left.
 *
 * @throws AppError as `checkQuota`
 */
export async function takeQuota(sql: Sql, wish: QuotaWish): Promise<void> {
  if (wish.squad === '') return;
  await sql.run(`UPDATE fleet_records SET version = version WHERE kind = 'squad' AND name = ?`, [
    wish.squad,
  ]);
  await checkQuota(sql, wish);
}

/** @throws AppError REQUEST_INVALID when there is no such squad, QUOTA_EXCEEDED naming what is left */
export async function checkQuota(
  sql: Sql,
  { squad, hardwareType, count }: QuotaWish,
): Promise<void> {
  if (squad === '') return;
  const [row] = await sql.all<RecordRow>(
    `SELECT * FROM fleet_records WHERE kind = 'squad' AND name = ? AND doc <> ''`,
    [squad],
  );
  if (!row) throw new AppError('REQUEST_INVALID', { detail: `No squad ${squad}.`, path: '/squad' });
  const { quota } = readRecord(row).doc as unknown as SquadDoc;
  const check = async (most: number | undefined, type: string): Promise<void> => {
    if (most === undefined) return;
    const { has, promised } = await heldBy(sql, squad, type);
    if (has + promised + count <= most) return;
    const what = type === '' ? 'machines' : `machines of type ${type}`;
    const left = Math.max(0, most - has - promised);
    const detail = `${squad} may have ${most} ${what}: it has ${has}, was promised ${promised}, ${left} are left.`;
    throw new AppError('QUOTA_EXCEEDED', { detail, more: { left } });
  };
  await check(quota?.machines, '');
  if (hardwareType !== '') await check(quota?.types?.[hardwareType], hardwareType);
}
