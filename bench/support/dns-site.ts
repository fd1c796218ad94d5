/**
 * A site's name server as a process of its own, for the DNS bench: made-up machines, the real keeper on a database file,
 * the real listeners. It writes each zone as a file (for the peers), says `ready`, and on SIGUSR2 changes machines one
 * after the other and prints how long each took from the moment at which the name server is told of it, behind the
 * inventory's own commit (the machines are no rows of a database), to the new answer on the wire. On another one it changes twenty at
 * a time, until the image and the snapshot have been renewed, and prints how long its thread, which is the one that
 * answers DHCP, was ever kept from a timer that was due each millisecond: by the clock, and by its own CPU time.
 *
 * node bench/support/dns-site.ts FOLDER MACHINES ADDRESS PORT THREADS
 */
import { createSocket } from 'node:dgram';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import Sqlite from 'better-sqlite3';
import pino from 'pino';
import { encodeMessage } from '../../src/dns/message.ts';
import { type DnsName, formatName, parseName } from '../../src/dns/name.ts';
import { makePlan } from '../../src/dns/plan.ts';
import type { NamedMachine } from '../../src/dns/ports.ts';
import { CLASS, TYPE } from '../../src/dns/types.ts';
import { exportZone } from '../../src/dns/zone-file.ts';
import { openDnsStore } from '../../src/inventory/dns-store.ts';
import { openInventory } from '../../src/inventory/inventory.ts';
import { startNameserver } from '../../src/nameserver/server.ts';
import type { Millis } from '../../src/wire/time.ts';
import { percentile, round } from './stats.ts';

const [folder = '.', count = '1000', address = '127.0.0.1', port = '5353', threads = '1'] =
  process.argv.slice(2);
const CHANGES = 500;
/** More than lie between two snapshots; with the machines of each, more than an image has spare room for. */
const GENERATIONS = 2200;
const MACHINES_EACH = 20;

function machine(n: number, generation = 0): NamedMachine {
  const at = n + 256 + generation * 131_072;
  const addresses = [`10.${(at >> 16) & 255}.${(at >> 8) & 255}.${at & 255}`];
  const hardwarename = `SN${String(n).padStart(7, '0')}`;
  return {
    ...{ hardwarename, role: undefined },
    names: [
      { kind: 'hostname', name: `web${n}`, addresses },
      { kind: 'hardwarename', name: hardwarename, addresses },
    ],
  };
}

const ttl = {
  hostname: 300,
  hardwarename: 300,
  bmc: 3600,
  reverse: 300,
  role: 60,
  infrastructure: 3600,
};
const plan = makePlan({
  ...{ domain: 'lab.example', bmcSubdomain: 'bmc', contact: undefined, catalog: undefined },
  nameservers: [{ name: 'ns1', addresses: ['10.0.0.1'] }],
  ...{ networks: ['10.0.0.0/8'], ttl, aliases: [], services: [], addresses: [] },
});
if (typeof plan === 'string') throw new Error(plan);
const machines = Array.from({ length: Number(count) }, (_, n) => machine(n));
const index = new Map(machines.map(({ hardwarename }, n) => [hardwarename, n]));
const clock = () => Date.now() as Millis;
const db = new Sqlite(join(folder, 'dns.db'));
db.pragma('journal_mode = WAL');
db.pragma('synchronous = FULL');
const { events, transaction } = openInventory({ db, clock });
let wake = (): void => undefined;
let changed: string[] = [];
let version = 0;
const server = await startNameserver({
  ...{ plan, shrinkShareMax: 0.2, listen: [address], port: Number(port), threads: Number(threads) },
  ...{ responsesPerSecond: 0, secondaries: [], keys: [], transferTo: [] },
  store: openDnsStore({ db, clock, events, transaction, soa: plan.soa }),
  source: {
    machine: (hardwarename) => machines[index.get(hardwarename) ?? -1],
    page(after, size) {
      const from = after === '' ? 0 : (index.get(after) ?? 0) + 1;
      return machines.slice(from, from + size);
    },
    networks: () => [],
    changedSince() {
      const list = changed;
      changed = [];
      return { eventId: version, machines: list, networks: false };
    },
  },
  responder: { cookieSecret: new Uint8Array(16) },
  log: pino({ level: 'warn' }, process.stderr),
  lastEvent: () => version,
  nowSeconds: () => Math.floor(Date.now() / 1000),
  follow(follower) {
    wake = follower;
    return () => undefined;
  },
});

const domain = parseName('lab.example.') as DnsName;
while (!server.keeper.zones().has(domain)) await new Promise((resolve) => setTimeout(resolve, 50));
for (const zone of server.keeper.zones().values()) {
  writeFileSync(join(folder, `${formatName(zone.name)}zone`), exportZone(zone));
}
/** The address that the wire gives for a name, asked until it is `wanted`. @returns milliseconds since `since` */
function untilAnswered(name: DnsName, wanted: string, since: number): Promise<number> {
  const socket = createSocket('udp4');
  const question = encodeMessage({
    ...{ id: 1, flags: 0, questions: [{ name, type: TYPE.A, class: CLASS.IN }] },
    ...{ answers: [], authority: [], additional: [] },
  });
  const ask = () => socket.send(question ?? new Uint8Array(), Number(port), address);
  return new Promise((resolve) => {
    const timer = setInterval(ask, 1);
    socket.on('message', (bytes) => {
      if ([...bytes.subarray(-4)].join('.') !== wanted) return;
      clearInterval(timer);
      socket.close(() => resolve(performance.now() - since));
    });
    ask();
  });
}

// The first image of a site is made in slices: only then is there something to ask.
const last = machines.at(-1)?.names[0];
const lastHost = parseName(`${last?.name}.lab.example.`) as DnsName;
await untilAnswered(lastHost, last?.addresses[0] ?? '', 0);
process.stdout.write('ready\n');

const versions = new Uint8Array(machines.length);
function change(n: number): NamedMachine {
  const turned = ((versions[n] ?? 0) + 1) % 2;
  versions[n] = turned;
  const next = machine(n, turned);
  machines[n] = next;
  changed.push(next.hardwarename);
  version += 1;
  return next;
}

async function measureWaits(): Promise<object> {
  const waits: number[] = [];
  for (let i = 0; i < CHANGES; i++) {
    const next = change((i * 7919) % machines.length);
    const since = performance.now();
    wake();
    const [name] = next.names;
    const host = parseName(`${name?.name}.lab.example.`) as DnsName;
    waits.push(await untilAnswered(host, name?.addresses[0] ?? '', since));
  }
  return {
    changes: waits.length,
    p50Ms: round(percentile(waits, 0.5)),
    p99Ms: round(percentile(waits, 0.99)),
    maxMs: round(Math.max(...waits)),
  };
}

/** CPU time of this thread in ms, as exact as the scheduler's tick. */
function cpuMs(): number {
  return Number(readFileSync('/proc/thread-self/schedstat', 'latin1').split(' ')[0]) / 1e6;
}

/** Watches a timer of one millisecond. @returns the longest times between two of its turns, once it is stopped */
function watchPauses(): () => { p99Ms: number; maxMs: number; maxCpuMs: number } {
  const gaps: number[] = [];
  let maxCpu = 0;
  let [at, cpu] = [performance.now(), cpuMs()];
  const timer = setInterval(() => {
    const [now, used] = [performance.now(), cpuMs()];
    gaps.push(now - at);
    maxCpu = Math.max(maxCpu, used - cpu);
    [at, cpu] = [now, used];
  }, 1);
  return () => {
    clearInterval(timer);
    const maxMs = gaps.reduce((most, gap) => Math.max(most, gap), 0);
    return { p99Ms: round(percentile(gaps, 0.99)), maxMs: round(maxMs), maxCpuMs: round(maxCpu) };
  };
}

async function measurePauses(): Promise<object> {
  const from = server.keeper.currentGeneration();
  const images = new Set<SharedArrayBuffer>([server.keeper.buffer]);
  const stop = watchPauses();
  for (let i = 0; server.keeper.currentGeneration() < from + GENERATIONS; i++) {
    for (let n = 0; n < MACHINES_EACH; n++) {
      change(((i * MACHINES_EACH + n) * 7919) % machines.length);
    }
    wake();
    const before = server.keeper.currentGeneration();
    while (server.keeper.currentGeneration() === before) {
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    images.add(server.keeper.buffer);
  }
  const generations = server.keeper.currentGeneration() - from;
  return { generations, machinesEach: MACHINES_EACH, images: images.size - 1, ...stop() };
}

async function measure(): Promise<void> {
  process.stdout.write(`changes ${JSON.stringify(await measureWaits())}\n`);
  process.once('SIGUSR2', async () => {
    process.stdout.write(`pauses ${JSON.stringify(await measurePauses())}\n`);
  });
}

process.once('SIGUSR2', () => void measure());
process.on('SIGTERM', () => void server.close().then(() => process.exit(0)));
