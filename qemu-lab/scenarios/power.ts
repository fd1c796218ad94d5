/**
 * Machines behind BMCs, BIOS and UEFI, driven through the appliance as people drive it: ingested by ipmitool's hand, then
 * netbooted once and cycled by jobs of the real daemon. What a machine did is told by itself (DHCP events, its serial port)
 * and by how it was started, never by the BMC that says it did.
 */
import { join } from 'node:path';
import type { LabVm } from '../lab.ts';
import { type LabPeople, openPeople } from '../people.ts';
import { eventsOf, machineOf, type Scenario, type ScenarioRun } from '../scenario.ts';
import { TEST_DISK_RESET, TEST_DISK_SAYS } from '../test-disk.ts';
import { typeInPortal } from './console-in-portal.ts';
import { checkRecords, everyBmcIsProven, everyoneRegisters } from './ingest.ts';

const CREDENTIAL = 'lab-bmc';
const LOGIN = { user: 'admin', password: 'secret' };
const SECOND_MS = 1000;
/** Firmware to the first packet or the boot sector: 2 s for BIOS, 8 for UEFI, and thrice that with patience. */
const STARTED_MS = 120 * SECOND_MS;

export const power: Scenario = {
  name: 'power',
  about:
    'machines behind BMCs, BIOS and UEFI: found in-band, netbooted once by a job, then from disk',
  tools: ['ipmitool', 'chromium'],
  config: { jobs: { bmcSetup: { credential: CREDENTIAL } } },
  rack: {
    machines: [
      {
        name: 'bios',
        serial: 'SN-6001',
        ...{ bmc: 'fake', bootFirst: 'disk', disks: [{ serial: 'DISK-6001', boots: true }] },
      },
      {
        name: 'uefi',
        firmware: 'uefi',
        serial: 'SN-6002',
        bmc: { address: '10.79.0.20', suites: [17] },
        ...{ bootFirst: 'disk', disks: [{ serial: 'DISK-6002', boots: true }] },
      },
    ],
  },
  async run(run) {
    const people = await openPeople(run.lab);
    const put = ['credentials', 'put', CREDENTIAL, LOGIN.user];
    await people.reveille(put, LOGIN.password);
    await ingestByHand(run, people);
    await checkRecords(run);
    await everyBmcIsProven(run);
    await netbootOnce(run, people);
    await cycleToDisk(run, people);
    await Promise.all(run.lab.vms.map((vm) => useConsole(run, people, vm)));
    await typeInPortal(run, people);
    await switchOff(run, people);
  },
};

/** ipmitool from outside: the network once, and on. The machines' own order would have been the disk. */
async function ingestByHand(run: ScenarioRun, people: LabPeople): Promise<void> {
  for (const vm of run.lab.vms) {
    const address = await run.until(`an address of ${vm.machine.name}'s BMC`, 30_000, async () =>
      vm.bmc?.address(),
    );
    const status = await ipmitool(people, address, 'power', 'status');
    run.check(/is off/.test(status), `${vm.machine.name}: at first ${status}`);
    await ipmitool(people, address, 'chassis', 'bootdev', 'pxe');
    await ipmitool(people, address, 'power', 'on');
  }
  await everyoneRegisters(run);
  for (const vm of run.lab.vms) {
    checkStarts(run, vm, ['command network']);
    const status = await ipmitool(people, vm.bmc?.address() ?? '', 'power', 'status');
    run.check(/is on/.test(status), `${vm.machine.name}: after power on ${status}`);
  }
}

async function netbootOnce(run: ScenarioRun, people: LabPeople): Promise<void> {
  await job(run, people, 'netboot');
  for (const vm of run.lab.vms) {
    checkStarts(run, vm, ['command network', 'command network']);
    // Past the firmware and into pxeimage: it was not only the DISCOVER.
    await run.until(`${vm.machine.name} to be in pxeimage again`, STARTED_MS, async () =>
      eventsOf(vm, await run.client.events()).find(
        ({ name, at }) => name === 'agent.progress' && at >= (vm.poweredOnAt ?? 0),
      ),
    );
    const { recording, text } = await lastBoot(run, people, vm, 'pxeimage is running');
    const boots: string[] = (await run.client.boots()).map(({ boot }) => boot);
    run.check(boots.includes(recording.boot), `a recording of boot '${recording.boot}'`);
    run.check(!/\/boot\/[\w-]{32}/.test(text), `${vm.machine.name}: a boot token in its console`);
  }
}

async function cycleToDisk(run: ScenarioRun, people: LabPeople): Promise<void> {
  const consoles = await Promise.all(run.lab.vms.map((vm) => openConsole(run, people, vm)));
  for (const console of consoles) await console.until('[open]');
  await job(run, people, 'power-cycle');
  for (const [index, vm] of run.lab.vms.entries()) {
    await consoles[index]?.until(TEST_DISK_SAYS);
    checkStarts(run, vm, ['command network', 'command network', 'command disk']);
    const asked = eventsOf(vm, await run.client.events())
      .filter(({ name, at }) => at >= (vm.poweredOnAt ?? 0) && !name.startsWith('job.'))
      .map(({ name }) => name);
    run.check(asked.length === 0, `${vm.machine.name} booted from disk, and yet ${asked}`);
    await lastBoot(run, people, vm, TEST_DISK_SAYS);
  }
  for (const console of consoles) await console.leave();
}

/** Both ways, and a reset that the machine makes itself; each boot can be read afterwards. */
async function useConsole(run: ScenarioRun, people: LabPeople, vm: LabVm): Promise<void> {
  const console = await openConsole(run, people, vm);
  await console.until('[open]');
  // The appliance has the one console that this BMC gives: a program beside it is told so.
  const refused = await ipmitool(people, vm.bmc?.address() ?? '', 'sol', 'activate').then(
    () => 'nothing',
    ({ stdout, stderr }) => `${stdout}${stderr}`,
  );
  run.check(/already active/.test(refused), `ipmitool beside the appliance: ${refused}`);
  console.type('reveille?');
  await console.until('reveille?');
  console.type(TEST_DISK_RESET);
  await console.until(TEST_DISK_SAYS);
  run.check(
    vm.starts.at(-1)?.cause === 'soft-reset',
    `${vm.machine.name}: last started by ${vm.starts.at(-1)?.cause}`,
  );
  await console.leave();
}

/** The test disk hears no power button: the grace ends, and the power goes. */
async function switchOff(run: ScenarioRun, people: LabPeople): Promise<void> {
  await job(run, people, 'power-off', ['--param', 'graceSeconds=2']);
  for (const vm of run.lab.vms) {
    run.check(!vm.isOn, `${vm.machine.name} is on after power-off`);
    const log = await ipmitool(people, vm.bmc?.address() ?? '', 'sel', 'list');
    run.check(/Power off\/down/.test(log), `${vm.machine.name}: its event log has no power off`);
  }
}

/** Asks for a job on every machine by `reveille jobs`, and follows each until it has ended. */
async function job(
  run: ScenarioRun,
  people: LabPeople,
  action: string,
  options: readonly string[] = [],
): Promise<void> {
  const machines = await run.client.machines();
  const names = run.lab.vms.map((vm) => machineOf(vm, machines)?.hardwarename ?? '');
  await Promise.all(
    names.map((name) => people.reveille(['jobs', 'create', action, name, '--watch', ...options])),
  );
  run.say(`${action} has finished on ${names.join(' and ')}`);
}

/** Each start so far: who caused it, and what was tried first. */
function checkStarts(run: ScenarioRun, vm: LabVm, expected: readonly string[]): void {
  const found = vm.starts.map(({ cause, first }) => `${cause} ${first}`);
  const [a, b] = [found.join(', '), expected.join(', ')];
  run.check(a === b, `${vm.machine.name}: started ${a}, not ${b}`);
}

function ipmitool(people: LabPeople, address: string, ...words: readonly string[]) {
  const login = ['-C', '17', '-H', address, '-U', LOGIN.user, '-P', LOGIN.password];
  return people.program('ipmitool', '-I', 'lanplus', ...login, ...words);
}

/** What the machine printed when it last booted, once that has `text` in it. */
async function lastBoot(run: ScenarioRun, people: LabPeople, vm: LabVm, text: string) {
  const name = await nameOf(run, vm);
  return run.until(`'${text}' in the last console of ${name}`, STARTED_MS, async () => {
    const said = await people.ask('console', name, '--last').catch(() => undefined);
    return said?.text.includes(text) ? said : undefined;
  });
}

async function nameOf(run: ScenarioRun, vm: LabVm): Promise<string> {
  return machineOf(vm, await run.client.machines())?.hardwarename ?? '';
}

/** `reveille console HARDWARENAME`, typed on. */
async function openConsole(run: ScenarioRun, people: LabPeople, vm: LabVm) {
  const reveille = join(import.meta.dirname, '../../bin/reveille');
  const child = people.open([reveille, 'console', await nameOf(run, vm)]);
  const over = new Promise((done) => child.once('exit', done));
  let heard = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8');
    stream?.on('data', (text: string) => {
      heard += text;
    });
  }
  return {
    type: (text: string) => child.stdin?.write(text),
    /** Waits for it, and forgets what came before. */
    async until(text: string) {
      const what = `'${text}' on the console of ${vm.machine.name}`;
      await run.until(what, STARTED_MS, async () => heard.includes(text) || undefined);
      heard = heard.slice(heard.indexOf(text) + text.length);
    },
    async leave() {
      child.stdin?.write('\r~.');
      await over;
    },
  };
}
