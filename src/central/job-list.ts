/**
 * Jobs as they are read: those that were asked for here and those of the sites' own, in one order. A list goes by the time at which each was
 * asked for, by whose clock it was, and by id among those of one moment; a page of it is one statement, which reads no more of each
 * status than the page has.
 */
import { AppError } from '../errors.ts';
import { limit } from '../limits.ts';
import { askedDocument } from './asked-jobs.ts';
import type { JobFilter } from './jobs.ts';
import type { KeptJob } from './site-jobs.ts';
import type { Sql, SqlRow, SqlValue } from './sql.ts';

/** In a list. */
export interface Place {
  readonly at: number;
  readonly id: string;
}

export interface KnownJob extends Place {
  readonly site: string;
  /** '' while its site has not answered. */
  readonly siteJob: string;
  readonly action: string;
  readonly target: string;
  readonly requester: string;
  readonly told: KeptJob;
}

export type ListWish = Omit<JobFilter, 'status'> & { readonly wanted: readonly string[] };

interface JobRow extends SqlRow {
  site: string;
  job: string;
  intent: string;
  id: string;
  action: string;
  hardwarename: string;
  requester: string;
  created_at: number;
  document: string;
}

function known({ site, job, intent, document, ...row }: JobRow): KnownJob {
  const { action, hardwarename: target, requester, created_at: at } = row;
  const siteJob = job === intent ? '' : job;
  // An instance of the version before, over the same database, writes neither, until the site tells of its jobs again (`mendJobRows`).
  const id = row.id || intent || job;
  const body = { kind: 'job', action, target, params: {} } as const;
  const told =
    document === '' ? askedDocument({ id, who: requester, body, now: at }) : JSON.parse(document);
  return { id, at, site, siteJob, action, target, requester, told };
}

/** By the id of its intent, or by the site's own. */
export async function knownJob(sql: Sql, id: string): Promise<KnownJob | undefined> {
  const [row] = await sql.all<JobRow>(
    `SELECT * FROM fleet_jobs WHERE (job = ? OR (intent <> '' AND intent = ?)) ORDER BY site`,
    [id, id],
  );
  return row && known(row);
}

type Condition = readonly [string, ...SqlValue[]];

const oneOf = (column: string, values: readonly string[]): Condition => [
  `${column} IN (${values.map(() => '?').join(', ')})`,
  ...values,
];

/** By the id of its intent, or by the site's own. */
function byIds(ids: readonly string[]): Condition {
  const [[own], [asked]] = [oneOf('j.job', ids), oneOf('j.intent', ids)];
  return [`(${own} OR (j.intent <> '' AND ${asked}))`, ...ids, ...ids];
}

/**
 * The job of an intent may be told of before the site's answer says that it is its own: one that was made since it was asked for, as far as
 * the two clocks can say, and still goes on. It is there as what was asked for.
 */
const NOT_TWICE = `(j.intent <> '' OR j.ended_at > 0 OR j.requester NOT LIKE 'central:%' OR NOT EXISTS (
  SELECT 1 FROM fleet_jobs a JOIN sites s ON s.name = a.site
  WHERE a.hardwarename = j.hardwarename AND a.site = j.site AND a.job = a.intent AND a.ended_at = 0
    AND j.created_at - s.skew_ms >= a.created_at - ${limit('clockSkewMs')}))`;

const ORDER = 'created_at DESC, id';

/** The next ones, newest first. */
export async function knownJobs(
  sql: Sql,
  { site, requester, action, target, ids, wanted }: ListWish,
  { behind, count }: { readonly behind?: Place | undefined; readonly count: number },
): Promise<KnownJob[]> {
  const given = Object.entries({ site, requester, action, hardwarename: target });
  const conditions: Condition[] = [
    [NOT_TWICE],
    ...given.flatMap(([name, value]): Condition[] =>
      value === undefined ? [] : [[`j.${name} = ?`, value]],
    ),
    ...(ids === undefined ? [] : [byIds(ids.split(','))]),
    ...(behind === undefined ? [] : [after(behind)]),
  ];
  const branch = (more: readonly Condition[]): Condition => {
    const all = [...more, ...conditions];
    const where = all.map(([text]) => text).join(' AND ');
    return [
      `SELECT j.* FROM fleet_jobs j WHERE ${where} ORDER BY j.created_at DESC, j.id LIMIT ?`,
      ...all.flatMap(([, ...values]) => values),
      count,
    ];
  };
  // An index has the order of one status alone.
  const branches = wanted.map((status) => branch([['j.status = ?', status]]));
  const [text, ...values] = branches.length === 0 ? branch([]) : united(branches, count);
  return (await sql.all<JobRow>(text, values)).map(known);
}

const united = (branches: readonly Condition[], count: number): Condition => [
  `${branches.map(([text], at) => `SELECT * FROM (${text}) AS s${at}`).join(' UNION ALL ')}
   ORDER BY ${ORDER} LIMIT ?`,
  ...branches.flatMap(([, ...values]) => values),
  count,
];

/** The first of the conditions is what an index begins at. */
const after = ({ at, id }: Place): Condition => [
  '(j.created_at <= ? AND (j.created_at < ? OR j.id > ?))',
  ...[at, at, id],
];

export const cursorOf = ({ at, id }: Place): string => `${at}.${id}`;

/** @throws AppError REQUEST_INVALID */
export function readCursor(text: string): Place {
  const [, at, id] = /^(\d{1,15})\.([0-9A-Za-z-]{1,64})$/.exec(text) ?? [];
  if (at !== undefined && id !== undefined) return { at: Number(at), id };
  throw new AppError('REQUEST_INVALID', { detail: 'This is no cursor.', path: '/cursor' });
}
