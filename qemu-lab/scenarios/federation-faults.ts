/**
 * A fleet that is hurt: central, a site's daemon and PostgreSQL killed, the way cut in both directions and in one, disks full,
 * clocks that jump; each twenty times at random moments, while people at the sites and at central go on asking. Two kinds of it at central
 * and at a site take turns.
 *
 * After each kind of fault, when all is mended: central is the union of its sites, every intent that central took on was carried
 * out exactly once, and of one whose acknowledgement was lost nobody knows, but it was not carried out twice. The seed is told, and
 * gives the same moments again.
 */
import { fillDisk, jump } from '../federation-faults.ts';
import { feedOf, union } from '../federation-union.ts';
import {
  FLEET_TOOLS,
  type FleetSite,
  type FleetWorld,
  postgresFolderOf,
  siteFolderOf,
  startFleet,
} from '../federation-world.ts';
import type { AloneRun, Scenario } from '../scenario.ts';

const SITES = ['lon', 'sto'] as const;
const ROUNDS = 20;
const HURT_MS = 1200;
const CALM_MS = 400;
const ASK_MS = 150;
const JUMP_MS = 6 * 3_600_000;
const SETTLED_MS = 180_000;

interface Asked {
  readonly site: string;
  /** In the reason of the change, so in the event of it. */
  readonly word: string;
  /** Central has answered that it took it on. */
  readonly isTaken: boolean;
}

interface Bed {
  readonly run: AloneRun;
  readonly fleet: FleetWorld;
  readonly sites: readonly FleetSite[];
  random(): number;
  readonly asked: Asked[];
}

type Fault = (bed: Bed, round: number) => Promise<() => unknown>;

const siteIn = ({ sites }: Bed, round: number): FleetSite => {
  const site = sites[round % sites.length];
  if (!site) throw new Error('a fleet has sites');
  return site;
};

const cutting =
  (which: 'both' | 'up' | 'down'): Fault =>
  async (bed, round) => {
    const site = siteIn(bed, round);
    site.cut(which);
    // Once for so long that both ends give the line up; the other times TCP goes on with it.
    if (round === 0) await untilAway(bed, site.name);
    return site.mend;
  };

const untilAway = ({ run, fleet }: Bed, name: string): Promise<unknown> =>
  run.until({ what: `central to say that ${name} is away`, withinMs: SETTLED_MS }, async () => {
    const { body } = await fleet.call('GET', '/sites');
    const found = (body?.sites ?? []) as { site: string; freshness: string }[];
    return found.find(({ site }) => site === name)?.freshness === 'away' || undefined;
  });

const FAULTS: Readonly<Record<string, Fault>> = {
  killCentral: async ({ fleet }) => {
    await fleet.central.kill();
    return fleet.central.start;
  },
  killAppliance: async (bed, round) => {
    const { daemon } = siteIn(bed, round);
    await daemon.kill();
    return daemon.start;
  },
  killPostgres: async ({ fleet }) => {
    await fleet.postgres.kill();
    return fleet.postgres.start;
  },
  partition: cutting('both'),
  partitionUp: cutting('up'),
  partitionDown: cutting('down'),
  async diskFull(bed, round) {
    const { run, fleet } = bed;
    const isCentral = round % 2 === 0;
    const site = siteIn(bed, round >> 1);
    const folder = isCentral ? postgresFolderOf(run.dir) : siteFolderOf(run.dir, site.name);
    const free = fillDisk(folder);
    return async () => {
      free();
      // It ends by itself where it cannot go on, as after a crash.
      await (isCentral ? fleet.postgres : site.daemon).start();
    };
  },
  async clockJumps({ run, random }, round) {
    const who = ['central', ...SITES][round % 3] ?? 'central';
    jump(run.dir, who, Math.round((random() - 0.5) * 2 * JUMP_MS));
    return () => jump(run.dir, who, 0);
  },
};

export const federationFaults: Scenario = {
  name: 'federation-faults',
  about:
    'central, sites, their database, ways, disks and clocks hurt at random moments; a checker compares',
  byCommand: true,
  tools: [...FLEET_TOOLS, 'mount', 'umount'],
  async alone(run) {
    const seed = Date.now() % 1_000_000;
    run.say(`seed ${seed}`);
    const fleet = await startFleet(run.scope, run.dir, { hostile: true });
    const sites: FleetSite[] = [];
    for (const name of SITES) sites.push(await fleet.site(name, 0));
    const bed: Bed = { run, fleet, sites, random: randomOf(seed), asked: [] };
    for (const site of sites) {
      const { status } = await enter(site, 'FIRST');
      run.check(status === 201, `${site.name} takes a machine, not ${status}`);
    }
    const [first] = sites;
    if (first) await union(run, fleet, first);
    for (const [name, fault] of Object.entries(FAULTS)) await hurt(bed, name, fault);
  },
};

async function hurt(bed: Bed, name: string, fault: Fault): Promise<void> {
  const { run, sites, random } = bed;
  const { rounds = ROUNDS } = run;
  const since = Date.now();
  const pause = (ms: number) => new Promise((next) => setTimeout(next, random() * ms));
  const over = new AbortController();
  const people = [askCentral(bed, over.signal), ...sites.map((site) => work(site, over.signal))];
  for (let round = 0; round < rounds; round++) {
    await takenAgain(bed);
    await pause(CALM_MS);
    const mend = await fault(bed, round);
    await pause(HURT_MS);
    await mend();
  }
  over.abort();
  await Promise.all(people);
  await settled(bed);
  for (const site of sites) {
    await union(run, bed.fleet, site);
    await onceEach(bed, site);
  }
  run.times[name] = (Date.now() - since) / 1000;
  run.say(
    `${name}: ${rounds} times; central is the union; of ${bed.asked.length} intents so far ${takenOf(bed)} were taken on, each carried out once`,
  );
}

const takenOf = ({ asked }: Bed): number => asked.filter(({ isTaken }) => isTaken).length;

/** What is hurt is at work: central takes on what is asked of it. */
async function takenAgain(bed: Bed): Promise<void> {
  const before = takenOf(bed);
  const what = 'central to take on an intent after a fault';
  await bed.run.until(
    { what, withinMs: SETTLED_MS },
    async () => takenOf(bed) > before || undefined,
  );
}

/** Until no intent waits for a site any more. */
async function settled({ run, fleet }: Bed): Promise<void> {
  const waiting = async () => {
    const { body } = await fleet.call('GET', '/intents?limit=500');
    const intents = (body?.intents ?? [{ status: 'waiting' }]) as { status: string }[];
    return intents.filter(({ status }) => status === 'waiting').length;
  };
  await run.until(
    {
      ...{ what: 'every intent to be answered', withinMs: SETTLED_MS },
      state: async () => `${await waiting()} wait`,
    },
    async () => (await waiting()) === 0 || undefined,
  );
}

const enter = ({ name, call }: FleetSite, serial: string) =>
  call('POST', '/machines', { serial: `${name}-${serial}`.toUpperCase() });

/** People at a site, who enter machines; what their appliance cannot take, they have not entered. */
async function work(site: FleetSite, over: AbortSignal): Promise<void> {
  for (let n = 0; !over.aborted; n++) {
    await enter(site, `${Date.now().toString(36)}-${n}`);
    await new Promise((next) => setTimeout(next, ASK_MS));
  }
}

/** Somebody at central, who asks the sites in turn. */
async function askCentral({ fleet, asked, random }: Bed, over: AbortSignal): Promise<void> {
  for (let n = 0; !over.aborted; n++) {
    const site = SITES[n % SITES.length] ?? SITES[0];
    const word = `word-${asked.length}-${Math.floor(random() * 1e9)}.`;
    const edit = {
      kind: 'edit',
      target: `${site}-first`.toUpperCase(),
      edit: { notes: word },
      why: word,
    };
    const { status } = await fleet.call('POST', `/sites/${site}/intents`, edit);
    asked.push({ site, word, isTaken: status === 202 });
    await new Promise((next) => setTimeout(next, ASK_MS));
  }
}

/** By the site's own feed: each change that was asked for, and none twice. */
async function onceEach({ run, asked }: Bed, site: FleetSite): Promise<void> {
  const counts = new Map<string, number>();
  for (const { name, data } of await feedOf(site))
    if (name === 'machine.edited')
      counts.set(String(data.why), (counts.get(String(data.why)) ?? 0) + 1);
  for (const { word, isTaken } of asked.filter((one) => one.site === site.name)) {
    const count = counts.get(word) ?? 0;
    run.check(count <= 1, `${site.name}: ${word} was carried out ${count} times`);
    run.check(!isTaken || count === 1, `${site.name}: ${word} was taken on, and has vanished`);
  }
}

/** Mulberry32: the same numbers for a seed, 0 to 1. */
function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
