/**
 * Requests for machines over several sites: asked for once, spread over the sites as intents, and told of as one.
 *
 * Central decides how many go where, by what the sites have told, and whether the squad may have them. Which machine it is,
 * whether its hardware fits, how it is called and installed is the site's to decide, and goes on there when central is gone.
 */
import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import { AppError } from '../errors.ts';
import { siteName } from '../federation/protocol.ts';
import { limit } from '../limits.ts';
import { readHardware, requestSchema } from '../provisioning/request.ts';
import type { Clock } from '../wire/time.ts';
import type { SiteRow } from './fleet.ts';
import { type SiteView, shutOutOf, siteViews } from './fleet-view.ts';
import { putIntent } from './intents.ts';
import { askParts, atMost, HAS_OPEN_PART, partsOf, type RequestRow, stocksOf } from './parts.ts';
import {
  type FleetRequestDetail,
  type FleetRequestStatus,
  type FleetRequestView,
  isOpen,
  type PlaceRow,
  showDetail,
  showRequest,
} from './request-view.ts';
import { type Spread, type SpreadPlan, spreadOver } from './spread.ts';
import type { FleetDatabase, Sql, SqlValue } from './sql.ts';
import { checkQuota, takeQuota } from './squads.ts';

const count = z.number().int().min(1).max(limit('fleetRequestMachinesMax'));

/** The appliance's own form; `site` is the short way to write one of `sites`. */
export const fleetRequestSchema = requestSchema
  .extend({
    count,
    site: siteName.optional(),
    sites: z.array(siteName).min(1).max(500).optional().describe('Only these; all when absent'),
    siteSpread: z
      .strictObject({ perSiteMax: count.optional(), even: z.boolean().optional() })
      .default({}),
  })
  .refine(({ site, sites }) => site === undefined || sites === undefined, {
    message: 'site and sites are the same: one of them',
    path: ['sites'],
  });
export type FleetRequestBody = z.output<typeof fleetRequestSchema>;

export interface Asking {
  readonly who: string;
  /** The same key of the same person is the same request, whenever it comes. */
  readonly key?: string | undefined;
}

interface Listed {
  readonly squad?: string | undefined;
  readonly role?: string | undefined;
  readonly status?: FleetRequestStatus | undefined;
}

export interface FleetProvisioning {
  /** What would be asked of whom now. @throws AppError SITE_UNKNOWN, REQUEST_INVALID, QUOTA_EXCEEDED */
  plan(body: FleetRequestBody): Promise<SpreadPlan>;
  /** @throws AppError as `plan`, and IDEMPOTENCY_MISMATCH */
  create(body: FleetRequestBody, by: Asking): Promise<FleetRequestView>;
  /** Each site stops its part when it hears of it; what is in use stays. @throws AppError NOT_FOUND, REQUEST_ENDED */
  cancel(
    id: string,
    cause: { readonly who: string; readonly why: string },
  ): Promise<FleetRequestView>;
  /** @throws AppError NOT_FOUND */
  get(id: string): Promise<FleetRequestDetail>;
  /** Newest first; of those of one status, among the newest of `fleetRequestsLookMax`. */
  list(of: Listed, count: number): Promise<FleetRequestView[]>;
}

export function openFleetProvisioning(db: FleetDatabase, clock: Clock): FleetProvisioning {
  const view = async (row: RequestRow, sites: ReadonlyMap<string, SiteView>) =>
    showRequest(row, await partsOf(db, row.id), sites);
  const find = async (sql: Sql, id: string): Promise<RequestRow> => {
    const [row] = await sql.all<RequestRow>('SELECT * FROM fleet_requests WHERE id = ?', [id]);
    if (!row) throw new AppError('NOT_FOUND', { detail: `No request ${id.slice(0, 64)}.` });
    return row;
  };
  const byId = async (id: string) => view(await find(db, id), await siteViews(db, clock()));
  return {
    async plan(body) {
      const wish = await wishOf(db, body);
      await assertMayCome(db, wish.sites, clock());
      const { squad = '', count } = body;
      await checkQuota(db, { squad, hardwareType: wish.hardwareType, count });
      const stocks = await stocksOf(db, { ...wish, parts: [], now: clock() });
      return spreadOver(stocks, count, atMost(body.siteSpread));
    },
    async create(body, { who, key }) {
      const id = await db.transaction((sql) => insert(sql, body, { who, key, now: clock() }));
      return byId(id);
    },
    async cancel(id, { who, why }) {
      await db.transaction(async (sql) => {
        const now = clock();
        const first = await sql.run(
          `UPDATE fleet_requests SET cancelled_at = ?, cancelled_by = ?, turn = turn + 1
           WHERE id = ? AND cancelled_at = 0`,
          [now, who, id],
        );
        await find(sql, id);
        if (first === 0) return;
        const open = (await partsOf(sql, id)).filter(isOpen);
        if (open.length === 0) throw new AppError('REQUEST_ENDED', { detail: 'No site is at it.' });
        for (const { intent: request, site } of open)
          await putIntent(sql, { site, who, now, body: { kind: 'cancel-request', request, why } });
      });
      return byId(id);
    },
    async get(id) {
      const row = await find(db, id);
      const places = await db.all<PlaceRow>(
        `SELECT p.intent AS part, p.site AS site, l.place AS place, l.hardwarename AS machine, l.hostname AS hostname,
           l.status AS status
         FROM fleet_places l JOIN fleet_parts p ON p.intent = l.intent
         WHERE p.request = ? ORDER BY p.site, l.intent, l.place`,
        [id],
      );
      const parts = await partsOf(db, id);
      return showDetail(row, { parts, places, sites: await siteViews(db, clock()) });
    },
    async list({ status, ...of }, most) {
      const sites = await siteViews(db, clock());
      const found: FleetRequestView[] = [];
      let behind: RequestRow | undefined;
      for (let looked = 0; looked < limit('fleetRequestsLookMax'); looked += most) {
        const rows = await newestOf(db, { ...of, status, behind, count: most });
        const page = await Promise.all(rows.map((row) => view(row, sites)));
        found.push(...page.filter((one) => status === undefined || one.status === status));
        behind = rows.at(-1);
        if (found.length >= most || rows.length < most) break;
      }
      return found.slice(0, most);
    },
  };
}

/** Which rows may have a status, which the parts say together: to look through all requests for few of them takes long. */
const MAY_BE: Readonly<Record<FleetRequestStatus, string>> = {
  working: `cancelled_at = 0 AND ${HAS_OPEN_PART}`,
  waiting: `cancelled_at = 0 AND ${HAS_OPEN_PART}`,
  cancelling: `cancelled_at > 0 AND ${HAS_OPEN_PART}`,
  fulfilled: '1 = 1',
  cancelled: `cancelled_at > 0 AND NOT ${HAS_OPEN_PART}`,
  short: `cancelled_at = 0 AND NOT ${HAS_OPEN_PART}`,
};

interface Newest extends Listed {
  readonly behind: RequestRow | undefined;
  readonly count: number;
}

function newestOf(sql: Sql, of: Newest): Promise<RequestRow[]> {
  const { squad, role, status, behind, count } = of;
  const conditions: string[] = [];
  const values: SqlValue[] = [];
  const only = (condition: string, ...given: SqlValue[]): void => {
    conditions.push(condition);
    values.push(...given);
  };
  if (squad !== undefined) only('squad = ?', squad);
  if (role !== undefined) only('role = ?', role);
  if (status !== undefined) only(MAY_BE[status]);
  if (behind) {
    const { asked_at: at, id } = behind;
    only('(asked_at < ? OR (asked_at = ? AND id > ?))', at, at, id);
  }
  const where = conditions.join(' AND ');
  return sql.all<RequestRow>(
    `SELECT * FROM fleet_requests ${where && `WHERE ${where}`} ORDER BY asked_at DESC, id LIMIT ?`,
    [...values, count],
  );
}

/** @throws AppError as `create` */
async function insert(
  sql: Sql,
  body: FleetRequestBody,
  { who, key, now }: Asking & { readonly now: number },
): Promise<string> {
  const { sites, hardwareType } = await wishOf(sql, body);
  const { site: _site, sites: _sites, siteSpread, count: wanted, squad = '', ...rest } = body;
  const id = randomUUID();
  const callKey = key === undefined ? id : `${who} ${key}`;
  const kept = JSON.stringify(squad === '' ? rest : { ...rest, squad });
  const spread = JSON.stringify(siteSpread);
  const values = [id, callKey, who, body.role, squad, hardwareType, wanted, kept];
  const made = await sql.run(
    `INSERT INTO fleet_requests
       (id, call_key, who, role, squad, hardware_type, wanted, body, sites, spread, asked_at)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (call_key) DO NOTHING`,
    [...values, JSON.stringify(sites), spread, now],
  );
  const [row] = await sql.all<RequestRow>('SELECT * FROM fleet_requests WHERE call_key = ?', [
    callKey,
  ]);
  if (!row) throw new Error('a request vanished inside its own transaction');
  if (made === 0) {
    const isSame =
      row.body === kept &&
      row.wanted === wanted &&
      row.spread === spread &&
      row.sites === JSON.stringify(sites);
    if (!isSame) throw new AppError('IDEMPOTENCY_MISMATCH');
    return row.id;
  }
  await assertMayCome(sql, sites, now);
  await takeQuota(sql, { squad, hardwareType, count: wanted });
  const stocks = await stocksOf(sql, { sites, hardwareType, parts: [], now });
  const plan = spreadOver(stocks, wanted, atMost(siteSpread as Spread));
  if (plan.missing > 0) {
    const detail = `For ${plan.missing} of them there is no site that may be asked.`;
    throw new AppError('REQUEST_INVALID', { detail, path: '/siteSpread' });
  }
  await askParts(sql, { request: row, parts: plan.parts, now });
  return id;
}

/** @throws AppError SITE_SHUT_OUT */
async function assertMayCome(sql: Sql, named: readonly string[], now: number): Promise<void> {
  const [site] = await shutOutOf(sql, named, now);
  if (site !== undefined) throw new AppError('SITE_SHUT_OUT', { detail: site, path: '/sites' });
}

/** @throws AppError SITE_UNKNOWN, REQUEST_INVALID for hardware that cannot be read */
async function wishOf(
  sql: Sql,
  { site, sites = site === undefined ? [] : [site], hardware }: FleetRequestBody,
): Promise<{ sites: readonly string[]; hardwareType: string }> {
  const known = new Set((await sql.all<SiteRow>('SELECT * FROM sites')).map(({ name }) => name));
  const unknown = sites.find((name) => !known.has(name));
  if (unknown !== undefined) throw new AppError('SITE_UNKNOWN', { detail: unknown });
  return { sites: [...new Set(sites)].sort(), hardwareType: readHardware(hardware).type ?? '' };
}
