/** Who of those that claim a machine has it, when another gives it up; and what a batch of machines reads for it. */
import { describe, expect, it } from 'vitest';
import { judgeClaims, releaseClaims, toldOf } from '../../../src/central/claims.ts';
import { putMachines } from '../../../src/central/machines.ts';
import type { FleetDatabase, Sql } from '../../../src/central/sql.ts';
import type { MachineDocument } from '../../../src/federation/protocol.ts';
import { fleetDatabase } from '../../support/fleet-database.ts';

/** Told of by each in turn: the first has it. */
async function claimedBy(...sites: string[]): Promise<FleetDatabase> {
  const opened = await fleetDatabase();
  for (const site of sites) {
    await opened.run(
      `INSERT INTO machines (site, hardwarename, state, hardware_type, role, squad, rack, document, version)
       VALUES (?, 'M-1', 'free', '', '', '', '', '{}', 1)`,
      [site],
    );
    await judgeClaims(opened, site, await toldOf(opened, ['M-1']));
  }
  return opened;
}

async function leaves(sql: FleetDatabase, site: string): Promise<void> {
  await releaseClaims(sql, { site, names: ['M-1'] });
  await sql.run('DELETE FROM machines WHERE site = ?', [site]);
}

const holders = async (sql: FleetDatabase) =>
  (await sql.all('SELECT site FROM machines WHERE claimed = 0 ORDER BY site')).map(
    ({ site }) => site,
  );

describe('a machine that three sites tell of', () => {
  it('stays with its holder when one of the others gives its claim up', async () => {
    const sql = await claimedBy('lon', 'ams', 'sto');
    await leaves(sql, 'sto');
    expect(await holders(sql)).toEqual(['lon']);
  });

  it('is the first one’s when its holder gives it up, and that one’s alone', async () => {
    const sql = await claimedBy('lon', 'sto', 'ams');
    await leaves(sql, 'lon');
    expect(await holders(sql)).toEqual(['ams']);
    await leaves(sql, 'ams');
    expect(await holders(sql)).toEqual(['sto']);
  });

  it('goes on to another when its holder tells that it is retired', async () => {
    const sql = await claimedBy('lon', 'sto', 'ams');
    await sql.run(`UPDATE machines SET state = 'retired' WHERE site = 'lon'`);
    expect(await judgeClaims(sql, 'lon', await toldOf(sql, ['M-1']))).toEqual([]);
    expect(await holders(sql)).toEqual(['ams', 'lon']);
  });

  it('goes on to another when its holder is retired and a claim is given up', async () => {
    const sql = await claimedBy('lon', 'ams', 'sto');
    await sql.run(`UPDATE machines SET state = 'retired' WHERE site = 'lon'`);
    await leaves(sql, 'sto');
    expect(await holders(sql)).toEqual(['ams', 'lon']);
  });
});

/** Rows of machines that this connection has read, as PostgreSQL counts them until it has told the others. */
async function rowsRead(sql: Sql): Promise<number> {
  const [row] = await sql.all<{ rows: number }>(
    "SELECT seq_tup_read + idx_tup_fetch AS rows FROM pg_stat_xact_user_tables WHERE relname = 'machines'",
  );
  return row?.rows ?? 0;
}

describe('a batch of a site that was counted when few of its machines were there', () => {
  const documents = (site: string, count: number, version: number): MachineDocument[] =>
    Array.from({ length: count }, (_, n) => ({
      ...{ hardwarename: `${site}-${n}`, version, state: 'available', hostname: `h${n}` },
    }));
  const put = (sql: Sql, site: string, machines: readonly MachineDocument[]) =>
    putMachines(sql, [{ site, machines, snapshot: '' }], () => Promise.resolve());

  it('reads the machines that it names', async () => {
    const db = await fleetDatabase();
    await put(db, 'ams', documents('ams', 500, 1));
    await db.run('ANALYZE');
    await put(db, 'lon', documents('lon', 3000, 1));
    await db.transaction(async (sql) => {
      const before = db.engine === 'postgresql' ? await rowsRead(sql) : 0;
      await put(sql, 'lon', documents('lon', 5, 2));
      await put(sql, 'lon', [{ hardwarename: 'lon-7', gone: true }]);
      if (db.engine === 'postgresql') expect((await rowsRead(sql)) - before).toBeLessThan(50);
    });
    const versions = 'SELECT version, count(*) AS many FROM machines GROUP BY version ORDER BY 1';
    const kept = await db.all<{ version: number; many: number }>(versions);
    expect(kept.map(({ version, many }) => [version, many])).toEqual([
      ...[
        [1, 3494],
        [2, 5],
      ],
    ]);
    const [words] = await db.all('SELECT count(*) AS many FROM machine_words');
    expect(words).toEqual({ many: 3499 });
  });

  it('writes the words that have changed', async () => {
    const db = await fleetDatabase();
    await put(db, 'lon', documents('lon', 3, 1));
    const [first, ...others] = documents('lon', 3, 2);
    await put(db, 'lon', [{ ...first, hostname: 'other' } as MachineDocument, ...others]);
    const words = await db.all<{ words: string }>('SELECT words FROM machine_words ORDER BY words');
    expect(words.map((row) => row.words)).toEqual(['lon-0 other', 'lon-1 h1', 'lon-2 h2']);
  });
});
