/** The DHCP servers that bench/dhcp.ts compares, each with the settings that favour it and that a site could use. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { startDaemon, temporaryDir } from './support/daemon.ts';
import type { Pair } from './support/network.ts';
import { startPostgres } from './support/postgres.ts';
import { start, treeOf } from './support/process.ts';
import { lengthenReceiveBuffer } from './support/receive-buffer.ts';
import type { Scope } from './support/scope.ts';

export const SERVER_ADDRESS = '10.99.0.1';
const NETWORK = '10.96.0.0/13';
/** Of 327,000 addresses: nobody comes twice in the longest run. */
export const POOL = { first: '10.99.1.0', last: '10.103.255.250' };

export interface RunningServer {
  readonly pid: number;
  /** Every process that a lease costs: the server, and its database where that is one of its own. */
  pids(): number[];
}

export interface DhcpServer {
  readonly name: string;
  /** What a reader must know of its configuration. */
  readonly settings: string;
  /** Where the search begins, exchanges per second. */
  readonly guess: number;
  /** A rate that it surely sustains. */
  readonly warmUpRate: number;
  /** With an empty lease store; resolves when it answers. */
  start(scope: Scope, pair: Pair): Promise<RunningServer>;
  /** So far behind that its rate need not be known closely. */
  readonly farBehind?: boolean;
}

type Programs = Record<'kea-dhcp4' | 'dnsmasq' | 'initdb' | 'postgres' | 'psql', string>;

export function dhcpServers(programs: Programs): DhcpServer[] {
  const { 'kea-dhcp4': program, dnsmasq: other } = programs;
  return [ours, kea(program), keaPatient(program), keaDurable(programs), dnsmasq(other)];
}

const BARE = join(import.meta.dirname, 'support/dhcp-bare.ts');

/** No peer: what a generator counts from it is the generator's own ceiling on this machine. */
export const bare: DhcpServer = {
  name: 'bare',
  settings: 'answers from a template, keeps nothing',
  guess: 10_000,
  warmUpRate: 4000,
  async start(scope, { server }) {
    const command = [
      process.execPath,
      BARE,
      JSON.stringify({ address: SERVER_ADDRESS, pool: POOL }),
    ];
    const running = start({ scope, namespace: server, command: command as [string, ...string[]] });
    await running.line(/ready/);
    return alone(running);
  },
};

function alone({ pid }: { pid: number }): RunningServer {
  return { pid, pids: () => [pid] };
}

const ours: DhcpServer = {
  name: 'reveille',
  settings:
    'defaults, no conflict probes, replies to the relay in runs as over a network card (segmentation: always); SQLite in WAL mode with synchronous=FULL',
  guess: 10_000,
  warmUpRate: 4000,
  start: async (scope, { server, serverIface }) =>
    alone(
      await startDaemon({
        scope,
        namespace: server,
        config: {
          dhcp: {
            segmentation: 'always',
            segments: [
              {
                ...{ name: 'bench', iface: serverIface, address: SERVER_ADDRESS },
                ...{ cidr: NETWORK, pool: POOL, conflictProbe: false },
              },
            ],
          },
        },
      }),
    ),
};

/** The settings are those of the package with a thread for each processor; its queue holds 64 packets, its socket 212 KB. */
function kea(program: string): DhcpServer {
  return keaWithMemfile(program, {
    name: 'kea',
    settings:
      'memfile, persist, lfc-interval 0 (no clean-up of the lease file during a run), two packet threads, UDP sockets, otherwise as it comes',
    guess: 5000,
    patient: false,
  });
}

/** The same, made to wait for as much as we do: what a burst brings is then no reason to drop. */
function keaPatient(program: string): DhcpServer {
  return keaWithMemfile(program, {
    name: 'keaPatient',
    settings: 'as kea, with a queue of 1024 packets and a receive buffer of 4 MiB',
    guess: 10_000,
    patient: true,
  });
}

function keaWithMemfile(
  program: string,
  { patient, ...as }: Pick<DhcpServer, 'name' | 'settings' | 'guess'> & { patient: boolean },
): DhcpServer {
  return {
    ...as,
    warmUpRate: 4000,
    async start(scope, pair) {
      const dir = temporaryDir(scope);
      return alone(
        await startKea(scope, { program, dir, pair, leases: memfile(dir) }, { patient }),
      );
    },
  };
}

function memfile(dir: string): object {
  const name = join(dir, 'leases.csv');
  return { type: 'memfile', persist: true, name, 'lfc-interval': 0 };
}

/** The one way in which Kea has a lease on disk before its ACK: a database that syncs each commit. */
function keaDurable(programs: Programs): DhcpServer {
  const { 'kea-dhcp4': program, initdb, postgres, psql } = programs;
  return {
    name: 'keaDurable',
    settings:
      "leases in PostgreSQL on a local socket with the package's defaults (fsync and synchronous_commit on), two packet threads, queue of 1024, receive buffer of 4 MiB",
    guess: 1000,
    warmUpRate: 100,
    farBehind: true,
    async start(scope, pair) {
      const dir = temporaryDir(scope);
      const database = await startPostgres(scope, { initdb, postgres }, dir);
      const sql = (...words: string[]) =>
        execFileSync(psql, ['-h', dir, '-U', 'postgres', '-q', '-v', 'ON_ERROR_STOP=1', ...words], {
          stdio: 'pipe',
        });
      sql('-c', 'CREATE DATABASE kea');
      sql('-d', 'kea', '-f', KEA_SCHEMA);
      const leases = { type: 'postgresql', name: 'kea', host: dir, user: 'postgres' };
      const running = await startKea(scope, { program, dir: temporaryDir(scope), pair, leases });
      return { pid: running.pid, pids: () => [running.pid, ...treeOf(database.pid)] };
    },
  };
}

/** From the package kea-common. */
const KEA_SCHEMA = '/usr/share/kea/scripts/pgsql/dhcpdb_create.pgsql';

interface KeaStart {
  readonly program: string;
  readonly dir: string;
  readonly pair: Pair;
  readonly leases: object;
}

/** @param patient it waits for more than its own settings let it: what bursts bring is then no reason to drop */
async function startKea(
  scope: Scope,
  { program, dir, pair, leases }: KeaStart,
  { patient }: { readonly patient: boolean } = { patient: true },
): Promise<{ pid: number }> {
  const file = join(dir, 'kea.json');
  writeFileSync(file, JSON.stringify(keaConfig(pair.serverIface, leases, patient)));
  const running = start({
    ...{ scope, namespace: pair.server, command: [program, '-c', file] },
    env: { KEA_PIDFILE_DIR: dir, KEA_LOCKFILE_DIR: dir },
  });
  await running.line(/DHCP4_STARTED/);
  if (patient) await lengthenReceiveBuffer(running.pid, SERVER_PORT, RECEIVE_BUFFER_BYTES);
  return running;
}

/** As much as we wait for at most, by packets and by bytes: with its own 64 and 212 KB it drops bursts that it has the time for. */
const KEA_QUEUE = 1024;
const RECEIVE_BUFFER_BYTES = 4 * 1_048_576;
const SERVER_PORT = 67;

function keaConfig(iface: string, leases: object, patient: boolean): object {
  return {
    Dhcp4: {
      'interfaces-config': { interfaces: [iface], 'dhcp-socket-type': 'udp' },
      'multi-threading': {
        ...{
          'enable-multi-threading': true,
          'thread-pool-size': 2,
          ...(patient && { 'packet-queue-size': KEA_QUEUE }),
        },
      },
      'lease-database': leases,
      'valid-lifetime': 3600,
      subnet4: [{ id: 1, subnet: NETWORK, pools: [{ pool: `${POOL.first} - ${POOL.last}` }] }],
      // `dhcp4` tells that it has started; what it says of each packet and lease belongs to other loggers.
      loggers: ['kea-dhcp4', 'kea-dhcp4.dhcp4'].map((name, at) => ({
        ...{ name, severity: at === 0 ? 'WARN' : 'INFO', output_options: [{ output: 'stdout' }] },
      })),
    },
  };
}

function dnsmasq(program: string): DhcpServer {
  return {
    name: 'dnsmasq',
    settings: 'lease file, no-ping, dhcp-authoritative, quiet-dhcp, dhcp-lease-max 350000, no DNS',
    guess: 400,
    warmUpRate: 100,
    farBehind: true,
    async start(scope, { server, serverIface }) {
      const dir = temporaryDir(scope);
      mkdirSync(dir, { recursive: true });
      const running = start({
        scope,
        namespace: server,
        command: [
          ...([program, '--keep-in-foreground', '--conf-file=/dev/null', '--port=0'] as const),
          ...['--user=root', '--log-facility=-', '--quiet-dhcp', '--no-ping'],
          ...['--dhcp-authoritative', '--dhcp-lease-max=350000', `--interface=${serverIface}`],
          `--dhcp-range=${POOL.first},${POOL.last},255.248.0.0,1h`,
          ...[`--dhcp-leasefile=${join(dir, 'leases')}`, `--pid-file=${join(dir, 'pid')}`],
        ],
      });
      await running.line(/DHCP, sockets bound|DHCP, IP range/);
      return alone(running);
    },
  };
}
