/** A step of the schema that takes more than SQL: what was asked for before it becomes a row like what is asked for since. */
import { askedDocument } from './asked-jobs.ts';
import { folded, type KeptJob } from './site-jobs.ts';
import type { Sql, SqlRow } from './sql.ts';

/** Statements, and what cannot be said in one. */
export type Step = readonly (string | ((sql: Sql) => Promise<void>))[];

/** What was asked for here is a row from the beginning: until its site has answered, under the id of the intent in place of the site's. */
export const JOB_ROWS: Step = [
  // The intent's, or the site's for any other; so are the time and who has asked.
  `ALTER TABLE fleet_jobs ADD COLUMN id TEXT NOT NULL DEFAULT ''`,
  // Behind which event of its site it is lost when it was not told of; 0: it was, or was not answered.
  'ALTER TABLE fleet_jobs ADD COLUMN due BIGINT NOT NULL DEFAULT 0',
  `UPDATE fleet_jobs SET id = CASE WHEN intent = '' THEN job ELSE intent END`,
  fillJobRows,
  'DROP INDEX fleet_jobs_by_time',
  'DROP INDEX fleet_jobs_by_status',
  'DROP INDEX fleet_jobs_by_site',
  'CREATE INDEX fleet_jobs_by_time ON fleet_jobs (created_at DESC, id)',
  'CREATE INDEX fleet_jobs_by_status ON fleet_jobs (status, created_at DESC, id)',
  'CREATE INDEX fleet_jobs_by_site ON fleet_jobs (site, created_at DESC, id)',
  'CREATE INDEX fleet_jobs_due ON fleet_jobs (site, due) WHERE due > 0',
  // Of what was answered and not told of by now, each site says once more what there is.
  `UPDATE sites SET told = ''`,
];

/** Of a site those that have not ended: hardly any of all, which were read for them. */
export const OPEN_JOBS: Step = [
  'CREATE INDEX fleet_jobs_open ON fleet_jobs (site, job) WHERE ended_at = 0',
];

const PAGE_ROWS = 500;

interface Row extends SqlRow {
  id: string;
  site: string;
  who: string;
  body: string;
  asked_at: number;
  status: string;
  result: string;
  ended_at: number;
  /** The site's; null while it has not answered, or has refused. */
  job: string | null;
  /** '' where its site has not told of it. */
  known: string | null;
}

export async function fillJobRows(sql: Sql): Promise<void> {
  for (let last = ''; ; ) {
    const rows = await sql.all<Row>(
      `SELECT i.id AS id, i.site AS site, i.who AS who, i.body AS body, i.asked_at AS asked_at,
         i.status AS status, i.result AS result, i.ended_at AS ended_at, j.job AS job, j.status AS known
       FROM intents i LEFT JOIN fleet_jobs j ON j.intent = i.id AND j.intent <> '' AND j.site = i.site
       WHERE i.id > ? AND i.body LIKE '{"kind":"job",%' ORDER BY i.id LIMIT ?`,
      [last, PAGE_ROWS],
    );
    for (const row of rows) await fill(sql, row);
    last = rows.at(-1)?.id ?? '';
    if (rows.length < PAGE_ROWS) break;
  }
  // Of which not even the intent is kept any more.
  await sql.run("DELETE FROM fleet_jobs WHERE status = ''");
}

const ODD = "created_at = 0 AND document = '' AND intent <> ''";

/** Of a row of `sites`: 1 where there is something for `mendJobRows`. */
export const HAS_ODD = `CASE WHEN EXISTS (SELECT 1 FROM fleet_jobs o WHERE o.site = sites.name AND ${ODD}) THEN 1 ELSE 0 END`;

/**
 * Rows that an instance of the version before has written over this database: of an answer that it heard, with nothing of what was asked for.
 * They begin an index of the site's.
 */
export async function mendJobRows(sql: Sql, site: string): Promise<void> {
  const rows = await sql.all<Row>(
    `SELECT i.id AS id, i.site AS site, i.who AS who, i.body AS body, i.asked_at AS asked_at,
       i.status AS status, i.result AS result, i.ended_at AS ended_at, j.job AS job, j.status AS known
     FROM fleet_jobs j JOIN intents i ON i.id = j.intent AND i.site = j.site
     WHERE j.site = ? AND ${ODD}`,
    [site],
  );
  for (const row of rows) {
    await fill(sql, row);
    await sql.run('DELETE FROM fleet_jobs WHERE site = ? AND job = ? AND intent = ?', [
      ...[site, row.id, row.id],
    ]);
  }
}

async function fill(sql: Sql, row: Row): Promise<void> {
  const { id, site, who, asked_at: now, job, known } = row;
  // One that its site has told of is as it says.
  if (job !== null && known !== '') {
    await sql.run(
      'UPDATE fleet_jobs SET requester = ?, created_at = ? WHERE site = ? AND job = ?',
      [who, now, site, job],
    );
    return;
  }
  if (job === null && row.status === 'done') return;
  const kept = await stateOf(sql, row);
  const { action, machine, status, endedAt } = kept;
  await sql.run(
    `INSERT INTO fleet_jobs (site, job, intent, id, action, hardwarename, requester, status, created_at, ended_at, document)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
     ON CONFLICT (site, job) DO UPDATE SET id = excluded.id, action = excluded.action, hardwarename = excluded.hardwarename,
       requester = excluded.requester, status = excluded.status, created_at = excluded.created_at,
       ended_at = excluded.ended_at, document = excluded.document`,
    [site, job ?? id, id, id, action, machine, who, status, now, endedAt, JSON.stringify(kept)],
  );
}

async function stateOf(sql: Sql, row: Row): Promise<KeptJob> {
  const { id, site, who, asked_at: now, job } = row;
  const kept = askedDocument({ id, who, body: JSON.parse(row.body), now });
  if (row.status === 'refused') {
    const { code = '', detail = '' } = JSON.parse(row.result) as { code?: string; detail?: string };
    const status = code === 'JOB_ENDED' ? 'cancelled' : 'failed';
    return { ...kept, status, code, detail, endedAt: row.ended_at };
  }
  const events = await sql.all<{ at: number; name: string; data: string }>(
    `SELECT at, name, data FROM events
     WHERE hardwarename = ? AND site = ? AND name LIKE 'job.%' ORDER BY id`,
    [kept.machine, site],
  );
  const read = events.map(({ data, ...event }) => ({ ...event, data: JSON.parse(data) }));
  return folded(
    kept,
    read.filter(({ data }) => data.job === job),
  );
}
