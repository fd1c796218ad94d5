/**
 * Rolling resets of a pool over its sites: one site after the other, each by its own rolling reset, so that no two sites have
 * machines away at once. What happens within a site is the site's business, and goes on when central is gone; the next
 * site is asked when the one before says that it has finished. One that stops, or refuses, stops the whole.
 */
import { randomUUID } from 'node:crypto';
import { AppError } from '../errors.ts';
import type { FeedEvent, FromAppliance } from '../federation/protocol.ts';
import type { ResetBody } from '../provisioning/pool.ts';
import type { Clock } from '../wire/time.ts';
import { type Fresh, shutOutOf, siteViews } from './fleet-view.ts';
import { putIntent } from './intents.ts';
import type { FleetDatabase, Sql, SqlRow } from './sql.ts';

export type Turn = 'paused' | 'running' | 'aborted';

export interface ResetSiteView extends Fresh {
  readonly site: string;
  readonly status: string;
  /** The site's own number of it; 0 while it is not known. */
  readonly number: number;
  readonly done: number;
  readonly failed: number;
  readonly why: string;
}

export interface FleetResetView {
  readonly id: string;
  readonly pool: string;
  /** In their order, divided by commas. */
  readonly site: string;
  readonly status: string;
  readonly who: string;
  readonly why: string;
  readonly atOnceMax: number;
  readonly startedAt: number;
  /** Each site has its own, from when it is asked. */
  readonly deadlineAt: null;
  readonly endedAt: number | null;
  /** Which machines a site is at, it says itself. */
  readonly machines: readonly [];
  readonly asked: ResetBody;
  readonly sites: readonly ResetSiteView[];
}

export interface FleetResets {
  list(count: number): Promise<FleetResetView[]>;
  /** @throws AppError NOT_FOUND */
  get(id: string): Promise<FleetResetView>;
  /** @throws AppError ALREADY_EXISTS while another one of the pool has not ended */
  start(of: {
    readonly pool: string;
    readonly sites: readonly string[];
    readonly body: ResetBody;
    readonly who: string;
  }): Promise<FleetResetView>;
  /** @throws AppError NOT_FOUND, REQUEST_ENDED */
  turn(
    id: string,
    turn: Turn,
    cause: { readonly who: string; readonly why: string },
  ): Promise<FleetResetView>;
}

interface ResetRow extends SqlRow {
  id: string;
  pool: string;
  body: string;
  who: string;
  asked_at: number;
  status: string;
  why: string;
  ended_at: number;
}

interface SiteRow extends SqlRow {
  reset: string;
  place: number;
  site: string;
  intent: string;
  number: number;
  status: string;
  done: number;
  failed: number;
  why: string;
}

const sitesOf = (sql: Sql, reset: string): Promise<SiteRow[]> =>
  sql.all<SiteRow>('SELECT * FROM fleet_reset_sites WHERE reset = ? ORDER BY place', [reset]);

export function openFleetResets(db: FleetDatabase, clock: Clock): FleetResets {
  const view = async (row: ResetRow): Promise<FleetResetView> => {
    const asked = JSON.parse(row.body) as ResetBody;
    const known = await siteViews(db, clock());
    const sites = (await sitesOf(db, row.id)).map(
      ({ site, status, number, done, failed, why }): ResetSiteView => {
        const { freshness = 'never', asOf = 0 } = known.get(site) ?? {};
        return { site, status, number, done, failed, why, freshness, asOf };
      },
    );
    return {
      ...{ id: row.id, pool: row.pool, status: row.status, who: row.who, asked, sites },
      // Why it has ended or is held; until then, what it is for.
      ...{ why: row.why || asked.why, site: sites.map(({ site }) => site).join(', ') },
      ...{ startedAt: row.asked_at, endedAt: row.ended_at > 0 ? row.ended_at : null },
      ...{ atOnceMax: asked.atOnceMax, deadlineAt: null, machines: [] },
    };
  };
  const find = async (sql: Sql, id: string): Promise<ResetRow> => {
    const [row] = await sql.all<ResetRow>('SELECT * FROM fleet_resets WHERE id = ?', [id]);
    if (!row) throw new AppError('NOT_FOUND', { detail: `No reset ${id.slice(0, 64)}.` });
    return row;
  };
  return {
    get: async (id) => view(await find(db, id)),
    async list(count) {
      const rows = await db.all<ResetRow>(
        'SELECT * FROM fleet_resets ORDER BY asked_at DESC, id LIMIT ?',
        [count],
      );
      return Promise.all(rows.map(view));
    },
    async start({ pool, sites, body, who }) {
      const id = randomUUID();
      const now = clock();
      await db.transaction(async (sql) => {
        // The pool's row is held: two people cannot begin at once.
        await sql.run(
          `UPDATE fleet_records SET version = version WHERE kind = 'pool' AND name = ?`,
          [pool],
        );
        const [other] = await sql.all<ResetRow>(
          `SELECT * FROM fleet_resets WHERE pool = ? AND status IN ('running', 'paused')`,
          [pool],
        );
        if (other)
          throw new AppError('ALREADY_EXISTS', { detail: `Reset ${other.id} is ${other.status}.` });
        const [shut] = await shutOutOf(sql, sites, now);
        if (shut !== undefined) throw new AppError('SITE_SHUT_OUT', { detail: `(${shut})` });
        await sql.run(
          'INSERT INTO fleet_resets (id, pool, body, who, asked_at) VALUES (?, ?, ?, ?, ?)',
          [id, pool, JSON.stringify(body), who, now],
        );
        for (const [place, site] of sites.entries())
          await sql.run('INSERT INTO fleet_reset_sites (reset, place, site) VALUES (?, ?, ?)', [
            ...[id, place, site],
          ]);
        await advance(sql, id, now);
      });
      return view(await find(db, id));
    },
    async turn(id, turn, { who, why }) {
      await db.transaction(async (sql) => {
        const now = clock();
        await hold(sql, id);
        const { status } = await find(sql, id);
        if (status !== 'running' && status !== 'paused')
          throw new AppError('REQUEST_ENDED', { detail: `It is ${status}.` });
        const ended = turn === 'aborted' ? now : 0;
        await sql.run('UPDATE fleet_resets SET status = ?, why = ?, ended_at = ? WHERE id = ?', [
          ...[turn, why, ended, id],
        ]);
        for (const { site, status: is, number } of await sitesOf(sql, id)) {
          if (is !== 'running') continue;
          const body = { kind: 'turn-reset', reset: number, turn, why } as const;
          await putIntent(sql, { site, who, body, now });
        }
        await advance(sql, id, now);
      });
      return view(await find(db, id));
    },
  };
}

const hold = (sql: Sql, id: string) =>
  sql.run('UPDATE fleet_resets SET turn = turn + 1 WHERE id = ?', [id]);

/** What follows from how far its sites are. The reset's row is held. */
async function advance(sql: Sql, id: string, now: number): Promise<void> {
  const [reset] = await sql.all<ResetRow>('SELECT * FROM fleet_resets WHERE id = ?', [id]);
  if (reset?.status !== 'running') return;
  const sites = await sitesOf(sql, id);
  const end = (status: string, why: string) =>
    sql.run('UPDATE fleet_resets SET status = ?, why = ?, ended_at = ? WHERE id = ?', [
      ...[status, why, now, id],
    ]);
  const bad = sites.find(({ status }) => ['refused', 'stopped', 'aborted'].includes(status));
  if (bad) {
    await end('stopped', `${bad.site}: ${bad.status}: ${bad.why}`);
    return;
  }
  if (sites.some(({ status }) => status === 'asked' || status === 'running')) return;
  const next = sites.find(({ status }) => status === 'waiting');
  if (!next) {
    await end('finished', '');
    return;
  }
  const { site, place } = next;
  const body = { kind: 'reset', pool: reset.pool, reset: JSON.parse(reset.body) } as const;
  const intent = await putIntent(sql, { site, who: reset.who, body, now });
  await sql.run(
    `UPDATE fleet_reset_sites SET status = 'asked', intent = ? WHERE reset = ? AND place = ?`,
    [intent, id, place],
  );
}

interface Answered {
  readonly site: string;
  readonly result: Extract<FromAppliance, { kind: 'result' }>;
  readonly now: number;
}

/** The result of an intent, when it was a site's turn. */
export async function answerReset(sql: Sql, { site, result, now }: Answered): Promise<void> {
  const [row] = await sql.all<SiteRow>(
    `SELECT * FROM fleet_reset_sites WHERE intent = ? AND site = ? AND status = 'asked'`,
    [result.intent, site],
  );
  if (!row) return;
  await hold(sql, row.reset);
  const {
    code = '',
    detail = '',
    reset = 0,
  } = result.result as Partial<Record<string, string>> & {
    reset?: number;
  };
  const isOn = result.status === 'done';
  // A site that has none of its machines yet has nothing to do.
  const status = isOn ? 'running' : code === 'NOT_FOUND' ? 'none' : 'refused';
  await sql.run(
    'UPDATE fleet_reset_sites SET status = ?, number = ?, why = ? WHERE reset = ? AND place = ?',
    [
      status,
      isOn ? reset : 0,
      `${code}${code && ': '}${detail}`.slice(0, 500),
      row.reset,
      row.place,
    ],
  );
  const { status: of } = (
    await sql.all<ResetRow>('SELECT * FROM fleet_resets WHERE id = ?', [row.reset])
  )[0] ?? { status: '' };
  // It was called off while nobody knew its number.
  if (isOn && of !== 'running') {
    const turn = of === 'paused' ? 'paused' : 'aborted';
    const body = {
      kind: 'turn-reset',
      reset,
      turn,
      why: `the reset of the fleet is ${of}`,
    } as const;
    await putIntent(sql, { site, who: 'central', body, now });
  }
  if (isOn) await catchUp(sql, { ...row, number: reset }, now);
  await advance(sql, row.reset, now);
}

/** The answer may come after the events of what it tells, when it was lost once on the way. */
async function catchUp(sql: Sql, { site, number }: SiteRow, now: number): Promise<void> {
  const rows = await sql.all<{ id: number; at: number; data: string }>(
    `SELECT id, at, data FROM events WHERE site = ? AND name = 'reset.turned' ORDER BY id DESC LIMIT 100`,
    [site],
  );
  const events = rows
    .map(({ id, at, data }) => ({ id, at, name: 'reset.turned', data: JSON.parse(data) }))
    .filter(({ data }) => data.reset === number)
    .reverse();
  await putResets(sql, { site, events, now });
}

/** A site that is no more: where its turn had come, the reset stops, and where it had not, the site is passed over. @returns how many */
export async function leaveResets(
  sql: Sql,
  { site, now, why }: { readonly site: string; readonly now: number; readonly why: string },
): Promise<number> {
  const rows = await sql.all<SiteRow>(
    `SELECT s.* FROM fleet_reset_sites s JOIN fleet_resets r ON r.id = s.reset
     WHERE s.site = ? AND s.status IN ('waiting', 'asked', 'running') AND r.status IN ('running', 'paused')
     ORDER BY s.reset LIMIT 100`,
    [site],
  );
  for (const { reset, place, status } of rows) {
    await hold(sql, reset);
    await sql.run(
      'UPDATE fleet_reset_sites SET status = ?, why = ? WHERE reset = ? AND place = ?',
      [status === 'waiting' ? 'none' : 'stopped', why, reset, place],
    );
    await advance(sql, reset, now);
  }
  return rows.length;
}

const ENDED = ['finished', 'stopped', 'aborted'];

/** How far the site says that it is with those that it was asked for. */
export async function putResets(
  sql: Sql,
  of: { readonly site: string; readonly events: readonly FeedEvent[]; readonly now: number },
): Promise<void> {
  const { site, events, now } = of;
  for (const { name, data } of events) {
    if (name !== 'reset.turned' && name !== 'reset.machine') continue;
    const { reset: number, status, why = '' } = data as Partial<Record<string, string>>;
    const [row] = await sql.all<SiteRow>(
      `SELECT * FROM fleet_reset_sites WHERE site = ? AND number = ? AND status = 'running'`,
      [site, Number(number)],
    );
    if (!row || status === undefined) continue;
    if (name === 'reset.machine') {
      const column = { done: 'done', failed: 'failed' }[status];
      if (column !== undefined)
        await sql.run(
          `UPDATE fleet_reset_sites SET ${column} = ${column} + 1 WHERE reset = ? AND place = ?`,
          [row.reset, row.place],
        );
      continue;
    }
    if (!ENDED.includes(status)) continue;
    await hold(sql, row.reset);
    await sql.run(
      'UPDATE fleet_reset_sites SET status = ?, why = ? WHERE reset = ? AND place = ?',
      [status, why.slice(0, 500), row.reset, row.place],
    );
    await advance(sql, row.reset, now);
  }
}
