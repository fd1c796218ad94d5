/**
 * The lab's network: two throw-away namespaces and nothing on the host but one management link.
 *
 *     host --(10.99.N.0/30)-- [app: the appliance, prov0 10.77.0.1/24] --veth-- [sw: bridge, one tap for each NIC]
 *
 * Where machines have BMCs there is a second bridge like it, `oob`: the appliance's oob0 10.79.0.1/24 on one side, a namespace
 * for each BMC on the other.
 *
 * The bridge has no spanning tree and no forward delay: with them the first DHCP packets of each machine are lost.
 */
import { execFileSync } from 'node:child_process';

export interface LabNetwork {
  readonly app: string;
  readonly sw: string;
  /** The host's end of the management link; goes away with the namespace of the other end. */
  readonly link: string;
  readonly hostAddress: string;
  readonly appAddress: string;
}

export function ip(...words: string[]): string {
  return execFileSync('ip', words, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
}

export function planNetwork(id: string): LabNetwork {
  const used = new Set(
    (JSON.parse(ip('-j', 'address')) as { addr_info: { local: string }[] }[])
      .flatMap(({ addr_info }) => addr_info)
      .map(({ local }) => local),
  );
  // Two that start at once see the same numbers free: each begins at a place of its own.
  const first = Number.parseInt(id.replace(/^rv/, ''), 16) || 0;
  const free = Array.from({ length: 250 }, (_, n) => (first + n) % 250).find(
    (n) => !used.has(`10.99.${n}.1`),
  );
  if (free === undefined)
    throw new Error('250 labs are running: `npm run lab -- destroy --all` removes dead ones');
  return {
    app: `${id}-app`,
    sw: `${id}-sw`,
    link: `${id}-m`,
    hostAddress: `10.99.${free}.1`,
    appAddress: `10.99.${free}.2`,
  };
}

/** The network of the BMCs, as the appliance's configuration has it beside the default segment. */
export const OUT_OF_BAND = {
  ...{ bridge: 'oob', iface: 'oob0', address: '10.79.0.1', netmask: '255.255.255.0' },
  segment: {
    ...{ name: 'out-of-band', kind: 'out-of-band', iface: 'oob0', address: '10.79.0.1' },
    ...{ cidr: '10.79.0.0/24', pool: { first: '10.79.0.100', last: '10.79.0.199' } },
  },
} as const;

export function createNetwork(
  net: LabNetwork,
  { taps, outOfBand }: { taps: readonly string[]; outOfBand: boolean },
): void {
  for (const ns of [net.app, net.sw]) {
    ip('netns', 'add', ns);
    ip('-n', ns, 'link', 'set', 'lo', 'up');
  }
  ip('link', 'add', net.link, 'type', 'veth', 'peer', 'name', 'mgmt0', 'netns', net.app);
  ip('address', 'add', `${net.hostAddress}/30`, 'dev', net.link);
  ip('link', 'set', net.link, 'up');
  ip('-n', net.app, 'address', 'add', `${net.appAddress}/30`, 'dev', 'mgmt0');
  ip('-n', net.app, 'link', 'set', 'mgmt0', 'up');

  addSegment(net, { iface: 'prov0', address: '10.77.0.1/24', bridge: 'br0', uplink: 'uplink' });
  for (const tap of taps) {
    ip('-n', net.sw, 'tuntap', 'add', 'dev', tap, 'mode', 'tap');
    ip('-n', net.sw, 'link', 'set', tap, 'master', 'br0');
    ip('-n', net.sw, 'link', 'set', tap, 'up');
  }
  if (!outOfBand) return;
  const { iface, bridge } = OUT_OF_BAND;
  addSegment(net, { iface, address: `${OUT_OF_BAND.address}/24`, bridge, uplink: 'oob-up' });
}

/** A bridge, and the appliance's link to it. */
function addSegment(
  net: LabNetwork,
  segment: { iface: string; address: string; bridge: string; uplink: string },
): void {
  const { iface, address, bridge, uplink } = segment;
  const link = ['link', 'add', iface, 'type', 'veth', 'peer', 'name', uplink];
  ip('-n', net.app, ...link, 'netns', net.sw);
  ip('-n', net.app, 'address', 'add', address, 'dev', iface);
  ip('-n', net.app, 'link', 'set', iface, 'up');
  const type = ['type', 'bridge', 'stp_state', '0', 'forward_delay', '0'];
  ip('-n', net.sw, 'link', 'add', bridge, ...type);
  ip('-n', net.sw, 'link', 'set', bridge, 'up');
  ip('-n', net.sw, 'link', 'set', uplink, 'master', bridge);
  ip('-n', net.sw, 'link', 'set', uplink, 'up');
}

/**
 * A namespace of its own with one link `eth0` to a bridge, for a client, a relay, a BMC or another server.
 * @param name at most thirteen characters: interface names have fifteen
 */
export function addNeighbour(
  net: Pick<LabNetwork, 'app' | 'sw'>,
  name: string,
  { mac, address, bridge = 'br0' }: { mac?: string; address?: string; bridge?: string },
): string {
  const ns = net.app.replace(/app$/, name);
  ip('netns', 'add', ns);
  ip('-n', ns, 'link', 'set', 'lo', 'up');
  const link = ['link', 'add', `p-${name}`, 'type', 'veth', 'peer', 'name', 'eth0'];
  ip('-n', net.sw, ...link, 'netns', ns);
  ip('-n', net.sw, 'link', 'set', `p-${name}`, 'master', bridge, 'up');
  if (mac) ip('-n', ns, 'link', 'set', 'eth0', 'address', mac);
  if (address) ip('-n', ns, 'address', 'add', address, 'dev', 'eth0');
  ip('-n', ns, 'link', 'set', 'eth0', 'up');
  return ns;
}

/** Ends every process inside the lab's namespaces, then removes them. Safe to repeat. */
export function destroyNetwork(net: Pick<LabNetwork, 'app'>): void {
  const prefix = net.app.replace(/app$/, '');
  const present = ip('netns', 'list')
    .split('\n')
    .map((line) => line.split(' ')[0] ?? '')
    .filter((ns) => ns.startsWith(prefix));
  for (const ns of present) endNamespace(ns);
  // A namespace lives on for a minute or two, and this link with it, while it holds a connection that a dead machine never ended.
  unlessGone('link', 'delete', `${prefix}m`);
}

/** How long a process may take to go that was killed: one with much memory takes its time on a busy computer. */
const ENDING_MS = 10_000;
const LOOK_MS = 10;

/** Ends every process inside of a namespace, waits until they are gone, and removes it. Safe to repeat. */
export function endNamespace(ns: string): void {
  // One that was just about to start another is looked for again.
  for (let waitedMs = 0; waitedMs < ENDING_MS; waitedMs += LOOK_MS) {
    const pids = unlessGone('netns', 'pids', ns).split('\n').filter(Boolean);
    if (pids.length === 0) break;
    for (const pid of pids) {
      try {
        process.kill(Number(pid), 'SIGKILL');
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
      }
    }
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, LOOK_MS);
  }
  unlessGone('netns', 'delete', ns);
}

/** What is to go may go by itself at any moment: the kernel ends namespaces, and their links, in its own time. */
function unlessGone(...words: string[]): string {
  try {
    return ip(...words);
  } catch (error) {
    const { stderr } = error as { stderr?: string };
    if (/Cannot find device|No such (device|file or directory)/.test(stderr ?? '')) return '';
    throw error;
  }
}
