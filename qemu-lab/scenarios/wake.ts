/**
 * A pallet of machines that nobody has touched but to cable them: off, in no inventory, their BMCs as the factory sends them.
 * By policy the appliance finds the BMCs by DHCP, logs in, switches the machines on by the network, ingests them, knows whose
 * BMC is whose, and makes the BMCs the site's own. Nobody presses a button; what happened is judged by how the machines
 * were started, by ipmitool, and by the record.
 */
import type { LabPeople } from '../people.ts';
import { openPeople } from '../people.ts';
import { machineOf, type Scenario, type ScenarioRun } from '../scenario.ts';
import { checkRecords, everyoneRegisters } from './ingest.ts';

const SITE = { name: 'site', user: 'reveille', password: 'site-horse-42' };
const FACTORY = { name: 'factory', user: 'admin', password: 'secret' };
const SETTLED_MS = 120_000;

export const wake: Scenario = {
  name: 'wake',
  about:
    'machines that are off and known to nobody: woken through their BMCs, ingested, their BMCs set up',
  tools: ['ipmitool'],
  config: {
    jobs: { bmcSetup: { credential: SITE.name, factory: [FACTORY.name] } },
    bmc: { wake: 'auto', setUp: true },
  },
  rack: {
    machines: [
      { name: 'bios', serial: 'SN-7001', bmc: 'fake', disks: [{ serial: 'DISK-7001' }] },
      {
        name: 'uefi',
        firmware: 'uefi',
        serial: 'SN-7002',
        ...{ bmc: 'fake', bootFirst: 'disk', disks: [{ serial: 'DISK-7002' }] },
      },
    ],
  },
  async run(run) {
    const people = await openPeople(run.lab);
    for (const { name, user, password } of [SITE, FACTORY])
      await people.reveille(['credentials', 'put', name, user], password);
    await everyoneRegisters(run);
    await checkRecords(run);
    await checkBmcs(run, people);
  },
};

async function checkBmcs(run: ScenarioRun, people: LabPeople): Promise<void> {
  const { lab, client, check } = run;
  for (const vm of lab.vms) {
    const { name } = vm.machine;
    const record = await run.until(`${name}'s BMC to be the site's own`, SETTLED_MS, async () => {
      const found = machineOf(vm, await client.machines());
      const { jobs } = await people.ask('jobs', 'list', '--action', 'bmc-setup');
      const mine = jobs.find(
        (job: { target: string }) => job.target === `hardwarename=${found?.hardwarename}`,
      );
      if (mine?.status === 'failed') throw new Error(`bmc-setup of ${name}: ${mine.code}`);
      return mine?.status === 'finished' ? found : undefined;
    });
    const starts = vm.starts.map(({ cause, first }) => `${cause} ${first}`).join(', ');
    check(starts === 'command network', `${name}: started ${starts}`);
    const address = vm.bmc?.address() ?? '';
    const own = await ipmitool(people, address, SITE);
    check(/is on/.test(own), `${name}: with the site's account ${own}`);
    const factory = await ipmitool(people, address, FACTORY).catch(() => 'refused');
    check(factory === 'refused', `${name}: the factory's account still works: ${factory}`);
    const status = await people.reveille(['bmc', record.hardwarename, 'power', 'status']);
    check(/is on/.test(status), `${name}: through the appliance ${status}`);
    const known = await people.ask('bmc', record.hardwarename, 'show');
    check(known.openedWith === SITE.name, `${name}: opened with ${known.openedWith}`);
    run.say(`${name}: BMC ${known.mac} at ${known.address} is ${record.hardwarename}'s`);
  }
  const { items } = await people.ask('bmc', 'list', '--unmatched');
  check(items.length === 0, `${items.length} BMCs have no machine`);
  const events = await client.events();
  const woken = events.filter((event) => event.name === 'bmc.woken');
  check(woken.length === lab.vms.length, `${woken.length} machines were woken`);
  const matched = events.flatMap((event) => (event.name === 'bmc.matched' ? [event.data.by] : []));
  check(
    matched.length === lab.vms.length && matched.every((by) => by === 'serial'),
    `matched by ${matched.join(', ')}`,
  );
}

function ipmitool(
  people: LabPeople,
  address: string,
  { user, password }: { readonly user: string; readonly password: string },
): Promise<string> {
  const login = ['-C', '17', '-H', address, '-U', user, '-P', password];
  return people.program('ipmitool', '-I', 'lanplus', ...login, 'power', 'status');
}
