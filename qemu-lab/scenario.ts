/**
 * Scenarios: a rack, a script of actions, and assertions on what the appliance has recorded. A scenario waits for
 * events, never for time to pass, and never reads log text. A wait that fails says what was awaited and how far each
 * machine had got.
 */
import { chmodSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Scope, withScope } from '../bench/support/scope.ts';
import type { Capture } from '../src/capture/model.ts';
import { readCapture } from '../src/cli/decode.ts';
import type { StoredEvent } from '../src/events.ts';
import type { Machine } from '../src/inventory/machines.ts';
import type { BootTimeline } from '../src/inventory/timeline.ts';
import { removeFolder, temporaryFolder } from '../test/support/temporary-folder.ts';
import { type Client, createClient } from './client.ts';
import { createLab, type Lab, type LabSettings, type LabVm } from './lab.ts';
import type { Negotiated } from './negotiated.ts';
import { createMoves, waitPatiently } from './patience.ts';
import type { Needs } from './prerequisites.ts';
import { chainsOverTftp, expandRack, type RackDescription } from './rack.ts';

export interface ScenarioRun {
  readonly lab: Lab;
  readonly client: Client;
  /** What the wire of the lab has carried so far, read back from tcpdump's file. */
  capture(): Promise<Capture>;
  /** For the result: what each client or machine was given, as the capture has it. */
  readonly negotiated: Record<string, Negotiated>;
  /** For the result: seconds by what they are of. */
  readonly times: Record<string, number>;
  /** For the result: clients that are no machines of the rack. */
  readonly clients: MachineResult[];
  /** Repeats `probe` until it gives something. @throws Error with `what` and the state of every machine. */
  until<T>(what: string, deadlineMs: number, probe: () => Promise<T | undefined>): Promise<T>;
  /** Machines that are made to fail, by name: of every other one nothing may be diagnosed. */
  readonly sick: Set<string>;
  /** The same for as long as something moves (patience.ts): for what many machines do on a few cores. */
  patiently<T>(what: string, probe: () => Promise<T | undefined>): Promise<T>;
  /** Notes a failure and goes on, so that one run shows everything that is wrong. */
  check(holds: boolean, what: string): void;
  say(text: string): void;
}

export interface AloneRun {
  /** A folder of its own, gone afterwards unless files are to be kept. */
  readonly dir: string;
  readonly scope: Scope;
  /** Notes a failure and goes on. */
  check(holds: boolean, what: string): void;
  say(text: string): void;
  /** For the result. */
  readonly times: Record<string, number>;
  /** For the result: whatever else was counted. */
  readonly figures: Record<string, unknown>;
  readonly machines: MachineResult[];
  /** How often to hurt or to repeat; absent: as often as the scenario thinks right. */
  readonly rounds?: number;
  /** Repeats `probe` until it gives something. @throws Error with `what`, and what `state` says */
  until<T>(what: Awaited, probe: () => Promise<T | undefined>): Promise<T>;
}

export interface Awaited {
  readonly what: string;
  readonly withinMs: number;
  /** How far it is, for who reads why it has failed. */
  state?(): Promise<string>;
}

export interface Scenario extends Needs {
  readonly name: string;
  readonly about: string;
  /** It takes too long for every run of all tests: people run it when they have changed what it is about. */
  readonly byCommand?: boolean;
  /** Machines that fail on purpose, by name, or all of them: a diagnosis of any other is false, and fails the scenario. */
  readonly sick?: readonly string[] | 'all';
  /** None: the clients are programs, not machines. */
  readonly rack?: RackDescription;
  /** Laid over the appliance's configuration. */
  readonly config?: LabSettings;
  /** In a lab; absent where `alone` is there. */
  readonly run?: (run: ScenarioRun) => Promise<void>;
  /** Without a lab: it makes all that it needs itself. */
  readonly alone?: (run: AloneRun) => Promise<void>;
}

export interface MachineResult {
  readonly name: string;
  readonly firmware: string;
  readonly netboot: string;
  readonly hardwarename: string | undefined;
  readonly state: string;
  readonly mac: string;
  /** From power-on to each step of the last boot that it finished, in seconds. */
  readonly seconds: Readonly<Record<string, number>>;
}

export interface ScenarioResult {
  readonly scenario: string;
  readonly passed: boolean;
  readonly machines: readonly MachineResult[];
  /** Option values and transfers out of the capture; empty where a scenario is not about them. */
  readonly negotiated: Readonly<Record<string, Negotiated>>;
  /** `total`, and for each registered machine the seconds from power-on to registered. */
  readonly seconds: Readonly<Record<string, number>>;
  /** What a scenario without a lab has counted. */
  readonly figures?: Readonly<Record<string, unknown>>;
  readonly failures: readonly string[];
}

const POLL_MS = 150;

export async function runScenario(
  scenario: Scenario,
  options: {
    keepFiles?: boolean;
    pxeimage?: string;
    rounds?: number;
    say: (text: string) => void;
    onLab?: (lab: Lab) => void;
  },
): Promise<ScenarioResult> {
  if (scenario.alone) return runAlone(scenario, options);
  const startedAt = Date.now();
  const failures: string[] = [];
  const lab = await createLab(scenario.rack ? expandRack(scenario.rack) : [], {
    ...options,
    ...(scenario.config ? { config: scenario.config } : {}),
  });
  options.onLab?.(lab);
  try {
    const client = createClient(lab.api);
    const moves = createMoves(() => client.events());
    const run: ScenarioRun = {
      lab,
      client,
      say: options.say,
      negotiated: {},
      clients: [],
      times: {},
      sick: new Set(
        scenario.sick === 'all' ? lab.vms.map(({ machine }) => machine.name) : scenario.sick,
      ),
      capture: () => readCapture(join(lab.dir, 'bridge.pcap')),
      check(holds, what) {
        if (!holds) failures.push(what);
      },
      patiently: (what, probe) =>
        waitPatiently({ what, probe, moves, howFar: () => howFar(lab, client) }),
      async until(what, deadlineMs, probe) {
        const deadline = Date.now() + deadlineMs;
        for (;;) {
          const found = await probe();
          if (found !== undefined) return found;
          if (Date.now() > deadline) {
            throw new Error(
              `waited ${deadlineMs / 1000} s for: ${what}. ${await howFar(lab, client)}`,
            );
          }
          await new Promise((next) => setTimeout(next, POLL_MS));
        }
      },
    };
    if (!scenario.run) throw new Error(`${scenario.name} has nothing to run`);
    await scenario.run(run).catch((error: Error) => failures.push(error.message));
    failures.push(...(await diagnosedFalsely(run, scenario)));
    const machines = [...(await results(lab, client)), ...run.clients];
    const seconds: Record<string, number> = { total: (Date.now() - startedAt) / 1000 };
    Object.assign(seconds, run.times);
    for (const { name, seconds: steps } of machines) {
      if (steps.registered !== undefined) seconds[name] = steps.registered;
    }
    const { negotiated } = run;
    return {
      ...{ scenario: scenario.name, passed: failures.length === 0 },
      ...{ machines, seconds, negotiated, failures },
    };
  } finally {
    await lab.destroy();
  }
}

async function runAlone(
  { name, alone }: Scenario,
  { keepFiles, rounds, say }: { keepFiles?: boolean; rounds?: number; say: (text: string) => void },
): Promise<ScenarioResult> {
  const startedAt = Date.now();
  const failures: string[] = [];
  const machines: MachineResult[] = [];
  const times: Record<string, number> = {};
  const figures: Record<string, unknown> = {};
  await withScope(async (scope) => {
    const dir = keepFiles
      ? mkdtempSync(join(tmpdir(), `reveille-${name}-`))
      : temporaryFolder(name);
    // PostgreSQL is another user, and has its folder in there.
    chmodSync(dir, 0o755);
    scope.defer(() => keepFiles || removeFolder(dir));
    if (keepFiles) say(`files are in ${dir}`);
    const check = (holds: boolean, what: string) => void (holds || failures.push(what));
    const often = rounds === undefined ? {} : { rounds };
    const result = { times, figures, machines };
    const run: AloneRun = { dir, scope, check, say, ...result, ...often, until: patiently };
    await alone?.(run).catch((error: Error) => void failures.push(error.message));
  });
  const seconds = { total: (Date.now() - startedAt) / 1000, ...times };
  const passed = failures.length === 0;
  return { scenario: name, passed, machines, negotiated: {}, seconds, figures, failures };
}

const patiently: AloneRun['until'] = async ({ what, withinMs, state }, probe) => {
  const deadline = Date.now() + withinMs;
  for (;;) {
    const found = await probe();
    if (found !== undefined) return found;
    if (Date.now() > deadline) {
      const far = state ? ` ${await state()}` : '';
      throw new Error(`waited ${withinMs / 1000} s for: ${what}.${far}`);
    }
    await new Promise((next) => setTimeout(next, POLL_MS));
  }
};

async function diagnosedFalsely(
  { lab, client, sick }: ScenarioRun,
  scenario: Scenario,
): Promise<string[]> {
  if (scenario.sick === 'all') return [];
  return client.events().then(
    (events) => falseDiagnoses(lab.vms, events, sick),
    (error: Error) => [`what was diagnosed cannot be read: ${error.message}`],
  );
}

/** What was said of machines with which nothing is wrong, and of NICs that are no machine's of the lab: one line for each. */
export function falseDiagnoses(
  vms: readonly { readonly machine: Pick<LabVm['machine'], 'name' | 'nics'> }[],
  events: readonly StoredEvent[],
  sick: ReadonlySet<string>,
): string[] {
  return events.flatMap((event) => {
    if (event.name !== 'boot.diagnosed') return [];
    const owner = vms.find(({ machine }) => machine.nics.some(({ mac }) => mac === event.mac));
    const name = owner?.machine.name ?? event.mac ?? 'nobody';
    if (sick.has(name)) return [];
    const { diagnosis, evidence } = event.data;
    return [`${name} is healthy, and is called ${diagnosis}: ${evidence.join('; ')}`];
  });
}

/** The record that owns one of this virtual machine's NICs. */
export function machineOf(vm: LabVm, machines: readonly Machine[]): Machine | undefined {
  const macs = vm.machine.nics.map(({ mac }) => mac);
  return machines.find((machine) => machine.nics.some(({ mac }) => macs.includes(mac)));
}

export function eventsOf(vm: LabVm, events: readonly StoredEvent[]): StoredEvent[] {
  const macs = vm.machine.nics.map(({ mac }) => mac);
  return events.filter(({ mac }) => mac !== undefined && macs.includes(mac));
}

/** The last boot of this virtual machine that was carried to the end, else its last one. */
export function bootOf(vm: LabVm, boots: readonly BootTimeline[]): BootTimeline | undefined {
  const macs = vm.machine.nics.map(({ mac }) => mac);
  const mine = boots.filter(({ mac }) => macs.includes(mac));
  return mine.find(({ state }) => state === 'done') ?? mine[0];
}

export function secondsOf(
  boot: BootTimeline | undefined,
  poweredOnAt: number | undefined,
): Record<string, number> {
  if (!boot || poweredOnAt === undefined) return {};
  return Object.fromEntries(
    boot.steps
      .filter(({ state, at }) => state === 'done' && at !== undefined)
      .map(({ name, at }) => [name, Math.round(((at ?? 0) - poweredOnAt) / 100) / 10]),
  );
}

/** The start that this boot came of: a machine with a BMC may have been started again since. */
function startOf(vm: LabVm, boot: BootTimeline | undefined): number | undefined {
  const heardAt = boot?.steps.find(({ at }) => at !== undefined)?.at;
  return vm.starts.findLast(({ at }) => heardAt === undefined || at <= heardAt)?.at;
}

async function results(lab: Lab, client: Client): Promise<MachineResult[]> {
  const [machines, boots] = [await client.machines(), await client.boots()];
  return lab.vms.map((vm) => {
    const record = machineOf(vm, machines);
    const boot = bootOf(vm, boots);
    return {
      name: vm.machine.name,
      firmware: vm.machine.firmware,
      netboot: chainsOverTftp(vm.machine) ? 'chain' : vm.machine.netboot,
      hardwarename: record?.hardwarename,
      state: record?.state ?? 'unknown',
      mac: vm.machine.nics.find(({ boot }) => boot)?.mac ?? '',
      seconds: secondsOf(boot, startOf(vm, boot)),
    };
  });
}

async function howFar(lab: Lab, client: Client): Promise<string> {
  const boots = await client.boots().catch(() => []);
  const lines = lab.vms.map((vm) => {
    const boot = bootOf(vm, boots);
    const reached = boot?.steps.findLast(({ state }) => state === 'done' || state === 'failed');
    const stall = boot?.stall ? `; ${boot.stall.cause}` : '';
    return `${vm.machine.name}: ${boot ? `${reached?.name ?? 'asked'} (${reached?.detail ?? ''})${stall}` : 'never heard of'}`;
  });
  return lines.join(' | ');
}
