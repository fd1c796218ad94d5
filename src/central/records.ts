/**
 * What the fleet tells each of its sites: squads, naming rules, hardware types, policies, ways to speak to BMCs, users, images,
 * their channels, and pools, of which each site has a part. One table, and a note for each site of the version that it was last asked to keep: a site that joins, or was
 * put back from a copy, is asked for all of it again.
 *
 * A newer version ends the asking for the one before, so that a site which was away for long hears only what holds now. What a
 * site has of its own under other names stays its own; under the same name the fleet's replaces it.
 */
import type { z } from 'zod';
import { AppError } from '../errors.ts';
import type { RecordDocument } from '../federation/protocol.ts';
import { limit } from '../limits.ts';
import type { Clock } from '../wire/time.ts';
import { type Fresh, SHUT_OUT, siteStandings } from './fleet-view.ts';
import { putIntent } from './intents.ts';
import { isSitesOwn, sitePools } from './site-pools.ts';
import type { FleetDatabase, Sql, SqlRow } from './sql.ts';

export type FleetRecordKind = RecordDocument['record'];
export type Json = Record<string, z.core.util.JSONType>;

export interface FleetRecord {
  readonly name: string;
  readonly version: number;
  readonly changedAt: number;
  /** As an appliance calls it. */
  readonly updatedAt: number;
  /** Null where it is not known any more. */
  readonly createdAt: number | null;
  readonly changedBy: string;
  readonly doc: Json;
}

/** How far a site is with the newest version. */
export interface ToldSite extends Fresh {
  readonly site: string;
  /** `waiting`: not heard of, or still at it; `refused`: by the site's own rules. */
  readonly status: string;
  readonly code: string;
  readonly detail: string;
}

/** What is written with a record or not at all, by what was there before; nobody else writes that record meanwhile. */
type Also = (sql: Sql, before: FleetRecord | undefined) => Promise<unknown>;

export interface FleetRecords {
  list(kind: FleetRecordKind): Promise<FleetRecord[]>;
  get(kind: FleetRecordKind, name: string): Promise<FleetRecord | undefined>;
  /** Makes or replaces it, and asks each site to keep it. @throws AppError VERSION_CONFLICT, REQUEST_INVALID when there are too many */
  put(record: {
    kind: FleetRecordKind;
    name: string;
    doc: Json;
    who: string;
    /** That was read; else whatever is there. */
    version?: number | undefined;
    also?: Also;
  }): Promise<FleetRecord>;
  /** Asks each site that was told of it to remove it. @throws AppError NOT_FOUND */
  remove(of: { kind: FleetRecordKind; name: string; who: string; also?: Also }): Promise<void>;
  told(kind: FleetRecordKind, name: string): Promise<ToldSite[]>;
}

export interface RecordRow extends SqlRow {
  kind: string;
  name: string;
  /** '' when it was removed. */
  doc: string;
  version: number;
  changed_at: number;
  changed_by: string;
  made_at: number;
}

export const readRecord = (row: RecordRow): FleetRecord => ({
  ...{ name: row.name, version: row.version, changedAt: row.changed_at },
  ...{ updatedAt: row.changed_at, createdAt: row.made_at > 0 ? row.made_at : null },
  ...{ changedBy: row.changed_by, doc: JSON.parse(row.doc) },
});

export function openFleetRecords(db: FleetDatabase, clock: Clock): FleetRecords {
  const find: FleetRecords['get'] = (kind, name) => findIn(db, { kind, name });
  return {
    get: find,
    async list(kind) {
      const rows = await db.all<RecordRow>(
        `SELECT * FROM fleet_records WHERE kind = ? AND doc <> '' ORDER BY name`,
        [kind],
      );
      return rows.map(readRecord);
    },
    async put({ kind, name, doc, who, version, also }) {
      await db.transaction(async (sql) => {
        const before = await hold(sql, { kind, name });
        if (version !== undefined && (before?.version ?? 0) !== version)
          throw new AppError('VERSION_CONFLICT');
        await write(sql, { kind, name, doc: JSON.stringify(doc), who, now: clock() });
        await also?.(sql, before);
      });
      const record = await find(kind, name);
      if (!record) throw new AppError('NOT_FOUND', { detail: `${kind} ${name} is removed again.` });
      return record;
    },
    remove: ({ kind, name, who, also }) =>
      db.transaction(async (sql) => {
        const before = await hold(sql, { kind, name });
        if (!before) throw new AppError('NOT_FOUND', { detail: `No ${kind} ${name}.` });
        await write(sql, { kind, name, doc: '', who, now: clock() });
        await also?.(sql, before);
      }),
    async told(kind, name) {
      const rows = await db.all<{ site: string; status: string | null; result: string | null }>(
        `SELECT t.site AS site, i.status AS status, i.result AS result
         FROM record_sites t LEFT JOIN intents i ON i.id = t.intent
         WHERE t.kind = ? AND t.name = ? ORDER BY t.site`,
        [kind, name],
      );
      const standings = await siteStandings(db, clock());
      const sites = new Map(standings.map((one) => [one.site, one]));
      return rows.map(({ site, status, result }) => {
        const { freshness = 'never', asOf = 0, shutOut = false } = sites.get(site) ?? {};
        const refusal = status === 'refused' ? JSON.parse(result || '{}') : {};
        // What waits for a site that does not come back by itself says so: it is told when the site joins again.
        const why = status === 'waiting' && shutOut ? SHUT_OUT : refusal;
        const { code = '', detail = '' } = why as Partial<Record<'code' | 'detail', string>>;
        // An answer that is older than what is kept of answers was given long ago.
        return { site, status: status ?? 'done', code, detail, freshness, asOf };
      });
    },
  };
}

interface Key {
  readonly kind: string;
  readonly name: string;
}

async function findIn(sql: Sql, { kind, name }: Key): Promise<FleetRecord | undefined> {
  const [row] = await sql.all<RecordRow>(
    `SELECT * FROM fleet_records WHERE kind = ? AND name = ? AND doc <> ''`,
    [kind, name],
  );
  return row && readRecord(row);
}

/** The row, also one that is only to come: who writes the same waits, and reads what was written. @returns what is there */
async function hold(sql: Sql, { kind, name }: Key): Promise<FleetRecord | undefined> {
  await sql.run(
    `INSERT INTO fleet_records (kind, name, doc, version, changed_at, changed_by) VALUES (?, ?, '', 0, 0, '')
     ON CONFLICT (kind, name) DO UPDATE SET version = fleet_records.version`,
    [kind, name],
  );
  return findIn(sql, { kind, name });
}

async function write(
  sql: Sql,
  of: { kind: FleetRecordKind; name: string; doc: string; who: string; now: number },
): Promise<void> {
  const { kind, name, doc, who, now } = of;
  await sql.run(
    `INSERT INTO fleet_records (kind, name, doc, version, changed_at, changed_by, made_at) VALUES (?, ?, ?, 1, ?, ?, ?)
     ON CONFLICT (kind, name) DO UPDATE SET doc = excluded.doc, version = fleet_records.version + 1,
       changed_at = excluded.changed_at, changed_by = excluded.changed_by,
       made_at = CASE WHEN fleet_records.doc = '' THEN excluded.made_at ELSE fleet_records.made_at END`,
    [kind, name, doc, now, who, now],
  );
  const [row] = await sql.all<{ count: number }>(
    'SELECT CAST(count(*) AS BIGINT) AS count FROM fleet_records WHERE kind = ?',
    [kind],
  );
  if ((row?.count ?? 0) > limit('fleetRecordsMax'))
    throw new AppError('REQUEST_INVALID', { detail: `There are too many of kind ${kind}.` });
  const sites = await sql.all<{ name: string }>('SELECT name FROM sites ORDER BY name');
  await tellRecords(
    sql,
    sites.map((site) => site.name),
    now,
  );
}

/**
 * The part that a pool of the fleet has at a site: a pool that has no other is removed. One at a time, since each is told to all sites.
 *
 * @returns how many
 */
export async function giveUpPool(
  sql: Sql,
  { site, who, now }: { readonly site: string; readonly who: string; readonly now: number },
): Promise<number> {
  const rows = await sql.all<RecordRow>(
    `SELECT * FROM fleet_records WHERE kind = 'pool' AND doc <> '' ORDER BY name`,
  );
  const pool = rows.map(readRecord).find(({ doc }) => site in (doc.sites as object));
  if (!pool) return 0;
  const { name } = pool;
  const doc = (await hold(sql, { kind: 'pool', name }))?.doc;
  if (!doc) return 1;
  const { [site]: _own, ...sites } = doc.sites as Record<string, Json[string]>;
  const rest = Object.keys(sites).length > 0 ? JSON.stringify({ ...doc, sites }) : '';
  await write(sql, { kind: 'pool', name, doc: rest, who, now });
  return 1;
}

const SUPERSEDED = JSON.stringify({ code: 'SUPERSEDED', detail: 'A newer version was asked for.' });

/** Asks these sites for what they were not asked for yet. A version that two ask for at once is heard twice, and is the same. */
export async function tellRecords(sql: Sql, sites: readonly string[], now: number): Promise<void> {
  for (const site of sites) {
    const rows = await sql.all<ToldRow>(
      `SELECT r.*, t.intent AS told, t.version AS told_version, i.body AS asked,
         CASE WHEN i.status = 'refused' THEN i.result END AS said FROM fleet_records r
       LEFT JOIN record_sites t ON t.site = ? AND t.kind = r.kind AND t.name = r.name
       LEFT JOIN intents i ON i.id = t.intent
       WHERE coalesce(t.version, 0) < r.version AND (r.doc <> '' OR t.intent IS NOT NULL)
       ORDER BY r.kind, r.name`,
      [site],
    );
    for (const row of rows) {
      const { kind, name, doc, version, changed_by: who, told } = row;
      const wanted = doc === '' ? null : docFor(kind, JSON.parse(doc), site);
      if (wanted === null && told === null) continue;
      const ours = wanted === null && kind === 'pool' ? await partAt(sql, site, row) : {};
      if (ours === undefined) continue;
      await sql.run(
        `UPDATE intents SET status = 'refused', result = ?, ended_at = ? WHERE id = ? AND status = 'waiting'`,
        [SUPERSEDED, now, told ?? ''],
      );
      const record = kind as FleetRecordKind;
      const body = { kind: 'record', record, name, ...ours, doc: wanted } as const;
      const intent = await putIntent(sql, { site, who, body, now });
      await sql.run(
        `INSERT INTO record_sites (site, kind, name, version, intent) VALUES (?, ?, ?, ?, ?)
         ON CONFLICT (site, kind, name) DO UPDATE SET version = excluded.version, intent = excluded.intent`,
        [site, kind, name, version, intent],
      );
    }
  }
}

interface ToldRow extends RecordRow {
  /** The intent by which the site was asked last, its body, and why it was refused, where that is still known. */
  told: string | null;
  told_version: number | null;
  asked: string | null;
  said: string | null;
}

/**
 * What a site that is to give up its part of a pool hears of it: whose it was asked for. A site that does not tell of jobs does not know that
 * field, and would refuse it.
 *
 * @returns undefined when what is there is not the fleet's: refused, given up already, or made anew by the site for another squad
 */
async function partAt(
  sql: Sql,
  site: string,
  { name, told_version: toldVersion, asked, said }: ToldRow,
): Promise<{ squad?: string } | undefined> {
  if ((JSON.parse(said || '{}') as { code?: string }).code === 'ALREADY_EXISTS') return undefined;
  const last = asked === null ? undefined : (JSON.parse(asked) as RecordDocument);
  if (last?.doc === null && said === null && toldVersion !== 0) return undefined;
  const squad = last && (last.doc === null ? last.squad : String(last.doc.squad ?? ''));
  const [there] = await sitePools(sql, name, site);
  if (there && isSitesOwn(there, squad)) return undefined;
  const [of] = await sql.all<{ told: string }>('SELECT told FROM sites WHERE name = ?', [site]);
  const knows = of?.told.split(' ').includes('jobs');
  return knows && squad !== undefined ? { squad } : {};
}

/** Of a pool its own part; null for a site that has none. */
function docFor(kind: string, doc: Json, site: string): Json | null {
  if (kind !== 'pool') return doc;
  const { sites, ...rest } = doc;
  const count = (sites as Record<string, number>)[site];
  return count === undefined ? null : { ...rest, count };
}

/** What this site has may not be what it had: it is asked again for what it has answered. */
export async function forgetTold(sql: Sql, site: string): Promise<void> {
  await sql.run(
    `UPDATE record_sites SET version = 0 WHERE site = ?
     AND intent NOT IN (SELECT id FROM intents WHERE site = ? AND status = 'waiting')`,
    [site, site],
  );
}
