/** A plan shows what the request would get, its squad's quota included. */
import { expect, it, onTestFinished } from 'vitest';
import { createFleet } from '../../support/fleet.ts';
import { current, hallAt } from '../../support/fleet-halls.ts';

it('is refused as the request would be that the quota does not bear', async () => {
  const fleet = await createFleet();
  onTestFinished(() => fleet.close());
  const { site } = await hallAt(fleet, 'lon', { from: 0, count: 4 });
  site.connect();
  await current(fleet, 'lon');
  await fleet.call('PUT', '/squads/music', {
    ...{ contact: 'music@example.org', quota: { machines: 2 } },
  });
  const wish = { role: 'fancydb', image: 'debian-12/stable', hostname: { pattern: '{role}-{n}' } };
  const ask = (path: string, count: number, squad: string) =>
    fleet.call('POST', path, { ...wish, count, squad });
  const refused = { status: 409, body: { code: 'QUOTA_EXCEEDED', left: 2 } };
  expect(await ask('/requests/plan', 3, 'music')).toMatchObject(refused);
  expect(await ask('/requests', 3, 'music')).toMatchObject(refused);
  expect((await ask('/requests/plan', 2, 'music')).status).toBe(200);
  const nobody = await ask('/requests/plan', 1, 'unheard-of');
  expect([nobody.status, nobody.body.path]).toEqual([400, '/squad']);
});
