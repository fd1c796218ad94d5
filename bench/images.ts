/**
 * Images: a snapshot of 2 GiB streamed to eight machines at once, from us and from nginx with sendfile.
 *
 * The daemon is the real one, in the middle of eight installs: each machine has the token of its own work, and is admitted,
 * observed and cut off as in life. Two kinds of client, eight processes each: `read` (curl to /dev/null), so that the server
 * has the most of the computer, and `hash` (curl into sha256sum), which is what an agent does with every byte before it
 * writes it. The servers run in one namespace and the clients in another, joined by a veth pair; they take turns.
 *
 * What is judged is memory: it must not grow with the size of the image or with the machines. The snapshot is in the page
 * cache after the first of them, as it is in life when a rack is installed.
 */
import { writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { startDaemon, temporaryDir } from './support/daemon.ts';
import { type ImageSite, makeImageSite } from './support/image-site.ts';
import { createPair, type Pair } from './support/network.ts';
import { cpuSeconds, memoryOf, runToEnd, start, treeOf } from './support/process.ts';
import { requirePrograms } from './support/programs.ts';
import { type Scope, withScope } from './support/scope.ts';
import { median, round } from './support/stats.ts';
import { atMost, type TopicOptions, type TopicResult } from './support/topic.ts';

const ADDRESS = '10.98.0.1';
const MACHINES = 8;
const GIB = 2 ** 30;
const SAMPLE_MS = 50;
/** Of 16 GiB that pass by: what eight streams hold at once, and what the heap takes for them the first time. */
const GROWTH_MAX_MIB = 64;

interface Server {
  readonly name: string;
  readonly pid: number;
  urlOf(machine: number): string;
}

interface Sample {
  readonly seconds: number;
  readonly gibPerSecond: number;
  readonly cpuSecondsPerGib: number;
  readonly rssBeforeMiB: number;
  readonly rssPeakMiB: number;
}

type Load = 'read' | 'hash';
const LOADS: readonly Load[] = ['read', 'hash'];

export async function run(options: TopicOptions): Promise<TopicResult> {
  requirePrograms('ip', 'nginx', 'curl');
  return withScope((scope) => measure(scope, options));
}

async function measure(scope: Scope, { quick, log }: TopicOptions): Promise<TopicResult> {
  const sizeBytes = quick ? GIB / 4 : 2 * GIB;
  const pair = createPair(scope, { serverAddress: `${ADDRESS}/24`, clientAddress: '10.98.0.2/24' });
  const dir = temporaryDir(scope);
  log(`writing a snapshot of ${sizeBytes / GIB} GiB`);
  const site = makeImageSite(dir, { sizeBytes, machines: MACHINES });
  const servers = [
    await startOurs(scope, pair, { dir, site }),
    await startNginx(scope, pair, site),
  ];
  const samples = new Map<string, Sample[]>();
  for (let turn = 0; turn < (quick ? 1 : 3); turn++) {
    for (const load of LOADS) {
      // Every round begins with another server: whoever comes first finds the caches as another left them.
      for (let n = 0; n < servers.length; n++) {
        const server = servers[(n + turn) % servers.length];
        if (!server) continue;
        const sample = await sampleOf({ scope, pair, server, load, site, sizeBytes });
        const key = `${server.name} ${load}`;
        samples.set(key, [...(samples.get(key) ?? []), sample]);
        const { gibPerSecond, rssBeforeMiB, rssPeakMiB } = sample;
        log(`${key}: ${gibPerSecond} GiB/s, memory ${rssBeforeMiB} -> ${rssPeakMiB} MiB`);
      }
    }
  }
  return summary(servers, samples, sizeBytes);
}

async function startOurs(
  scope: Scope,
  pair: Pair,
  { dir, site }: { readonly dir: string; readonly site: ImageSite },
): Promise<Server> {
  const segment = {
    ...{ iface: pair.serverIface, address: ADDRESS, cidr: '10.98.0.0/24' },
    pool: { first: '10.98.0.100', last: '10.98.0.200' },
  };
  const daemon = await startDaemon({
    ...{ scope, namespace: pair.server, dir },
    // The jobs are to stay as they are: their machines are clients of this bench.
    config: { dhcp: { segments: [segment] }, jobs: { enabled: false } },
  });
  const urlOf = (machine: number) =>
    `http://${ADDRESS}:8080/images/${site.tokens[machine]}/${site.sha256}`;
  return { name: 'ours', pid: daemon.pid, urlOf };
}

async function startNginx(scope: Scope, pair: Pair, site: ImageSite): Promise<Server> {
  const root = dirname(site.file);
  const dir = temporaryDir(scope);
  const file = join(dir, 'nginx.conf');
  writeFileSync(
    file,
    `daemon off; user root; worker_processes 1; pid ${join(dir, 'nginx')}.pid;
     error_log stderr notice; events { worker_connections 1024; }
     http { access_log off; sendfile on; tcp_nopush on; sendfile_max_chunk 2m;
            server { listen ${ADDRESS}:8181; root ${root}; } }`,
  );
  const command: [string, ...string[]] = ['nginx', '-c', file, '-e', 'stderr'];
  const program = start({ scope, namespace: pair.server, command });
  await program.line(/start worker process \d+/);
  const urlOf = () => `http://${ADDRESS}:8181/${site.sha256}`;
  return { name: 'nginx-1', pid: program.pid, urlOf };
}

interface Trial {
  readonly scope: Scope;
  readonly pair: Pair;
  readonly server: Server;
  readonly load: Load;
  readonly site: ImageSite;
  readonly sizeBytes: number;
}

/** @throws Error when a machine did not get the snapshot, whole and right */
async function sampleOf({ scope, pair, server, load, site, sizeBytes }: Trial): Promise<Sample> {
  const pids = treeOf(server.pid);
  const cpu = () => pids.reduce((sum, pid) => sum + cpuSeconds(pid), 0);
  const [cpuBefore, rssBeforeMiB] = [cpu(), rssMiB(server)];
  let rssPeakMiB = rssBeforeMiB;
  const sampling = setInterval(() => {
    rssPeakMiB = Math.max(rssPeakMiB, rssMiB(server));
  }, SAMPLE_MS);
  const client = (machine: number) => {
    const fetch = `curl -sSf ${server.urlOf(machine)}`;
    return load === 'read'
      ? `${fetch} -o /dev/null -w '%{size_download}\\n' | grep -qx ${sizeBytes}`
      : `${fetch} | sha256sum | grep -q ^${site.sha256}`;
  };
  const clients = Array.from({ length: MACHINES }, (_, n) => `(${client(n)}) & pids="$pids $!"`);
  const started = process.hrtime.bigint();
  try {
    const script = `${clients.join('\n')}\nfor pid in $pids; do wait $pid || exit 1; done`;
    await runToEnd({ scope, namespace: pair.client, command: ['sh', '-c', script] });
  } finally {
    clearInterval(sampling);
  }
  const seconds = Number(process.hrtime.bigint() - started) / 1e9;
  const gib = (MACHINES * sizeBytes) / GIB;
  return {
    seconds: round(seconds),
    gibPerSecond: round(gib / seconds),
    cpuSecondsPerGib: round((cpu() - cpuBefore) / gib, 3),
    ...{ rssBeforeMiB, rssPeakMiB },
  };
}

function rssMiB({ pid }: Server): number {
  const bytes = treeOf(pid).reduce((sum, member) => sum + memoryOf(member).rssBytes, 0);
  return Math.round(bytes / 2 ** 20);
}

function summary(
  servers: readonly Server[],
  samples: ReadonlyMap<string, Sample[]>,
  sizeBytes: number,
): TopicResult {
  const all = (name: string, load: Load) => samples.get(`${name} ${load}`) ?? [];
  const figures = (name: string) =>
    Object.fromEntries(
      LOADS.map((load) => {
        const of = (what: keyof Sample) => all(name, load).map((sample) => sample[what]);
        return [
          load,
          {
            gibPerSecond: round(median(of('gibPerSecond'))),
            cpuSecondsPerGib: round(median(of('cpuSecondsPerGib')), 3),
            rssBeforeMiB: Math.min(...of('rssBeforeMiB')),
            rssPeakMiB: Math.max(...of('rssPeakMiB')),
          },
        ];
      }),
    );
  const [ours, ...peers] = servers;
  if (!ours) throw new Error('no server of ours');
  const rate = (name: string, load: Load) =>
    median(all(name, load).map(({ gibPerSecond }) => gibPerSecond));
  return {
    topic: 'images',
    ours: figures(ours.name),
    peers: Object.fromEntries(peers.map(({ name }) => [name, figures(name)])),
    ratio: Object.fromEntries(
      peers.flatMap(({ name }) =>
        LOADS.map((load) => [`${name}, ${load}`, round(rate(ours.name, load) / rate(name, load))]),
      ),
    ),
    verdicts: LOADS.map((load) => {
      const rss = all(ours.name, load);
      const growth = rss.map(({ rssBeforeMiB, rssPeakMiB }) => rssPeakMiB - rssBeforeMiB);
      return atMost(
        `memory that a load of ${load} takes, MiB`,
        GROWTH_MAX_MIB,
        Math.max(...growth),
      );
    }),
    notes: [
      `${MACHINES} machines, ${sizeBytes / GIB} GiB each, ${(MACHINES * sizeBytes) / GIB} GiB in all; every client had the whole snapshot.`,
      'Servers and clients share the cores: what bounds both loads here is the processor that copies and hashes. Ten gigabits a second are 1.16 GiB/s.',
      'nginx: sendfile, one worker, no token, no events.',
    ],
  };
}
