/**
 * What scenario `standby` does to a pair under load, one step each: the step ends when the pair is whole again, and has put into the
 * result how long each kind of client waited, and how many asked in vain.
 */
import { formatIpv4 } from '../src/wire/ipv4.ts';
import { checkAddresses, describeDouble } from './address-check.ts';
import {
  activeIs,
  type Bed,
  current,
  loaded,
  noteCounts,
  served,
  untilStatus,
  whole,
} from './standby-bed.ts';
import { countOf, longestSilence, RENEWALS, type Stretch } from './standby-outcomes.ts';
import { type PairMember, RIGHT_SECONDS } from './standby-world.ts';

const STEADY_MS = 10_000;
/** The end of it, when everything has come right. */
const CALM_MS = 5000;
/** A right and a quarter, two starts of a daemon on a busy computer, and a client that asks each second. */
const SERVED_MAX_SECONDS = 30;
/** Nobody takes over: an acknowledgement waits until it is known that the other one is silent, and for the witness. */
const PAUSE_MAX_SECONDS = RIGHT_SECONDS + 4;

export interface Roles {
  readonly active: PairMember;
  readonly other: PairMember;
}

export async function steady(bed: Bed): Promise<void> {
  const stretch = await loaded(bed, STEADY_MS);
  noteCounts(bed, 'steady', stretch);
  for (const kind of ['renew', 'new', 'boot'] as const) {
    const { asked, failed } = countOf(bed.heard, stretch, { kind });
    bed.run.check(
      asked > 0 && failed === 0,
      `before anything happens, ${failed} ${kind} of ${asked} fail`,
    );
  }
}

export async function killActive(bed: Bed, { active, other }: Roles): Promise<void> {
  const at = Date.now();
  await active.kill();
  await takenOver(bed, { name: 'kill', at, by: other });
  const rest = await loaded(bed, STEADY_MS);
  noteCounts(bed, 'kill', { from: at, to: rest.to });
  const calm = { ...rest, from: rest.to - CALM_MS };
  for (const kind of ['rebind', 'new'] as const) {
    const { failed } = countOf(bed.heard, calm, { kind });
    bed.run.check(failed === 0, `${failed} ${kind} fail long after the other one has taken over`);
  }
}

/** Notes how long everything took to be served by this one. */
async function takenOver(
  bed: Bed,
  { name, at, by }: { readonly name: string; readonly at: number; readonly by: PairMember },
): Promise<void> {
  const { run } = bed;
  const first = await served(bed, by, at);
  await activeIs(bed, by);
  for (const [kind, seconds] of Object.entries(first)) run.times[`${name}.${kind}`] = seconds;
  const said = `seconds until served: ${JSON.stringify(first)}`;
  run.check(Math.max(...Object.values(first)) < SERVED_MAX_SECONDS, `${name}: ${said}`);
  run.say(`${name}: ${said}`);
}

/** The one that was killed. */
export async function comesBack(bed: Bed, { active, other: back }: Roles): Promise<void> {
  const since = Date.now();
  await back.start();
  await current(bed, active);
  const seconds = (Date.now() - since) / 1000;
  bed.run.times[`${back.member}.rejoined`] = seconds;
  bed.run.say(`${back.member} follows again after ${seconds} s`);
}

export async function handBack(
  bed: Bed,
  { from, to }: { readonly from: PairMember; readonly to: PairMember },
): Promise<void> {
  await whole(bed, from);
  const at = Date.now();
  await from.order('hand-back', '--why', 'the other one is back');
  await takenOver(bed, { name: 'handBack', at, by: to });
  await current(bed, to);
  const rest = await loaded(bed, STEADY_MS);
  noteCounts(bed, 'handBack', { from: at, to: rest.to });
}

/** The active one stays, and clients see no more than a pause. */
export async function cutLine(bed: Bed, which: 'both' | 'up' | 'down'): Promise<void> {
  const { world } = bed;
  await undisturbed(bed, `line.${which}`, async () => {
    world.line.cut(which);
    await untilStatus(bed, world.a, {
      what: 'out of touch',
      is: ({ partner }) => !partner.inTouch,
    });
    await loaded(bed, 3 * RIGHT_SECONDS * 1000);
    world.line.mend();
  });
}

export async function centralAway(bed: Bed): Promise<void> {
  const { world } = bed;
  await undisturbed(bed, 'central', async () => {
    for (const { up } of [world.a, world.b]) up.cut();
    await untilStatus(bed, world.a, {
      what: 'without its witness',
      is: ({ witness }) => witness === 'silent',
    });
    await loaded(bed, 2 * RIGHT_SECONDS * 1000);
    for (const { up } of [world.a, world.b]) up.mend();
  });
}

async function undisturbed(bed: Bed, name: string, act: () => Promise<void>): Promise<void> {
  const { run, world, heard } = bed;
  const before = await world.a.status();
  const from = Date.now();
  await act();
  await current(bed, world.a);
  const stretch: Stretch = { from, to: Date.now() };
  noteCounts(bed, name, stretch);
  const after = await world.a.status();
  run.check(after?.epoch === before?.epoch, `${name}: another one became active meanwhile`);
  const silence = longestSilence(heard, stretch, RENEWALS);
  run.check(silence < PAUSE_MAX_SECONDS, `${name}: no renewal is answered for ${silence} s`);
  run.say(`${name}: the active one stayed; the longest pause of renewals was ${silence} s`);
  await whole(bed, world.a);
}

/** From its partner and from central, and yet on the segment: it may go on with what it has promised, and with nothing else. */
export async function cutOff(bed: Bed, { active, other }: Roles): Promise<void> {
  const { world } = bed;
  const at = Date.now();
  world.line.cut();
  active.up.cut();
  await takenOver(bed, { name: 'cutOff', at, by: other });
  await untilStatus(bed, active, { what: 'apart', is: ({ mode }) => mode === 'apart' });
  const rest = await loaded(bed, STEADY_MS);
  noteCounts(bed, 'cutOff', { from: at, to: rest.to });
  world.line.mend();
  active.up.mend();
  await current(bed, other);
  await whole(bed, other);
}

/** When it wakes it finds its right over, and acknowledges nothing of what has come meanwhile. */
export async function freeze(bed: Bed, { active, other }: Roles): Promise<void> {
  const { run, world } = bed;
  const at = Date.now();
  active.freeze(true);
  await takenOver(bed, { name: 'freeze', at, by: other });
  const thawedAt = Date.now();
  active.freeze(false);
  await current(bed, other);
  run.times[`${active.member}.thawed`] = (Date.now() - thawedAt) / 1000;
  const { to } = await loaded(bed, STEADY_MS);
  noteCounts(bed, 'freeze', { from: at, to });
  const { acknowledged } = await checkAddresses(world.capture);
  const late = acknowledged.filter(
    ({ server, at: when }) => formatIpv4(server) === active.address && when > at + 1000,
  );
  run.check(
    late.length === 0,
    `the frozen one acknowledges ${late.length} times when another one is active`,
  );
}

export async function judge({ run, world, heard }: Bed): Promise<void> {
  const { acknowledged, doubles, addresses, reused } = await checkAddresses(world.capture);
  const refused = heard.filter(({ refused: no }) => no).length;
  run.figures.wire = { acknowledgements: acknowledged.length, addresses, reused, refused };
  const servers = new Set(acknowledged.map(({ server }) => server));
  run.check(servers.size === 2, 'the captures show nothing that could go wrong');
  for (const double of doubles) run.check(false, `two machines have ${describeDouble(double)}`);
  run.say(
    `${acknowledged.length} acknowledgements of ${addresses} addresses, ${reused} of them reused: ${doubles.length} with two machines`,
  );
}
