/** Figures of the fleet, by what its sites have told: machines by state, jobs and how they ended, arrivals. */
import { afterEach, expect, it } from 'vitest';
import { createFleet, type TestFleet } from '../../support/fleet.ts';
import { current, hallAt } from '../../support/fleet-halls.ts';

let fleet: TestFleet;
afterEach(() => fleet.close());

it('add up over sites, and say of each how fresh they are', async () => {
  fleet = await createFleet();
  const lon = await hallAt(fleet, 'lon', { from: 0, count: 4 });
  const sto = await hallAt(fleet, 'sto', { from: 100, count: 2 });
  lon.site.connect();
  sto.site.connect();
  await current(fleet, 'lon', 'sto');
  const job = (id: number, name: string, daysAgo: number) =>
    `INSERT INTO events (site, id, at, name, hardwarename, data) VALUES
     ('sto', ${9000 + id}, ${Date.now() - daysAgo * 86_400_000}, '${name}', 'X', '{"action":"install"}')`;
  await fleet.forge(
    ...[job(1, 'job.finished', 1), job(2, 'job.finished', 2), job(3, 'job.failed', 3)],
    ...[job(4, 'job.failed', 40), job(5, 'job.step', 1), job(6, 'machine.registered', 1)],
  );
  const read = async (days: string) => (await fleet.call('GET', `/statistics${days}`)).body;
  const month = await read('');
  expect(month).toMatchObject({
    days: 30,
    machines: { available: 6 },
    jobs: { finished: 2, failed: 1, cancelled: 0 },
    sites: [
      { site: 'lon', freshness: 'current', machines: { available: 4 }, jobs: { finished: 0 } },
      { site: 'sto', freshness: 'current', machines: { available: 2 }, jobs: { failed: 1 } },
    ],
  });
  expect(month.sites[1].arrived).toBe(1);
  expect((await read('?days=60')).jobs).toEqual({ finished: 2, failed: 2, cancelled: 0 });
  expect((await read('?days=1')).jobs.failed).toBe(0);
});
