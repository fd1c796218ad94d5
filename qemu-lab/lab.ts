/**
 * A running lab: network, appliance, machines. Everything that it starts is a child of this process inside one of the
 * lab's namespaces, so that `destroy` needs no list to be sure that nothing is left.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  closeSync,
  copyFileSync,
  mkdirSync,
  openSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join, resolve } from 'node:path';
import { stringify } from 'yaml';
import { startLabBmc } from './lab-bmc.ts';
import {
  createNetwork,
  destroyNetwork,
  type LabNetwork,
  OUT_OF_BAND,
  planNetwork,
} from './network.ts';
import { firmwareOf, linkPorts, PLAIN_PXE_SCRIPT } from './qemu.ts';
import { fakeBmcOf, type RackMachine } from './rack.ts';
import { openSerialHub, type SerialHub } from './serial-hub.ts';
import { labDir, reapDeadLabs, saveState, startTicks } from './state.ts';
import { testDisk } from './test-disk.ts';
import { Vm } from './vm.ts';

const ROOT = resolve(import.meta.dirname, '..');
const READY_MS = 30_000;
/** Everything but the downloads over HTTP, of which only the first segment of each request is kept (`GET `, `HEAD`). */
const CAPTURED =
  'udp or arp or icmp6 or (tcp dst port 8080 and (tcp[((tcp[12] & 0xf0) >> 2):4] = 0x47455420 or tcp[((tcp[12] & 0xf0) >> 2):4] = 0x48454144))';

export type LabVm = Vm;

export interface Lab {
  readonly id: string;
  readonly dir: string;
  readonly network: LabNetwork;
  /** Where the people-facing listener is, from the host. */
  readonly api: string;
  readonly vms: readonly LabVm[];
  /** Presses the power button of a machine that is off. */
  powerOn(vm: LabVm): void;
  /** Pulls its plug; its BMC lives on. */
  powerOff(vm: LabVm): Promise<void>;
  startDaemon(): Promise<void>;
  /** SIGKILL, as a crash would. */
  killDaemon(): Promise<void>;
  /** Starts a foreign program (a client, a relay, another server) in one of the lab's namespaces. */
  start(ns: string, command: readonly string[]): ChildProcess;
  destroy(): Promise<void>;
}

export interface LabOptions {
  readonly keepFiles?: boolean;
  readonly pxeimage?: string;
  readonly config?: LabSettings;
}

/** Laid over the appliance's configuration, key by key at the top level; made when the lab's folder is there, which is its argument. */
export type LabSettings =
  | Readonly<Record<string, unknown>>
  | ((dir: string) => Readonly<Record<string, unknown>>);

export async function createLab(
  machines: readonly RackMachine[],
  options: LabOptions = {},
): Promise<Lab> {
  reapDeadLabs();
  const id = `rv${randomBytes(2).toString('hex')}`;
  const dir = labDir(id);
  const network = planNetwork(id);
  const api = `http://${network.appAddress}:8081`;
  const taps = tapNames(machines);
  const hubs: SerialHub[] = [];
  saveState({
    id,
    dir,
    network,
    url: api,
    pid: process.pid,
    startTicks: startTicks(process.pid) ?? '',
  });
  let daemon: ChildProcess | undefined;
  let destroyed = false;

  const run = (ns: string, command: readonly string[], logFile: string): ChildProcess => {
    const log = openSync(join(dir, logFile), 'a');
    const child = spawn('ip', ['netns', 'exec', ns, ...command], {
      cwd: ROOT,
      stdio: ['ignore', log, log],
    });
    closeSync(log);
    return child;
  };

  const vms = machines.map((machine) => {
    const folder = join(dir, machine.name);
    return new Vm({
      machine,
      place: {
        dir: folder,
        taps: taps.get(machine.name) ?? [],
        ipxeKernel: join(ROOT, 'build/boot/ipxe.lkrn'),
      },
      spawn: (command) => run(network.sw, command, `${machine.name}/qemu.log`),
    });
  });

  const lab: Lab = {
    id,
    dir,
    network,
    api,
    vms,
    powerOn: (vm) => vm.start('button'),
    powerOff: (vm) => vm.stop(),
    async startDaemon() {
      daemon = run(
        network.app,
        [join(ROOT, 'bin/reveille'), 'serve', '--config', join(dir, 'reveille.yaml')],
        'daemon.out',
      );
      await ready(api, daemon, join(dir, 'daemon.out'));
    },
    async killDaemon() {
      await end(daemon, 'SIGKILL');
    },
    start: (ns, command) => run(ns, command, `${command[0]?.split('/').at(-1)}.log`),
    async destroy() {
      if (destroyed) return;
      destroyed = true;
      // The daemon before the BMCs: of one that answers no more it waits for the end of each session.
      await Promise.all([end(daemon, 'SIGTERM'), ...vms.map((vm) => vm.stop())]);
      await Promise.all(vms.map((vm) => vm.bmc?.close()));
      for (const hub of hubs) hub.close();
      destroyNetwork(network);
      if (!options.keepFiles) rmSync(dir, { recursive: true, force: true });
    },
  };

  try {
    const outOfBand = machines.some(fakeBmcOf);
    createNetwork(network, { taps: [...taps.values()].flat(), outOfBand });
    for (const [index, vm] of vms.entries()) {
      prepareMachine(join(dir, vm.machine.name), vm.machine);
      await addBmc(vm, { dir: join(dir, vm.machine.name), name: `bmc${index}`, network, hubs });
    }
    writeFileSync(join(dir, 'reveille.yaml'), labConfig(dir, { outOfBand, ...options }));
    run(
      network.sw,
      ['tcpdump', '-U', '-q', '-i', 'br0', '-s', '2048', '-w', join(dir, 'bridge.pcap'), CAPTURED],
      'tcpdump.log',
    );
    run(
      network.sw,
      [process.execPath, join(ROOT, 'qemu-lab/lldp.ts'), 'lab-sw1', ...[...taps.values()].flat()],
      'lldp.log',
    );
    for (const { machine } of vms) {
      for (const tap of machine.link ? (taps.get(machine.name) ?? []) : []) {
        const { qemu, link } = linkPorts(tap);
        const program = [process.execPath, join(ROOT, 'qemu-lab/faulty-link.ts')];
        const words = [tap, String(qemu), String(link), JSON.stringify(machine.link)];
        run(network.sw, [...program, ...words], `link-${tap}.log`);
      }
    }
    await lab.startDaemon();
  } catch (error) {
    await lab.destroy();
    throw error;
  }
  return lab;
}

/** `tap0`, `tap1`, … in the order of the rack. */
export function tapNames(machines: readonly RackMachine[]): Map<string, string[]> {
  let next = 0;
  return new Map(machines.map(({ name, nics }) => [name, nics.map(() => `tap${next++}`)]));
}

/** What a supervised machine has beside QEMU: the hub of its serial port, and its BMC. */
async function addBmc(
  vm: Vm,
  place: { dir: string; name: string; network: LabNetwork; hubs: SerialHub[] },
): Promise<void> {
  const plan = fakeBmcOf(vm.machine);
  if (!plan) return;
  const { dir, name, network, hubs } = place;
  const serial = await openSerialHub({
    machine: join(dir, 'serial'),
    console: join(dir, 'console'),
  });
  hubs.push(serial);
  vm.bmc = await startLabBmc({ plan, name, dir, network, vm, serial });
}

function labConfig(
  dir: string,
  { pxeimage, config, outOfBand }: LabOptions & { outOfBand: boolean },
): string {
  const laid = typeof config === 'function' ? config(dir) : config;
  return stringify({
    site: 'lab',
    log: { level: 'info', file: `${dir}/reveille.log` },
    database: { file: `${dir}/reveille.db` },
    // The board is read from this host, which is another machine to the appliance; nobody else reaches its network.
    peopleHttp: { anonymousRead: true },
    ...(outOfBand ? { dhcp: { segments: [{}, OUT_OF_BAND.segment] } } : {}),
    ...laid,
    // The image that was asked for on the command line, whatever else a scenario says of booting.
    ...(pxeimage === undefined
      ? {}
      : { boot: { ...(laid?.boot as object | undefined), pxeimage } }),
  });
}

export function prepareMachine(dir: string, machine: RackMachine): void {
  mkdirSync(dir, { recursive: true });
  if (machine.firmware === 'uefi') copyFileSync(firmwareOf(machine).vars, join(dir, 'vars.fd'));
  else if (machine.netboot === 'chain')
    writeFileSync(join(dir, 'plain-pxe.ipxe'), PLAIN_PXE_SCRIPT);
  for (const [index, { sizeMb, boots }] of machine.disks.entries()) {
    const file = join(dir, `disk${index}.img`);
    writeFileSync(file, boots ? testDisk() : '');
    truncateSync(file, sizeMb * 1024 * 1024);
  }
}

async function end(child: ChildProcess | undefined, signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
  if (!child || child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise<void>((done) => child.once('exit', () => done()));
  child.kill(signal);
  const hard = setTimeout(() => child.kill('SIGKILL'), 8000);
  await gone;
  clearTimeout(hard);
}

async function ready(api: string, daemon: ChildProcess, output: string): Promise<void> {
  const deadline = Date.now() + READY_MS;
  while (Date.now() < deadline) {
    if (daemon.exitCode !== null) break;
    const answer = await fetch(`${api}/readyz`, { signal: AbortSignal.timeout(2000) }).catch(
      () => undefined,
    );
    if (answer?.ok) return;
    await new Promise((next) => setTimeout(next, 50));
  }
  throw new Error(`the appliance did not become ready; its output is in ${output}`);
}
