/**
 * Machines as their sites tell them: a row for each site that tells of one, with its words for searches, and which of them has it
 * (claims.ts).
 */
import { isLiving, type LivingMachine, type MachineDocument } from '../federation/protocol.ts';
import { limit } from '../limits.ts';
import { judgeClaims, OF_SITE, releaseClaims, type Told, toldOf } from './claims.ts';
import type { Sql, SqlValue } from './sql.ts';

interface Machines {
  readonly site: string;
  readonly machines: readonly MachineDocument[];
  readonly snapshot: string;
}

type Notice = (sql: Sql, site: string, code: string, detail: string) => Promise<unknown>;

export async function putMachines(
  sql: Sql,
  { site, machines, snapshot }: Machines,
  notice: Notice,
): Promise<void> {
  const living = machines.filter(isLiving);
  const gone = machines.filter((one) => !isLiving(one));
  const columns =
    '(site, hardwarename, state, hardware_type, role, squad, rack, document, version, snapshot)';
  for (const chunk of chunks(living)) {
    const rows = chunk.map((one) => [site, ...rowOf(one), snapshot]);
    await sql.run(
      `INSERT INTO machines ${columns} VALUES ${places(rows)}
       ON CONFLICT (site, hardwarename) DO UPDATE SET state = excluded.state, hardware_type = excluded.hardware_type,
         role = excluded.role, squad = excluded.squad, rack = excluded.rack,
         document = excluded.document, version = excluded.version,
         snapshot = CASE WHEN excluded.snapshot = '' THEN machines.snapshot ELSE excluded.snapshot END`,
      rows.flat(),
    );
    const told = await toldOf(
      sql,
      chunk.map(({ hardwarename }) => hardwarename),
    );
    await putWords(sql, site, chunk, told);
    for (const { hardwarename, holder } of await judgeClaims(sql, site, told)) {
      const detail = `${hardwarename} is claimed by ${[site, holder].sort().join(' and ')}.`;
      await notice(sql, site, 'MACHINE_CLAIMED', `${detail} It counts for ${holder} alone.`);
    }
  }
  for (const chunk of chunks(gone)) {
    const names = chunk.map(({ hardwarename }) => hardwarename);
    await releaseClaims(sql, { site, names });
    for (const table of ['machines', 'machine_words'])
      await sql.run(
        `DELETE FROM ${table} WHERE ${OF_SITE} AND hardwarename IN ${places([names])}`,
        [...[site, ...names]],
      );
  }
}

/** Hardly any change: also a row that is only compared is locked for it, on disk. */
async function putWords(
  sql: Sql,
  site: string,
  machines: readonly LivingMachine[],
  told: readonly Told[],
): Promise<void> {
  const known = new Map(
    told.flatMap((row) => (row.site === site ? [[row.hardwarename, row.words] as const] : [])),
  );
  const rows = machines
    .map((one) => [one.hardwarename, site, wordsOf(one)] as const)
    .filter(([hardwarename, , words]) => known.get(hardwarename) !== words);
  if (rows.length === 0) return;
  await sql.run(
    `INSERT INTO machine_words (hardwarename, site, words) VALUES ${places(rows)}
     ON CONFLICT (hardwarename, site) DO UPDATE SET words = excluded.words`,
    rows.flat(),
  );
}

/**
 * The machines that a snapshot does not have. By their names: asked for words of which there is no machine, PostgreSQL compares each word
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

const WORDS = 'hardwarename serial hostname uuid product rack bmcMac'.split(' ');

/** What it may be searched for by. */
function wordsOf(document: LivingMachine): string {
  const nics = ((document as Record<string, unknown>).nics ?? []) as { mac?: string }[];
  const words = [
    ...WORDS.map((name) => textOf(document, name)),
    ...nics.map(({ mac = '' }) => mac),
  ];
  return words.filter(Boolean).join(' ').toLowerCase();
}

export const places = (rows: readonly (readonly unknown[])[]): string =>
  rows.map((row) => `(${row.map(() => '?').join(', ')})`).join(', ');

export function chunks<Item>(items: readonly Item[]): Item[][] {
  const size = limit('fleetStatementRowsMax');
  const parts: Item[][] = [];
  for (let at = 0; at < items.length; at += size) parts.push(items.slice(at, at + size));
  return parts;
}
