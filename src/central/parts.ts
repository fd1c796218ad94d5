/**
 * The parts of requests for machines: what each site was asked for, and how far it says that it is. Everything here happens
 * inside somebody else's transaction: the call that asks, the batch that brings news, the answer to an intent.
 *
 * The row of the request is changed first by whoever changes the set of its parts, so that two instances of central take turns.
 * A part that a site refuses is spread over the sites that have not refused. A part that a site took on and knows no more (its
 * database was put back from a copy) is lost: what came of it nobody knows, so it is noticed, and never asked for again by itself.
 */
import { randomUUID } from 'node:crypto';
import type { FeedEvent, FromAppliance, RequestDocument } from '../federation/protocol.ts';
import { limit } from '../limits.ts';
import type { SiteRow } from './fleet.ts';
import { MAY_COME, siteView } from './fleet-view.ts';
import { putIntent } from './intents.ts';
import { type Part, type SiteStock, type Spread, spreadOver } from './spread.ts';
import type { Sql, SqlRow } from './sql.ts';

export interface RequestRow extends SqlRow {
  id: string;
  call_key: string;
  who: string;
  role: string;
  squad: string;
  hardware_type: string;
  wanted: number;
  body: string;
  sites: string;
  spread: string;
  asked_at: number;
  cancelled_at: number;
  cancelled_by: string;
}

export interface PartRow extends SqlRow {
  intent: string;
  request: string;
  site: string;
  wanted: number;
  status: string;
  done: number;
  failed: number;
  why: string;
  accepted_at: number;
  ended_at: number;
}

/** A part in one of these may still become machines in use. */
export const OPEN_PARTS = ['asked', 'working', 'waiting', 'cancelling'] as const;
const OPEN = OPEN_PARTS.map((status) => `'${status}'`).join(', ');

export const partsOf = (sql: Sql, request: string): Promise<PartRow[]> =>
  sql.all<PartRow>('SELECT * FROM fleet_parts WHERE request = ? ORDER BY site, intent', [request]);

/** Each is an intent to its site, with the same id. */
export async function askParts(
  sql: Sql,
  { request, parts, now }: { request: RequestRow; parts: readonly Part[]; now: number },
): Promise<void> {
  for (const { site, count } of parts) {
    const id = randomUUID();
    await sql.run('INSERT INTO fleet_parts (intent, request, site, wanted) VALUES (?, ?, ?, ?)', [
      ...[id, request.id, site, count],
    ]);
    const body = { kind: 'request', request: { ...JSON.parse(request.body), count } } as const;
    await putIntent(sql, { id, site, who: request.who, body, now });
  }
}

export interface StockWish {
  /** Only these; none: every site that was heard of. */
  readonly sites: readonly string[];
  readonly hardwareType: string;
  /** What its parts have is counted into the spread. */
  readonly parts: readonly PartRow[];
  readonly now: number;
}

/** What is free at each site: of the type, less what others were promised there and have not got yet. */
export async function stocksOf(
  sql: Sql,
  { sites, hardwareType, parts, now }: StockWish,
): Promise<SiteStock[]> {
  const ofType = hardwareType === '' ? '' : 'AND hardware_type = ?';
  const type = hardwareType === '' ? [] : [hardwareType];
  const free = await sql.all<{ site: string; count: number }>(
    `SELECT site, CAST(count(*) AS BIGINT) AS count FROM machines
     WHERE state = 'available' AND claimed = 0 ${ofType} GROUP BY site`,
    type,
  );
  const promised = await sql.all<{ site: string; count: number }>(
    `SELECT p.site AS site, CAST(sum(p.wanted - (SELECT count(*) FROM fleet_places WHERE intent = p.intent)) AS BIGINT)
       AS count
     FROM fleet_parts p JOIN fleet_requests r ON r.id = p.request
     WHERE p.status IN (${OPEN}) ${type.length > 0 ? "AND r.hardware_type IN (?, '')" : ''}
     GROUP BY p.site`,
    type,
  );
  const freeAt = new Map(free.map(({ site, count }) => [site, count]));
  const promisedAt = new Map(promised.map(({ site, count }) => [site, count]));
  // One that is shut out may have machines that are free, and never hears of what it is asked for.
  const rows = await sql.all<SiteRow>(`SELECT * FROM sites WHERE ${MAY_COME} ORDER BY name`, [now]);
  return rows.flatMap((row) => {
    const { name: site } = row;
    const { freshness } = siteView(row, now);
    if (sites.length > 0 ? !sites.includes(site) : freshness === 'never') return [];
    const mine = parts.filter((part) => part.site === site && part.status !== 'refused');
    return {
      site,
      free: (freeAt.get(site) ?? 0) - (promisedAt.get(site) ?? 0),
      isCurrent: freshness === 'current' || freshness === 'catching-up',
      has: mine.reduce((sum, { wanted }) => sum + wanted, 0),
    };
  });
}

/** Of a row of `fleet_requests`. */
export const HAS_OPEN_PART = `EXISTS (SELECT 1 FROM fleet_parts p
  WHERE p.request = fleet_requests.id AND p.status IN (${OPEN}))`;

/** A site's own request has no more. */
export const atMost = ({ perSiteMax, ...rest }: Spread): Spread => ({
  ...rest,
  perSiteMax: Math.min(perSiteMax ?? limit('requestMachinesMax'), limit('requestMachinesMax')),
});

/** The result of an intent, when it was a part. */
export async function answerPart(
  sql: Sql,
  of: {
    readonly site: string;
    readonly result: Extract<FromAppliance, { kind: 'result' }>;
    readonly now: number;
  },
): Promise<void> {
  const { site, result, now } = of;
  const [part] = await sql.all<PartRow>('SELECT * FROM fleet_parts WHERE intent = ? AND site = ?', [
    result.intent,
    site,
  ]);
  if (!part) return;
  await sql.run('UPDATE fleet_requests SET turn = turn + 1 WHERE id = ?', [part.request]);
  if (result.status === 'done') {
    await sql.run(
      `UPDATE fleet_parts SET status = 'working', accepted_at = ? WHERE intent = ? AND status = 'asked'`,
      [now, part.intent],
    );
    return;
  }
  const { code = '', detail = '' } = result.result as { code?: string; detail?: string };
  const changed = await sql.run(
    `UPDATE fleet_parts SET status = 'refused', why = ?, ended_at = ? WHERE intent = ? AND status = 'asked'`,
    [`${code}: ${detail}`.slice(0, 500), now, part.intent],
  );
  if (changed > 0) await respread(sql, part.request, now);
}

/** What was refused, over the sites that have not refused; nothing where there is none. The request's row is held. */
async function respread(sql: Sql, id: string, now: number): Promise<void> {
  const [request] = await sql.all<RequestRow>('SELECT * FROM fleet_requests WHERE id = ?', [id]);
  if (!request || request.cancelled_at > 0) return;
  const parts = await partsOf(sql, id);
  const refused = parts.filter(({ status }) => status === 'refused');
  const asked = parts
    .filter(({ status }) => status !== 'refused')
    .reduce((sum, { wanted }) => sum + wanted, 0);
  const stocks = await stocksOf(sql, {
    ...{ sites: JSON.parse(request.sites), hardwareType: request.hardware_type, parts, now },
  });
  const willing = stocks.filter(({ site }) => !refused.some((part) => part.site === site));
  const plan = spreadOver(willing, request.wanted - asked, atMost(JSON.parse(request.spread)));
  await askParts(sql, { request, parts: plan.parts, now });
}

interface News {
  readonly site: string;
  readonly requests: readonly RequestDocument[];
  /** '' between snapshots. */
  readonly snapshot: string;
  readonly now: number;
}

/** How far requests are. A part that had ended stays ended: a site says nothing else. */
export async function putRequests(
  sql: Sql,
  { site, requests, snapshot, now }: News,
): Promise<void> {
  for (const { id, status, done, failed, why, endedAt, places } of requests) {
    // By our own clock, as everything else that is shown beside it: the site's may differ.
    const ended = endedAt > 0 ? 'CASE WHEN ended_at > 0 THEN ended_at ELSE ? END' : '?';
    const known = await sql.run(
      `UPDATE fleet_parts SET status = ?, done = ?, failed = ?, why = ?, ended_at = ${ended},
         accepted_at = CASE WHEN accepted_at = 0 THEN ? ELSE accepted_at END,
         snapshot = CASE WHEN ? = '' THEN snapshot ELSE ? END
       WHERE intent = ? AND site = ?`,
      [status, done, failed, why, endedAt > 0 ? now : 0, now, snapshot, snapshot, id, site],
    );
    if (known === 0 || !places) continue;
    await sql.run('DELETE FROM fleet_places WHERE intent = ?', [id]);
    for (const { place, machine, hostname, status: is } of places)
      await putPlace(sql, { intent: id, place, machine, hostname, status: is });
  }
}

interface PlaceOf {
  readonly intent: string;
  readonly place: number;
  readonly machine: string;
  readonly hostname: string;
  readonly status: string;
}

const putPlace = (sql: Sql, { intent, place, machine, hostname, status }: PlaceOf) =>
  sql.run(
    `INSERT INTO fleet_places (intent, place, hardwarename, hostname, status) VALUES (?, ?, ?, ?, ?)
     ON CONFLICT (intent, place) DO UPDATE SET hardwarename = excluded.hardwarename,
       hostname = excluded.hostname, status = excluded.status`,
    [intent, place, machine, hostname, status],
  );

const PLACE_EVENTS: Readonly<Record<string, string>> = {
  'request.claimed': 'claimed',
  'request.installed': 'installed',
  'request.replacing': '',
};

/** Which machine has which place, by the events that say so. Told twice it is as told once: the last one counts. */
export async function putPlaces(
  sql: Sql,
  site: string,
  events: readonly FeedEvent[],
): Promise<void> {
  const told = events.filter(({ name }) => name in PLACE_EVENTS);
  if (told.length === 0) return;
  const ids = [...new Set(told.map(({ data }) => String(data.request)))];
  const rows = await sql.all<{ intent: string }>(
    `SELECT intent FROM fleet_parts WHERE site = ? AND intent IN (${ids.map(() => '?').join(', ')})`,
    [site, ...ids],
  );
  const ours = new Set(rows.map(({ intent }) => intent));
  for (const { name, hardwarename = '', data } of told) {
    const { request, place, hostname } = data as Partial<Record<string, string | number>>;
    const intent = String(request);
    if (!ours.has(intent) || typeof place !== 'number') continue;
    const status = PLACE_EVENTS[name] ?? '';
    if (status === '')
      await sql.run('DELETE FROM fleet_places WHERE intent = ? AND place = ?', [intent, place]);
    else
      await putPlace(sql, {
        ...{ intent, place, status, machine: hardwarename, hostname: String(hostname ?? '') },
      });
  }
}

const ENDS: Readonly<Record<string, string>> = {
  'request.fulfilled': 'fulfilled',
  'request.cancelled': 'cancelled',
};

/**
 * Requests of which the site tells that they have ended, and has no record any more: it was away for longer than it keeps them. What the
 * event says is what is known, also of one that was given up meanwhile.
 */
export async function endForgotten(
  sql: Sql,
  of: {
    readonly site: string;
    readonly requests: readonly RequestDocument[];
    readonly events: readonly FeedEvent[];
    readonly now: number;
  },
): Promise<void> {
  const { site, requests, events, now } = of;
  const known = new Set(requests.map(({ id }) => id));
  for (const { name, data } of events) {
    const status = ENDS[name];
    const { request, installed } = data;
    if (status === undefined || typeof request !== 'string' || known.has(request)) continue;
    const done = typeof installed === 'number' ? installed : 0;
    await sql.run(
      `UPDATE fleet_parts SET status = ?, done = ?, why = '', ended_at = ?
       WHERE intent = ? AND site = ? AND status IN (${OPEN}, 'lost')`,
      [status, done, now, request, site],
    );
  }
}

/** A site that took a part on, and has been away for longer than it keeps what it would tell of it. */
export async function endAway(
  sql: Sql,
  { heardBefore, now }: { readonly heardBefore: number; readonly now: number },
): Promise<readonly { readonly intent: string; readonly site: string }[]> {
  const away = await sql.all<{ site: string; heard_at: number }>(
    `SELECT name AS site, heard_at FROM sites WHERE heard_at > 0 AND heard_at < ?
     AND EXISTS (SELECT 1 FROM fleet_parts p WHERE p.site = sites.name AND p.status IN (${TAKEN_ON})) ORDER BY name`,
    [heardBefore],
  );
  const ended: { intent: string; site: string }[] = [];
  for (const { site, heard_at: heardAt } of away) {
    // The site's row first, as a batch does: it may have come back in this moment.
    const isAway = await sql.run(
      'UPDATE sites SET heard_at = heard_at WHERE name = ? AND heard_at = ?',
      [site, heardAt],
    );
    if (isAway === 0) continue;
    const why = `Its site was last heard of at ${new Date(heardAt).toISOString()}.`;
    const parts = await sql.all<{ intent: string; site: string }>(
      `UPDATE fleet_parts SET status = 'lost', ended_at = ?, why = ?
       WHERE site = ? AND status IN (${TAKEN_ON}) RETURNING intent, site`,
      [now, why, site],
    );
    ended.push(...parts);
  }
  return ended;
}

const TAKEN_ON = "'working', 'waiting', 'cancelling'";

/**
 * Those of a site that was removed, also what it was asked for and has not answered.
 *
 * @returns how many, of some of them at a time
 */
export async function loseOpenParts(
  sql: Sql,
  { site, now, why }: { readonly site: string; readonly now: number; readonly why: string },
): Promise<number> {
  const rows = await sql.all<{ intent: string; request: string }>(
    `SELECT intent, request FROM fleet_parts WHERE site = ? AND status IN (${OPEN}) ORDER BY intent LIMIT ?`,
    [site, limit('fleetStatementRowsMax')],
  );
  for (const { intent, request } of rows) {
    await sql.run('UPDATE fleet_requests SET turn = turn + 1 WHERE id = ?', [request]);
    await sql.run(
      `UPDATE fleet_parts SET status = 'lost', ended_at = ?, why = ? WHERE intent = ?`,
      [now, why, intent],
    );
  }
  return rows.length;
}

/** Why a site may know a part no more that it took on. */
const lostBecause = (acceptedAt: number, now: number): string =>
  acceptedAt > now - limit('requestOfCentralKeepMs')
    ? 'The site knows it no more: its database was put back from a copy.'
    : 'The site knows it no more: it was away for longer than it keeps requests that have ended, or its database was put back from a copy.';

/**
 * Parts that the site took on before this line, and does not mention in a whole snapshot.
 *
 * @returns their ids
 */
export async function loseParts(
  sql: Sql,
  {
    site,
    snapshot,
    now,
  }: { readonly site: string; readonly snapshot: string; readonly now: number },
): Promise<string[]> {
  const rows = await sql.all<{ intent: string; accepted_at: number }>(
    `SELECT intent, accepted_at FROM fleet_parts WHERE site = ? AND status IN (${TAKEN_ON})
       AND snapshot <> ? AND accepted_at < (SELECT connected_at FROM sites WHERE name = ?)`,
    [site, snapshot, site],
  );
  for (const { intent, accepted_at: acceptedAt } of rows)
    await sql.run(
      `UPDATE fleet_parts SET status = 'lost', ended_at = ?, why = ? WHERE intent = ?`,
      [now, lostBecause(acceptedAt, now), intent],
    );
  return rows.map(({ intent }) => intent);
}
