/** Scenario `standby` at work: the pair, its load and its virtual machines, what was heard so far, and words to wait for. */
import { spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import type { PairStatus } from '../src/http/people/context.ts';
import type { Machine } from '../src/inventory/machines.ts';
import type { BootTimeline } from '../src/inventory/timeline.ts';
import { prepareMachine, tapNames } from './lab.ts';
import { expandRack, type RackDescription } from './rack.ts';
import type { AloneRun } from './scenario.ts';
import type { LoadPlan } from './standby-load.ts';
import {
  ASKED,
  countOf,
  firstAnswer,
  lastFailure,
  longestSilence,
  type Outcome,
  RENEWALS,
  type Stretch,
} from './standby-outcomes.ts';
import {
  DOMAIN,
  LOAD,
  type PairMember,
  type StandbyWorld,
  startStandbyWorld,
} from './standby-world.ts';
import { Vm } from './vm.ts';

const ROOT = resolve(import.meta.dirname, '..');
const CLIENTS = 80;
const UP_MS = 60_000;

export interface Bed {
  readonly run: AloneRun;
  readonly world: StandbyWorld;
  readonly vms: readonly Vm[];
  /** Grows. */
  readonly heard: readonly Outcome[];
}

export interface BedOptions {
  readonly rack?: RackDescription;
  readonly postgres?: boolean;
}

/** Both are up, `a` is active, `b` has everything, the witness is heard; then the load begins. */
export async function makeBed(run: AloneRun, options: BedOptions = {}): Promise<Bed> {
  const { rack, postgres = false } = options;
  const machines = rack ? expandRack(rack) : [];
  const taps = tapNames(machines);
  const { scope, dir } = run;
  const world = await startStandbyWorld(scope, { dir, postgres, taps: [...taps.values()].flat() });
  const vms = machines.map((machine) => {
    const place = join(dir, machine.name);
    prepareMachine(place, machine);
    const vm = new Vm({
      machine,
      place: {
        ...{ dir: place, taps: taps.get(machine.name) ?? [] },
        ipxeKernel: join(ROOT, 'build/boot/ipxe.lkrn'),
      },
      spawn: (command) => spawnIn(world.sw, command, join(place, 'qemu.log')),
    });
    scope.defer(() => vm.stop());
    return vm;
  });
  const heard: Outcome[] = [];
  const bed = { run, world, vms, heard };
  await current(bed, world.a);
  await startLoad(bed, heard);
  return bed;
}

function spawnIn(namespace: string, command: readonly string[], file: string) {
  const log = openSync(file, 'a');
  const child = spawn('ip', ['netns', 'exec', namespace, ...command], {
    ...{ cwd: ROOT, stdio: ['ignore', log, log] },
  });
  closeSync(log);
  return child;
}

async function startLoad({ run, world }: Bed, heard: Outcome[]): Promise<void> {
  const plan: LoadPlan = {
    servers: { a: world.a.address, b: world.b.address },
    ...{ clients: CLIENTS, iface: LOAD.iface, relay: LOAD.relay, domain: DOMAIN },
  };
  const program = [process.execPath, join(import.meta.dirname, 'standby-load.ts')];
  const words = ['netns', 'exec', world.load, ...program, JSON.stringify(plan)];
  const child = spawn('ip', words, { cwd: ROOT, stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = new Promise<void>((next) => child.once('close', () => next()));
  run.scope.defer(async () => {
    child.kill('SIGTERM');
    await ended;
  });
  await new Promise<void>((next, fail) => {
    void ended.then(() => fail(new Error('the load has ended')));
    createInterface({ input: child.stdout }).on('line', (line) => {
      if (line === 'ready') next();
      else heard.push(JSON.parse(line) as Outcome);
    });
  });
}

export const statusOf = async (member: PairMember): Promise<string> =>
  `${member.member}: ${JSON.stringify(await member.status())}`;

/** Until what this one says of itself is as wanted. @returns seconds */
export async function untilStatus(
  { run, world }: Bed,
  member: PairMember,
  wanted: { what: string; is: (status: PairStatus) => boolean; withinMs?: number },
): Promise<number> {
  const since = Date.now();
  const { what, is, withinMs = UP_MS } = wanted;
  await run.until(
    {
      ...{ what: `${member.member} to be ${what}`, withinMs },
      state: async () => `${await statusOf(world.a)} ${await statusOf(world.b)}`,
    },
    async () => {
      const status = await member.status();
      return (status && is(status)) || undefined;
    },
  );
  return (Date.now() - since) / 1000;
}

/** It is active, the other one has everything, and the witness is heard. @returns seconds */
export const current = (bed: Bed, active: PairMember): Promise<number> =>
  untilStatus(bed, active, {
    what: 'active, with a standby that has everything',
    is: ({ mode, partner, witness }) => mode === 'active' && partner.current && witness === 'heard',
  });

/** And has all addresses. */
export const whole = (bed: Bed, active: PairMember): Promise<number> =>
  untilStatus(bed, active, {
    what: 'active, with all addresses',
    is: ({ mode, addresses, partner }) =>
      mode === 'active' && partner.current && addresses === 'whole',
    withinMs: 120_000,
  });

export const activeIs = (bed: Bed, member: PairMember): Promise<number> =>
  untilStatus(bed, member, { what: 'active', is: ({ mode }) => mode === 'active' });

/** Until clients of each kind have been answered by this one since then. @returns seconds to the first of each */
export async function served(
  { run, heard }: Bed,
  by: PairMember,
  since: number,
): Promise<Record<string, number>> {
  const first = () =>
    Object.fromEntries(
      ASKED.flatMap((kind) => {
        const seconds = firstAnswer(heard, since, { kind, server: by.member });
        return seconds === undefined ? [] : [[kind, seconds]];
      }),
    );
  await run.until(
    {
      ...{ what: `${by.member} to answer everything that is asked`, withinMs: UP_MS },
      state: async () => JSON.stringify(first()),
    },
    async () => Object.keys(first()).length === ASKED.length || undefined,
  );
  return first();
}

/** Lets the load go on for as long. */
export async function loaded({ run }: Bed, ms: number): Promise<Stretch> {
  const from = Date.now();
  await run.until({ what: 'time to pass', withinMs: 2 * ms }, async () =>
    Date.now() >= from + ms ? true : undefined,
  );
  return { from, to: Date.now() };
}

/** Into the result, under this name: what was asked and failed of each kind, by the server asked where it was asked by name. */
export function noteCounts({ run, heard }: Bed, name: string, stretch: Stretch): void {
  const counts: Record<string, string> = {};
  for (const kind of ASKED) {
    const isNamed = !['renew', 'rebind', 'new', 'boot'].includes(kind);
    for (const server of isNamed ? (['a', 'b'] as const) : [undefined]) {
      const { asked, failed } = countOf(heard, stretch, { kind, ...(server && { server }) });
      counts[server ? `${kind} of ${server}` : kind] = `${failed} of ${asked}`;
    }
  }
  run.figures[`${name}.failed`] = counts;
  run.figures[`${name}.silence`] = {
    renewals: longestSilence(heard, stretch, RENEWALS),
    new: longestSilence(heard, stretch, ['new']),
  };
  run.figures[`${name}.lastFailed`] = {
    rebind: lastFailure(heard, stretch, 'rebind'),
    new: lastFailure(heard, stretch, 'new'),
  };
}

export async function machineOf(vm: Vm, at: PairMember): Promise<Machine | undefined> {
  const { body } = await at.call('GET', '/machines?limit=1000');
  const macs = vm.machine.nics.map(({ mac }) => mac as string);
  return ((body?.machines ?? []) as Machine[]).find(({ nics }) =>
    nics.some(({ mac }) => macs.includes(mac)),
  );
}

/** Its boots that began since then, as this one knows them. */
export async function bootsOf(vm: Vm, at: PairMember, since: number): Promise<BootTimeline[]> {
  const { body } = await at.call('GET', '/boots');
  const macs = vm.machine.nics.map(({ mac }) => mac as string);
  return ((body?.boots ?? []) as BootTimeline[]).filter(
    (boot) => macs.includes(boot.mac) && boot.startedAt >= since,
  );
}

/** Until it is on record at this one and its last boot waits for work. */
export async function registered(
  { run }: Bed,
  vm: Vm,
  { at, since, withinMs }: { at: PairMember; since: number; withinMs: number },
): Promise<Machine> {
  const { name } = vm.machine;
  return run.until(
    {
      ...{ what: `${name} to be registered at ${at.member}`, withinMs },
      state: async () => JSON.stringify(await bootsOf(vm, at, since)),
    },
    async () => {
      const boots = await bootsOf(vm, at, since);
      const isDone = boots.some(({ state }) => state === 'done' || state === 'over');
      return isDone ? machineOf(vm, at) : undefined;
    },
  );
}
