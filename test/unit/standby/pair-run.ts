/** A world of two members from a seed, and what must hold in it at every moment. */
import type { Ipv4 } from '../../../src/wire/ipv4.ts';
import type { Mac } from '../../../src/wire/mac.ts';
import { calmDown } from './pair-calm.ts';
import { isNewer } from './pair-changes.ts';
import { ask, release, reserve } from './pair-clients.ts';
import { POOL, STATIC, storyOf, tell, type World } from './pair-form.ts';
import { stepLine } from './pair-line.ts';
import { handOver } from './pair-places.ts';
import { SimMember } from './pair-world.ts';

interface Kind extends Pick<World['people'], 'order'> {
  readonly witness: boolean;
  /** Something breaks every few seconds, and programs are frozen. */
  readonly harsh?: boolean;
}

/** Calm ones, ones in which people move reservations all the time, ones in which everything breaks, and both, as the seed says. */
export function createWorld(seed: number, { witness, order, harsh = false }: Kind): World {
  let state = seed >>> 0 || 1;
  const random = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t ^= t + Math.imul(t ^ (t >>> 7), 61 | t);
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
  const world = {
    ...{ now: 0, later: [], holdings: [], witnessUp: true, lineUp: true, row: undefined },
    ...{ random, withWitness: witness, takeOvers: 0, renewals: 0, story: [] },
    people: { order, moves: [0.01, 0.01, 0.06, 0.15][seed % 4] },
    ...{ trouble: (harsh ? [4, 7, 10] : [1, 2, 4])[seed % 3], freezes: harsh && seed % 5 !== 0 },
    clockSets: seed % 7 < 3 ? 0.001 : 0,
    ...{ calm: false, exchanges: new Map(), acknowledged: new Map(), changes: 0 },
  } as unknown as World;
  const skews = [0, Math.floor((random() - 0.5) * 60_000)];
  Object.assign(world, {
    members: {
      a: new SimMember('a', world, skews[0] ?? 0),
      b: new SimMember('b', world, skews[1] ?? 0),
    },
  });
  return world;
}

const ADDRESSES = [...POOL, ...STATIC];
const MACS = Array.from({ length: 9 }, (_, index) => `02:00:00:00:00:0${index}` as Mac);

/**
 * @throws Error when an address has two machines, two are active that must not be, one is without what was acknowledged, or nobody serves
 *   although nothing breaks any more
 */
export async function runWorld(world: World, steps: number): Promise<void> {
  const { a, b } = world.members;
  for (const member of [a, b]) if (!member.up) member.start();
  for (let step = 0; step < steps; step += 1) {
    await go(world, breakThings);
    bePeople(world);
    check(world);
  }
  await calmDown(world, async () => {
    await go(world, () => undefined);
    check(world);
  });
}

async function go(world: World, breaks: (world: World) => void): Promise<void> {
  world.now += 100;
  breaks(world);
  stepLine(world);
  const due = world.later.filter(({ at }) => at <= world.now).sort((x, y) => x.at - y.at);
  for (const one of due) world.later.splice(world.later.indexOf(one), 1);
  for (const one of due) one.run();
  // What the feeder resolves is a promise.
  await Promise.resolve();
  await Promise.resolve();
  for (const member of Object.values(world.members)) member.tick();
  beClients(world);
}

function breakThings(world: World): void {
  const { random, members } = world;
  const { a, b } = members;
  const roll = random() / world.trouble;
  if (roll < 0.002) {
    world.lineUp = !world.lineUp;
    tell(world, `the network ${world.lineUp ? 'works' : 'fails'}`);
  } else if (roll < 0.004) world.witnessUp = !world.witnessUp;
  else if (roll < 0.0055) a.crash();
  else if (roll < 0.007) b.crash();
  else if (roll < 0.0077) (random() < 0.5 ? a : b).stop();
  else if (roll < 0.0087) {
    const member = random() < 0.5 ? a : b;
    member.unable = !member.unable;
  }
  for (const member of [a, b])
    if (world.freezes && member.runs() && random() < 0.004) freeze(member);
  if (world.clockSets > 0 && random() < world.clockSets) setClock(random() < 0.5 ? a : b);
  for (const member of [a, b]) if (!member.up && random() < 0.006 * world.trouble) member.start();
}

/** By up to a minute, forward or back. One that is down, or held up, finds a time of day and cannot know of what was before. */
function setClock(member: SimMember): void {
  if (!member.runs()) return;
  const byMs = Math.floor((member.world.random() - 0.5) * 120_000);
  member.skew += byMs;
  tell(member.world, `the clock of ${member.id} is set by ${byMs}`);
}

/** For as long as its line may be silent, mostly; now and then far longer. */
function freeze(member: SimMember): void {
  const { world, id } = member;
  const { now, random } = world;
  const forMs = random() < 0.8 ? 2000 + random() * 4000 : random() * 30_000;
  member.frozenUntil = now + Math.floor(forMs);
  tell(world, `${id} freezes until ${member.frozenUntil}`);
}

function beClients(world: World): void {
  const { random, members } = world;
  if (random() > 0.5) return;
  const mac = MACS[Math.floor(random() * MACS.length)] as Mac;
  const has = world.holdings.find((one) => one.mac === mac && one.until > world.now)?.address;
  const at = random() < 0.5 ? members.a : members.b;
  const roll = random();
  if (has !== undefined && roll > 0.98) release(at, mac, has);
  else ask(at, mac, roll < 0.8 ? has : undefined);
}

function bePeople(world: World): void {
  const { random, members, people } = world;
  const all = Object.values(members);
  const some = () => all[Math.floor(random() * all.length)] as SimMember;
  if (random() < people.moves) {
    const both = random() < 0.5;
    for (const member of both ? all : [some()]) {
      const to = random() < 0.2 ? '' : (MACS[Math.floor(random() * MACS.length)] as Mac);
      reserve(member, ADDRESSES[Math.floor(random() * ADDRESSES.length)] as Ipv4, to);
    }
  }
  const hands = random() < 0.001 ? some() : undefined;
  if (hands && !hands.isFrozen()) handOver(hands);
  if (!people.order || random() > 0.003) return;
  const member = some();
  if (!member.runs()) return;
  member.mayTakeOver('order', () => {
    const result = member.right.takeOver(world.now, { fenced: false });
    // Without a witness a person answers for what the other one has acknowledged since.
    if (result === 'done' && isNewer(member)) world.acknowledged = new Map(member.store.numbers);
  });
}

function check(world: World): void {
  const { a, b } = world.members;
  if (a.active() && b.active() && (world.withWitness || a.kept.right.epoch === b.kept.right.epoch))
    throw new Error(`both are active ${storyOf(world)}`);
  const holders = new Map<number, Mac>();
  for (const { mac, address, until } of world.holdings) {
    if (until <= world.now) continue;
    const other = holders.get(address);
    if (other !== undefined && other !== mac)
      throw new Error(`${address} is ${mac}'s and ${other}'s ${storyOf(world, address)}`);
    holders.set(address, mac);
  }
}
