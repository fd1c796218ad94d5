/**
 * A site of 12,000 machines of which some in a hundred fail: requests, pools and breakers on a simulated clock, killed on the way.
 *
 * Inventory, job engine and provisioning are the daemon's own code; an install is a stand-in that takes eight minutes and
 * fails by a fixed draw for each machine, six in a hundred. Then a rack in which every install fails, then an image with
 * which every install fails. There is no peer: nothing free chooses and replaces machines on a simulated clock. The run
 * fails when a request is not fulfilled, a machine is in two, a breaker opens for failures that have nothing in common, or
 * none opens for those that have.
 */
import { createProvisionHall } from '../test/support/provision-hall.ts';
import { addImage, nameOf } from '../test/support/provision-machines.ts';
import { round } from './support/stats.ts';
import type { TopicOptions, TopicResult } from './support/topic.ts';

const RACK_MACHINES = 40;
const FAILURE_RATE = 0.06;
const INSTALL_MS = 480_000;
const MINUTE_MS = 60_000;
const TYPES = ['high-io', 'web', 'web', 'big'] as const;

/** 0 to 1, the same for a name: FNV-1a. */
function draw(name: string): number {
  let hash = 0x811c9dc5;
  for (const letter of name) hash = Math.imul(hash ^ letter.charCodeAt(0), 0x01000193) >>> 0;
  hash = Math.imul(hash ^ (hash >>> 15), 0x85ebca6b) >>> 0;
  return ((hash ^ (hash >>> 13)) >>> 0) / 2 ** 32;
}

export async function run({ quick, log }: TopicOptions): Promise<TopicResult> {
  const machines = quick ? 1200 : 12_000;
  const trouble = { rack: '', image: false };
  const rackOf = (index: number) => `R${Math.floor(index / RACK_MACHINES)}`;
  const racks = new Map(
    Array.from({ length: machines }, (_, index) => [nameOf(index), rackOf(index)]),
  );
  const hall = createProvisionHall({
    machines,
    settings: { installsMax: 1000 },
    machine: (index) => ({ rack: rackOf(index), type: TYPES[index % TYPES.length] ?? 'web' }),
    installMs: () => INSTALL_MS,
    fails: (name) =>
      trouble.image || racks.get(name) === trouble.rack || draw(name) < FAILURE_RATE
        ? 'BMC_PASSWORD'
        : undefined,
  });
  const startedAt = performance.now();
  const began = hall.time.now();
  const minutes = () => round((hall.time.now() - began) / MINUTE_MS, 1);

  // Independent failures, with a kill every five minutes.
  const asked = ask(hall, machines);
  for (let next = hall.time.now() + 5 * MINUTE_MS; open(hall) > 0; next += 5 * MINUTE_MS) {
    await hall.until(() => open(hall) === 0 || hall.time.now() >= next);
    if (open(hall) === 0) break;
    hall.crash();
    log(`${minutes()} min: ${open(hall)} requests open`);
  }
  const calm = { ...count(hall), minutes: minutes(), kills: hall.crashes };

  trouble.rack = rackOf(machines - 1);
  const inRack = hall.ask({
    count: 20,
    racks: [trouble.rack, rackOf(machines - 1 - RACK_MACHINES)],
    parallel: 10,
  });
  await hall.until(
    () => hall.request(inRack.id).endedAt > 0 || hall.request(inRack.id).status === 'waiting',
  );
  const rack = { done: hall.request(inRack.id).done, failed: hall.request(inRack.id).failed };
  log(`a dark rack cost ${rack.failed} machines`);

  trouble.image = true;
  trouble.rack = '';
  hall.now.inventory.transaction(() => addImage(hall.now.inventory, '2'));
  const withImage = hall.ask({ count: 100, parallel: 10 });
  await hall.until(() => hall.request(withImage.id).status === 'waiting');
  const image = { failed: hall.request(withImage.id).failed, why: hall.request(withImage.id).why };
  log(`a bad image cost ${image.failed} machines`);

  const breakers = hall.now.desk.breakers
    .list(100)
    .map(({ factor, value }) => `${factor} ${value}`);
  judge({ calm, breakers: breakers.toReversed(), asked, rack: rackOf(machines - 1) });
  const seconds = round((performance.now() - startedAt) / 1000, 1);
  const ours = { machines, asked, calm, rack, image, breakers, seconds, failureRate: FAILURE_RATE };
  return { topic: 'provisioning', ours, peers: {}, ratio: {} };
}

type Hall = ReturnType<typeof createProvisionHall>;

const open = (hall: Hall): number => hall.now.desk.store.open().length;

/** Two thirds of the site: forty requests of as many sizes. @returns machines in all */
function ask(hall: Hall, machines: number): number {
  const sizes = Array.from(
    { length: 40 },
    (_, index) => Math.ceil((machines / 2460) * (index + 1)) * 2,
  );
  for (const [index, size] of sizes.entries()) {
    const hardware = index % 3 === 0 ? `type ${TYPES[index % TYPES.length]}` : '';
    hall.ask({ count: size, role: `role${index}`, hardware, spread: { even: index % 2 === 0 } });
  }
  return sizes.reduce((sum, size) => sum + size, 0);
}

function count(hall: Hall) {
  const requests = hall.now.desk.store.page({}, 1000);
  const sum = (of: (one: (typeof requests)[number]) => number) =>
    requests.reduce((total, one) => total + of(one), 0);
  const folds = requests.map((one) => hall.now.desk.store.foldOf(one));
  const holders = folds.flatMap(({ places }) =>
    places.flatMap((place) => ('machine' in place ? [place.machine] : [])),
  );
  return {
    requests: requests.length,
    fulfilled: requests.filter(({ status }) => status === 'fulfilled').length,
    inUse: sum(({ done }) => done),
    replaced: sum(({ failed }) => failed),
    twice: holders.length - new Set(holders).size,
    breakers: hall.now.desk.breakers.list(100).length,
    errors: hall.now.life.errors.length,
  };
}

function judge(found: {
  calm: ReturnType<typeof count>;
  breakers: readonly string[];
  asked: number;
  rack: string;
}): void {
  const { calm, breakers, asked, rack } = found;
  const faults: string[] = [];
  if (calm.fulfilled !== calm.requests || calm.inUse !== asked)
    faults.push('not all are fulfilled');
  if (calm.twice > 0) faults.push(`${calm.twice} machines are in two requests`);
  if (calm.breakers > 0) faults.push('a breaker opened for failures with nothing in common');
  if (calm.errors > 0) faults.push(`${calm.errors} errors of the engines`);
  if (breakers.join() !== `rack lon/${rack},image debian-12@2`)
    faults.push(`breakers: ${breakers.join()}`);
  if (faults.length > 0) throw new Error(faults.join('; '));
}
