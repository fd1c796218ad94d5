/**
 * HTTP: one 256 MiB image pulled by 1 and by 32 clients, from us and from nginx with sendfile, 1 and 2 workers.
 *
 * The servers run in one namespace and the clients in another, joined by a veth pair; servers take short turns, and a
 * ratio is the median of those within one turn: what such a machine can do changes by half within a minute. Two kinds of client: `drain` throws the bytes away in the kernel, so that the server
 * bounds the figure; `curl` is a process for each client that copies them out, as a machine does. The image is in the
 * page cache, which is what a storm of machines makes of it. Each server's CPU time is quoted for each GiB, because two
 * cores are shared with the clients: a server that uses less leaves more to others. Memory is resident memory, sampled.
 */
import { createHash, randomBytes } from 'node:crypto';
import { createReadStream, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { startDaemon, temporaryDir } from './support/daemon.ts';
import { createPair, type Pair } from './support/network.ts';
import { cpuSeconds, memoryOf, runToEnd, start, treeOf } from './support/process.ts';
import { requirePrograms } from './support/programs.ts';
import { type Scope, withScope } from './support/scope.ts';
import { median, round } from './support/stats.ts';
import { atLeast, atMost, type TopicOptions, type TopicResult } from './support/topic.ts';

const ADDRESS = '10.98.0.1';
const GIB = 2 ** 30;
const IMAGE_BYTES = 268_435_456;
/** A run's length, of those that have one; a curl fetches the image this many times instead. */
const DRAIN_SECONDS = 1.5;
const CURL_IMAGES = 6;
const ROUNDS = 9;
/** The target, of nginx's rate. */
const SHARE_OF_NGINX = 0.8;
/** What is still called flat: a collector lets go of buffers when it likes. */
const GROWTH_MIB_MAX = 32;

interface Server {
  readonly name: string;
  readonly pid: number;
  readonly port: number;
  readonly path: string;
}

interface Sample {
  readonly gibPerSecond: number;
  readonly cpuSecondsPerGib: number;
  readonly rssPeakMiB: number;
}

interface Load {
  readonly name: string;
  readonly program: 'drain' | 'curl';
  readonly clients: number;
  /** In which turns: those of 32 processes take long, and differ less. */
  readonly every: number;
}

const LOADS: readonly Load[] = [
  { name: 'drain, 1 clients', program: 'drain', clients: 1, every: 1 },
  { name: 'curl, 1 clients', program: 'curl', clients: 1, every: 1 },
  { name: 'drain, 32 clients', program: 'drain', clients: 32, every: 1 },
  { name: 'curl, 32 clients', program: 'curl', clients: 32, every: 3 },
];

export async function run(options: TopicOptions): Promise<TopicResult> {
  requirePrograms('ip', 'nginx', 'curl');
  return withScope((scope) => measure(scope, options));
}

async function measure(scope: Scope, { quick, log }: TopicOptions): Promise<TopicResult> {
  const pair = createPair(scope, { serverAddress: `${ADDRESS}/24`, clientAddress: '10.98.0.2/24' });
  const dir = temporaryDir(scope);
  const image = makeImage(dir);
  const servers = await startServers(scope, pair, dir);
  await sameBytes({ scope, pair, servers, image });
  const rounds = quick ? 1 : ROUNDS;
  const samples = new Map<string, Sample[]>();
  const before = new Map(servers.map((server) => [server.name, [rssMiB(server)]]));
  for (let turn = 0; turn < rounds; turn++) {
    for (const load of LOADS.filter(({ every }) => turn % every === 0)) {
      // Every turn begins with another server: whoever comes first finds the caches as another left them.
      const first = turn / load.every;
      for (let n = 0; n < servers.length; n++) {
        const server = servers[(n + first) % servers.length];
        if (!server) continue;
        const sample = await sampleOf({ scope, pair, server, load });
        const key = `${server.name}, ${load.name}`;
        samples.set(key, [...(samples.get(key) ?? []), sample]);
        const { gibPerSecond, cpuSecondsPerGib, rssPeakMiB } = sample;
        log(
          `${key}: ${gibPerSecond} GiB/s, ${cpuSecondsPerGib} CPU s/GiB, at most ${rssPeakMiB} MiB`,
        );
      }
    }
    // After each round: the first has filled buffers and caches, and what grows from then on is not for that.
    for (const server of servers) before.get(server.name)?.push(rssMiB(server));
  }
  return summary(servers, samples, before);
}

function makeImage(dir: string): string {
  const assets = join(dir, 'assets');
  mkdirSync(assets);
  const image = join(assets, 'image.raw');
  writeFileSync(image, randomBytes(IMAGE_BYTES));
  for (const name of ['undionly.kpxe', 'snponly.efi', 'ipxe.efi', 'vmlinuz', 'initrd.img']) {
    writeFileSync(join(assets, name), name);
  }
  return image;
}

async function startServers(scope: Scope, pair: Pair, dir: string): Promise<Server[]> {
  const assets = join(dir, 'assets');
  const daemon = await startDaemon({
    scope,
    namespace: pair.server,
    config: {
      dhcp: {
        segments: [
          {
            iface: pair.serverIface,
            address: ADDRESS,
            cidr: '10.98.0.0/24',
            pool: { first: '10.98.0.100', last: '10.98.0.200' },
          },
        ],
      },
      boot: { assets, pxeimage: assets },
    },
  });
  const ours = { name: 'ours', pid: daemon.pid, port: 8080, path: '/boot/ipxe/image.raw' };
  return [ours, await startNginx(scope, pair, dir, 1), await startNginx(scope, pair, dir, 2)];
}

async function startNginx(scope: Scope, pair: Pair, dir: string, workers: number): Promise<Server> {
  const name = `nginx-${workers}`;
  const port = 8180 + workers;
  const file = join(dir, `${name}.conf`);
  writeFileSync(
    file,
    `daemon off; user root; worker_processes ${workers}; pid ${join(dir, name)}.pid;
     error_log stderr notice; events { worker_connections 1024; }
     http { access_log off; sendfile on; tcp_nopush on; sendfile_max_chunk 2m;
            server { listen ${ADDRESS}:${port}; root ${dir}/assets; } }`,
  );
  const command: [string, ...string[]] = ['nginx', '-c', file, '-e', 'stderr'];
  const program = start({ scope, namespace: pair.server, command });
  await program.line(/start worker process \d+/);
  return { name, pid: program.pid, port, path: '/image.raw' };
}

/** Before anything is measured: every server hands out the image, byte for byte. */
async function sameBytes(of: {
  scope: Scope;
  pair: Pair;
  servers: readonly Server[];
  image: string;
}): Promise<void> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(of.image)) hash.update(chunk as Buffer);
  const digest = hash.digest('hex');
  for (const server of of.servers) {
    const output = await runToEnd({
      scope: of.scope,
      namespace: of.pair.client,
      command: ['sh', '-c', `curl -sSf ${urlOf(server)} | sha256sum`],
    });
    if (!output.startsWith(digest)) throw new Error(`${server.name} sent other bytes: ${output}`);
  }
}

const urlOf = ({ port, path }: Server) => `http://${ADDRESS}:${port}${path}`;

async function sampleOf(of: {
  scope: Scope;
  pair: Pair;
  server: Server;
  load: Load;
}): Promise<Sample> {
  const { server } = of;
  const pids = treeOf(server.pid);
  const cpu = () => pids.reduce((sum, pid) => sum + cpuSeconds(pid), 0);
  const cpuBefore = cpu();
  let rssPeakMiB = rssMiB(server);
  const sampling = setInterval(() => {
    rssPeakMiB = Math.max(rssPeakMiB, rssMiB(server));
  }, 50);
  try {
    const { bytes, seconds } = await (of.load.program === 'drain' ? drain(of) : curl(of));
    return {
      gibPerSecond: round(bytes / GIB / seconds),
      cpuSecondsPerGib: round((cpu() - cpuBefore) / (bytes / GIB), 3),
      rssPeakMiB,
    };
  } finally {
    clearInterval(sampling);
  }
}

interface Pulled {
  readonly bytes: number;
  readonly seconds: number;
}

async function drain(of: Parameters<typeof sampleOf>[0]): Promise<Pulled> {
  const program = join(import.meta.dirname, 'support/http-drain.ts');
  const { port, path } = of.server;
  const words = [ADDRESS, String(port), path, String(of.load.clients), String(DRAIN_SECONDS)];
  const output = await runToEnd({
    scope: of.scope,
    namespace: of.pair.client,
    command: [process.execPath, program, ...words],
  });
  return JSON.parse(output) as Pulled;
}

/** Each client a process; a single one fetches the image several times. */
async function curl(of: Parameters<typeof sampleOf>[0]): Promise<Pulled> {
  const each = of.load.clients === 1 ? CURL_IMAGES : 1;
  const urls = Array.from({ length: each }, () => `-o /dev/null ${urlOf(of.server)}`).join(' ');
  const clients = `for n in $(seq ${of.load.clients}); do curl -sSf ${urls} & pids="$pids $!"; done`;
  const started = process.hrtime.bigint();
  await runToEnd({
    scope: of.scope,
    namespace: of.pair.client,
    command: ['sh', '-c', `${clients}; for pid in $pids; do wait $pid || exit 1; done`],
  });
  const seconds = Number(process.hrtime.bigint() - started) / 1e9;
  return { bytes: of.load.clients * each * IMAGE_BYTES, seconds };
}

function rssMiB({ pid }: Server): number {
  const bytes = treeOf(pid).reduce((sum, member) => sum + memoryOf(member).rssBytes, 0);
  return Math.round(bytes / 2 ** 20);
}

function summary(
  servers: readonly Server[],
  samples: ReadonlyMap<string, Sample[]>,
  memory: ReadonlyMap<string, readonly number[]>,
): TopicResult {
  const of = (server: Server, { name }: Load, what: keyof Sample): readonly number[] =>
    (samples.get(`${server.name}, ${name}`) ?? []).map((sample) => sample[what]);
  const figures = (server: Server) => {
    const table = LOADS.map((load) => [
      load.name,
      {
        gibPerSecond: round(median(of(server, load, 'gibPerSecond'))),
        cpuSecondsPerGib: round(median(of(server, load, 'cpuSecondsPerGib')), 3),
        rssPeakMiB: Math.max(...of(server, load, 'rssPeakMiB')),
      },
    ]);
    return { ...Object.fromEntries(table), rssMiB: memory.get(server.name) };
  };
  const [ours, ...peers] = servers;
  if (!ours) throw new Error('no server of ours');
  const ratio: Record<string, number> = {};
  for (const peer of peers) {
    for (const load of LOADS) {
      const theirs = of(peer, load, 'gibPerSecond');
      const within = of(ours, load, 'gibPerSecond').map(
        (mine, turn) => mine / (theirs[turn] ?? Number.NaN),
      );
      ratio[`${peer.name}, ${load.name}`] = round(median(within));
    }
  }
  const [, afterFirst = 0, ...later] = memory.get(ours.name) ?? [];
  return {
    topic: 'http',
    ours: figures(ours),
    peers: Object.fromEntries(peers.map((peer) => [peer.name, figures(peer)])),
    ratio,
    verdicts: [
      ...Object.entries(ratio).map(([key, value]) =>
        atLeast(`times ${key}`, SHARE_OF_NGINX, value),
      ),
      atMost(
        'MiB of memory grown after the first round',
        GROWTH_MIB_MAX,
        (later.at(-1) ?? afterFirst) - afterFirst,
      ),
    ],
    notes: [
      'nginx: sendfile, tcp_nopush, no access log; ours has none either.',
      'The route is that of boot binaries, which has no token; one with a token adds two events to each download.',
      'A curl with 32 clients counts the start of its processes; both servers bear the same.',
    ],
  };
}
