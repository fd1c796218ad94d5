/** What a removal reads in a turn does not grow with what there is: of each statement, by the plan that the database makes of it. */
import { describe, expect, it } from 'vitest';
import { openRemoving } from '../../../src/central/removing.ts';
import type { FleetDatabase, Sql, SqlValue } from '../../../src/central/sql.ts';
import { limit } from '../../../src/limits.ts';
import type { Millis } from '../../../src/wire/time.ts';
import { fleetDatabase } from '../../support/fleet-database.ts';

const NOW = 1_000_000;
const clock = () => NOW as Millis;
const EVENTS = 60_000;
const MACHINES = 10_000;
const JOBS = 20_000;
/** As long as they are: PostgreSQL reads small tables whole. */
const DOCUMENT = JSON.stringify({ notes: 'x'.repeat(1000) });

/** What has no bound of its own: all others are of people, of sites or of the records of the fleet. */
const LARGE = 'events machines machine_words fleet_jobs intents fleet_members'.split(' ');

async function crowded(): Promise<FleetDatabase> {
  const db = await fleetDatabase();
  const numbers = (count: number) =>
    `WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${count})`;
  for (const site of ['lon', 'sto']) {
    await db.run('INSERT INTO sites (name, joined_at) VALUES (?, 0)', [site]);
    await db.run(
      `${numbers(EVENTS)} INSERT INTO events (site, id, at, name, hardwarename, data)
       SELECT '${site}', i, i, 'x', '${site}-' || (i % ${MACHINES}), '{}' FROM n`,
    );
    await db.run(
      `${numbers(MACHINES)} INSERT INTO machines (site, hardwarename, state, hardware_type, role, squad, rack, document, version)
       SELECT '${site}', '${site}-' || i, 'available', '', '', '', '', '${DOCUMENT}', 1 FROM n`,
    );
    await db.run(
      `${numbers(MACHINES)} INSERT INTO machine_words (hardwarename, site, words) SELECT '${site}-' || i, '${site}', 'x' FROM n`,
    );
    await db.run(
      `${numbers(MACHINES)} INSERT INTO fleet_members (site, hardwarename, pool, joined_at) SELECT '${site}', '${site}-' || i, 'web', 1 FROM n`,
    );
    await db.run(
      `${numbers(JOBS)} INSERT INTO fleet_jobs (site, job, id, status, created_at, ended_at, document)
       SELECT '${site}', '${site}-' || i, '${site}-' || i, 'finished', i, i, '{}' FROM n`,
    );
    await db.run(
      `${numbers(JOBS)} INSERT INTO intents (id, site, who, body, asked_at, status, ended_at)
       SELECT '${site}-' || i, '${site}', 'ann', '{}', i, 'done', i FROM n`,
    );
  }
  if (db.engine === 'postgresql') await db.run('ANALYZE');
  return db;
}

interface Node {
  readonly 'Node Type': string;
  readonly 'Relation Name'?: string;
  readonly 'Plan Rows': number;
  readonly 'Actual Rows'?: number;
  readonly 'Actual Loops'?: number;
  readonly 'Rows Removed by Filter'?: number;
  readonly Plans?: readonly Node[];
}

/** Rows of large tables: as many as were read, or as are expected of what changes them. */
function rowsOf(node: Node): number {
  const { 'Actual Rows': actual = node['Plan Rows'], 'Actual Loops': loops = 1 } = node;
  const isLarge =
    LARGE.includes(node['Relation Name'] ?? '') && node['Node Type'] !== 'ModifyTable';
  const own = isLarge ? (actual + (node['Rows Removed by Filter'] ?? 0)) * loops : 0;
  return (node.Plans ?? []).reduce((sum, plan) => sum + rowsOf(plan), own);
}

type Statement = readonly [text: string, values: readonly SqlValue[]];

/** @returns what it reads without a bound; nothing where all is well */
async function unboundedIn(sql: Sql, [text, values]: Statement): Promise<string[]> {
  const plan = await sql.all<{ detail: string }>(`EXPLAIN QUERY PLAN ${text}`, values);
  return plan.flatMap(({ detail }) => {
    const [, how, table = '', by = ''] = /^(SCAN|SEARCH) (\w+)(.*)$/.exec(detail) ?? [];
    // Of the claims there are hardly any.
    if (!LARGE.includes(table) || by.includes('machines_claimed')) return [];
    // Of all that a site has: up to so many, or from one end on.
    const isOpen = /\(site=\?\)/.test(by) && !/fleet_jobs_open|fleet_jobs_due/.test(by);
    const isCut = /\bLIMIT \?|\b(min|max)\(id\)/.test(text);
    const isFiltered = isOpen && table === 'fleet_jobs';
    return how === 'SCAN' || isFiltered || (isOpen && !isCut) ? [`${text}: ${detail}`] : [];
  });
}

async function readBy(sql: Sql, [text, values]: Statement): Promise<number> {
  const analyze = /^\s*SELECT/.test(text) ? 'ANALYZE, ' : '';
  const [row] = await sql.all<{ 'QUERY PLAN': never }>(
    `EXPLAIN (${analyze}FORMAT JSON) ${text}`,
    values,
  );
  const [plan] = (row?.['QUERY PLAN'] ?? []) as readonly { Plan: Node }[];
  if (!plan) throw new Error('PostgreSQL explains nothing');
  return rowsOf(plan.Plan);
}

/** Each statement is explained before it is carried out. */
function explaining(db: FleetDatabase, unbounded: Set<string>, tables: Set<string>): FleetDatabase {
  const explain = async (sql: Sql, text: string, values: readonly SqlValue[]): Promise<void> => {
    for (const table of LARGE) if (new RegExp(`\\b${table}\\b`).test(text)) tables.add(table);
    if (db.engine === 'sqlite')
      for (const one of await unboundedIn(sql, [text, values])) unbounded.add(one);
    else {
      const rows = await readBy(sql, [text, values]);
      const most = text.includes('count(*)') ? MACHINES : 2 * limit('fleetRemoveRowsMax');
      if (rows > most) unbounded.add(`${rows} rows: ${text.slice(0, 300)}`);
    }
  };
  const watched = (sql: Sql): Sql => ({
    async all(text, values = []) {
      await explain(sql, text, values);
      return sql.all(text, values);
    },
    async run(text, values = []) {
      await explain(sql, text, values);
      return sql.run(text, values);
    },
  });
  return {
    ...{ ...db, ...watched(db) },
    transaction: (run, options) => db.transaction((sql) => run(watched(sql)), options),
  };
}

describe('a turn of a removal', () => {
  it('reads some thousand rows at most of whatever there is', async () => {
    const db = await crowded();
    const [unbounded, tables] = [new Set<string>(), new Set<string>()];
    const removing = openRemoving(explaining(db, unbounded, tables), clock);
    let turns = 1;
    for (; (await removing.remove('sto', 'ann')).endedAt === null; turns++)
      expect(turns).toBeLessThan(500);
    expect([...unbounded]).toEqual([]);
    expect([...tables].sort()).toEqual(LARGE.toSorted());
    expect(await db.all("SELECT id FROM events WHERE site = 'sto'")).toEqual([]);
    expect(await db.all('SELECT min(id) AS first, max(id) AS last FROM events')).toEqual([
      { first: 1, last: EVENTS },
    ]);
  }, 120_000);

  it('says how much is left, by the ends of what there is', async () => {
    const db = await crowded();
    // Gaps are counted as if something were there.
    await db.run("DELETE FROM events WHERE site = 'sto' AND id > 1000 AND id < 59000");
    const slow: FleetDatabase = {
      ...db,
      transaction: async (run, options) => {
        const result = await db.transaction(run, options);
        // Whoever asks hears how far it is when the second is over.
        await new Promise((resolve) => setTimeout(resolve, limit('fleetRemoveTurnMs') / 2 + 10));
        return result;
      },
    };
    const { endedAt, removed, left } = await openRemoving(slow, clock).remove('sto', 'ann');
    expect([endedAt, removed]).toEqual([null, { machines: 2 * limit('fleetRemoveRowsMax') }]);
    expect(left).toEqual({
      machines: MACHINES - 2 * limit('fleetRemoveRowsMax'),
      events: EVENTS,
    });
  });
});
