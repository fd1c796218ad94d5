/**
 * Two appliances of one site on one segment, central as their witness, clients and virtual machines: what scenario `standby` stands
 * on. The appliances, central, TLS and every protocol are real, each in a namespace of its own.
 *
 *     [sw: bridge br0, a tap for each machine] --veth-- [load: eth0 10.77.0.3, relay 10.78.0.1]
 *       |                                   |
 *     [a: prov0 10.77.0.1 | pair0 --veth-- pair0 | prov0 10.77.0.2 :b]
 *            | up0                                up0 |
 *            +------------ [central: a bridge] -------+
 *
 * The line between the two has a cable of its own, so that it can be cut while both are on the segment.
 */
import { randomBytes } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { stringify } from 'yaml';
import { ip } from '../bench/support/network.ts';
import { startPostgres } from '../bench/support/postgres.ts';
import { type Program, start } from '../bench/support/process.ts';
import { requirePrograms } from '../bench/support/programs.ts';
import type { Scope } from '../bench/support/scope.ts';
import { askControl } from '../src/daemon/standby-control.ts';
import type { PairStatus } from '../src/http/people/context.ts';
import type { Member } from '../src/standby/witness.ts';
import { type Way, wayBetween } from './federation-faults.ts';
import { addNamespace, type Call, caller, reveille } from './inside.ts';
import { CENTRAL, hangOn, joinFleet, openHall, startCentral } from './lab-central.ts';

const ROOT = resolve(import.meta.dirname, '..');
const SITE = 'stockholm';
export const DOMAIN = 'standby.example';
const SERVERS: Readonly<Record<Member, string>> = { a: '10.77.0.1', b: '10.77.0.2' };
const PAIR: Readonly<Record<Member, string>> = { a: '10.98.0.1', b: '10.98.0.2' };
const UP: Readonly<Record<Member, string>> = { a: '10.97.0.11', b: '10.97.0.12' };
export const LOAD = { address: '10.77.0.3', relay: '10.78.0.1', iface: 'eth0' } as const;
/** The segment that the inventory knows by this name too: an address of it can be kept for a machine. */
export const SEGMENT = { name: 'hall', cidr: '10.77.0.0/22' } as const;
const RELAYED = '10.78.0.0/22';
const PEOPLE_PORT = 8081;
/** As short as a right may be here: on two busy cores nobody may be away for longer than a quarter of it without harm. */
export const RIGHT_SECONDS = 4;
export const MCLT_SECONDS = 30;
const LEASE_SECONDS = 120;
const CONTROL_MS = 30_000;
/** One that is frozen takes the question, and never answers. */
const STATUS_MS = 1500;

export interface PairMember {
  readonly member: Member;
  readonly address: string;
  /** People's API: of the active one. */
  readonly call: Call;
  /** By its control socket, whatever part it has; undefined while it does not run. */
  status(): Promise<PairStatus | undefined>;
  start(): Promise<void>;
  /** As a power cut ends it. */
  kill(): Promise<void>;
  /** SIGSTOP, and SIGCONT. */
  freeze(frozen: boolean): void;
  /** `reveille WORDS` as an administrator there. */
  reveille(...words: readonly string[]): Promise<string>;
  /** `reveille standby WORDS` on the appliance itself. */
  order(...words: readonly string[]): Promise<void>;
  /** To central. */
  readonly up: Way;
}

export interface StandbyWorld {
  readonly a: PairMember;
  readonly b: PairMember;
  /** Between the two: `up` is what a sends. */
  readonly line: Way;
  /** Where the clients are, and where the machines' taps and the whole segment are. */
  readonly load: string;
  readonly sw: string;
  readonly capture: string;
}

export interface WorldOptions {
  readonly dir: string;
  /** In place of SQLite. */
  readonly postgres: boolean;
  readonly taps: readonly string[];
}

/** Both are started: the first of them is active when it has met the other one. @throws Error when they do not come up */
export async function startStandbyWorld(
  scope: Scope,
  options: WorldOptions,
): Promise<StandbyWorld> {
  const { dir, taps } = options;
  const id = `rs${randomBytes(2).toString('hex')}`;
  const [hall, sw, load] = [`${id}-c`, `${id}-sw`, `${id}-l`] as const;
  const namespaces = { a: `${id}-a`, b: `${id}-b` };
  openHall(scope, hall);
  for (const name of [sw, load, namespaces.a, namespaces.b]) addNamespace(scope, name);
  makeSegment({ sw, load, namespaces, taps });
  for (const member of ['a', 'b'] as const)
    hangOn(hall, {
      ...{ namespace: namespaces[member], hook: 'up0', address: UP[member] },
      peer: `to-${member}`,
    });
  const capture = join(dir, 'segment.pcap');
  const words = ['-U', '-i', 'br0', '-w', capture, 'arp or udp port 67 or udp port 68'] as const;
  const tcpdump = start({ scope, namespace: sw, command: ['tcpdump', ...words] });
  await tcpdump.line(/listening on br0/);
  const central = await startCentral(scope, {
    ...{ namespace: hall, dir, database: await databaseOf(scope, options) },
  });
  const key = join(dir, 'pair.key');
  writeFileSync(key, randomBytes(32).toString('hex'), { mode: 0o600 });
  const files = { a: configure(dir, 'a'), b: configure(dir, 'b') };
  await joinFleet(central, { name: SITE, namespace: namespaces.a, file: files.a });
  const token = await reveille({
    namespace: namespaces.a,
    words: ['tokens', 'create', 'scenario', '--role', 'admin', '--local', '--config', files.a],
  });
  const open = (member: Member) =>
    openMember(scope, {
      ...{ member, token, namespace: namespaces[member], file: files[member], hall },
      folder: join(dir, member),
    });
  const [a, b] = [open('a'), open('b')];
  await a.start();
  await b.start();
  const end = (member: Member) => ({
    ...{ namespace: namespaces[member], hook: 'pair0', address: PAIR[member] },
  });
  return { a, b, load, sw, capture, line: wayBetween(end('a'), end('b')) };
}

function makeSegment(of: {
  readonly sw: string;
  readonly load: string;
  readonly namespaces: Readonly<Record<Member, string>>;
  readonly taps: readonly string[];
}): void {
  const { sw, load, namespaces, taps } = of;
  const bridge = ['type', 'bridge', 'stp_state', '0', 'forward_delay', '0'];
  ip('-n', sw, 'link', 'add', 'br0', ...bridge);
  ip('-n', sw, 'link', 'set', 'br0', 'up');
  const attach = (namespace: string, iface: string, address: string, port: string): void => {
    const peer = ['type', 'veth', 'peer', 'name', port, 'netns', sw];
    ip('-n', namespace, 'link', 'add', iface, ...peer);
    ip('-n', sw, 'link', 'set', port, 'master', 'br0', 'up');
    ip('-n', namespace, 'address', 'add', `${address}/22`, 'dev', iface);
    ip('-n', namespace, 'link', 'set', iface, 'up');
  };
  for (const member of ['a', 'b'] as const) {
    attach(namespaces[member], 'prov0', SERVERS[member], `p-${member}`);
    ip('-n', namespaces[member], 'route', 'add', RELAYED, 'via', LOAD.address);
  }
  attach(load, LOAD.iface, LOAD.address, 'p-load');
  ip('-n', load, 'address', 'add', `${LOAD.relay}/32`, 'dev', LOAD.iface);
  ip('-n', load, 'route', 'add', '255.255.255.255/32', 'dev', LOAD.iface);
  const cable = ['type', 'veth', 'peer', 'name', 'pair0', 'netns', namespaces.b];
  ip('-n', namespaces.a, 'link', 'add', 'pair0', ...cable);
  for (const member of ['a', 'b'] as const) {
    ip('-n', namespaces[member], 'address', 'add', `${PAIR[member]}/30`, 'dev', 'pair0');
    ip('-n', namespaces[member], 'link', 'set', 'pair0', 'up');
  }
  for (const tap of taps) {
    ip('-n', sw, 'tuntap', 'add', 'dev', tap, 'mode', 'tap');
    ip('-n', sw, 'link', 'set', tap, 'master', 'br0', 'up');
  }
}

async function databaseOf(scope: Scope, { dir, postgres }: WorldOptions): Promise<string> {
  if (!postgres) return `sqlite:${join(dir, 'fleet.db')}`;
  const folder = join(dir, 'postgres');
  mkdirSync(folder);
  await startPostgres(scope, requirePrograms('initdb', 'postgres'), folder);
  return `postgresql://postgres@/postgres?host=${encodeURIComponent(folder)}`;
}

/** @returns the file */
function configure(dir: string, member: Member): string {
  const folder = join(dir, member);
  mkdirSync(folder);
  const address = SERVERS[member];
  const times = { leaseSeconds: LEASE_SECONDS, unknownLeaseSeconds: LEASE_SECONDS };
  const segment = (name: string, cidr: string, network: string) => ({
    ...{ name, cidr, address, portSharePercent: 100, ...times },
    ...{ domain: DOMAIN, dns: Object.values(SERVERS) },
    pool: { first: `${network}.1.0`, last: `${network}.1.255` },
  });
  const file = join(folder, 'reveille.yaml');
  writeFileSync(
    file,
    stringify({
      site: SITE,
      log: { level: 'info', file: join(folder, 'reveille.log') },
      database: { file: join(folder, 'reveille.db') },
      dns: { domain: DOMAIN, listen: [address] },
      dhcp: {
        segments: [
          { ...segment(SEGMENT.name, SEGMENT.cidr, '10.77'), iface: 'prov0' },
          { ...segment('far', RELAYED, '10.78'), relayed: true },
        ],
      },
      boot: {
        assets: join(ROOT, 'build/boot'),
        pxeimage: join(ROOT, 'build/pxeimage/lab'),
        scripts: join(ROOT, 'ipxe-scripts'),
        grubScripts: join(ROOT, 'grub-scripts'),
      },
      standby: {
        ...{ member, partner: PAIR[member === 'a' ? 'b' : 'a'], keyFile: join(dir, 'pair.key') },
        ...{ leaseSeconds: RIGHT_SECONDS, mcltSeconds: MCLT_SECONDS, witness: true },
      },
    }),
  );
  return file;
}

interface MemberPlace {
  readonly member: Member;
  readonly namespace: string;
  readonly folder: string;
  readonly file: string;
  readonly token: string;
  /** Central's namespace. */
  readonly hall: string;
}

function openMember(scope: Scope, place: MemberPlace): PairMember {
  const { member, namespace, folder, file, token, hall } = place;
  const command = [process.execPath, join(ROOT, 'src/main.ts'), 'serve', '--config', file] as const;
  const url = `http://127.0.0.1:${PEOPLE_PORT}`;
  let program: Program | undefined;
  const status = (): Promise<PairStatus | undefined> => {
    const late = new Promise<undefined>((next) => setTimeout(next, STATUS_MS));
    const answer = askControl(join(folder, 'standby.sock'), '/status');
    return Promise.race([answer.catch(() => undefined), late]);
  };
  const send = (signal: NodeJS.Signals) => program && process.kill(program.pid, signal);
  return {
    ...{ member, address: SERVERS[member], status },
    call: caller({ namespace, url, token }),
    async start() {
      const mine = start({ scope, namespace, command: [...command], cwd: ROOT });
      program = mine;
      let over = false;
      void mine.ended.then(() => {
        over = true;
      });
      const deadline = Date.now() + CONTROL_MS;
      while (!(await status())) {
        if (over || Date.now() > deadline)
          throw new Error(`appliance ${member} did not start: ${mine.output()}`);
        await new Promise((next) => setTimeout(next, 50));
      }
    },
    async kill() {
      send('SIGKILL');
      await program?.ended;
    },
    freeze: (frozen) => void send(frozen ? 'SIGSTOP' : 'SIGCONT'),
    reveille: (...words) => {
      const environment = { REVEILLE_URL: url, REVEILLE_TOKEN: token };
      return reveille({ namespace, words, environment });
    },
    async order(...words) {
      await reveille({ namespace, words: ['standby', ...words, '--config', file] });
    },
    up: wayBetween(
      { namespace, hook: 'up0', address: UP[member] },
      { namespace: hall, hook: CENTRAL.bridge, address: CENTRAL.address },
    ),
  };
}
