/**
 * What is known of jobs, read from two places: intents, which are what was asked for here, and what sites have told of any other. A list goes by
 * the time at which each was asked for, by whose clock it was, and by id among those of one moment.
 */
import { AppError } from '../errors.ts';
import { limit } from '../limits.ts';
import type { FleetJobBody, JobFilter } from './jobs.ts';
import type { KeptJob } from './site-jobs.ts';
import type { Sql, SqlRow, SqlValue } from './sql.ts';

/** In a list. */
export interface Place {
  readonly at: number;
  readonly id: string;
}

/** Why a site has not taken it on. */
export interface Refusal {
  readonly code: string;
  readonly detail: string;
  readonly at: number;
}

export interface KnownJob extends Place {
  readonly site: string;
  readonly siteJob: string;
  readonly action: string;
  readonly target: string;
  readonly params: Readonly<Record<string, unknown>>;
  readonly requester: string;
  /** What its site says of it; absent of one that was asked for here and not told of. */
  readonly told?: KeptJob;
  readonly refusal?: Refusal;
}

/** By status only where a site has told it. */
export type ListWish = Omit<JobFilter, 'status'> & { readonly wanted: readonly string[] };

interface AskedRow extends SqlRow {
  id: string;
  site: string;
  who: string;
  body: string;
  asked_at: number;
  status: string;
  result: string;
  ended_at: number;
  /** Null while its site has not told of it. */
  told: string | null;
}

interface OwnRow extends SqlRow {
  site: string;
  job: string;
  intent: string;
  document: string;
}

const ASKED = `SELECT i.id AS id, i.site AS site, i.who AS who, i.body AS body, i.asked_at AS asked_at,
    i.status AS status, i.result AS result, i.ended_at AS ended_at, j.document AS told
  FROM intents i LEFT JOIN fleet_jobs j ON j.intent = i.id AND j.intent <> '' AND j.site = i.site
    AND j.status <> ''`;
const OF_JOBS = `i.body LIKE '{"kind":"job",%'`;

function askedJob({ id, site, who, body, asked_at: at, status, ...row }: AskedRow): KnownJob {
  const { action, target, params } = JSON.parse(body) as FleetJobBody;
  const said = JSON.parse(row.result || '{}') as Partial<Record<string, string>>;
  const told = row.told === null ? undefined : (JSON.parse(row.told) as KeptJob);
  const { code = '', detail = '' } = said;
  return {
    ...{ id, at, site, action, target, params, requester: who },
    siteJob: status === 'done' ? String(said.job ?? '') : '',
    ...(told && { told }),
    ...(status === 'refused' && { refusal: { code, detail, at: row.ended_at } }),
  };
}

function ownJob({ site, job: id, document }: OwnRow): KnownJob {
  const told = JSON.parse(document) as KeptJob;
  const { createdAt: at, action, machine: target, params, requester } = told;
  return { id, at, site, siteJob: id, action, target, params, requester, told };
}

/** By the id of its intent, or by the site's own. */
export async function knownJob(sql: Sql, id: string): Promise<KnownJob | undefined> {
  const asked = (of: string) =>
    sql.all<AskedRow>(`${ASKED} WHERE i.id = ? AND ${OF_JOBS}`, [of]).then(([row]) => row);
  const here = await asked(id);
  if (here) return askedJob(here);
  const [own] = await sql.all<OwnRow>(
    "SELECT * FROM fleet_jobs WHERE job = ? AND status <> '' ORDER BY site",
    [id],
  );
  const its = own && own.intent !== '' ? await asked(own.intent) : undefined;
  return its ? askedJob(its) : own && ownJob(own);
}

type Condition = readonly [string, ...SqlValue[]];

const oneOf = (column: string, values: readonly string[]): Condition => [
  `${column} IN (${values.map(() => '?').join(', ')})`,
  ...values,
];

/** By the id of its intent, or by the site's own. */
function byIds(ids: readonly string[]): Condition {
  const [[asked], [own]] = [oneOf('i.id', ids), oneOf('f.job', ids)];
  const its = `SELECT f.intent FROM fleet_jobs f WHERE ${own} AND f.intent <> ''`;
  return [`(${asked} OR i.id IN (${its}))`, ...ids, ...ids];
}

const behindOf = (columns: Record<keyof Place, string>, place?: Place): Condition[] =>
  place === undefined
    ? []
    : [
        [
          // The first of them is what an index begins at.
          `(${columns.at} <= ? AND (${columns.at} < ? OR ${columns.id} > ?))`,
          ...[place.at, place.at, place.id],
        ],
      ];

function select<Row extends SqlRow>(
  sql: Sql,
  { from, order, count }: { from: string; order: string; count: number },
  conditions: readonly Condition[],
): Promise<Row[]> {
  return sql.all<Row>(
    `${from} WHERE ${conditions.map(([text]) => text).join(' AND ')} ORDER BY ${order} LIMIT ?`,
    [...conditions.flatMap(([, ...values]) => values), count],
  );
}

const likeField = (name: string, value: string): string =>
  `%"${name}":${JSON.stringify(value).replace(/[%_!]/g, '!$&')}%`;

/** The next of those that were asked for here, newest first. What is in the body is looked for as a text: some of them may not be like it. */
export async function askedJobs(
  sql: Sql,
  { site, requester, action, target, ids, wanted }: ListWish,
  behind?: Place,
): Promise<KnownJob[]> {
  const like = Object.entries({ action, target }).flatMap(([name, value]): Condition[] =>
    value === undefined ? [] : [[`i.body LIKE ? ESCAPE '!'`, likeField(name, value)]],
  );
  const [told, ...statuses] = oneOf('j.status', wanted);
  const rows = await select<AskedRow>(
    sql,
    { from: ASKED, order: 'i.asked_at DESC, i.id', count: limit('fleetPageMax') },
    [
      [OF_JOBS],
      ...(site === undefined ? [] : [['i.site = ?', site] as const]),
      ...(requester === undefined ? [] : [['i.who = ?', requester] as const]),
      ...(ids === undefined ? [] : [byIds(ids.split(','))]),
      ...(wanted.length === 0 ? [] : [[`(j.status IS NULL OR ${told})`, ...statuses] as const]),
      ...like,
      ...behindOf({ at: 'i.asked_at', id: 'i.id' }, behind),
    ],
  );
  return rows.map(askedJob);
}

/**
 * The job of an intent may be told of before the site's answer says that it is its own: one that was made since it was asked for, as far as
 * the two clocks can say, and still goes on.
 */
const NOT_ASKED = `j.intent = '' AND j.status <> '' AND NOT (j.ended_at = 0 AND j.requester LIKE 'central:%' AND EXISTS (
  SELECT 1 FROM intents i JOIN sites s ON s.name = i.site
  WHERE i.site = j.site AND i.status = 'waiting' AND ${OF_JOBS}
    AND j.created_at - s.skew_ms >= i.asked_at - ${limit('clockSkewMs')}
    AND i.body LIKE '%"target":"' || j.hardwarename || '"%'))`;

/** The next of all others, newest first. */
export async function ownJobs(
  sql: Sql,
  { site, requester, action, target, ids, wanted }: ListWish,
  { behind, count }: { readonly behind?: Place | undefined; readonly count: number },
): Promise<KnownJob[]> {
  const given = Object.entries({ site, requester, action, hardwarename: target });
  const rows = await select<OwnRow>(
    sql,
    { from: 'SELECT j.* FROM fleet_jobs j', order: 'j.created_at DESC, j.job', count },
    [
      [NOT_ASKED],
      ...given.flatMap(([name, value]): Condition[] =>
        value === undefined ? [] : [[`j.${name} = ?`, value]],
      ),
      ...(ids === undefined ? [] : [oneOf('j.job', ids.split(','))]),
      ...(wanted.length === 0 ? [] : [oneOf('j.status', wanted)]),
      ...behindOf({ at: 'j.created_at', id: 'j.job' }, behind),
    ],
  );
  return rows.map(ownJob);
}

/** Newest first. */
export const inOrder = (one: Place, other: Place): number =>
  other.at - one.at || (one.id < other.id ? -1 : 1);

export const cursorOf = ({ at, id }: Place): string => `${at}.${id}`;

/** @throws AppError REQUEST_INVALID */
export function readCursor(text: string): Place {
  const [, at, id] = /^(\d{1,15})\.([0-9A-Za-z-]{1,64})$/.exec(text) ?? [];
  if (at !== undefined && id !== undefined) return { at: Number(at), id };
  throw new AppError('REQUEST_INVALID', { detail: 'This is no cursor.', path: '/cursor' });
}
