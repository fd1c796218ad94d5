/** Central over a real PostgreSQL: the same promises as over SQLite, two instances at once, and a database killed on the way. */
import { afterEach, describe, expect, it } from 'vitest';
import { temporaryDir } from '../../bench/support/daemon.ts';
import { startPostgres } from '../../bench/support/postgres.ts';
import { requirePrograms } from '../../bench/support/programs.ts';
import { type Scope, withScope } from '../../bench/support/scope.ts';
import { openFleetDatabase } from '../../src/central/sql.ts';
import {
  createFleet,
  differences,
  type TestFleet,
  type TestSite,
  until,
} from '../support/fleet.ts';

const ends: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

interface Bed {
  readonly fleet: TestFleet;
  readonly lon: TestSite;
  /** Ends the database as a power cut does, and starts it again. */
  killDatabase(): Promise<void>;
}

async function withPostgres(run: (bed: Bed) => Promise<void>): Promise<void> {
  const programs = requirePrograms('initdb', 'postgres');
  await withScope(async (scope: Scope) => {
    const dir = temporaryDir(scope);
    let server = await startPostgres(scope, programs, dir);
    const fleet = await createFleet(`postgresql:///postgres?host=${dir}&user=postgres`);
    try {
      const killDatabase = async () => {
        process.kill(server.pid, 'SIGKILL');
        await server.ended;
        server = await startPostgres(scope, programs, dir);
      };
      await run({ fleet, lon: await fleet.site('lon'), killDatabase });
    } finally {
      await fleet.close();
    }
  });
}

const enter = ({ people }: TestSite, serial: string) =>
  people.admin('POST', '/machines', { body: { serial } });
const equal = (fleet: TestFleet, site: TestSite) =>
  until(
    () => differences(fleet, site),
    (found) => found.length === 0,
  );

describe('central over PostgreSQL', () => {
  it('copies a site, follows it, and answers as over SQLite', async () => {
    await withPostgres(async ({ fleet, lon }) => {
      for (let n = 0; n < 250; n++) await enter(lon, `LON-${n}`);
      lon.connect();
      await equal(fleet, lon);
      await lon.people.admin('PATCH', '/machines/LON-7', {
        body: { notes: '50% _x' },
        version: '*',
      });
      await lon.people.admin('DELETE', '/machines/LON-8', { version: '*' });
      await equal(fleet, lon);
      const { body } = await fleet.call('GET', '/machines/search?q=lon-24&limit=100');
      expect(body.hits).toHaveLength(11);
      expect((await fleet.call('GET', '/machines/search?q=%25&limit=100')).body.hits).toEqual([]);
      // It plans by what there is, also in its first minute.
      const db = openFleetDatabase(fleet.database);
      const counted = await db.all<{ relname: string }>(
        "SELECT relname FROM pg_class WHERE relname LIKE 'machine%' AND relkind = 'r' AND reltuples > 0",
      );
      await db.close();
      expect(counted.map(({ relname }) => relname).sort()).toEqual(['machine_words', 'machines']);
      const { capacity } = (await fleet.call('GET', '/capacity')).body;
      expect(capacity).toEqual([{ site: 'lon', state: 'held', hardwareType: '', count: 249 }]);
    });
  }, 120_000);

  it('hands an intent that one instance took in to the appliance whose line another holds', async () => {
    await withPostgres(async ({ fleet, lon }) => {
      await enter(lon, 'SN-1');
      lon.connect();
      await equal(fleet, lon);
      const other = await fleet.another();
      ends.push(other.close);
      expect(other.firstToken).toBeUndefined();
      const { body } = await fleet.call('POST', '/sites/lon/intents', {
        ...{ kind: 'edit', target: 'SN-1', edit: { notes: 'x' }, why: 'x' },
      });
      await until(
        () => fleet.call('GET', `/intents/${body.id}`),
        (answer) => answer.body.status === 'done',
      );
      expect(lon.people.world.inventory.machines.list()[0]?.notes).toBe('x');
    });
  }, 120_000);

  it('is equal again after its database was killed while a site was telling, three times', async () => {
    await withPostgres(async ({ fleet, lon, killDatabase }) => {
      lon.connect();
      for (let round = 0; round < 3; round++) {
        for (let n = 0; n < 30; n++) await enter(lon, `R${round}-${n}`);
        await killDatabase();
        for (let n = 0; n < 30; n++) await enter(lon, `S${round}-${n}`);
      }
      await equal(fleet, lon);
      const { body } = await fleet.call('GET', '/machines?site=lon&limit=500');
      expect(body.machines).toHaveLength(180);
    });
  }, 120_000);
});
