/**
 * Three machines are asked for by `reveille request`. Of the three that fit best, one has a disk that takes no write and one a
 * BMC that dies while its machine is off. Nobody helps: all three places end in use, on machines that were chosen instead, and
 * the two are broken, each with its own cause.
 *
 * The spares have larger disks: what wastes least is chosen first, so it is known which three are taken first.
 */
import type { StoredEvent } from '../../src/events.ts';
import type { LabVm } from '../lab.ts';
import { type LabPeople, openPeople } from '../people.ts';
import { machineOf, type Scenario, type ScenarioRun } from '../scenario.ts';
import {
  answersByHttp,
  capacity,
  feedOf,
  IMAGE_REF,
  nameOf,
  PROVISION_CONFIG,
  PROVISION_NEEDS,
  smallMachine,
} from './provision.ts';

const SPARE = { sizeMb: 16_384 };
const INSTALLS_MAX = PROVISION_CONFIG.provisioning.installsMax;
const WISH = [
  ...['--role', 'fancydb', '--count', '3', '--hardware', '1 disk >= 1 GB'],
  ...['--image', IMAGE_REF, '--hostname', '{role}-{n}'],
];

/** What became of each: the state that it ends in, and what its reason has to say. */
const ENDS: Readonly<Record<string, { readonly state: string; readonly why?: RegExp }>> = {
  good: { state: 'in-use' },
  'bad-disk': { state: 'broken', why: /install failed.*vda.*written/is },
  'dead-bmc': { state: 'broken', why: /install failed.*(no answer|does not answer|BMC)/is },
  'spare-1': { state: 'in-use' },
  'spare-2': { state: 'in-use' },
};

export const replace: Scenario = {
  name: 'replace',
  about: 'three requested; a disk that fails and a BMC that dies are replaced, and named',
  byCommand: true,
  sick: ['bad-disk', 'dead-bmc'],
  ...PROVISION_NEEDS,
  config: PROVISION_CONFIG,
  rack: {
    machines: [
      smallMachine('good', 9001),
      smallMachine('bad-disk', 9002, { failWrites: true }),
      smallMachine('dead-bmc', 9003),
      smallMachine('spare-1', 9004, SPARE),
      smallMachine('spare-2', 9005, SPARE),
    ],
  },
  async run(run) {
    const people = await openPeople(run.lab);
    await capacity(run, people);
    await killBmc(run, people);
    await rehearse(run, people);
    const beganAt = Date.now();
    const ended = await people.reveille(['request', 'create', ...WISH, '--watch', '--json']);
    run.times.fulfilled = Math.round((Date.now() - beganAt) / 100) / 10;
    const request = JSON.parse(ended.trim().split('\n').at(-1) ?? '{}');
    run.check(
      request.status === 'fulfilled' && request.done === 3 && request.failed === 2,
      `the request is ${request.status}: ${request.done} done, ${request.failed} replaced`,
    );
    for (const vm of run.lab.vms) await judge(run, people, vm);
    checkFeed(run, await feedOf(run));
  },
};

/** It is off, as most spares are, and nobody will ever switch it on again. */
async function killBmc(run: ScenarioRun, people: LabPeople): Promise<void> {
  const vm = run.lab.vms.find(({ machine }) => machine.name === 'dead-bmc');
  if (!vm) throw new Error('the rack has no machine dead-bmc');
  const off = ['jobs', 'create', 'power-off', await nameOf(run, vm), '--watch'];
  await people.reveille([...off, '--param', 'graceSeconds=0']);
  run.check(!vm.isOn, 'dead-bmc is on after power-off');
  vm.bmc?.die();
}

/** A dry run names the three that fit best, says why, and changes nothing. */
async function rehearse(run: ScenarioRun, people: LabPeople): Promise<void> {
  const plan = await people.ask('request', 'create', ...WISH, '--dry-run');
  const chosen = plan.chosen.map((one: { hardwarename: string }) => one.hardwarename).sort();
  const best = run.lab.vms.filter(({ machine }) => !machine.name.startsWith('spare'));
  const expected = (await Promise.all(best.map((vm) => nameOf(run, vm)))).sort();
  run.check(
    JSON.stringify(chosen) === JSON.stringify(expected),
    `a dry run chooses ${chosen}, not ${expected}`,
  );
  run.check(
    plan.chosen.every(({ why }: { why: string }) => why !== ''),
    'a choice has no reason',
  );
  const { requests } = await people.ask('request', 'list');
  run.check(requests.length === 0, 'a dry run has left a request behind');
}

async function judge(run: ScenarioRun, people: LabPeople, vm: LabVm): Promise<void> {
  const { name } = vm.machine;
  const record = machineOf(vm, await run.client.machines());
  const expected = ENDS[name];
  if (!record || !expected) return run.check(false, `${name} has no record`);
  const { state, stateWhy, hostname } = record;
  run.say(`${name} is ${state}${hostname ? ` as ${hostname}` : ''}: ${stateWhy}`);
  run.check(state === expected.state, `${name} is ${state}, not ${expected.state}: ${stateWhy}`);
  if (expected.why)
    run.check(expected.why.test(stateWhy), `${name} is broken for another reason: ${stateWhy}`);
  if (state !== 'in-use') return run.check(hostname === '', `${name} still has a name`);
  run.check(/^fancydb-[1-3]$/.test(hostname), `${name} is called ${hostname}`);
  const home = (await feedOf(run)).findLast(
    (event) => event.name === 'os.phoned-home' && event.hardwarename === record.hardwarename,
  );
  const address = home?.name === 'os.phoned-home' ? home.data.address : '';
  run.check(await answersByHttp(people, address), `${name} does not answer at ${address}`);
}

/** How many places were being filled at once, and that each of the two was replaced for its own cause. */
function checkFeed(run: ScenarioRun, events: readonly StoredEvent[]): void {
  const open = new Set<number>();
  let most = 0;
  const codes: string[] = [];
  for (const event of events) {
    if (event.name === 'request.claimed') open.add(event.data.place);
    if (event.name === 'request.installed') open.delete(event.data.place);
    if (event.name === 'request.replacing') {
      open.delete(event.data.place);
      codes.push(event.data.code);
    }
    most = Math.max(most, open.size);
  }
  run.check(most === INSTALLS_MAX, `${most} installs at once, not ${INSTALLS_MAX}`);
  codes.sort();
  run.check(
    codes.length === 2 && /^BMC_/.test(codes[0] ?? '') && codes[1] === 'DISK_FAILED',
    `machines were replaced for ${codes}`,
  );
  const hostnames = events.flatMap((event) =>
    event.name === 'request.installed' ? [event.data.hostname] : [],
  );
  run.check(new Set(hostnames).size === 3, `installed as ${hostnames}`);
}
