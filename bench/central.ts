/**
 * Central over PostgreSQL with simulated sites: first copy, steady events, search under load, and what it costs by the number of
 * sites.
 *
 * Central is the program that people start, in its own process; sites are another one (support/fleet-sites.ts), with real
 * TLS, certificates and sessions over feeds that are made up. A lag is from a change at a site to the word that central has it
 * on disk. There is no peer: nothing free keeps a copy of such inventories by feed. Everything shares the machine's cores.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { stringify } from 'yaml';
import { joinFleet } from '../src/daemon/join-fleet.ts';
import { machineOf } from './inventory-fleet.ts';
import { temporaryDir } from './support/daemon.ts';
import type { Burst, SitesPlan, Steady } from './support/fleet-sites.ts';
import { startPostgres } from './support/postgres.ts';
import { cpuSeconds, memoryOf, type Program, runToEnd, start } from './support/process.ts';
import { requirePrograms } from './support/programs.ts';
import { type Scope, withScope } from './support/scope.ts';
import { percentile, round } from './support/stats.ts';
import type { TopicOptions, TopicResult } from './support/topic.ts';

const ROOT = resolve(import.meta.dirname, '..');
const REVEILLE = join(ROOT, 'bin/reveille');
const PORTS = { appliances: 18_444, people: 18_445 } as const;
const RATE = 1000;
const SYNC_MS = 480_000;

interface Size {
  readonly sites: number;
  readonly machines: number;
  readonly seconds: number;
  readonly burst: number;
  readonly asks: number;
}

const FULL: readonly Size[] = [
  { sites: 1, machines: 12_000, seconds: 20, burst: 20_000, asks: 300 },
  { sites: 4, machines: 12_000, seconds: 30, burst: 5000, asks: 300 },
  { sites: 8, machines: 50_000, seconds: 30, burst: 5000, asks: 300 },
];
const QUICK: readonly Size[] = [{ sites: 2, machines: 500, seconds: 3, burst: 1000, asks: 50 }];

export async function run({ quick, log }: TopicOptions): Promise<TopicResult> {
  const programs = requirePrograms('initdb', 'postgres');
  const ours: Record<string, object> = {};
  for (const size of quick ? QUICK : FULL) {
    const name = `${size.sites}x${size.machines}`;
    ours[name] = await withScope((scope) => measure(scope, programs, size));
    log(`${name}: ${JSON.stringify(ours[name])}`);
  }
  return {
    topic: 'central',
    ...{ ours, peers: {}, ratio: {} },
    notes: [
      'keys are SITESxMACHINES of each; there is no peer',
      `steady: ${RATE} events a second over all sites, each of which changes a record; searches run beside them, one after another`,
      'lag: from the change to the acknowledgement, which follows the commit; PostgreSQL with fsync, defaults of the package',
      'central, PostgreSQL, the sites and whoever searches share the cores; cpuShare is of central alone, of one core',
    ],
  };
}

async function measure(
  scope: Scope,
  programs: { readonly initdb: string; readonly postgres: string },
  size: Size,
): Promise<object> {
  const dir = temporaryDir(scope);
  await runToEnd({ scope, command: ['chmod', '755', dir] });
  const folder = join(dir, 'postgres');
  mkdirSync(folder);
  await startPostgres(scope, programs, folder);
  const { central, token } = await startCentral(scope, dir, folder);
  const call = caller(token);
  const sites = await joinAll(dir, size.sites, call);
  const startedAt = performance.now();
  const rack = startSites(scope, { sites, machines: size.machines });
  await rack.line(/^ready/);
  await synced(call, size);
  const firstSync = (performance.now() - startedAt) / 1000;
  const before = cpuSeconds(central.pid);
  const searching = search(call, size);
  rack.say(`steady ${RATE} ${size.seconds}`);
  const steady = JSON.parse((await rack.line(/^steady (.*)$/m, 600_000)).slice(7)) as Steady;
  const cpu = cpuSeconds(central.pid) - before;
  const searches = await searching;
  rack.say(`burst ${size.burst}`);
  const burst = JSON.parse((await rack.line(/^burst (.*)$/m, 600_000)).slice(6)) as Burst;
  const { rssBytes, peakBytes } = memoryOf(central.pid);
  return {
    firstSyncSeconds: round(firstSync),
    machinesPerSecond: Math.round((size.sites * size.machines) / firstSync),
    ...{ steady, burst, searches },
    cpuShare: round(cpu / steady.seconds, 3),
    rssMiB: Math.round(rssBytes / 2 ** 20),
    peakMiB: Math.round(peakBytes / 2 ** 20),
  };
}

async function startCentral(
  scope: Scope,
  dir: string,
  folder: string,
): Promise<{ central: Program; token: string }> {
  const config = join(dir, 'central.yaml');
  writeFileSync(
    config,
    stringify({
      database: `postgresql://postgres@/postgres?host=${encodeURIComponent(folder)}`,
      folder: join(dir, 'central'),
      appliances: { address: '127.0.0.1', port: PORTS.appliances, names: ['127.0.0.1'] },
      people: { address: '127.0.0.1', port: PORTS.people },
    }),
  );
  // Node itself and not the launcher: its memory and its time are what is measured.
  const main = join(ROOT, 'src/main.ts');
  const command: [string, ...string[]] = [process.execPath, main, 'central', 'serve', '-c', config];
  const central = start({ scope, command, cwd: ROOT });
  await central.line(/"msg":"central is ready"/);
  const words = ['central', 'token', 'bench', '--role', 'admin', '-c', config];
  const made = await runToEnd({ scope, command: [REVEILLE, ...words], cwd: ROOT });
  return { central, token: /rvl_\S+/.exec(made)?.[0] ?? '' };
}

// biome-ignore lint/suspicious/noExplicitAny: a bench reads what it expects
type Call = (method: string, path: string) => Promise<any>;

const caller =
  (token: string): Call =>
  async (method, path) => {
    const url = `http://127.0.0.1:${PORTS.people}/api/v1${path}`;
    const answer = await fetch(url, { method, headers: { authorization: `Bearer ${token}` } });
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
    return answer.json();
  };

async function joinAll(dir: string, count: number, call: Call): Promise<SitesPlan['sites']> {
  const sites: { name: string; folder: string }[] = [];
  for (let n = 1; n <= count; n++) {
    const name = `site${n}`;
    const folder = join(dir, name);
    const { code } = await call('POST', `/sites/${name}/join-code`);
    await joinFleet(folder, `https://127.0.0.1:${PORTS.appliances}`, code);
    sites.push({ name, folder });
  }
  return sites;
}

/** Every record of every site is there, and each site's cursor is at its last event. */
async function synced(call: Call, { sites, machines }: Size): Promise<void> {
  const deadline = Date.now() + SYNC_MS;
  for (;;) {
    const known = await call('GET', '/sites');
    const current = known.sites.filter((one: { freshness: string }) => one.freshness === 'current');
    if (current.length === sites) break;
    if (Date.now() > deadline) throw new Error(`not synced: ${JSON.stringify(known)}`);
    await new Promise((next) => setTimeout(next, 100));
  }
  const { capacity } = await call('GET', '/capacity');
  const counted = capacity.reduce((sum: number, { count }: { count: number }) => sum + count, 0);
  if (counted !== sites * machines)
    throw new Error(`${counted} machines are there, not ${sites * machines}`);
}

/** A serial that somebody reads off a machine, most of a hostname, two words: in turn. */
async function search(call: Call, { machines, asks }: Size): Promise<object> {
  const tookMs: number[] = [];
  let found = 0;
  for (let n = 0; n < asks; n++) {
    const { serial, role } = machineOf((n * 7919) % machines);
    const words = [serial.toLowerCase(), `${role}-${n}.lon`, `${role} r${n % 50}`][n % 3] ?? serial;
    const startedAt = performance.now();
    const { hits } = await call('GET', `/machines/search?q=${encodeURIComponent(words)}&limit=20`);
    tookMs.push(performance.now() - startedAt);
    if (hits.length > 0) found += 1;
  }
  if (found < asks / 3) throw new Error(`only ${found} of ${asks} searches have found anything`);
  const at = (share: number) => round(percentile(tookMs, share), 1);
  return { asks, found, p50Ms: at(0.5), p99Ms: at(0.99) };
}

function startSites(scope: Scope, plan: SitesPlan) {
  const program = join(import.meta.dirname, 'support/fleet-sites.ts');
  const child: ChildProcess = spawn(process.execPath, [program, JSON.stringify(plan)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  let said = '';
  const watchers = new Set<() => void>();
  let isOver = false;
  const ended = new Promise<void>((next) =>
    child.once('close', () => {
      isOver = true;
      for (const watch of watchers) watch();
      next();
    }),
  );
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    said += text;
    for (const watch of watchers) watch();
  });
  scope.defer(async () => {
    child.kill('SIGTERM');
    await ended;
  });
  return {
    say: (words: string) => void child.stdin?.write(`${words}\n`),
    line: (pattern: RegExp, withinMs = 60_000) =>
      new Promise<string>((found, fail) => {
        const late = setTimeout(() => end(() => fail(new Error(`no ${pattern}`))), withinMs);
        const end = (then: () => void) => {
          clearTimeout(late);
          watchers.delete(watch);
          then();
        };
        const watch = () => {
          const lines = said.split('\n').slice(0, -1);
          const line = lines.find((one) => pattern.test(one));
          if (line !== undefined) end(() => found(line));
          else if (isOver) end(() => fail(new Error('the sites have ended')));
        };
        watchers.add(watch);
        watch();
      }),
  };
}
