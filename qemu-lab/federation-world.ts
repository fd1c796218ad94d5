/**
 * A fleet on one machine: central over PostgreSQL in a namespace, and sites, each a real daemon in a namespace of its own with
 * a rack of simulated machines behind it. A site's way to central can be cut; everything else of it goes on.
 *
 *     [rack: eth0] --veth-- [site: prov0 | up0] --veth-- [central: a bridge]
 *
 * People's calls go through curl inside the namespace that they are about, as from somebody's desk there.
 */
import { spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { zstdCompressSync } from 'node:zlib';
import { stringify } from 'yaml';
import { startDaemon } from '../bench/support/daemon.ts';
import { createPair, ip } from '../bench/support/network.ts';
import { startPostgres } from '../bench/support/postgres.ts';
import { requirePrograms } from '../bench/support/programs.ts';
import type { Scope } from '../bench/support/scope.ts';
import {
  clockOf,
  mountSmall,
  type Restartable,
  restartable,
  type Way,
  wayBetween,
} from './federation-faults.ts';
import { type Call, type Called, caller, reveille } from './inside.ts';
import {
  CENTRAL,
  hangOn,
  joinFleet,
  type LabCentral,
  openHall,
  startCentral,
} from './lab-central.ts';
import type { SimulatedHardware } from './simulated-agent.ts';
import type { SimulatedPlan } from './simulated-rack.ts';

const ROOT = resolve(import.meta.dirname, '..');
const SITE_PEOPLE = 8081;
const CREDENTIAL = { name: 'lab-bmc', password: 'secret' } as const;
const IMAGE_BYTES = 4 * 1024 * 1024;
const HOOK = 'up0';
const BOOT_FILES = ['vmlinuz', 'initrd.img', 'undionly.kpxe', 'snponly.efi'];
const POSTGRES_DISK = '320m';
const SITE_DISK = '128m';

export interface FleetSite extends Way {
  readonly name: string;
  readonly machines: readonly SimulatedHardware[];
  readonly call: Call;
  readonly daemon: Restartable;
  powerOn(serial: string): void;
  /** What the rack has said so far. */
  said(): string;
}

export interface FleetWorld {
  readonly call: Call;
  readonly namespace: string;
  readonly central: Restartable;
  readonly postgres: Restartable;
  site(name: string, machines: number): Promise<FleetSite>;
  /** At central, which tells every site of it. */
  addImage(name: string): Promise<Called>;
}

export interface FleetOptions {
  /** Clocks can jump, and disks are small: with `PostgreSQL` and each site's name in folders of their own. */
  readonly hostile?: boolean;
}

/** What startFleet starts. */
export const FLEET_TOOLS = ['ip', 'curl', 'initdb', 'postgres'] as const;

export const postgresFolderOf = (dir: string): string => join(dir, 'postgres');
export const siteFolderOf = (dir: string, name: string): string => join(dir, name);

/** @throws Error when central does not come up */
export async function startFleet(
  scope: Scope,
  dir: string,
  { hostile = false }: FleetOptions = {},
): Promise<FleetWorld> {
  const programs = requirePrograms('ip', 'initdb', 'postgres');
  const id = randomBytes(2).toString('hex');
  const namespace = `rf${id}-c`;
  openHall(scope, namespace);
  const folder = postgresFolderOf(dir);
  mkdirSync(folder, { recursive: true });
  if (hostile) mountSmall(scope, folder, POSTGRES_DISK);
  const postgres = await restartable(() => startPostgres(scope, programs, folder));
  const service = await startCentral(scope, {
    ...{ namespace, dir, clock: hostile ? clockOf(dir, 'central') : [] },
    database: `postgresql://postgres@/postgres?host=${encodeURIComponent(folder)}`,
  });
  const { call } = service;
  let count = 0;
  return {
    ...{ ...service, namespace, postgres },
    addImage: (image) => addImage(call, dir, image),
    async site(name, machines) {
      count += 1;
      return openSite(scope, {
        ...{ name, number: count, machines, service, central: namespace },
        ...{ dir: siteFolderOf(dir, name), clock: hostile ? clockOf(dir, name) : [], hostile },
      });
    },
  };
}

/** Random bytes: nothing shrinks them on the way. */
async function addImage(call: Call, dir: string, name: string): Promise<Called> {
  const bytes = zstdCompressSync(randomBytes(IMAGE_BYTES));
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  const file = join(dir, `${name}.raw.zst`);
  writeFileSync(file, bytes);
  const put = await call('PUT', `/blobs/${sha256}`, { file });
  if (put.status !== 201) return put;
  const files = [{ role: 'disk', sha256 }];
  return call('POST', '/images', { name, version: '1', kind: 'raw', files, channel: 'stable' });
}

interface Opening {
  readonly name: string;
  /** From 1: part of its addresses. */
  readonly number: number;
  readonly machines: number;
  readonly service: LabCentral;
  /** The namespace. */
  readonly central: string;
  readonly dir: string;
  /** Words for Node. */
  readonly clock: readonly string[];
  readonly hostile: boolean;
}

async function openSite(scope: Scope, opening: Opening): Promise<FleetSite> {
  const { name, number, machines: count, service, central, dir, clock, hostile } = opening;
  const network = `10.99.${number}`;
  const pair = createPair(scope, {
    ...{ serverAddress: `${network}.1/24`, clientAddress: `${network}.2/24` },
  });
  const namespace = pair.server;
  const address = siteAddress(number);
  hangOn(central, { namespace, hook: HOOK, address, peer: `s${number}` });
  const machines = Array.from({ length: count }, (_, index) => hardwareAt(number, index));
  for (const { bmcAddress } of machines)
    ip('-n', pair.client, 'address', 'add', `${bmcAddress}/24`, 'dev', pair.clientIface);
  // All of the rack's machines speak from one socket, which has to know where a broadcast goes.
  ip('-n', pair.client, 'route', 'add', '255.255.255.255/32', 'dev', pair.clientIface);
  mkdirSync(dir, { recursive: true });
  if (hostile) mountSmall(scope, dir, SITE_DISK);
  const config = configOf({ name, network, dir, iface: pair.serverIface });
  const file = join(dir, 'reveille.yaml');
  const database = { file: join(dir, 'reveille.db') };
  writeFileSync(file, stringify({ database, ...config }));
  await joinFleet(service, { name, namespace, file });
  const daemon = await restartable(() =>
    startDaemon({ scope, namespace, config, dir, nodeOptions: clock }),
  );
  const made = ['tokens', 'create', 'scenario', '--role', 'admin', '--local', '--config', file];
  const token = await reveille({ namespace, words: made });
  const url = `http://127.0.0.1:${SITE_PEOPLE}`;
  const environment = { REVEILLE_URL: url, REVEILLE_TOKEN: token };
  await reveille({
    ...{ namespace, environment, input: CREDENTIAL.password },
    words: ['credentials', 'put', CREDENTIAL.name, 'admin'],
  });
  const rack = startRack(scope, pair.client, { machines, password: CREDENTIAL.password });
  await rack.ready;
  return {
    ...{ name, machines, daemon, call: caller({ namespace, url, token }) },
    powerOn: rack.powerOn,
    said: rack.said,
    ...wayBetween(
      { namespace, hook: HOOK, address },
      { namespace: central, hook: CENTRAL.bridge, address: CENTRAL.address },
    ),
  };
}

const siteAddress = (number: number): string => `10.97.0.${10 + number}`;

function hardwareAt(site: number, index: number): SimulatedHardware {
  const hex = (value: number) => value.toString(16).padStart(2, '0');
  return {
    mac: `52:54:00:f${site}:00:${hex(index + 1)}`,
    serial: `S${site}-${String(index + 1).padStart(4, '0')}`,
    bmcAddress: `10.99.${site}.${11 + index}`,
    bmcMac: `52:54:00:f${site}:01:${hex(index + 1)}`,
  };
}

/** Files of the right names are enough: nobody runs the kernel. */
function configOf(of: {
  readonly name: string;
  readonly network: string;
  readonly dir: string;
  readonly iface: string;
}): Readonly<Record<string, unknown>> {
  const { name, network, dir, iface } = of;
  const assets = join(dir, 'boot');
  mkdirSync(assets, { recursive: true });
  for (const file of BOOT_FILES) writeFileSync(join(assets, file), file);
  const segment = {
    ...{ name: 'hall', iface, address: `${network}.1`, cidr: `${network}.0/24` },
    pool: { first: `${network}.128`, last: `${network}.250` },
  };
  return {
    site: name,
    dhcp: { segments: [segment] },
    boot: { assets, pxeimage: assets },
    bmc: { networks: [`${network}.0/24`] },
    jobs: { bmcSetup: { credential: CREDENTIAL.name }, install: { bmcPatienceMinutes: 1 } },
  };
}

function startRack(scope: Scope, namespace: string, plan: SimulatedPlan) {
  const program = [process.execPath, join(import.meta.dirname, 'simulated-rack.ts')];
  const words = ['netns', 'exec', namespace, ...program, JSON.stringify(plan)];
  const child = spawn('ip', words, { stdio: ['pipe', 'pipe', 'pipe'], cwd: ROOT });
  let said = '';
  const ended = new Promise<void>((next) => child.once('close', () => next()));
  scope.defer(async () => {
    child.kill('SIGTERM');
    await ended;
  });
  const ready = new Promise<void>((next, fail) => {
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (text: string) => {
        said += text;
        if (/^ready \d+$/m.test(said)) next();
      });
    void ended.then(() => fail(new Error(`the rack has ended: ${said.slice(-1000)}`)));
  });
  return {
    ready,
    said: () => said,
    powerOn: (serial: string) => void child.stdin.write(`on ${serial}\n`),
  };
}
