/** A world of two members from a seed, and what must hold in it at every moment. */
import type { Ipv4 } from '../../../src/wire/ipv4.ts';
import type { Mac } from '../../../src/wire/mac.ts';
import { ask, reserve, STATIC } from './pair-clients.ts';
import { POOL, type World } from './pair-form.ts';
import { SimMember } from './pair-world.ts';

export function createWorld(seed: number, withWitness: boolean): World {
  let state = seed >>> 0 || 1;
  const random = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t ^= t + Math.imul(t ^ (t >>> 7), 61 | t);
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
  const world = {
    ...{ now: 0, later: [], holdings: [], witnessUp: true, lineUp: true, row: undefined },
    ...{ random, withWitness, log: [], given: [], exchanges: new Map() },
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

let lines = 0;
const ADDRESSES = [...POOL, ...STATIC];

/** @throws Error when an address has two machines, or two are active that must not be */
export async function runWorld(world: World, steps: number): Promise<void> {
  const { members, random } = world;
  const { a, b } = members;
  const macs = Array.from({ length: 9 }, (_, index) => `02:00:00:00:00:0${index}` as Mac);
  for (const member of [a, b]) if (!member.up) member.start();
  for (let step = 0; step < steps; step += 1) {
    world.now += 100;
    const roll = random();
    if (roll < 0.002) world.lineUp = !world.lineUp;
    else if (roll < 0.004) world.witnessUp = !world.witnessUp;
    else if (roll < 0.0055) a.crash();
    else if (roll < 0.007) b.crash();
    else if (roll < 0.0072) a.jump = (random() - 0.5) * 86_400_000;
    if (!world.lineUp && a.line !== 0) a.cut();
    for (const member of [a, b]) if (!member.up && random() < 0.006) member.start();
    if (world.lineUp && a.up && b.up && a.line === 0 && random() < 0.2) {
      lines += 1;
      for (const member of [a, b]) Object.assign(member, { line: lines, lineAt: world.now });
      a.hello();
      b.hello();
    }
    const due = world.later.filter(({ at }) => at <= world.now).sort((x, y) => x.at - y.at);
    for (const one of due) world.later.splice(world.later.indexOf(one), 1);
    for (const one of due) one.run();
    // What the feeder resolves is a promise.
    await Promise.resolve();
    await Promise.resolve();
    for (const member of [a, b]) member.tick();
    if (random() < 0.5) {
      const mac = macs[Math.floor(random() * macs.length)] as Mac;
      const has = world.holdings.find((one) => one.mac === mac && one.until > world.now)?.address;
      const at = random() < 0.5 ? a : b;
      ask(at, mac, random() < 0.8 ? has : undefined);
    }
    if (random() < 0.01) {
      const to = random() < 0.2 ? '' : (macs[Math.floor(random() * macs.length)] as Mac);
      const address = ADDRESSES[Math.floor(random() * ADDRESSES.length)] as Ipv4;
      for (const member of [a, b]) reserve(member, address, to);
    }
    check(world);
  }
}

function check(world: World): void {
  const { a, b } = world.members;
  const story = () => `at ${world.now}: ${JSON.stringify([a.kept, b.kept, world.log.slice(-6)])}`;
  if (a.active() && b.active() && (world.withWitness || a.kept.right.epoch === b.kept.right.epoch))
    throw new Error(`both are active ${story()}`);
  const holders = new Map<number, Mac>();
  for (const { mac, address, until } of world.holdings) {
    if (until <= world.now) continue;
    const other = holders.get(address);
    if (other !== undefined && other !== mac)
      throw new Error(
        `${address} is ${mac}'s and ${other}'s ${story()} ${world.given
          .filter((one) => one.includes(`gives ${address}`))
          .slice(-8)
          .join('; ')}`,
      );
    holders.set(address, mac);
  }
}
