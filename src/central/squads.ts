/**
 * The squads of the fleet: who gets machines, and how many in all. Each site is told of them by an intent, so that its own
 * records and requests know them; a site that joins, or was put back from a copy, is told with its next hello.
 *
 * A quota holds for all sites together where a request is asked for here. A site holds the same figure for itself as well, for
 * what is asked for there. Squads that only a site knows stay its own.
 */
import type { z } from 'zod';
import { AppError } from '../errors.ts';
import type { squadSchema } from '../inventory/record-kinds.ts';
import { limit } from '../limits.ts';
import type { Clock } from '../wire/time.ts';
import { putIntent } from './intents.ts';
import { OPEN_PARTS } from './parts.ts';
import type { FleetDatabase, Sql, SqlRow } from './sql.ts';

export type SquadDoc = z.output<typeof squadSchema>;

export interface SquadView extends SquadDoc {
  readonly name: string;
  readonly version: number;
  readonly changedAt: number;
  readonly changedBy: string;
  /** What it has, and what it was promised and has not got yet. */
  readonly has: number;
  readonly promised: number;
}

export interface Squads {
  list(): Promise<SquadView[]>;
  /** @throws AppError NOT_FOUND */
  get(name: string): Promise<SquadView>;
  /** Makes or replaces it, and tells each site. @throws AppError REQUEST_INVALID when there are too many */
  put(name: string, doc: SquadDoc, who: string): Promise<SquadView>;
}

interface Row extends SqlRow {
  name: string;
  doc: string;
  version: number;
  changed_at: number;
  changed_by: string;
}

export function openSquads(db: FleetDatabase, clock: Clock): Squads {
  const show = async ({ name, doc, version, changed_at, changed_by }: Row): Promise<SquadView> => {
    const { has, promised } = await heldBy(db, name, '');
    const squad = JSON.parse(doc) as SquadDoc;
    return { ...squad, name, version, changedAt: changed_at, changedBy: changed_by, has, promised };
  };
  const get: Squads['get'] = async (name) => {
    const [row] = await db.all<Row>('SELECT * FROM squads WHERE name = ?', [name]);
    if (!row) throw new AppError('NOT_FOUND', { detail: `No squad ${name}.` });
    return show(row);
  };
  return {
    get,
    async list() {
      const rows = await db.all<Row>('SELECT * FROM squads ORDER BY name');
      return Promise.all(rows.map(show));
    },
    async put(name, doc, who) {
      await db.transaction(async (sql) => {
        const now = clock();
        await sql.run(
          `INSERT INTO squads (name, doc, version, changed_at, changed_by) VALUES (?, ?, 1, ?, ?)
           ON CONFLICT (name) DO UPDATE SET doc = excluded.doc, version = squads.version + 1,
             changed_at = excluded.changed_at, changed_by = excluded.changed_by`,
          [name, JSON.stringify(doc), now, who],
        );
        const [row] = await sql.all<{ count: number }>(
          'SELECT CAST(count(*) AS BIGINT) AS count FROM squads',
        );
        if ((row?.count ?? 0) > limit('fleetSquadsMax'))
          throw new AppError('REQUEST_INVALID', { detail: 'There are too many squads.' });
        const sites = await sql.all<{ name: string }>('SELECT name FROM sites ORDER BY name');
        await tellSquads(
          sql,
          sites.map((site) => site.name),
          now,
        );
      });
      return get(name);
    },
  };
}

/** Asks these sites for what they were not asked for yet. A version that two ask for at once is heard twice, and is the same. */
export async function tellSquads(sql: Sql, sites: readonly string[], now: number): Promise<void> {
  for (const site of sites) {
    const rows = await sql.all<Row>(
      `SELECT * FROM squads WHERE NOT EXISTS
         (SELECT 1 FROM squad_sites t WHERE t.site = ? AND t.squad = squads.name AND t.version >= squads.version)
       ORDER BY name`,
      [site],
    );
    for (const { name, doc, version, changed_by: who } of rows) {
      const body = { kind: 'squad', name, doc: JSON.parse(doc) } as const;
      const intent = await putIntent(sql, { site, who, body, now });
      await sql.run(
        `INSERT INTO squad_sites (site, squad, version, intent) VALUES (?, ?, ?, ?)
         ON CONFLICT (site, squad) DO UPDATE SET version = excluded.version, intent = excluded.intent`,
        [site, name, version, intent],
      );
    }
  }
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
     WHERE squad = ? AND state NOT IN ('broken', 'retired') ${type}`,
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

/**
 * Holds the squad's row until the transaction ends, so that two requests cannot both take what is left.
 *
 * @throws AppError REQUEST_INVALID when there is no such squad, QUOTA_EXCEEDED naming what is left
 */
export async function takeQuota(
  sql: Sql,
  wish: { readonly squad: string; readonly hardwareType: string; readonly count: number },
): Promise<void> {
  const { squad, hardwareType, count } = wish;
  if (squad === '') return;
  const held = await sql.run('UPDATE squads SET version = version WHERE name = ?', [squad]);
  const [row] = await sql.all<Row>('SELECT * FROM squads WHERE name = ?', [squad]);
  if (held === 0 || !row)
    throw new AppError('REQUEST_INVALID', { detail: `No squad ${squad}.`, path: '/squad' });
  const { quota } = JSON.parse(row.doc) as SquadDoc;
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
