/**
 * Layouts on real disks: a system on a software RAID 1 over two disks, one in volumes of LVM, one in volumes on such a mirror, by
 * BIOS and by UEFI. Each is installed by a job, starts from its disks by itself, calls home, and says by SSH on what it stands.
 *
 * A mirror is made alike by the installed system and not while it is installed. That this is not forgotten is seen on the second
 * disk, which the system reads nothing from until then: what its last owner has left there is gone in the end.
 *
 * It takes a Debian that has mdadm and LVM in it, which the snapshot of all other tests has not.
 * `LAYOUTS=raid1-uefi,lvm-bios` takes these two of the six.
 */
import { join, resolve } from 'node:path';
import { LAYOUTS } from '../../src/install/layout.ts';
import type { LabVm } from '../lab.ts';
import { countPattern, diskFilesOf, writePattern } from '../pattern.ts';
import { openPeople } from '../people.ts';
import type { Scenario, ScenarioRun } from '../scenario.ts';
import { everyBmcIsProven, everyoneRegisters } from './ingest.ts';
import { checkInstalled, DOMAIN, installOne, makeKey } from './install.ts';

const ROOT = resolve(import.meta.dirname, '..', '..');
const CREDENTIAL = 'lab-bmc';
const SNAPSHOT = 'build/layouts/images/debian-12.tar.zst';
const BUILD = 'OUT=build/layouts INCLUDE="mdadm lvm2" pxeimage/snapshots/build.sh debian-12';
const CHOSEN = (process.env.LAYOUTS ?? 'raid1-bios,raid1-lvm-uefi').split(',');
const FIRMWARES = ['bios', 'uefi'] as const;
/** Of the second disk of a mirror: within the mirror, and behind all that an install puts there. */
const LEFT_BEHIND = { at: 1800 * 2 ** 20, length: 16 * 2 ** 20 };

interface Form {
  /** The job's parameter. */
  readonly layout: string;
  readonly mirrored: boolean;
  /** What the installed system says of where it stands, in its words. */
  readonly ask: string;
  readonly says: RegExp;
}

const VOLUMES = {
  ask: 'findmnt -no SOURCE /; findmnt -no SOURCE /var; lvs --noheadings -o vg_name,lv_name',
  says: /^\/dev\/mapper\/system-root\n\/dev\/mapper\/system-var\n\s*system +root\s+system +var\s*$/,
};
const MIRRORED_VOLUMES = { raid1: true, lvm: 'system', volumes: LAYOUTS.lvm.volumes };

const FORMS: readonly (readonly [name: string, form: Form])[] = [
  [
    'raid1',
    {
      ...{ layout: 'raid1', mirrored: true },
      ask: 'findmnt -no SOURCE /',
      says: /^\/dev\/md0\n$/,
    },
  ],
  ['lvm', { layout: 'lvm', mirrored: false, ...VOLUMES }],
  ['raid1-lvm', { layout: JSON.stringify(MIRRORED_VOLUMES), mirrored: true, ...VOLUMES }],
];

const MACHINES = FORMS.flatMap(([layout, { mirrored }], index) =>
  FIRMWARES.map((firmware, other) => {
    const number = 9200 + 2 * index + other;
    const disks = mirrored ? ['A', 'B'] : ['A'];
    return {
      ...{ name: `${layout}-${firmware}`, serial: `SN-${number}`, firmware },
      ...{ bmc: 'fake' as const, bootFirst: 'disk' as const, memoryMb: 768 },
      disks: disks.map((disk) => ({ serial: `DISK-${number}${disk}`, sizeMb: 2048 })),
    };
  }),
);

export const layouts: Scenario = {
  name: 'layouts',
  about: 'machines installed on RAID 1, on LVM and on both, BIOS and UEFI, and started from them',
  byCommand: true,
  tools: ['dig', 'ssh', 'ssh-keygen'],
  built: [[SNAPSHOT, BUILD]],
  config: { jobs: { bmcSetup: { credential: CREDENTIAL } }, dns: { domain: DOMAIN } },
  rack: { machines: MACHINES.filter(({ name }) => CHOSEN.includes(name)) },
  async run(run) {
    const file = join(ROOT, SNAPSHOT);
    const people = await openPeople(run.lab);
    await people.reveille(['credentials', 'put', CREDENTIAL, 'admin'], 'secret');
    const key = await makeKey(run);
    const add = ['images', 'add', 'debian-12@1', '--root', file, '--channel', 'stable'];
    const added = people.reveille(add);
    for (const vm of run.lab.vms) {
      const [, second] = diskFilesOf(run.lab, vm);
      if (second !== undefined) await writePattern(second, LEFT_BEHIND.at, LEFT_BEHIND.length);
      run.lab.powerOn(vm);
    }
    await everyoneRegisters(run, { patiently: true });
    await everyBmcIsProven(run, { patiently: true });
    await added;
    await Promise.all(
      run.lab.vms.map((vm) => {
        const more = [`layout=${formOf(vm).layout}`];
        return installOne(run, people, { vm, key, image: 'debian-12/stable', more });
      }),
    );
    for (const vm of run.lab.vms) {
      const ask = await checkInstalled(run, people, { vm, key });
      await checkLayout(run, vm, ask);
      if (formOf(vm).mirrored) await checkMirror(run, vm, ask);
    }
  },
};

type Ask = (command: string) => Promise<string>;

function formOf({ machine: { name, firmware } }: LabVm): Form {
  const form = FORMS.find(([layout]) => name === `${layout}-${firmware}`)?.[1];
  if (!form) throw new Error(`${name} has no layout`);
  return form;
}

async function checkLayout(run: ScenarioRun, vm: LabVm, ask: Ask): Promise<void> {
  const { name, firmware } = vm.machine;
  const wanted = formOf(vm);
  const said = await ask(wanted.ask);
  run.check(wanted.says.test(said), `${name} stands on something else: ${said}`);
  const mode = (await ask('test -d /sys/firmware/efi && echo uefi || echo bios')).trim();
  run.check(mode === firmware, `${name} was started by ${mode}`);
  run.say(`${name} stands on ${said.split('\n')[0]}, started by ${mode}`);
}

/** Both halves are there, are made alike from then on, and are alike. */
async function checkMirror(run: ScenarioRun, vm: LabVm, ask: Ask): Promise<void> {
  const { name } = vm.machine;
  const md = '/sys/block/md0/md';
  const idle = (what: string) =>
    run.patiently(what, async () =>
      (await ask(`cat ${md}/sync_action`)).trim() === 'idle' ? true : undefined,
    );
  const said = await ask('cat /proc/mdstat; mdadm --detail /dev/md0; dmesg | grep md0:');
  const whole = /md0 : active raid1 [\s\S]*\[2\/2\] \[UU\][\s\S]*Raid Level : raid1/;
  run.check(whole.test(said), `${name} has no whole mirror: ${said}`);
  const beganAt = Date.now();
  await idle(`${name} to have made its mirror alike`);
  run.times[`${name} alike`] = Math.round((Date.now() - beganAt) / 100) / 10;
  const [, second = ''] = diskFilesOf(run.lab, vm);
  const left = await countPattern(second);
  run.check(left === 0, `${name}: the second half was never made alike: ${said}`);
  await ask(`echo check >${md}/sync_action`);
  await idle(`${name} to have compared the halves of its mirror`);
  const differs = (await ask(`cat ${md}/mismatch_cnt`)).trim();
  run.check(differs === '0', `${name}: the halves differ in ${differs} sectors`);
  run.say(`${name}: ${differs} sectors of the mirror differ, ${left} old patterns are left`);
}
