/**
 * Layouts on real disks: one machine with its system on a software RAID 1 over two disks, one with it in volumes of LVM, BIOS
 * and UEFI. Both are installed by jobs, start from their disks by themselves, call home, and say by SSH on what they stand.
 *
 * It takes a Debian that has mdadm and LVM in it, which the snapshot of all other tests has not.
 * `LAYOUTS=raid1-uefi,lvm-bios` takes the other two.
 */
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { LabVm } from '../lab.ts';
import { openPeople } from '../people.ts';
import type { Scenario, ScenarioRun } from '../scenario.ts';
import { everyBmcIsProven, everyoneRegisters } from './ingest.ts';
import { checkInstalled, DOMAIN, installOne, makeKey } from './install.ts';

const ROOT = resolve(import.meta.dirname, '..', '..');
const CREDENTIAL = 'lab-bmc';
const SNAPSHOT = 'build/layouts/images/debian-12.tar.zst';
const BUILD = 'OUT=build/layouts INCLUDE="mdadm lvm2" pxeimage/snapshots/build.sh debian-12';
const CHOSEN = (process.env.LAYOUTS ?? 'raid1-bios,lvm-uefi').split(',');

const LAYOUTS = ['raid1', 'lvm'] as const;
type LayoutName = (typeof LAYOUTS)[number];
const FIRMWARES = ['bios', 'uefi'] as const;

/** What the installed system says of itself, in its words. */
const STANDS_ON: Readonly<Record<LayoutName, { readonly ask: string; readonly says: RegExp }>> = {
  raid1: {
    ask: 'findmnt -no SOURCE /; cat /proc/mdstat; mdadm --detail /dev/md0',
    says: /^\/dev\/md0\n[\s\S]*md0 : active raid1 [\s\S]*\[2\/2\] \[UU\][\s\S]*Raid Level : raid1/,
  },
  lvm: {
    ask: 'findmnt -no SOURCE /; findmnt -no SOURCE /var; lvs --noheadings -o vg_name,lv_name',
    says: /^\/dev\/mapper\/system-root\n\/dev\/mapper\/system-var\n\s*system +root\s+system +var\s*$/,
  },
};

const layoutOf = ({ machine }: LabVm): LayoutName =>
  LAYOUTS.find((layout) => machine.name.startsWith(layout)) ?? 'lvm';

const MACHINES = LAYOUTS.flatMap((layout, index) =>
  FIRMWARES.map((firmware, other) => {
    const number = 9200 + 2 * index + other;
    const disks = layout === 'raid1' ? ['A', 'B'] : ['A'];
    return {
      ...{ name: `${layout}-${firmware}`, serial: `SN-${number}`, firmware },
      ...{ bmc: 'fake' as const, bootFirst: 'disk' as const, memoryMb: 768 },
      disks: disks.map((disk) => ({ serial: `DISK-${number}${disk}`, sizeMb: 2048 })),
    };
  }),
);

export const layouts: Scenario = {
  name: 'layouts',
  about: 'two machines installed on RAID 1 and on LVM, BIOS and UEFI, and started from them',
  byCommand: true,
  tools: [
    ['dig', 'bind9-dnsutils'],
    ['ssh', 'openssh-client'],
    ['ssh-keygen', 'openssh-client'],
  ],
  config: { jobs: { bmcSetup: { credential: CREDENTIAL } }, dns: { domain: DOMAIN } },
  rack: { machines: MACHINES.filter(({ name }) => CHOSEN.includes(name)) },
  async run(run) {
    const file = join(ROOT, SNAPSHOT);
    if (!existsSync(file)) throw new Error(`${file} is missing: run ${BUILD}`);
    const people = await openPeople(run.lab);
    await people.reveille(['credentials', 'put', CREDENTIAL, 'admin'], 'secret');
    const key = await makeKey(run);
    const add = ['images', 'add', 'debian-12@1', '--root', file, '--channel', 'stable'];
    const added = people.reveille(add);
    for (const vm of run.lab.vms) run.lab.powerOn(vm);
    await everyoneRegisters(run, { patiently: true });
    await everyBmcIsProven(run, { patiently: true });
    await added;
    await Promise.all(
      run.lab.vms.map((vm) => {
        const more = [`layout=${layoutOf(vm)}`];
        return installOne(run, people, { vm, key, image: 'debian-12/stable', more });
      }),
    );
    for (const vm of run.lab.vms)
      await checkLayout(run, vm, await checkInstalled(run, people, { vm, key }));
  },
};

async function checkLayout(
  run: ScenarioRun,
  vm: LabVm,
  ask: (command: string) => Promise<string>,
): Promise<void> {
  const { name, firmware } = vm.machine;
  const wanted = STANDS_ON[layoutOf(vm)];
  const said = await ask(wanted.ask);
  run.check(wanted.says.test(said), `${name} stands on something else: ${said}`);
  const mode = (await ask('test -d /sys/firmware/efi && echo uefi || echo bios')).trim();
  run.check(mode === firmware, `${name} was started by ${mode}`);
  run.say(`${name} stands on ${said.split('\n')[0]}, started by ${mode}`);
}
