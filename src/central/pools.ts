/**
 * Pools over several sites, in the appliance's shapes: one record that each site gets its part of (records.ts), and what the sites
 * have told of their members (members.ts). How many are healthy is what was last heard, beside how long ago that was.
 *
 * Pools that sites have made themselves are shown beside them, those of one name together, and changed by orders to their sites.
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
import { isSitesOwn, type SitePool, sitePools } from './site-pools.ts';
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
  /** The site has made it itself: it is no part of a pool of the fleet. */
  readonly own: boolean;
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
  /** Those that sites have made themselves, also where the fleet has a part that they have given up, or refused, for another squad's. */
  own(name: string): Promise<SitePool[]>;
  /** How many machines go at each site then. @throws AppError CONFIRMATION_NEEDED unless `confirm` is their number */
  confirmed(
    name: string,
    after: Parts,
    confirm: number | undefined,
  ): Promise<Readonly<Record<string, number>>>;
  /** What each site keeps when this is written. @throws AppError CONFIRMATION_NEEDED */
  partsAfter(name: string, size: FleetSize, confirm: number | undefined): Promise<Parts>;
}

interface CountRow extends SqlRow {
  pool: string;
  site: string;
  members: number;
  healthy: number;
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
  return (pool: string, site: string) => {
    const isIt = (row: { pool: string; site: string }) => row.pool === pool && row.site === site;
    const { members = 0, healthy = 0 } = counts.find(isIt) ?? {};
    return { members, healthy };
  };
}

/** A pool by its name: what the fleet asks for, and what sites keep under it. */
interface Named {
  readonly name: string;
  readonly record: FleetRecord | undefined;
  readonly there: readonly SitePool[];
}

const isPart = (record: FleetRecord | undefined, site: string): boolean =>
  record !== undefined && site in partsOfPool(record);

const ownIn = ({ record, there }: Named): SitePool[] =>
  there.filter(({ site }) => !isPart(record, site));

export function openFleetPools(db: FleetDatabase, records: FleetRecords, clock: Clock): FleetPools {
  type Counts = Awaited<ReturnType<typeof readCounts>>;
  const find = async (name: string): Promise<Named> => ({
    ...{ name, record: await records.get('pool', name), there: await sitePools(db, name) },
  });
  const partsOf = async (named: Named, countsOf: Counts): Promise<PoolSiteView[]> => {
    const { name, record, there } = named;
    const told = new Map((await records.told('pool', name)).map((one) => [one.site, one]));
    const fresh = await siteViews(db, clock());
    const view = (site: string, count: number, own: boolean): PoolSiteView => {
      const { freshness = 'never', asOf = 0 } = fresh.get(site) ?? {};
      const asked = own ? OWN : (told.get(site) ?? WAITING);
      const { status, code, detail } = asked;
      const { members, healthy } = countsOf(name, site);
      const keeps = there.find((one) => one.site === site)?.why ?? '';
      const short = code === '' ? keeps : `${code}: ${detail}`;
      // It is told when something keeps a pool from its size, and not when nothing does any more.
      return {
        ...{ site, count, own, members, healthy, why: healthy < count ? short : '' },
        ...{ status, code, detail, freshness, asOf },
      };
    };
    const asked = record ? Object.entries(partsOfPool(record)) : [];
    return [
      ...asked.map(([site, count]) => view(site, count, false)),
      ...ownIn(named).map(({ site, doc }) => view(site, doc.count ?? 0, true)),
    ];
  };
  const show = async (named: Named, countsOf: Counts): Promise<FleetPoolView> => {
    const { name, record } = named;
    const own = ownIn(named);
    const sites = await partsOf(named, countsOf);
    const docs = record ? [record.doc as Partial<Template>] : own.map(({ doc }) => doc);
    // Sites that made a pool of one name may mean different things by it.
    const words = (of: (doc: Partial<Template>) => string | undefined) =>
      [...new Set(docs.map(of))].filter(Boolean).join(', ');
    const sum = (of: (one: PoolSiteView) => number) => sites.reduce((all, one) => all + of(one), 0);
    const reasons = sites.filter(({ why }) => why !== '').map(({ site, why }) => `${site}: ${why}`);
    const [first] = own;
    return {
      ...{
        name,
        sites,
        version: record?.version ?? (own.length === 1 ? (first?.version ?? 0) : 0),
      },
      ...{ role: words(({ role }) => role), squad: words(({ squad }) => squad) },
      image: words(({ image }) => image),
      hardware: words(({ hardware }) => hardwareWords(hardware)),
      who: record?.changedBy ?? first?.who ?? '',
      updatedAt: record?.changedAt ?? first?.updatedAt ?? 0,
      site: sites.map(({ site }) => site).join(', '),
      ...{ count: sum(({ count }) => count), healthy: sum(({ healthy }) => healthy) },
      ...{ members: sum(({ members }) => members), why: reasons.join('; ') },
    };
  };
  const confirmed = async (name: string, after: Parts, confirm: number | undefined) => {
    const counts = await readCounts(db, name);
    const leaving = Object.entries(after).map(
      ([of, most]) => [of, Math.max(0, counts(name, of).members - most)] as const,
    );
    const all = leaving.reduce((sum, [, count]) => sum + count, 0);
    if (all > 0 && confirm !== all)
      throw new AppError('CONFIRMATION_NEEDED', {
        detail: `${all} machines would be released and wiped.`,
        path: '/confirm',
        more: { count: all },
      });
    return Object.fromEntries(leaving);
  };
  return {
    confirmed,
    async list() {
      const counts = await readCounts(db);
      const kept = new Map((await records.list('pool')).map((one) => [one.name, one]));
      const there = Map.groupBy(await sitePools(db), ({ name }) => name);
      const names = [...new Set([...kept.keys(), ...there.keys()])].sort();
      return Promise.all(
        names.map((name) =>
          show({ name, record: kept.get(name), there: there.get(name) ?? [] }, counts),
        ),
      );
    },
    async get(name) {
      const named = await find(name);
      if (!named.record && named.there.length === 0)
        throw new AppError('NOT_FOUND', { detail: `No pool ${name}.` });
      const pool = await show(named, await readCounts(db, name));
      return { pool, members: await membersOf(db, name, clock()), requests: [] };
    },
    async own(name) {
      const named = await find(name);
      const { record, there } = named;
      const taken = there.filter(
        (pool) =>
          record && isPart(record, pool.site) && isSitesOwn(pool, String(record.doc.squad ?? '')),
      );
      return [...ownIn(named), ...taken];
    },
    async partsAfter(name, { site, count, sites }, confirm) {
      const record = await records.get('pool', name);
      const before = record ? partsOfPool(record) : {};
      const after = sites ?? { ...before, ...(site !== undefined && { [site]: count ?? 0 }) };
      await confirmed(name, after, confirm);
      return after;
    },
  };
}

/** As it stands where it cannot be read: a newer site may demand what is unknown here. */
function hardwareWords(hardware: PoolBody['hardware'] = ''): string {
  try {
    return formatHardware(readHardware(hardware));
  } catch {
    return typeof hardware === 'string' ? hardware : JSON.stringify(hardware);
  }
}

/** Of a part that its site has made itself, nobody was asked. */
const OWN = { status: 'own', code: '', detail: '' };
const WAITING = { status: 'waiting', code: '', detail: '' };

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
