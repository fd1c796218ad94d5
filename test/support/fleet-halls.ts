/** Sites of a test fleet that install: each a provisioning hall with free machines, and time of its own. */
import { onTestFinished } from 'vitest';
import { createFleet, type TestFleet, type TestSite, until } from './fleet.ts';
import { createProvisionHall, type ProvisionHall } from './provision-hall.ts';

export interface FleetHall {
  readonly hall: ProvisionHall;
  readonly site: TestSite;
}

/** A site of so many free machines, whose names begin where no other site's do. */
export async function hallAt(
  of: TestFleet,
  name: string,
  { from, count }: { readonly from: number; readonly count: number },
): Promise<FleetHall> {
  const hall = createProvisionHall({ machines: 0 });
  hall.add(from, from + count);
  const { inventory, jobs, desk: provisioning, pools } = hall.now;
  const world = { db: hall.database(), inventory, jobs, provisioning, pools, clock: hall.clock };
  return { hall, site: await of.site(name, world) };
}

/** Until central's copy has all that these sites have. */
export const current = (of: TestFleet, ...sites: string[]) =>
  until(
    () => of.call('GET', '/sites'),
    ({ body }) =>
      body.sites
        .filter(({ site }: { site: string }) => sites.includes(site))
        .every(({ freshness }: { freshness: string }) => freshness === 'current'),
  );

export const inUse = ({ hall }: FleetHall) =>
  hall.now.inventory.machines.list().filter(({ state }) => state === 'in-use');

/** A fleet that ends with the test, of London and Stockholm, both heard of; the names of Stockholm's machines begin with the hundredth. */
export async function twoHalls({ count, squads = [] }: { count: number; squads?: string[] }) {
  const fleet = await createFleet();
  onTestFinished(() => fleet.close());
  const lon = await hallAt(fleet, 'lon', { from: 0, count });
  const sto = await hallAt(fleet, 'sto', { from: 100, count });
  for (const squad of squads) await fleet.call('PUT', `/squads/${squad}`, {});
  lon.site.connect();
  sto.site.connect();
  await current(fleet, 'lon', 'sto');
  return { fleet, lon, sto };
}
