/**
 * Questions about the whole fleet, answered from what the sites have told. Every answer says how fresh it is: a site that has
 * not been heard of for a while is shown as it was then, and said to be so.
 */
import { AppError } from '../errors.ts';
import type { IntentBody } from '../federation/protocol.ts';
import { maskInstall } from '../http/people/mask.ts';
import type { MachineGroup } from '../inventory/machine-query.ts';
import { limit } from '../limits.ts';
import type { Clock } from '../wire/time.ts';
import type { SiteRow } from './fleet.ts';
import { type FoundMachine, openSearch, type SearchWish } from './search.ts';
import type { FleetDatabase, Sql, SqlRow, SqlValue } from './sql.ts';
import type { WordIndexes } from './word-index.ts';

export interface SiteView {
  readonly site: string;
  /** `current`: everything that its appliance has said is in here; `away`: as it was at `asOf`. */
  readonly freshness: 'current' | 'catching-up' | 'away' | 'never';
  readonly asOf: number;
  readonly cursor: number | null;
  readonly behind: number;
  readonly clockSkewMs: number;
  readonly program: string;
}

export interface SiteStanding extends SiteView {
  /** None of its certificates is living: it does not come back before it joins again. */
  readonly shutOut: boolean;
}

/** The appliance's own document; what it calls its site is what the fleet calls it. */
export interface FleetMachine extends Fresh {
  readonly site: string;
  readonly hardwarename: string;
  readonly version: number;
  /** Another site has it: it is shown, and counts for nothing. */
  readonly claimed: boolean;
  readonly [field: string]: unknown;
}

/** Of what is this, and how sure. */
export type Fresh = Pick<SiteView, 'freshness' | 'asOf'>;

interface DocumentRow extends SqlRow {
  site: string;
  document: string;
  claimed: number;
}

export interface MachineFilter {
  readonly site?: string | undefined;
  readonly state?: string | undefined;
  readonly hardwareType?: string | undefined;
  readonly role?: string | undefined;
  readonly squad?: string | undefined;
  readonly rack?: string | undefined;
}

/** The appliance's own, under its number there. */
export type FleetEvent = {
  readonly site: string;
  readonly id: number;
  readonly at: number;
  readonly name: string;
  /** '' for none. */
  readonly hardwarename: string;
  readonly data: unknown;
};

export interface EventFilter {
  readonly site?: string | undefined;
  readonly hardwarename?: string | undefined;
  /** Of one site: with numbers below this one. */
  readonly below?: number | undefined;
}

export type Capacity = { site: string; state: string; hardwareType: string; count: number };

/** As an appliance tells it; null is what the site alone knows: which of its free machines are warm, and which may not be taken. */
export interface CapacityRow {
  readonly site: string;
  readonly type: string;
  free: number;
  total: number;
  readonly warm: null;
  readonly unfit: null;
  readonly states: Record<string, number>;
}

/** As what a machine in a state is counted: of any other it is one of all. */
const COUNTED: Readonly<Record<string, readonly ('free' | 'total')[]>> = {
  available: ['free', 'total'],
  retired: [],
};

export function capacityRows(capacity: readonly Capacity[]): CapacityRow[] {
  const rows = new Map<string, CapacityRow>();
  for (const { site, state, hardwareType: type, count } of capacity) {
    const counted = COUNTED[state] ?? ['total'];
    if (counted.length === 0) continue;
    const key = JSON.stringify([type, site]);
    const none = { free: 0, total: 0, warm: null, unfit: null, states: {} };
    const row: CapacityRow = rows.get(key) ?? { site, type, ...none };
    rows.set(key, row);
    row.states[state] = (row.states[state] ?? 0) + count;
    for (const as of counted) row[as] += count;
  }
  return [...rows.values()];
}

export interface FleetView {
  sites(): Promise<SiteStanding[]>;
  machines(
    filter: MachineFilter,
    page: { readonly count: number; readonly cursor?: string | undefined },
  ): Promise<{ machines: FleetMachine[]; next?: string }>;
  /** By name. A page with `next` may have few or none: not all was looked through. @throws AppError REQUEST_INVALID for what is no cursor */
  search(wish: SearchWish): Promise<{ machines: FleetMachine[]; next?: string }>;
  /** As each site has it that claims it: one, where all is well; the one for which it counts first. */
  machine(hardwarename: string): Promise<FleetMachine[]>;
  /** As it is for which it counts. @throws AppError MACHINE_UNKNOWN */
  living(hardwarename: string): Promise<FleetMachine>;
  /** Those of these names that are known, as they are for which they count. */
  named(names: readonly string[]): Promise<ReadonlyMap<string, FleetMachine>>;
  count(filter: MachineFilter): Promise<number>;
  /** How many are in this group. */
  sizeOf(group: MachineGroup): Promise<number>;
  /** Machines by site, state and hardware type; '' asks for no site, or no type, in particular. */
  capacity(of: { readonly site: string; readonly hardwareType: string }): Promise<Capacity[]>;
  /** Newest first; of one site by number, so that they can be paged by `below`. */
  events(of: EventFilter, count: number): Promise<FleetEvent[]>;
  intents(site: string | undefined, count: number): Promise<SqlRow[]>;
  intent(id: string): Promise<SqlRow | undefined>;
  notices(count: number): Promise<SqlRow[]>;
}

const COLUMNS = {
  site: 'site',
  state: 'state',
  hardwareType: 'hardware_type',
  role: 'role',
  squad: 'squad',
  rack: 'rack',
} as const;

/** Three pings were missed. */
const awayAfterMs = () => 3 * limit('federationPingMs');

export function siteView(row: SiteRow, now: number): SiteView {
  const behind = row.feed_cursor === null ? row.last_event : row.last_event - row.feed_cursor;
  const freshness =
    row.heard_at === 0
      ? 'never'
      : Math.abs(now - row.heard_at) > awayAfterMs()
        ? 'away'
        : behind > 0 || row.feed_cursor === null
          ? 'catching-up'
          : 'current';
  return {
    ...{ site: row.name, freshness, asOf: row.heard_at, cursor: row.feed_cursor },
    ...{ behind: Math.max(0, behind), clockSkewMs: row.skew_ms, program: row.program },
  };
}

export async function siteViews(sql: Sql, now: number): Promise<ReadonlyMap<string, SiteView>> {
  const rows = await sql.all<SiteRow>('SELECT * FROM sites');
  return new Map(rows.map((row) => [row.name, siteView(row, now)]));
}

/** Of a row of `sites`, at this time: it may come back by itself. */
export const MAY_COME = `EXISTS (SELECT 1 FROM certificates c
  WHERE c.site = sites.name AND c.revoked_at = 0 AND c.not_after > ?)`;

/** What is said of an order for one, and of what waits to be told to it. */
export const SHUT_OUT = {
  code: 'SITE_SHUT_OUT',
  detail: 'None of its certificates is living.',
} as const;

/** Those of these sites that are shut out: what they are asked for, they would never hear of. */
export async function shutOutOf(
  sql: Sql,
  names: readonly string[],
  now: number,
): Promise<string[]> {
  if (names.length === 0) return [];
  const rows = await sql.all<{ name: string }>(
    `SELECT name FROM sites WHERE name IN (${names.map(() => '?').join(', ')}) AND NOT ${MAY_COME} ORDER BY name`,
    [...names, now],
  );
  return rows.map(({ name }) => name);
}

/** By name. */
export async function siteStandings(sql: Sql, now: number): Promise<SiteStanding[]> {
  const rows = await sql.all<SiteRow & { living: number }>(
    `SELECT sites.*, CASE WHEN ${MAY_COME} THEN 1 ELSE 0 END AS living FROM sites ORDER BY name`,
    [now],
  );
  return rows.map((row) => ({ ...siteView(row, now), shutOut: row.living === 0 }));
}

export function openFleetView(db: FleetDatabase, clock: Clock, indexes: WordIndexes): FleetView {
  const find = openSearch(db, indexes);
  const read = async (rows: readonly DocumentRow[]): Promise<FleetMachine[]> => {
    const views = rows.length > 0 ? await siteViews(db, clock()) : new Map<string, SiteView>();
    return rows.map(({ site, document, claimed }) => {
      const { freshness = 'never', asOf = 0 } = views.get(site) ?? {};
      return { ...JSON.parse(document), site, freshness, asOf, claimed: claimed === 1 };
    });
  };
  const machine = async (hardwarename: string): Promise<FleetMachine[]> => {
    const found = await read(
      await db.all(
        'SELECT site, document, claimed FROM machines WHERE hardwarename = ? ORDER BY site',
        [hardwarename],
      ),
    );
    return found.sort((a, b) => Number(a.claimed) - Number(b.claimed) || b.asOf - a.asOf);
  };
  return {
    machine,
    async living(hardwarename) {
      const [found] = await machine(hardwarename);
      if (!found) throw new AppError('MACHINE_UNKNOWN', { detail: hardwarename.slice(0, 64) });
      return found;
    },
    async count(filter) {
      const { where, values } = whereOf(filter, undefined);
      const [row] = await db.all<{ count: number }>(
        `SELECT CAST(count(*) AS BIGINT) AS count FROM machines ${where}`,
        values,
      );
      return row?.count ?? 0;
    },
    async named(names) {
      const found = new Map<string, FleetMachine>();
      const size = limit('fleetStatementRowsMax');
      for (let at = 0; at < names.length; at += size) {
        const some = names.slice(at, at + size);
        const rows = await db.all<DocumentRow>(
          `SELECT site, document, claimed FROM machines
           WHERE claimed = 0 AND hardwarename IN (${some.map(() => '?').join(', ')})`,
          some,
        );
        for (const one of await read(rows)) found.set(one.hardwarename, one);
      }
      return found;
    },
    async sizeOf({ by, ...group }) {
      const of =
        'site' in group
          ? ['rack = ? AND site = ?', group.name, group.site]
          : [`${by} = ?`, group.name];
      const [where = '', ...values] = of;
      const [row] = await db.all<{ count: number }>(
        `SELECT CAST(count(*) AS BIGINT) AS count FROM machines WHERE claimed = 0 AND ${where}`,
        values,
      );
      return row?.count ?? 0;
    },
    sites: () => siteStandings(db, clock()),
    async machines(filter, { count, cursor }) {
      const { where, values } = whereOf(filter, cursor);
      const rows = await db.all<DocumentRow & { hardwarename: string }>(
        `SELECT site, hardwarename, document, claimed FROM machines ${where} ORDER BY hardwarename, site LIMIT ?`,
        [...values, count + 1],
      );
      const page = rows.slice(0, count);
      const last = page.at(-1);
      const next = rows.length > count && last ? { next: cursorOf(last) } : {};
      return { machines: await read(page), ...next };
    },
    async search(wish) {
      const { found, next } = await find(wish);
      const names = [...new Set(found.map(({ hardwarename }) => hardwarename))];
      const rows = await documentsOf(db, names);
      const isFound = (row: FoundMachine) =>
        found.some(
          ({ hardwarename, site }) => row.hardwarename === hardwarename && row.site === site,
        );
      const machines = await read(rows.filter(isFound));
      return { machines, ...(next !== undefined && { next }) };
    },
    capacity({ site, hardwareType }) {
      const given = Object.entries({ site, hardware_type: hardwareType }).filter(
        ([, value]) => value !== '',
      );
      const where = ['claimed = 0', ...given.map(([name]) => `${name} = ?`)].join(' AND ');
      return db.all(
        `SELECT site, state, hardware_type AS "hardwareType", CAST(count(*) AS INTEGER) AS count FROM machines
         WHERE ${where} GROUP BY site, state, hardware_type ORDER BY site, state, hardware_type`,
        given.map(([, value]) => value),
      );
    },
    ...openLogs(db),
  };
}

/** As each site has them that tells of them, by name. */
async function documentsOf(
  sql: Sql,
  names: readonly string[],
): Promise<(DocumentRow & FoundMachine)[]> {
  const rows: (DocumentRow & FoundMachine)[] = [];
  const size = limit('fleetStatementRowsMax');
  const sorted = names.toSorted();
  for (let at = 0; at < sorted.length; at += size) {
    const some = sorted.slice(at, at + size);
    const found = await sql.all<DocumentRow & FoundMachine>(
      `SELECT hardwarename, site, document, claimed FROM machines
       WHERE hardwarename IN (${some.map(() => '?').join(', ')}) ORDER BY hardwarename, site`,
      some,
    );
    rows.push(...found);
  }
  return rows;
}

/** What has happened, what sites were asked for, and what central has noticed. */
function openLogs(db: FleetDatabase): Pick<FleetView, 'events' | 'intents' | 'intent' | 'notices'> {
  return {
    async events(of, count) {
      const given = Object.entries({ site: of.site, hardwarename: of.hardwarename }).filter(
        (entry): entry is [string, string] => entry[1] !== undefined,
      );
      const paged = of.below === undefined ? [] : [of.below];
      const where = [...given.map(([name]) => `${name} = ?`), ...paged.map(() => 'id < ?')].join(
        ' AND ',
      );
      const order = of.site === undefined ? 'at DESC, site, id DESC' : 'id DESC';
      const rows = await db.all<Omit<FleetEvent, 'data'> & { data: string }>(
        `SELECT site, id, at, name, hardwarename, data FROM events ${where && `WHERE ${where}`}
         ORDER BY ${order} LIMIT ?`,
        [...given.map(([, value]) => value), ...paged, count],
      );
      return rows.map((row) => ({ ...row, data: JSON.parse(row.data) }));
    },
    async intents(site, count) {
      const rows = await db.all(
        `SELECT * FROM intents ${site === undefined ? '' : 'WHERE site = ?'} ORDER BY asked_at DESC, id LIMIT ?`,
        [...(site === undefined ? [] : [site]), count],
      );
      return rows.map(masked);
    },
    intent: async (id) => (await db.all('SELECT * FROM intents WHERE id = ?', [id])).map(masked)[0],
    notices: (count) => db.all('SELECT * FROM notices ORDER BY at DESC, id LIMIT ?', [count]),
  };
}

/** What a machine is installed with may hold secrets, which are for the site alone. */
function masked(row: SqlRow): SqlRow {
  const body = JSON.parse(String(row.body)) as IntentBody;
  if (body.kind === 'record' && body.record === 'user') {
    const { passwordHash: _hash, ...doc } = body.doc ?? {};
    return { ...row, body: JSON.stringify({ ...body, doc }) };
  }
  if (body.kind === 'job')
    return { ...row, body: JSON.stringify({ ...body, params: maskInstall(body.params) }) };
  if (body.kind !== 'request') return row;
  const install = maskInstall((body.request.install ?? {}) as Record<string, unknown>);
  return { ...row, body: JSON.stringify({ ...body, request: { ...body.request, install } }) };
}

function whereOf(
  filter: MachineFilter,
  cursor: string | undefined,
): { where: string; values: SqlValue[] } {
  const parts: string[] = [];
  const values: SqlValue[] = [];
  for (const [name, column] of Object.entries(COLUMNS)) {
    const value = filter[name as keyof MachineFilter];
    if (value === undefined) continue;
    parts.push(`${column} = ?`);
    values.push(value);
  }
  if (cursor !== undefined) {
    const [hardwarename, site] = readCursor(cursor);
    parts.push('(hardwarename, site) > (?, ?)', 'hardwarename >= ?');
    values.push(hardwarename, site, hardwarename);
  }
  return { where: parts.length > 0 ? `WHERE ${parts.join(' AND ')}` : '', values };
}

const cursorOf = ({ hardwarename, site }: { hardwarename: string; site: string }): string =>
  Buffer.from(JSON.stringify([hardwarename, site])).toString('base64url');

function readCursor(text: string): [string, string] {
  try {
    const [hardwarename, site] = JSON.parse(Buffer.from(text, 'base64url').toString());
    if (typeof hardwarename === 'string' && typeof site === 'string') return [hardwarename, site];
  } catch {
    // Said below, for whatever it is.
  }
  throw new AppError('REQUEST_INVALID', { detail: 'This is no cursor.', path: '/cursor' });
}
