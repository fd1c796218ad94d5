/** What each site of a fleet has, and what central has of it: read through both APIs, page by page, and compared. */
import { differencesOf, type Sided } from './federation-check.ts';
import type { FleetSite, FleetWorld } from './federation-world.ts';
import type { AloneRun } from './scenario.ts';

/** The pause between two calls of a site to central grows to a minute. */
const BACK_MS = 180_000;
const PAGE = 500;

export interface SiteMachine {
  readonly hardwarename: string;
  readonly version: number;
  readonly state: string;
  readonly hostname: string;
  readonly bmcAddress: string;
}

export async function machinesOf({ name, call }: FleetSite): Promise<SiteMachine[]> {
  const all: SiteMachine[] = [];
  for (let query = '', more = true; more; ) {
    const { body, status } = await call('GET', `/machines?limit=100${query}`);
    if (!body?.machines) throw new Error(`the machines of ${name} cannot be read (${status})`);
    all.push(...body.machines);
    query = `&cursor=${encodeURIComponent(body.next)}`;
    more = body.next !== undefined;
  }
  return all;
}

export interface SiteEvent {
  readonly id: number;
  readonly name: string;
  readonly data: Readonly<Record<string, unknown>>;
}

export async function feedOf({ name, call }: FleetSite): Promise<SiteEvent[]> {
  const all: SiteEvent[] = [];
  for (let after = 0, more = true; more; ) {
    const { body, status } = await call('GET', `/events?after=${after}`);
    if (!body?.events) throw new Error(`the feed of ${name} cannot be read (${status})`);
    all.push(...body.events);
    after = body.next;
    more = body.events.length > 0;
  }
  return all;
}

async function copyOf({ call }: FleetWorld, { name: site }: FleetSite): Promise<Sided> {
  const machines: Sided['machines'][number][] = [];
  for (let query = '', more = true; more; ) {
    const { body, status } = await call('GET', `/machines?site=${site}&limit=${PAGE}${query}`);
    if (!body?.machines) throw new Error(`central's machines cannot be read (${status})`);
    machines.push(...body.machines);
    query = `&cursor=${encodeURIComponent(body.next)}`;
    more = body.next !== undefined;
  }
  const events: Sided['events'][number][] = [];
  for (let below = '', more = true; more; ) {
    const { body, status } = await call('GET', `/events?site=${site}&limit=${PAGE}${below}`);
    if (!body?.events) throw new Error(`central's events cannot be read (${status})`);
    events.push(...body.events);
    below = `&below=${body.events.at(-1)?.id}`;
    more = body.events.length === PAGE;
  }
  return { machines, events };
}

/** Nothing may be missing, doubled or invented; a machine may still be on its way for a moment. */
export async function union(run: AloneRun, fleet: FleetWorld, site: FleetSite): Promise<void> {
  let found: readonly string[] = ['nothing was compared yet'];
  const compare = async () => {
    const copy = await copyOf(fleet, site);
    const own = { machines: await machinesOf(site), events: await feedOf(site) };
    // The copy was read first: what has happened since is no difference.
    const last = Math.max(...copy.events.map(({ id }) => id));
    const events = own.events.filter(({ id }) => id <= last);
    return differencesOf(site.name, { ...own, events }, copy);
  };
  await run.until(
    {
      ...{ what: `central to be the union, as far as ${site.name} goes`, withinMs: BACK_MS },
      state: async () => found.slice(0, 10).join('; '),
    },
    async () => {
      found = await compare().catch((error: Error) => [error.message]);
      return found.length === 0 || undefined;
    },
  );
}
