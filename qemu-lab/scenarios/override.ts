/**
 * A BMC that takes the order for a network boot in any words and follows it in those for BIOS only: the machine starts its disk, is
 * named on the board for it within seconds, and is told in the other words at the next attempt, by itself; so are others like it.
 * Before that it is started without an order, and its own order of boot is what is named.
 *
 * What boots is no virtual machine but the one packet by which the appliance tells them apart: busybox asks for an address as a
 * system on a disk does, or as UEFI firmware. BMC, jobs, recorder and DHCP are the real ones. So it takes half a minute.
 */
import type { LabVm } from '../lab.ts';
import { addNeighbour } from '../network.ts';
import { type LabPeople, openPeople } from '../people.ts';
import type { Scenario, ScenarioRun } from '../scenario.ts';

const CREDENTIAL = 'lab-bmc';
const SERIAL = 'SN-9001';
const MAC = '52:54:00:90:01:00';
const NAMED_MS = 60_000;
/** IPMI 2.0, section 28.13, boot flags: this order is for EFI. */
const FLAGS = 5;
const FOR_EFI = 0x20;

export const override: Scenario = {
  name: 'override',
  about: 'a BMC that follows the order for BIOS only: named, and told in the other words by itself',
  sick: 'all',
  config: { jobs: { bmcSetup: { credential: CREDENTIAL } } },
  rack: {
    machines: [
      {
        ...{ name: 'stubborn', firmware: 'uefi', serial: SERIAL, nics: [{ mac: MAC }] },
        ...{ bootFirst: 'disk', bmc: { address: '10.79.0.20' }, disks: [] },
      },
    ],
  },
  async run(run) {
    const [vm] = run.lab.vms;
    if (!vm?.bmc) throw new Error('the rack is empty');
    const people = await openPeople(run.lab);
    await people.reveille(['credentials', 'put', CREDENTIAL, 'admin'], 'secret');
    const entry = [`serial=${SERIAL}`, `nics=${MAC}`, 'bmcAddress=10.79.0.20', 'state=held'];
    await people.reveille(['machines', 'enter', ...entry]);
    standIn(run, vm);
    await people.reveille(['jobs', 'create', 'power-cycle', SERIAL, '--watch']);
    await named(run, 'wrong-boot-order');
    followBiosOnly(vm);
    // Ends well: the round that is ignored is followed by one that is not.
    await people.reveille(['jobs', 'create', 'netboot', SERIAL, '--watch', '--param', 'uefi=true']);
    await named(run, 'boot-override-ignored');
    const starts = vm.starts.map(({ first }) => first).join(', ');
    run.check(starts === 'disk, disk, network', `it was started to ${starts}`);
    await checkLearned(run, people);
    const board = await run.client.board();
    const open = board.rows.map(({ diagnosis }) => diagnosis?.name).filter(Boolean);
    run.check(open.length === 0, `the board still shows ${open}`);
  },
};

/** Three seconds of firmware, then one exchange of DHCP: as the disk's system, or as the firmware that boots from the network. */
function standIn({ lab }: ScenarioRun, vm: LabVm): void {
  const ns = addNeighbour(lab.network, 'box', { mac: MAC });
  const asFirmware = '-V PXEClient:Arch:00007:UNDI:003000 -x 0x5d:0007';
  vm.instead = (first) => {
    const words = `-i eth0 -n -q -f -t 10 -s /bin/true ${first === 'network' ? asFirmware : ''}`;
    return ['ip', 'netns', 'exec', ns, 'sh', '-c', `sleep 3; busybox udhcpc ${words}; sleep 600`];
  };
}

function followBiosOnly({ bmc }: LabVm): void {
  if (!bmc) return;
  const { state, knobs } = bmc.fake;
  const look = () => {
    knobs.ignoresBootFlags = ((state.bootOptions.get(FLAGS)?.[0] ?? 0) & FOR_EFI) !== 0;
  };
  const set = state.bootOptions.set.bind(state.bootOptions);
  state.bootOptions.set = (key, value) => {
    const all = set(key, value);
    if (key === FLAGS) look();
    return all;
  };
}

/** By an event, and so quickly that a person who stands there sees it come. */
async function named(run: ScenarioRun, name: string): Promise<void> {
  const event = await run.until(`${name} to be named`, NAMED_MS, async () =>
    (await run.client.events()).find(
      (one) => one.name === 'boot.diagnosed' && one.data.diagnosis === name,
    ),
  );
  const sign = (await run.client.events()).findLast(
    (one) => one.name === 'dhcp.acked' && one.mac === MAC && one.at <= event.at,
  );
  run.times[`${name} named after`] = Math.round((event.at - (sign?.at ?? 0)) / 100) / 10;
  run.say(`${name}: ${event.name === 'boot.diagnosed' ? event.data.evidence.join('; ') : ''}`);
}

async function checkLearned(run: ScenarioRun, people: LabPeople): Promise<void> {
  const learned = await run.until('what works to be learned', NAMED_MS, async () => {
    const { quirks } = await people.ask('quirks', 'list');
    const lines = (quirks as Record<string, string>[]).map(
      ({ scope, trait, value, outcome }) => `${scope} ${trait} ${value} ${outcome}`,
    );
    return lines.length >= 2 ? lines : undefined;
  });
  for (const line of ['machine override as-asked fails', 'machine override other-mode works'])
    run.check(learned.includes(line), `'${line}' is not among ${learned}`);
}
