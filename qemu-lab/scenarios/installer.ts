/**
 * A distribution's own installer, for real: Debian's, out of its package, booted as an image of the kind `installer`. It gets its
 * kernel, its initrd and the preseed file that was rendered for this machine, does as that says, and asks the mirror that it
 * names for its release.
 *
 * The mirror has a release and nothing else: an installation takes an hour under emulation and the packages of a mirror. So what
 * is shown ends where the installer asks for packages; then its job is called off, and the machine is not capacity any more,
 * because it may have written its disk.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { type LabPeople, openPeople } from '../people.ts';
import { machineOf, type Scenario, type ScenarioRun } from '../scenario.ts';
import { everyBmcIsProven, everyoneRegisters } from './ingest.ts';
import { feedOf, nameOf } from './provision.ts';

const ROOT = resolve(import.meta.dirname, '..', '..');
const CREDENTIAL = 'lab-bmc';
const FOLDER = 'build/installers/debian-12';
const BUILD = 'pxeimage/installers/fetch.sh debian-12';
const MIRROR = '10.77.0.1:8099';

const RELEASE = `Origin: Debian
Label: Debian
Suite: oldstable
Version: 12
Codename: bookworm
Architectures: amd64
Components: main
`;

const PRESEED = `d-i debian-installer/locale string en_US.UTF-8
d-i keyboard-configuration/xkb-keymap select us
d-i netcfg/get_hostname string {{ hostname }}
d-i netcfg/get_domain string {{ domain }}
d-i hw-detect/load_firmware boolean false
d-i mirror/country string manual
d-i mirror/protocol string http
d-i mirror/http/hostname string {{ metadata.mirror }}
d-i mirror/http/directory string /debian
d-i mirror/http/proxy string
d-i mirror/suite string bookworm
d-i debian-installer/allow_unauthenticated boolean true
d-i preseed/late_command string wget -q -O /dev/null --post-data= {{ installedUrl }}; echo {{ phoneHomeUrl }}
`;

/** The lab has no router and names no resolver, which this installer asks about before it has its preseed file. */
const ARGUMENTS =
  'auto=true priority=critical url={{ url }} hostname={{ hostname }} domain={{ domain }} interface=auto netcfg/no_default_route=true netcfg/get_nameservers=10.77.0.1 DEBIAN_FRONTEND=text console=ttyS0,115200n8 ---';

export const installer: Scenario = {
  name: 'installer',
  about: "Debian's own installer is booted, fetches its preseed file and asks its mirror",
  byCommand: true,
  built: ['linux', 'initrd.gz'].map((name) => [join(FOLDER, name), BUILD]),
  config: { jobs: { bmcSetup: { credential: CREDENTIAL } }, dns: { domain: 'lab.test' } },
  rack: {
    machines: [
      {
        ...{ name: 'vm', serial: 'SN-9301', bmc: 'fake', bootFirst: 'disk', memoryMb: 1024 },
        disks: [{ serial: 'DISK-9301', sizeMb: 2048 }],
      },
    ],
  },
  async run(run) {
    const [vm] = run.lab.vms;
    if (!vm) throw new Error('the lab has no machine');
    const people = await openPeople(run.lab);
    await people.reveille(['credentials', 'put', CREDENTIAL, 'admin'], 'secret');
    const added = addImage(run, people);
    const asked = startMirror(run);
    run.lab.powerOn(vm);
    await everyoneRegisters(run, { patiently: true });
    await everyBmcIsProven(run, { patiently: true });
    await added;
    const name = await nameOf(run, vm);
    const params = ['image=netinst/stable', 'hostname=deb1', 'role=web'];
    params.push(`metadata=${JSON.stringify({ mirror: MIRROR })}`);
    const beganAt = Date.now();
    const words = params.flatMap((param) => ['--param', param]);
    const { id: job } = await people.ask('jobs', 'create', 'install', name, ...words);
    await follow(run, { asked, beganAt });
    const why = 'what was to be shown is shown';
    await people.reveille(['jobs', 'cancel', job, '--why', why]);
    await run.patiently('the job to end', async () =>
      (await feedOf(run)).find((event) => event.name === 'job.cancelled'),
    );
    const record = machineOf(vm, await run.client.machines());
    run.say(`${name} is ${record?.state}: ${record?.stateWhy}`);
    run.check(
      record?.state === 'held' && record.mayHoldData,
      `${name} is ${record?.state}, and its disk may hold data: ${record?.mayHoldData}`,
    );
  },
};

async function addImage(run: ScenarioRun, people: LabPeople): Promise<void> {
  const folder = join(ROOT, FOLDER);
  const [kernel, initrd] = [join(folder, 'linux'), join(folder, 'initrd.gz')];
  const template = join(run.lab.dir, 'preseed.cfg');
  writeFileSync(template, PRESEED);
  await people.reveille([
    ...['images', 'add', 'netinst@12', '--kernel', kernel, '--initrd', initrd],
    ...['--template', template, '--format', 'preseed', '--kernel-arguments', ARGUMENTS],
    ...['--channel', 'stable'],
  ]);
}

/** busybox's, which says what it was asked for. @returns what it has been asked for so far */
function startMirror(run: ScenarioRun): () => string[] {
  const { lab } = run;
  const folder = join(lab.dir, 'mirror');
  const suite = join(folder, 'debian/dists/bookworm');
  mkdirSync(suite, { recursive: true });
  writeFileSync(join(suite, 'Release'), RELEASE);
  lab.start(lab.network.app, ['busybox', 'httpd', '-f', '-vv', '-p', MIRROR, '-h', folder]);
  const log = join(lab.dir, 'busybox.log');
  return () =>
    existsSync(log)
      ? [...readFileSync(log, 'utf8').matchAll(/url:(\S+)/g)].map(([, url = '']) => url)
      : [];
}

/** Each of its stages, with the seconds since the job was asked for. */
async function follow(
  run: ScenarioRun,
  { asked, beganAt }: { asked: () => string[]; beganAt: number },
): Promise<void> {
  const since = (at: number) => Math.round((at - beganAt) / 100) / 10;
  const sent = (role: string) => async () =>
    (await feedOf(run)).find(
      (event) => event.name === 'http.sent' && event.data.file === `netinst@12 ${role}`,
    );
  const stages = [
    ['kernel', sent('kernel')],
    ['initrd', sent('initrd')],
    ['template', async () => (await feedOf(run)).find(({ name }) => name === 'work.taken')],
  ] as const;
  for (const [stage, probe] of stages) {
    const { at } = await run.patiently(`the installer to have its ${stage}`, probe);
    run.times[stage] = since(at);
    run.say(`${stage}: ${since(at)} s`);
  }
  const release = '/debian/dists/bookworm/Release';
  await run.patiently('the installer to ask its mirror', async () =>
    asked().includes(release) ? true : undefined,
  );
  run.times.mirror = since(Date.now());
  run.say(`mirror: ${asked().join(' ')}`);
}
