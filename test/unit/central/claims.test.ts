/** Who of those that claim a machine has it, when another gives it up. */
import { describe, expect, it } from 'vitest';
import { judgeClaims, releaseClaims, toldOf } from '../../../src/central/claims.ts';
import type { FleetDatabase } from '../../../src/central/sql.ts';
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

  it('goes on to another when its holder is retired and a claim is given up', async () => {
    const sql = await claimedBy('lon', 'ams', 'sto');
    await sql.run(`UPDATE machines SET state = 'retired' WHERE site = 'lon'`);
    await leaves(sql, 'sto');
    expect(await holders(sql)).toEqual(['ams', 'lon']);
  });
});
