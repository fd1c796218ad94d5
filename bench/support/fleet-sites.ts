/**
 * Simulated sites for the bench of central, as a program: `fleet-sites.ts PLAN`, where PLAN is JSON (`SitesPlan`).
 *
 * Each site holds a line of its own with its own certificate and the appliance's own session (src/federation/session.ts) over a
 * feed that is made up: records of the size that ServerDb has, events that change one of them each. It is a process of its own,
 * so that its time and memory are not central's. It reads words from standard input, and answers each with a line of JSON:
 *
 *     steady RATE SECONDS   so many events a second over all sites: how long each took until central had it on disk
 *     burst COUNT           so many in each site at once: how long until central had them all
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { WebSocket } from 'ws';
import {
  type FeedEvent,
  type FromCentral,
  fromCentral,
  type LivingMachine,
  parseMessage,
} from '../../src/federation/protocol.ts';
import { createSession } from '../../src/federation/session.ts';
import { machineOf } from '../inventory-fleet.ts';
import { percentile, round } from './stats.ts';

/** These sites keep no pools. */
const gone = (name: string) => ({ name, gone: true }) as const;

export interface SitesPlan {
  readonly sites: readonly { readonly name: string; readonly folder: string }[];
  readonly machines: number;
}

export interface Steady {
  readonly events: number;
  readonly seconds: number;
  readonly lagP50Ms: number;
  readonly lagP99Ms: number;
  readonly lagMaxMs: number;
}

export interface Burst {
  readonly events: number;
  readonly seconds: number;
  readonly perSecond: number;
}

interface Site {
  /** Changes one machine, now. */
  change(): void;
  /** Looks for what is to be sent. */
  pump(): void;
  readonly last: () => number;
  readonly acked: () => number;
  /** Milliseconds from a change to the word that central has it, since the last time. */
  takeLags(): number[];
}

const EPOCH = 'bench-epoch1';
const STATES = ['available', 'in-use'] as const;
/** What was acknowledged is dropped from memory in pieces of this. */
const PIECE = 10_000;
const TICK_MS = 10;

function documentOf(site: string, index: number, version: number): LivingMachine {
  const { serial, nics, ...rest } = machineOf(index);
  return {
    ...rest,
    ...{ hardwarename: `${site.toUpperCase()}-${serial}`, serial, version },
    state: STATES[version % 2],
    ...{ hardwareType: index % 3 === 0 ? 'high-io' : 'web', squad: 'music', uuid: '' },
    ...{ firstSeenAt: 1, updatedAt: 1, why: 'as the bench has it', bmcAddress: '', bmcMac: '' },
    nics: nics.map((nic) => ({ ...nic, speedMbps: 10_000, link: true, addresses: [] })),
  } as LivingMachine;
}

function openSite({ name, folder }: SitesPlan['sites'][number], machines: number): Site {
  const membership = JSON.parse(readFileSync(join(folder, 'membership.json'), 'utf8'));
  const identity = readFileSync(join(folder, 'appliance.pem'), 'utf8');
  const versions = new Uint32Array(machines).fill(1);
  const names = Array.from({ length: machines }, (_, index) => ({
    ...{ index, hardwarename: documentOf(name, index, 1).hardwarename },
  })).sort((a, b) => (a.hardwarename < b.hardwarename ? -1 : 1));
  const indexOf = new Map(names.map(({ hardwarename, index }) => [hardwarename, index]));
  const positionOf = new Map(names.map(({ hardwarename }, position) => [hardwarename, position]));
  const current = (index: number) => documentOf(name, index, versions[index] ?? 1);
  /** With numbers from `first` on. */
  let events: FeedEvent[] = [{ id: 1, at: Date.now(), name: 'machine.state', data: {} }];
  let [first, acked, turn] = [1, 0, 0];
  let lags: number[] = [];
  const last = () => first + events.length - 1;
  const socket = new WebSocket(new URL('/link', membership.url.replace(/^http/, 'ws')), {
    ...{ ca: membership.authority, key: identity, cert: identity, minVersion: 'TLSv1.3' },
    perMessageDeflate: false,
  });
  const session = createSession({
    ...{ site: name, appliance: name, program: 'bench', now: Date.now },
    after(cursor, count) {
      const from = Math.max(0, cursor - first + 1);
      return events.slice(from, from + count);
    },
    ...{ lastId: last, floor: () => first - 1, epoch: () => EPOCH },
    machine(hardwarename) {
      const index = indexOf.get(hardwarename);
      return index === undefined ? undefined : current(index);
    },
    machinesAfter(after, count) {
      const from = after === '' ? 0 : (positionOf.get(after) ?? 0) + 1;
      return names.slice(from, from + count).map(({ index }) => current(index));
    },
    request: () => undefined,
    requestsAfter: () => [],
    ...{ membersOf: () => [], pools: () => [], pool: gone },
    job: (id) => ({ id, gone: true }),
    jobIds: () => [],
    carryOut: () => Promise.reject(new Error('nothing is asked of a bench')),
    snapshotId: () => `${name}-${Date.now()}`,
    send: (message) => socket.send(JSON.stringify(message)),
    unsentBytes: () => socket.bufferedAmount,
    onCertificate: () => undefined,
    onRefused: (code, detail) => void process.stderr.write(`${name}: ${code} ${detail}\n`),
    onError: (error) => void process.stderr.write(`${name}: ${String(error)}\n`),
  });
  const take = (cursor: number): void => {
    const now = Date.now();
    for (let id = acked + 1; id <= cursor; id++) lags.push(now - (events[id - first]?.at ?? now));
    acked = Math.max(acked, cursor);
    const done = acked - first + 1;
    if (done < PIECE) return;
    events = events.slice(done);
    first += done;
  };
  socket.on('open', session.open);
  socket.on('message', (data) => {
    const message: FromCentral = parseMessage(fromCentral, String(data));
    if (message.kind === 'ack') take(message.cursor);
    session.heard(message);
  });
  socket.on('error', (error) => void process.stderr.write(`${name}: ${error.message}\n`));
  // A socket that has room again tells nobody: the daemon looks at each commit, and so does this.
  setInterval(() => session.pump(), TICK_MS);
  return {
    ...{ last, acked: () => acked, pump: session.pump },
    change() {
      const { index = 0, hardwarename = '' } = names[(turn * 7919) % machines] ?? {};
      turn += 1;
      versions[index] = (versions[index] ?? 1) + 1;
      const data = { from: 'available', to: 'in-use', why: 'the bench', by: 'job' };
      events.push({ id: last() + 1, at: Date.now(), name: 'machine.state', hardwarename, data });
    },
    takeLags() {
      const taken = lags;
      lags = [];
      return taken;
    },
  };
}

const { sites: wanted, machines } = JSON.parse(process.argv[2] ?? '{}') as SitesPlan;
const sites = wanted.map((site) => openSite(site, machines));
const pause = (ms: number) => new Promise((next) => setTimeout(next, ms));
const isThrough = () => sites.every(({ last, acked }) => acked() >= last());
const through = async () => {
  while (!isThrough()) await pause(1);
};

async function steady(rate: number, seconds: number): Promise<Steady> {
  await through();
  for (const site of sites) site.takeLags();
  const startedAt = performance.now();
  let made = 0;
  for (let elapsed = 0; elapsed < seconds * 1000; elapsed = performance.now() - startedAt) {
    for (; made < (elapsed / 1000) * rate; made++) sites[made % sites.length]?.change();
    for (const site of sites) site.pump();
    await pause(TICK_MS);
  }
  await through();
  const lags = sites.flatMap((site) => site.takeLags());
  const at = (share: number) => round(percentile(lags, share), 1);
  const spent = round((performance.now() - startedAt) / 1000);
  return { events: made, seconds: spent, lagP50Ms: at(0.5), lagP99Ms: at(0.99), lagMaxMs: at(1) };
}

async function burst(count: number): Promise<Burst> {
  await through();
  const startedAt = performance.now();
  for (const site of sites) for (let n = 0; n < count; n++) site.change();
  for (const site of sites) site.pump();
  await through();
  const seconds = (performance.now() - startedAt) / 1000;
  const events = count * sites.length;
  return { events, seconds: round(seconds), perSecond: Math.round(events / seconds) };
}

createInterface({ input: process.stdin }).on('line', (line) => {
  const [word, ...numbers] = line.split(' ');
  const [a = 0, b = 0] = numbers.map(Number);
  const answered = word === 'steady' ? steady(a, b) : burst(a);
  void answered.then((answer) => process.stdout.write(`${word} ${JSON.stringify(answer)}\n`));
});
process.on('SIGTERM', () => process.exit(0));
process.stdout.write(`ready ${sites.length}\n`);
