/**
 * Pools over several sites, in the appliance's shapes: one record that each site gets its part of (records.ts), and what the sites
 * have told of their members (members.ts). How many are healthy is what was last heard, beside how long ago that was.
 *
 * A part that shrinks wipes machines that somebody uses, so it asks for `confirm` as an appliance does: how many go, as far as central
 * has heard. A site without a part any more keeps its machines in use, and nothing is wiped.
 */
import { z } from 'zod';
import { AppError } from '../errors.ts';
import { siteName } from '../federation/protocol.ts';
import { formatHardware } from '../provisioning/hardware-text.ts';
import { type PoolBody, poolSchema } from '../provisioning/pool.ts';
import { readHardware } from '../provisioning/request.ts';
import type { Clock } from '../wire/time.ts';
import { type Fresh, siteViews } from './fleet-view.ts';
import type { FleetRecord, FleetRecords, Json, ToldSite } from './records.ts';
import type { FleetDatabase, SqlRow } from './sql.ts';

/** How many each site keeps. */
export type Parts = Readonly<Record<string, number>>;

const partFields = {
  site: siteName.optional(),
  count: poolSchema.shape.count.optional(),
  sites: z.record(siteName, poolSchema.shape.count).optional(),
};

const saysWhere = ({ site, count, sites }: z.output<z.ZodObject<typeof partFields>>): boolean =>
  sites === undefined ? site !== undefined && count !== undefined : !site && count === undefined;

const HOW = {
  message: 'site and count of one part, or sites: how many each keeps',
  path: ['sites'],
};

/** The appliance's own form: with `site` and `count` for one site, whose part alone it is; with `sites` for all of them. */
export const fleetPoolSchema = poolSchema
  .omit({ site: true, count: true })
  .extend(partFields)
  .refine(saysWhere, HOW);
export const fleetSizeSchema = z.strictObject(partFields).refine(saysWhere, HOW);
export type FleetSize = z.output<typeof fleetSizeSchema>;

type Template = Omit<PoolBody, 'site' | 'count'>;

export interface PoolSiteView extends ToldSite, Fresh {
  readonly count: number;
  readonly members: number;
  readonly healthy: number;
  /** What keeps it from its size there. */
  readonly why: string;
}

export interface FleetPoolView {
  readonly name: string;
  readonly version: number;
  readonly role: string;
  /** Those that have a part, divided by commas. */
  readonly site: string;
  readonly squad: string;
  readonly image: string;
  readonly hardware: string;
  readonly count: number;
  readonly healthy: number;
  readonly members: number;
  readonly why: string;
  readonly who: string;
  readonly updatedAt: number;
  readonly sites: readonly PoolSiteView[];
}

export interface FleetMember extends Fresh {
  readonly site: string;
  readonly hardwarename: string;
  readonly hostname: string;
  readonly rack: string;
  readonly joinedAt: number;
  readonly unhealthyAt: number | null;
  readonly held: boolean;
  readonly why: string;
}

export interface FleetPoolDetail {
  readonly pool: FleetPoolView;
  readonly members: readonly FleetMember[];
  /** Those by which a site fills its part are its own. */
  readonly requests: readonly [];
}

export interface FleetPools {
  list(): Promise<FleetPoolView[]>;
  /** @throws AppError NOT_FOUND */
  get(name: string): Promise<FleetPoolDetail>;
  /** What each site keeps when this is written. @throws AppError CONFIRMATION_NEEDED */
  partsAfter(name: string, size: FleetSize, confirm: number | undefined): Promise<Parts>;
}

interface CountRow extends SqlRow {
  pool: string;
  site: string;
  members: number;
  healthy: number;
}

interface WaitRow extends SqlRow {
  pool: string;
  site: string;
  why: string;
}

export const partsOfPool = ({ doc }: FleetRecord): Parts => doc.sites as Record<string, number>;

/** Of all pools, or of one. */
async function readCounts(db: FleetDatabase, name?: string) {
  const [where, values] = name === undefined ? ['', []] : ['WHERE pool = ?', [name]];
  const counts = await db.all<CountRow>(
    `SELECT pool, site, CAST(count(*) AS BIGINT) AS members,
       CAST(sum(CASE WHEN unhealthy_at = 0 THEN 1 ELSE 0 END) AS BIGINT) AS healthy
     FROM fleet_members ${where} GROUP BY pool, site`,
    values,
  );
  const waits = await db.all<WaitRow>(`SELECT * FROM fleet_pool_waits ${where}`, values);
  return (pool: string, site: string) => {
    const isIt = (row: { pool: string; site: string }) => row.pool === pool && row.site === site;
    const { members = 0, healthy = 0 } = counts.find(isIt) ?? {};
    return { members, healthy, why: waits.find(isIt)?.why ?? '' };
  };
}

export function openFleetPools(db: FleetDatabase, records: FleetRecords, clock: Clock): FleetPools {
  type Counts = Awaited<ReturnType<typeof readCounts>>;
  const show = async (record: FleetRecord, countsOf: Counts): Promise<FleetPoolView> => {
    const { name, version, changedAt, changedBy, doc } = record;
    const told = new Map((await records.told('pool', name)).map((one) => [one.site, one]));
    const fresh = await siteViews(db, clock());
    const sites = Object.entries(partsOfPool(record)).map(([site, count]): PoolSiteView => {
      const { freshness = 'never', asOf = 0 } = fresh.get(site) ?? {};
      const { status = 'waiting', code = '', detail = '' } = told.get(site) ?? {};
      const { members, healthy, why } = countsOf(name, site);
      const short = code === '' ? why : `${code}: ${detail}`;
      // It is told when something keeps a pool from its size, and not when nothing does any more.
      return {
        ...{ site, count, members, healthy, why: healthy < count ? short : '' },
        ...{ status, code, detail, freshness, asOf },
      };
    });
    const sum = (of: (one: PoolSiteView) => number) => sites.reduce((all, one) => all + of(one), 0);
    const { role, squad = '', image, hardware } = doc as unknown as Template;
    const reasons = sites.filter(({ why }) => why !== '').map(({ site, why }) => `${site}: ${why}`);
    return {
      ...{ name, version, role, squad, image, sites, who: changedBy, updatedAt: changedAt },
      site: sites.map(({ site }) => site).join(', '),
      hardware: formatHardware(readHardware(hardware)),
      ...{ count: sum(({ count }) => count), healthy: sum(({ healthy }) => healthy) },
      ...{ members: sum(({ members }) => members), why: reasons.join('; ') },
    };
  };
  return {
    async list() {
      const counts = await readCounts(db);
      return Promise.all((await records.list('pool')).map((pool) => show(pool, counts)));
    },
    async get(name) {
      const record = await records.get('pool', name);
      if (!record) throw new AppError('NOT_FOUND', { detail: `No pool ${name}.` });
      const pool = await show(record, await readCounts(db, name));
      return { pool, members: await membersOf(db, name, clock()), requests: [] };
    },
    async partsAfter(name, { site, count, sites }, confirm) {
      const record = await records.get('pool', name);
      const before = record ? partsOfPool(record) : {};
      const after = sites ?? { ...before, ...(site !== undefined && { [site]: count ?? 0 }) };
      const counts = await readCounts(db, name);
      const leaving = Object.entries(after)
        .map(([of, most]) => Math.max(0, counts(name, of).members - most))
        .reduce((all, one) => all + one, 0);
      if (leaving > 0 && confirm !== leaving)
        throw new AppError('CONFIRMATION_NEEDED', {
          detail: `${leaving} machines would be released and wiped.`,
          path: '/confirm',
          more: { count: leaving },
        });
      return after;
    },
  };
}

/** What is written of a pool: its template, and the parts. */
export const poolDocOf = (template: object, sites: Parts): Json => {
  const { site: _s, count: _c, ...rest } = JSON.parse(JSON.stringify(template)) as Json;
  return { ...rest, sites: { ...sites } };
};

async function membersOf(db: FleetDatabase, pool: string, now: number): Promise<FleetMember[]> {
  const fresh = await siteViews(db, now);
  const rows = await db.all<MemberRow>(
    `SELECT f.*, m.rack AS rack, m.document AS document FROM fleet_members f
     LEFT JOIN machines m ON m.site = f.site AND m.hardwarename = f.hardwarename
     WHERE f.pool = ? ORDER BY f.site, f.hardwarename`,
    [pool],
  );
  return rows.map((row) => {
    const { site, hardwarename, held, why } = row;
    const { freshness = 'never', asOf = 0 } = fresh.get(site) ?? {};
    const { hostname = '' } = JSON.parse(row.document ?? '{}') as { hostname?: string };
    return {
      ...{ site, hardwarename, hostname, rack: row.rack ?? '', joinedAt: row.joined_at },
      ...{ unhealthyAt: row.unhealthy_at || null, held: held === 1, why, freshness, asOf },
    };
  });
}

interface MemberRow extends SqlRow {
  site: string;
  hardwarename: string;
  joined_at: number;
  unhealthy_at: number;
  held: number;
  why: string;
  rack: string | null;
  document: string | null;
}
