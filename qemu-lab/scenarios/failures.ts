/**
 * Machines that cannot boot, each for a reason of its own: real firmware on bad cables, behind filters, with the wrong file, without
 * a driver or a disk, behind a BMC that lies, with an installer that loops. Each has to be named on the board, with the name that the cause has in docs/diagnoses.md.
 *
 * They are switched on a few at a time, because a machine under emulation takes a processor until it fails. With SCREENSHOT set to a
 * file, the board is photographed when all have failed; with UPDATE_FIXTURES, the flight records go into the corpus.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import Sqlite from 'better-sqlite3';
import type { Board } from '../../src/http/people/board.ts';
import type { LabVm } from '../lab.ts';
import { addNeighbour } from '../network.ts';
import type { LabPeople } from '../people.ts';
import type { RackDescription } from '../rack.ts';
import { machineOf, type Scenario, type ScenarioRun } from '../scenario.ts';
import { CREDENTIAL, POWER_FAILURES, powerStage, setPowerStage } from './failures-of-power.ts';
import { REGISTERED_MS } from './ingest.ts';
import { SNAPSHOT_BUILT } from './install.ts';

/** A name, from the stall on: at most 90 s after it, by the machine's own clock of events; the rest is emulation. */
const NAMED_MS = 600_000;
/** What the next boot of a machine says of the one before it: until then that one has a guess. */
const NAMED_BY_NEXT_BOOT = ['install-loop', 'kernel-without-nic-driver'];
/** The agent shows for a minute why it gives up, after a kernel that has to start under emulation. */
const LATER_S: Readonly<Record<string, number>> = { 'kernel-without-nic-driver': 60 };
const TOGETHER = 4;
const KERNEL_BYTES = 8_247_232;
const INITRD_BYTES = 11_864_829;
const MAC = (number: number) => `52:54:00:fa:00:${number.toString(16).padStart(2, '0')}`;
const CORPUS = 'test/fixtures/diagnoses';

type Case = RackDescription['machines'][number] & { readonly name: string };

/** What each is to be called. */
export const FAILURES: Readonly<Record<string, Omit<Case, 'name'>>> = {
  'packet-loss': { link: { lossPercent: 10 } },
  'mtu-black-hole': { firmware: 'uefi', link: { mtuBytes: 1400 } },
  'http-stalled': { link: { cutAfterBytes: Math.round(KERNEL_BYTES * 1.06 + INITRD_BYTES * 0.4) } },
  'tftp-answer-blocked': { firmware: 'uefi', link: { filters: ['tftp-answers'] } },
  'http-blocked': { link: { filters: ['tcp'] } },
  'two-dhcp-servers': { link: { filters: ['dhcp-answers'] } },
  'wrong-architecture': { netboot: 'chain', nics: [{ mac: MAC(1) }] },
  'no-binary-for-architecture': { netboot: 'chain', nics: [{ mac: MAC(2) }] },
  'secure-boot-refused': { firmware: 'uefi', secureBoot: true },
  'kernel-without-nic-driver': { nics: [{ model: 'rtl8139' }] },
  'agent-cannot-reach': { link: { filters: ['tcp-of-linux'] } },
  'tftp-cut': { firmware: 'uefi', link: { cutAfterBytes: 90_000 } },
  'disk-not-found': { bmc: 'fake' },
  ...POWER_FAILURES,
};

export const failures: Scenario = {
  name: 'failures',
  about: 'machines that fail in sixteen ways, each named on the board',
  sick: 'all',
  tools: ['dnsmasq', 'zstd', ...(process.env.SCREENSHOT ? (['chromium'] as const) : [])],
  built: SNAPSHOT_BUILT,
  config: {
    jobs: { bmcSetup: { credential: CREDENTIAL } },
    boot: {
      machines: [
        { mac: MAC(1), binaries: { bios: 'snponly.efi' } },
        { mac: MAC(2), binaries: { bios: 'not-there.kpxe' } },
      ],
    },
  },
  rack: {
    machines: Object.entries(FAILURES).map(([name, spec], index) => ({
      ...{ name, serial: `SN-FAIL-${index}`, disks: [] },
      ...spec,
    })),
  },
  async run(run) {
    const { lab } = run;
    const chosen = (process.env.FAILURES ?? '').split(',').filter(Boolean);
    const vms = lab.vms.filter(
      ({ machine }) => chosen.length === 0 || chosen.includes(machine.name),
    );
    if (vms.some(({ machine }) => machine.name === 'two-dhcp-servers')) addSecondServer(run);
    // The one that needs another start of the appliance goes before all others.
    const [alone] = vms.filter(({ machine }) => machine.name === 'disk-not-found');
    if (alone) await failAndName(run, alone);
    const waiting = vms.filter((vm) => vm !== alone);
    const people = powerStage(run);
    const worker = async (): Promise<void> => {
      for (let vm = waiting.shift(); vm; vm = waiting.shift()) await failAndName(run, vm, people);
    };
    await Promise.all(Array.from({ length: TOGETHER }, worker));
    await photograph(run, vms);
    for (const vm of vms) await lab.powerOff(vm);
  },
};

/** Leases other addresses, and knows nothing of booting. It answers one machine only, so as not to disturb the others. */
function addSecondServer({ lab }: ScenarioRun): void {
  const vm = lab.vms.find(({ machine }) => machine.name === 'two-dhcp-servers');
  const mac = vm?.machine.nics[0]?.mac ?? '';
  const ns = addNeighbour(lab.network, 'dhcp', { address: '10.77.0.5/24' });
  const range = '--dhcp-range=10.77.0.251,10.77.0.253,255.255.255.0,600';
  const only = [`--dhcp-host=${mac},set:victim`, '--dhcp-ignore=tag:!victim'];
  const files = [`--dhcp-leasefile=${join(lab.dir, 'second.leases')}`, '--conf-file=/dev/null'];
  lab.start(ns, [
    'dnsmasq',
    '-d',
    '--port=0',
    '--no-ping',
    '--user=root',
    range,
    ...only,
    ...files,
  ]);
}

async function failAndName(
  run: ScenarioRun,
  vm: LabVm,
  people: () => Promise<LabPeople> = powerStage(run),
): Promise<void> {
  const { name } = vm.machine;
  try {
    if (name === 'disk-not-found') await putInUse(run, vm);
    else if (name in POWER_FAILURES) await setPowerStage(run, await people(), vm);
    else run.lab.powerOn(vm);
  } catch (error) {
    run.check(false, `${name}: ${(error as Error).message}`);
    return run.lab.powerOff(vm);
  }
  const started = Date.now();
  const row = await run
    .until(`${name} to be named`, NAMED_MS, async () => {
      const found = rowOf(vm, await run.client.board());
      // A machine that begins anew is shown with the cause of the boot before until its own has one.
      const own = !NAMED_BY_NEXT_BOOT.includes(name) || found?.diagnosis?.name === name;
      return found?.diagnosis && own ? found : undefined;
    })
    .catch((error: Error) => void run.check(false, error.message));
  if (!row?.diagnosis) return run.lab.powerOff(vm);
  const seconds = Math.round((Date.now() - started) / 1000);
  run.say(
    `${name}: ${row.diagnosis.name} after ${seconds} s: ${row.diagnosis.evidence.join('; ')}`,
  );
  run.check(row.diagnosis.name === name, `${name} is called ${row.diagnosis.name}`);
  const boot = await checkDelay(run, vm);
  await keepRecord(run, name, boot);
  await run.lab.powerOff(vm);
}

function rowOf(vm: LabVm, { rows }: Board) {
  const macs: string[] = vm.machine.nics.map(({ mac }) => mac);
  return rows.find(({ timeline }) => macs.includes(timeline.mac));
}

/** The name came within 90 s of the last sign of life. @returns the boot that has it, which may not be its last */
async function checkDelay(run: ScenarioRun, vm: LabVm): Promise<string | undefined> {
  const macs: string[] = vm.machine.nics.map(({ mac }) => mac);
  const events = (await run.client.events()).filter(({ mac }) => mac && macs.includes(mac));
  const { name: wanted } = vm.machine;
  const named = events.findLast(
    (event) => event.name === 'boot.diagnosed' && event.data.diagnosis === wanted,
  );
  const own = events.filter(
    ({ name, boot, at }) =>
      // What was switched on and did not boot is no boot's: anything that its NIC did counts.
      (named?.boot === undefined || boot === named.boot) &&
      at < (named?.at ?? 0) &&
      !/^(boot|quirk|job|machine)\./.test(name),
  );
  const delaySeconds = ((named?.at ?? 0) - (own.at(-1)?.at ?? 0)) / 1000;
  run.times[`${vm.machine.name} named after`] = Math.round(delaySeconds * 10) / 10;
  run.check(
    delaySeconds <= 90 + (LATER_S[wanted] ?? 0),
    `${vm.machine.name}: named ${delaySeconds} s after its last sign`,
  );
  return named?.boot;
}

/** @param boot absent for a machine that did not even begin to boot */
async function keepRecord(run: ScenarioRun, name: string, boot: string | undefined): Promise<void> {
  if (!process.env.UPDATE_FIXTURES || boot === undefined) return;
  const answer = await fetch(`${run.lab.api}/api/v1/boots/${boot}/flight`);
  const flight = await answer.json();
  const about = `QEMU, scenario failures: ${JSON.stringify(FAILURES[name])}`;
  mkdirSync(CORPUS, { recursive: true });
  const text = JSON.stringify({ about, expect: name, flight }, null, 1);
  writeFileSync(join(CORPUS, `vm-${name}.json`), `${text}\n`);
}

/** Registers it, says that somebody uses it, and resets it: it has no disk. */
async function putInUse(run: ScenarioRun, vm: LabVm): Promise<void> {
  run.lab.powerOn(vm);
  const record = await run.until(`${vm.machine.name} to be registered`, REGISTERED_MS, async () => {
    const found = machineOf(vm, await run.client.machines());
    return found?.state === 'available' ? found : undefined;
  });
  // Only an installation makes a machine in use: the scenario sets the stage while the curtain is down.
  await run.lab.killDaemon();
  const db = new Sqlite(join(run.lab.dir, 'reveille.db'));
  db.prepare("UPDATE machines SET state = 'in-use' WHERE hardwarename = ?").run(
    record.hardwarename,
  );
  db.close();
  await run.lab.startDaemon();
  await vm.reset('soft-reset');
}

/** The board, and the page of one machine that is known. */
async function photograph(run: ScenarioRun, vms: readonly LabVm[]): Promise<void> {
  const file = process.env.SCREENSHOT;
  const named = vms.find(({ machine }) => machine.name in POWER_FAILURES) ?? vms[0];
  if (!file || !named) return;
  const { startChromium } = await import('../../test/support/chromium.ts');
  const browser = await startChromium();
  try {
    // The board draws what is in sight: all machines have to be, and each takes up to 130 pixels.
    const height = 240 + 130 * vms.length;
    const page = await browser.newPage({ viewport: { width: 1280, height } });
    await page.goto(run.lab.api);
    await page.waitForSelector('[data-diagnosis]');
    await page.screenshot({ path: file, fullPage: true });
    const shown = await page.$$eval('[data-diagnosis]', (all) =>
      all.map((one) => one.getAttribute('data-diagnosis')),
    );
    run.say(`the board shows ${shown.join(', ')}`);
    const known = machineOf(named, await run.client.machines())?.hardwarename;
    if (known === undefined) return;
    await page.setViewportSize({ width: 1280, height: 900 });
    await page.goto(`${run.lab.api}/machines/${known}`);
    await page.waitForSelector(`[data-diagnosis="${named.machine.name}"]`);
    await page.screenshot({ path: file.replace(/(\.\w+)$/, '-machine$1'), fullPage: true });
  } finally {
    await browser.close();
  }
}
