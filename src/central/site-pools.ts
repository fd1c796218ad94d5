/**
 * Pools as their sites keep them: those that the fleet has asked for, and those that a site's own people have made, which are shown here
 * and changed by orders to their site. All of them come with a snapshot, then each as it changes.
 */
import type { IntentBody, PoolDocument } from '../federation/protocol.ts';
import type { PoolBody } from '../provisioning/pool.ts';
import type { Sql, SqlRow } from './sql.ts';

export interface SitePool {
  readonly site: string;
  readonly name: string;
  readonly version: number;
  /** As far as the site's version has it. */
  readonly doc: Partial<PoolBody>;
  readonly who: string;
  readonly updatedAt: number;
  /** What keeps it from its size. */
  readonly why: string;
}

interface Row extends SqlRow {
  site: string;
  pool: string;
  version: number;
  doc: string;
  who: string;
  updated_at: number;
  why: string;
}

export async function putSitePools(
  sql: Sql,
  site: string,
  pools: readonly PoolDocument[],
): Promise<void> {
  for (const pool of pools) {
    if ('gone' in pool) {
      await dropSitePool(sql, site, pool.name);
      continue;
    }
    if (!('doc' in pool)) continue;
    const { name, version, doc, who, updatedAt, why } = pool;
    await sql.run(
      `INSERT INTO fleet_site_pools (site, pool, version, doc, who, updated_at, why)
       VALUES (?, ?, ?, ?, ?, ?, ?)
       ON CONFLICT (site, pool) DO UPDATE SET version = excluded.version, doc = excluded.doc,
         who = excluded.who, updated_at = excluded.updated_at, why = excluded.why`,
      [site, name, version, JSON.stringify(doc), who, updatedAt, why],
    );
  }
}

/** With the last page of a snapshot: there are no others. */
export async function replaceSitePools(
  sql: Sql,
  site: string,
  pools: readonly PoolDocument[],
): Promise<void> {
  await sql.run('DELETE FROM fleet_site_pools WHERE site = ?', [site]);
  await putSitePools(sql, site, pools);
}

const dropSitePool = (sql: Sql, site: string, name: string): Promise<number> =>
  sql.run('DELETE FROM fleet_site_pools WHERE site = ? AND pool = ?', [site, name]);

/** An intent was carried out: a pool that its site was to give up is gone before the site's record says so. */
export async function answerSitePool(sql: Sql, site: string, intent: string): Promise<void> {
  const body = JSON.parse(intent) as IntentBody;
  if (body.kind === 'record' && body.record === 'pool' && body.doc === null)
    await dropSitePool(sql, site, body.name);
}

/**
 * Made by the site for another squad, or of one of whom nobody knows whose the fleet's was: not the fleet's to change or to remove, whatever
 * part its name has there.
 */
export const isSitesOwn = ({ who, doc }: SitePool, squad: string | undefined): boolean =>
  !who.startsWith('central:') && (doc.squad ?? '') !== squad;

/** Of all pools, or of one, also at one site. What the fleet has just asked the site to give up counts as gone. */
export async function sitePools(sql: Sql, name?: string, site?: string): Promise<SitePool[]> {
  const [where, values] = [
    `${name === undefined ? '' : 'AND p.pool = ?'} ${site === undefined ? '' : 'AND p.site = ?'}`,
    [name, site].filter((value) => value !== undefined),
  ];
  const rows = await sql.all<Row>(
    `SELECT p.* FROM fleet_site_pools p WHERE NOT EXISTS (
       SELECT 1 FROM record_sites t JOIN intents i ON i.id = t.intent
       WHERE t.site = p.site AND t.kind = 'pool' AND t.name = p.pool
         AND i.status = 'waiting' AND i.body LIKE '%"doc":null}') ${where}
     ORDER BY p.pool, p.site`,
    values,
  );
  return rows.map(({ site, pool, version, doc, who, updated_at: updatedAt, why }) => ({
    ...{ site, name: pool, version, who, updatedAt, why, doc: JSON.parse(doc) as PoolBody },
  }));
}
