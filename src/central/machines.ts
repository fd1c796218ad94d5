/**
 * Machines as their sites tell them: a row for each site that tells of one, with its words for searches, and which of them has it
 * (claims.ts).
 */
import { isLiving, type LivingMachine, type MachineDocument } from '../federation/protocol.ts';
import { limit } from '../limits.ts';
import { IS_SHARED, judgeClaims, OF_SITE, releaseClaims, toldOf } from './claims.ts';
import type { Sql, SqlRow, SqlValue } from './sql.ts';

interface Machines {
  readonly site: string;
  readonly machines: readonly MachineDocument[];
  readonly snapshot: string;
}

export type Notice = (sql: Sql, site: string, code: string, detail: string) => Promise<unknown>;

/** Of one site or of several, each once, as if they were told one after the other. */
export async function putMachines(
  sql: Sql,
  tellers: readonly Machines[],
  notice: Notice,
): Promise<void> {
  // A statement does not see what it has put in itself: who had the machine before is known between two of them.
  if (tellOfTheSame(tellers)) {
    for (const teller of tellers) await putMachines(sql, [teller], notice);
    return;
  }
  const living = tellers.flatMap(({ site, machines, snapshot }) =>
    machines.filter(isLiving).map((one): Teller => ({ site, snapshot, one })),
  );
  const columns =
    '(site, hardwarename, state, hardware_type, role, squad, rack, document, version, snapshot)';
  for (const chunk of chunks(living)) {
    const rows = chunk.map(({ site, snapshot, one }) => [site, ...rowOf(one), snapshot]);
    const put = await sql.all<PutRow>(
      `INSERT INTO machines ${columns} VALUES ${places(rows)}
       ON CONFLICT (site, hardwarename) DO UPDATE SET state = excluded.state, hardware_type = excluded.hardware_type,
         role = excluded.role, squad = excluded.squad, rack = excluded.rack,
         document = excluded.document, version = excluded.version,
         snapshot = CASE WHEN excluded.snapshot = '' THEN machines.snapshot ELSE excluded.snapshot END
       RETURNING site, hardwarename, ${WORDS_OF} AS words, ${IS_SHARED} AS shared,
         CASE WHEN state = 'retired' THEN 1 ELSE 0 END AS retired`,
      rows.flat(),
    );
    await putWords(sql, chunk, put);
    // Of a row that was waited for, this statement does not see who has claimed it meanwhile.
    const judged = put.filter(({ shared, retired }) => shared === 1 || retired === 1);
    for (const [site, names] of bySite(judged)) await judge(sql, { site, names }, notice);
  }
  for (const { site, machines } of tellers)
    for (const chunk of chunks(machines.filter((one) => !isLiving(one)))) {
      const names = chunk.map(({ hardwarename }) => hardwarename);
      for (const table of ['machines', 'machine_words'])
        await sql.run(
          `DELETE FROM ${table} WHERE ${OF_SITE} AND hardwarename IN ${places([names])}`,
          [...[site, ...names]],
        );
      await releaseClaims(sql, { site, names });
    }
}

interface Teller {
  readonly site: string;
  readonly snapshot: string;
  readonly one: LivingMachine;
}

/** A row that was just put in. */
interface PutRow extends SqlRow {
  site: string;
  hardwarename: string;
  /** As they were; null where there are none yet. */
  words: string | null;
  /** 1: another site tells of it, too. */
  shared: number;
  retired: number;
}

function tellOfTheSame(tellers: readonly Machines[]): boolean {
  const names = tellers.flatMap(({ machines }) => [
    ...new Set(machines.map(({ hardwarename }) => hardwarename)),
  ]);
  return new Set(names).size < names.length;
}

function bySite(rows: readonly PutRow[]): ReadonlyMap<string, string[]> {
  const names = new Map<string, string[]>();
  for (const { site, hardwarename } of rows)
    names.set(site, [...(names.get(site) ?? []), hardwarename]);
  return names;
}

/** Machines of which more than one site tells, or that are given up. */
async function judge(
  sql: Sql,
  { site, names }: { readonly site: string; readonly names: readonly string[] },
  notice: Notice,
): Promise<void> {
  const told = await toldOf(sql, names);
  for (const { hardwarename, holder } of await judgeClaims(sql, site, told)) {
    const detail = `${hardwarename} is claimed by ${[site, holder].sort().join(' and ')}.`;
    await notice(sql, site, 'MACHINE_CLAIMED', `${detail} It counts for ${holder} alone.`);
  }
}

/** Hardly any change: also a row that is only compared is locked for it, on disk. */
async function putWords(sql: Sql, told: readonly Teller[], put: readonly PutRow[]): Promise<void> {
  const keyOf = (site: string, hardwarename: string) => `${site} ${hardwarename}`;
  const known = new Map(put.map((row) => [keyOf(row.site, row.hardwarename), row.words]));
  const rows = told
    .map(({ site, one }) => [one.hardwarename, site, wordsOf(one)] as const)
    .filter(([hardwarename, site, words]) => known.get(keyOf(site, hardwarename)) !== words);
  if (rows.length === 0) return;
  await sql.run(
    `INSERT INTO machine_words (hardwarename, site, words) VALUES ${places(rows)}
     ON CONFLICT (hardwarename, site) DO UPDATE SET words = excluded.words`,
    rows.flat(),
  );
}

/**
 * The machines that a snapshot does not have, which others may have now. By their names: asked for words of which there is no machine, PostgreSQL compares each word
 * with each machine where it has counted either of them when there were few.
 */
export async function dropUnmentioned(sql: Sql, site: string, snapshot: string): Promise<void> {
  const gone = await sql.all<{ hardwarename: string }>(
    'DELETE FROM machines WHERE site = ? AND snapshot <> ? RETURNING hardwarename',
    [site, snapshot],
  );
  for (const chunk of chunks(gone)) {
    const names = chunk.map(({ hardwarename }) => hardwarename);
    await sql.run(
      `DELETE FROM machine_words WHERE ${OF_SITE} AND hardwarename IN ${places([names])}`,
      [...[site, ...names]],
    );
    await releaseClaims(sql, { site, names });
  }
}

const textOf = (document: LivingMachine, name: string): string => {
  const value = (document as Record<string, unknown>)[name];
  return typeof value === 'string' ? value : '';
};

/** Between the site and the snapshot, in the order of the columns. */
const rowOf = (document: LivingMachine): SqlValue[] => [
  document.hardwarename,
  ...['state', 'hardwareType', 'role', 'squad', 'rack'].map((name) => textOf(document, name)),
  JSON.stringify(document),
  document.version,
];

/** Of a row of `machines`. */
const WORDS_OF = `(SELECT w.words FROM machine_words w
  WHERE w.hardwarename = machines.hardwarename AND w.site = machines.site)`;

const WORDS = 'hardwarename serial hostname uuid product rack bmcMac'.split(' ');

/**
 * As it is kept and looked for: without colons. By them a MAC is six words of two letters, which so many others have that an index over parts of
 * words leaves nearly every machine to be looked at.
 */
export const asWords = (text: string): string => text.replaceAll(':', '').toLowerCase();

/** What it may be searched for by. */
function wordsOf(document: LivingMachine): string {
  const nics = ((document as Record<string, unknown>).nics ?? []) as { mac?: string }[];
  const words = [
    ...WORDS.map((name) => textOf(document, name)),
    ...nics.map(({ mac = '' }) => mac),
  ];
  return asWords(words.filter(Boolean).join(' '));
}

export const places = (rows: readonly (readonly unknown[])[]): string =>
  rows.map((row) => `(${row.map(() => '?').join(', ')})`).join(', ');

export function chunks<Item>(items: readonly Item[]): Item[][] {
  const size = limit('fleetStatementRowsMax');
  const parts: Item[][] = [];
  for (let at = 0; at < items.length; at += size) parts.push(items.slice(at, at + size));
  return parts;
}
