/** Who of those that claim a machine has it, when another gives it up; and what a batch of machines reads for it. */
import { describe, expect, it } from 'vitest';
import { judgeClaims, releaseClaims, releaseUnheld, toldOf } from '../../../src/central/claims.ts';
import { dropUnmentioned, putMachines } from '../../../src/central/machines.ts';
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

/** A transaction that has done its work, and ends when it may. */
function begun(db: FleetDatabase, work: (sql: Sql) => Promise<unknown>) {
  const [worked, may] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const ended = db.transaction(async (sql) => {
    await work(sql);
    worked.resolve();
    await may.promise;
  });
  const end = () => {
    may.resolve();
    return ended;
  };
  return { worked: worked.promise, end };
}

/** Until this work is over, or waits for another transaction; with SQLite it waits for its turn. */
async function doneOrWaiting(db: FleetDatabase, work: Promise<unknown>): Promise<void> {
  if (db.engine === 'sqlite') return;
  let isDone = false;
  void work.finally(() => {
    isDone = true;
  });
  const waits = () =>
    db.all(
      `SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`,
    );
  while (!isDone && (await waits()).length === 0);
}

describe('a machine that one site gives up in the moment in which another one claims it', () => {
  const told = (state: string): MachineDocument => ({
    ...{ hardwarename: 'M-1', version: 2, state, hostname: 'h' },
  });
  const put = (site: string, machine: MachineDocument) => (sql: Sql) =>
    putMachines(sql, [{ site, machines: [machine], snapshot: '' }], () => Promise.resolve());
  const claim = put('sto', told('available'));
  const counted = (db: FleetDatabase) =>
    db.all("SELECT site FROM machines WHERE claimed = 0 AND state <> 'retired'");
  const ways = {
    'is retired': put('lon', told('retired')),
    'is gone': put('lon', { hardwarename: 'M-1', gone: true }),
    'is not in a whole copy': (sql: Sql) => dropUnmentioned(sql, 'lon', 'next'),
  };
  for (const [way, giveUp] of Object.entries(ways))
    for (const [order, first, second] of [
      ['before', giveUp, claim],
      ['behind', claim, giveUp],
    ] as const)
      it(`counts for the other one: it ${way} ${order} the claim`, async () => {
        const db = await claimedBy('lon');
        const one = begun(db, first);
        await one.worked;
        const other = db.transaction(second);
        await doneOrWaiting(db, other);
        await one.end();
        await other;
        expect(await counted(db)).toEqual([{ site: 'sto' }]);
      });

  it('counts for one alone where a third one has claimed it before', async () => {
    const db = await claimedBy('lon', 'ams');
    const one = begun(db, ways['is gone']);
    await one.worked;
    const other = db.transaction(claim);
    await doneOrWaiting(db, other);
    await one.end();
    await other;
    expect(await counted(db)).toEqual([{ site: 'ams' }]);
  });

  it('counts for who has not retired it, and for who takes it back', async () => {
    const db = await claimedBy('lon', 'ams', 'sto');
    await db.transaction(put('ams', told('retired')));
    await db.transaction(ways['is gone']);
    expect(await counted(db)).toEqual([{ site: 'sto' }]);
    await db.transaction(put('ams', told('available')));
    expect(await counted(db)).toEqual([{ site: 'sto' }]);
    // Nobody has it: two retire it, the third one was it before.
    await db.run("UPDATE machines SET state = 'retired' WHERE site = 'sto'");
    await db.run("UPDATE machines SET claimed = 1 WHERE site = 'ams'");
    await db.transaction(put('ams', told('available')));
    expect(await counted(db)).toEqual([{ site: 'ams' }]);
  });

  it('counts for the first by name that claims it, where nobody is left who has it', async () => {
    const db = await claimedBy('lon', 'sto', 'ams');
    await db.run("DELETE FROM machines WHERE site = 'lon'");
    expect(await releaseUnheld(db)).toBe(1);
    expect(await releaseUnheld(db)).toBe(0);
    expect(await counted(db)).toEqual([{ site: 'ams' }]);
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
