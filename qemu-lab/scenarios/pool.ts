/**
 * A pool of three is made by `reveille pool put`, and fills itself. One of its machines loses its power: the spare takes its
 * place, and nobody was asked. Then the whole pool is installed anew by a rolling reset, one machine at a time.
 *
 * That no two were away at once is read out of the event feed, which has every change of a state and every check that failed:
 * not out of samples, which might have missed the moment.
 */
import type { StoredEvent } from '../../src/events.ts';
import { type LabPeople, openPeople } from '../people.ts';
import { machineOf, type Scenario, type ScenarioRun } from '../scenario.ts';
import {
  capacity,
  feedOf,
  IMAGE_REF,
  PROVISION_CONFIG,
  PROVISION_NEEDS,
  smallMachine,
} from './provision.ts';

const SIZE = 3;

const seconds = (sinceAt: number) => Math.round((Date.now() - sinceAt) / 100) / 10;

interface PoolShown {
  readonly pool: { readonly healthy: number; readonly members: number; readonly why: string };
  readonly members: readonly {
    readonly hardwarename: string;
    readonly unhealthyAt: number | null;
  }[];
}

export const pool: Scenario = {
  name: 'pool',
  about: 'a pool of three: one machine dies and is replaced, then all are installed anew in turn',
  byCommand: true,
  ...PROVISION_NEEDS,
  config: PROVISION_CONFIG,
  rack: { machines: [1, 2, 3, 4].map((number) => smallMachine(`vm-${number}`, 9100 + number)) },
  async run(run) {
    const people = await openPeople(run.lab);
    await capacity(run, people);
    await fill(run, people);
    await killOne(run);
    await resetAll(run, people);
  },
};

/** By the API: a command each second would take half a core from the machines. */
const look = ({ client }: ScenarioRun) => client.read<PoolShown>('/pools/web');

async function untilFull(run: ScenarioRun, without = ''): Promise<PoolShown> {
  let told = '';
  return run.patiently('the pool to have all its machines', async () => {
    const shown = await look(run);
    const { healthy, why } = shown.pool;
    const now = `${healthy} of ${SIZE} healthy${why ? `; ${why}` : ''}`;
    if (now !== told) run.say(now);
    told = now;
    const names = shown.members.map(({ hardwarename }) => hardwarename);
    return healthy === SIZE && !names.includes(without) ? shown : undefined;
  });
}

async function fill(run: ScenarioRun, people: LabPeople): Promise<void> {
  const beganAt = Date.now();
  await people.reveille([
    ...['pool', 'put', 'web', '--count', String(SIZE), '--role', 'web', '--image', IMAGE_REF],
    ...['--check-url', 'http://{address}:80/', '--check-every', '5'],
    ...['--check-failures', '3', '--check-grace', '30'],
  ]);
  await untilFull(run);
  run.times.filled = seconds(beganAt);
}

/** Its supplies are gone: no goodbye, and nothing that its BMC would tell. */
async function killOne(run: ScenarioRun): Promise<void> {
  const [first] = (await look(run)).members;
  const machines = await run.client.machines();
  const vm = run.lab.vms.find(
    (each) => machineOf(each, machines)?.hardwarename === first?.hardwarename,
  );
  if (!first || !vm) throw new Error('the pool has no machine to lose');
  const { hardwarename } = first;
  const beganAt = Date.now();
  run.sick.add(vm.machine.name);
  await run.lab.powerOff(vm);
  run.say(`${vm.machine.name} has lost its power`);
  const shown = await untilFull(run, hardwarename);
  run.times.replaced = seconds(beganAt);
  run.check(shown.members.length === SIZE, `the pool has ${shown.members.length} members`);
  const record = machineOf(vm, await run.client.machines());
  run.check(
    record?.state === 'broken' && record.hostname === '',
    `${vm.machine.name} is ${record?.state} as ${record?.hostname}: ${record?.stateWhy}`,
  );
  run.say(`${vm.machine.name} is ${record?.state}: ${record?.stateWhy}`);
}

async function resetAll(run: ScenarioRun, people: LabPeople): Promise<void> {
  const members = (await look(run)).members.map(({ hardwarename }) => hardwarename);
  const beganAt = Date.now();
  await people.reveille([
    ...['pool', 'reset', 'web', '--at-once', '1', '--within', '1', '--why', 'a new kernel'],
  ]);
  let told = '';
  const status = await run.patiently('the reset to end', async () => {
    const events = await feedOf(run);
    const done = events.flatMap((event) => (event.name === 'reset.machine' ? [event.data] : []));
    const now = done.map(({ status, code }) => `${status}${code && ` (${code})`}`).join(', ');
    if (now !== told) run.say(`the reset: ${now}`);
    told = now;
    const turns = events.flatMap((event) =>
      event.name === 'reset.turned' ? [event.data.status] : [],
    );
    return turns.find((turn) => turn !== 'running');
  });
  run.times.reset = seconds(beganAt);
  const events = await feedOf(run);
  run.check(status === 'finished', `the reset is ${status}`);
  const after = (await look(run)).members.map(({ hardwarename }) => hardwarename);
  run.check(
    JSON.stringify(after) === JSON.stringify(members),
    `the pool had ${members} and has ${after}`,
  );
  checkAway(run, events, members);
}

/** Away: not in use, or in use and not answering. */
function checkAway(
  run: ScenarioRun,
  events: readonly StoredEvent[],
  members: readonly string[],
): void {
  const startedAt = events.findIndex(({ name }) => name === 'reset.started');
  const away = new Map<string, Set<string>>(members.map((name) => [name, new Set()]));
  const returned = new Map<string, number>();
  let most = 0;
  for (const event of events.slice(startedAt)) {
    const reasons = away.get(event.hardwarename ?? '');
    if (!reasons) continue;
    const note = (reason: string, is: boolean) =>
      is ? reasons.add(reason) : reasons.delete(reason);
    if (event.name === 'machine.state') {
      note('state', event.data.to !== 'in-use');
      if (event.data.to === 'in-use')
        returned.set(event.hardwarename ?? '', (returned.get(event.hardwarename ?? '') ?? 0) + 1);
    }
    if (event.name === 'pool.unhealthy') note('health', true);
    if (event.name === 'pool.healthy') note('health', false);
    most = Math.max(most, [...away.values()].filter(({ size }) => size > 0).length);
  }
  run.check(most === 1, `${most} machines were away at once`);
  run.check(
    members.every((name) => returned.get(name) === 1),
    `machines came back ${JSON.stringify([...returned])} times`,
  );
}
