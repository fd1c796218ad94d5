/**
 * Three sites and a central over PostgreSQL. A request at central for machines in two sites ends in use; then each site in turn
 * is cut off: a new machine comes and is registered, one is installed by the site's own people, and what central asks for
 * meanwhile waits. When the way is back, what waited is carried out once, and central is the union of its sites again.
 *
 * The daemons, PostgreSQL, TLS and every protocol are real; machines are simulated (simulated-rack.ts). A checker compares central
 * with what each site's own API says: every machine, and every event that is not traffic.
 */
import { feedOf, machinesOf, union } from '../federation-union.ts';
import { FLEET_TOOLS, type FleetSite, type FleetWorld, startFleet } from '../federation-world.ts';
import type { Call } from '../inside.ts';
import type { AloneRun, Scenario } from '../scenario.ts';

const SITES = ['ams', 'lon', 'sto'] as const;
/** The last one of each comes while its site is cut off. */
const MACHINES = 4;
const REGISTERED_MS = 180_000;
const INSTALLED_MS = 300_000;
/** Three pings of fifteen seconds are missed first. */
const AWAY_MS = 90_000;
/** The pause between two calls of a site to central grows to a minute. */
const BACK_MS = 180_000;

const REQUEST = {
  ...{ role: 'web', squad: 'music', image: 'tiny/stable' },
  hostname: { pattern: '{role}-{site}-{n}' },
};

export const federation: Scenario = {
  name: 'federation',
  about: 'three sites and central: machines in two of them by one request, each cut off in turn',
  byCommand: true,
  tools: FLEET_TOOLS,
  async alone(run) {
    const fleet = await startFleet(run.scope, run.dir);
    const sites: FleetSite[] = [];
    for (const name of SITES) sites.push(await fleet.site(name, MACHINES));
    run.say('central and three sites are up');
    await fleet.call('PUT', '/squads/music', { quota: { machines: 100 } });
    await imageEverywhere(run, fleet);
    for (const site of sites) {
      for (const { serial } of site.machines.slice(0, -1)) site.powerOn(serial);
      await registered(run, site, MACHINES - 1);
    }
    for (const site of sites) await union(run, fleet, site);
    await inTwoSites(run, fleet);
    for (const site of sites) await cutOff(run, fleet, site);
    for (const site of sites) await union(run, fleet, site);
    await onceEach(run, sites);
    await note(run, sites);
  },
};

/** Given to central once, and installed by every site. */
async function imageEverywhere(run: AloneRun, fleet: FleetWorld): Promise<void> {
  const since = Date.now();
  const added = await fleet.addImage('tiny');
  run.check(added.status === 201, `central takes an image, not ${added.status}`);
  const images = async () => (await fleet.call('GET', '/images')).body;
  await run.until(
    {
      ...{ what: 'the image at every site', withinMs: REGISTERED_MS },
      state: async () => JSON.stringify(await images()),
    },
    async () => {
      const [image] = (await images())?.images ?? [];
      const sites = (image?.sites ?? []) as { status: string }[];
      const done = sites.filter(({ status }) => status === 'done');
      return done.length === SITES.length || undefined;
    },
  );
  run.times.imageEverywhere = (Date.now() - since) / 1000;
  run.say('every site has the image that central was given');
}

async function inTwoSites(run: AloneRun, fleet: FleetWorld): Promise<void> {
  const since = Date.now();
  const wish = { ...REQUEST, count: 4, sites: ['lon', 'sto'], siteSpread: { even: true } };
  const made = await fleet.call('POST', '/requests', wish);
  run.check(made.status === 202, `a request is taken, not ${made.status}`);
  const { request, places } = await fulfilled(run, fleet.call, String(made.body.id));
  run.times.twoSites = (Date.now() - since) / 1000;
  const counts = request.parts.map(({ site, done }: { site: string; done: number }) => [
    site,
    done,
  ]);
  run.check(
    JSON.stringify(counts) === '[["lon",2],["sto",2]]',
    `two machines in each of two sites, not ${JSON.stringify(counts)}`,
  );
  for (const { machine } of places as { machine: string }[]) {
    const { body } = await fleet.call('GET', `/machines/${machine}`);
    const { state, squad } = body.machine;
    run.check(state === 'in-use' && squad === 'music', `${machine} is ${state} of '${squad}'`);
  }
  run.say('four machines in two sites are in use');
}

/** Everything that a site does by itself, it does while nobody else is there. */
async function cutOff(run: AloneRun, fleet: FleetWorld, site: FleetSite): Promise<void> {
  const since = Date.now();
  site.cut();
  run.say(`${site.name} is cut off`);
  const asked = await fleet.call('POST', '/requests', { ...REQUEST, count: 1, site: site.name });
  run.check(asked.status === 202, `central asks a site that is away, not ${asked.status}`);
  const late = site.machines.at(-1);
  if (!late) throw new Error(`${site.name} has no machines`);
  site.powerOn(late.serial);
  await registered(run, site, MACHINES);
  const own = await site.call('POST', '/requests', { ...REQUEST, role: 'db', count: 1 });
  run.check(own.status === 202, `${site.name} takes a request when cut off, not ${own.status}`);
  await fulfilled(run, site.call, String(own.body.id));
  run.times[`${site.name}Alone`] = (Date.now() - since) / 1000;
  await run.until({ what: `central to see that ${site.name} is away`, withinMs: AWAY_MS }, () =>
    freshnessIs(fleet, site, 'away'),
  );
  const { body } = await fleet.call('GET', `/requests/${asked.body.id}`);
  run.check(
    body.request.parts[0].status === 'asked' && body.request.parts[0].freshness === 'away',
    `a part of a site that is away says so: ${JSON.stringify(body.request.parts)}`,
  );
  const back = Date.now();
  site.mend();
  await run.until({ what: `${site.name} to be back`, withinMs: BACK_MS }, () =>
    freshnessIs(fleet, site, 'current'),
  );
  run.times[`${site.name}CaughtUp`] = (Date.now() - back) / 1000;
  await fulfilled(run, fleet.call, String(asked.body.id));
  await union(run, fleet, site);
  run.say(`${site.name} is back, and central has what it did`);
}

async function freshnessIs(
  fleet: FleetWorld,
  { name }: FleetSite,
  freshness: string,
): Promise<true | undefined> {
  const { body } = await fleet.call('GET', '/sites');
  const sites = (body?.sites ?? []) as { site: string; freshness: string }[];
  return sites.find(({ site }) => site === name)?.freshness === freshness || undefined;
}

/** At the site itself, with a BMC that answers to the login: only such a machine is given to anybody. */
const registered = (run: AloneRun, site: FleetSite, count: number): Promise<true> =>
  run.until(
    {
      ...{ what: `${count} machines of ${site.name} with their BMCs`, withinMs: REGISTERED_MS },
      state: async () => `${JSON.stringify(await machinesOf(site))}\n${site.said().slice(-2000)}`,
    },
    async () => {
      const known = (await machinesOf(site)).filter(({ bmcAddress }) => bmcAddress !== '');
      return known.length >= count || undefined;
    },
  );

// biome-ignore lint/suspicious/noExplicitAny: a scenario reads what it expects
const fulfilled = (run: AloneRun, call: Call, id: string): Promise<any> =>
  run.until(
    {
      ...{ what: `the request ${id}`, withinMs: INSTALLED_MS },
      state: async () => JSON.stringify((await call('GET', `/requests/${id}`)).body),
    },
    async () => {
      const { body } = await call('GET', `/requests/${id}`);
      return body?.request?.status === 'fulfilled' ? body : undefined;
    },
  );

/** Every request at a site was made once, and no machine was installed twice. */
async function onceEach(run: AloneRun, sites: readonly FleetSite[]): Promise<void> {
  for (const site of sites) {
    const counts = new Map<string, number>();
    for (const { name, data } of await feedOf(site)) {
      const { request, place } = data as { request?: string; place?: number };
      if (name !== 'request.created' && name !== 'request.installed') continue;
      const key = `${name} ${request} ${place ?? ''}`;
      counts.set(key, (counts.get(key) ?? 0) + 1);
    }
    for (const [what, count] of counts)
      run.check(count === 1, `${site.name}: ${what} was ${count} times`);
    const used = (await machinesOf(site)).filter(({ state }) => state === 'in-use').length;
    const wanted = site.name === 'ams' ? 2 : 4;
    run.check(used === wanted, `${site.name} has ${used} machines in use, not ${wanted}`);
  }
}

async function note({ machines }: AloneRun, sites: readonly FleetSite[]): Promise<void> {
  for (const site of sites)
    for (const { hardwarename, state } of await machinesOf(site)) {
      const mac = site.machines.find(({ serial }) => serial === hardwarename)?.mac ?? '';
      machines.push({
        ...{ name: hardwarename, firmware: 'simulated', netboot: 'ipxe', hardwarename, state, mac },
        seconds: {},
      });
    }
}
