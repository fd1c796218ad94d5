/**
 * Replies to clients that have no address yet, as they are on the wire: to the client's own hardware address and to the address that
 * it is given, where it does not ask for broadcasts. The clients are programs that nobody here wrote; tcpdump reads the frames and
 * their checksums. systemd-networkd is judged by scenario `clients`. Needs root.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createNamespaces, ip, pidIn, until } from '../support/namespaces.ts';

const world = createNamespaces('s', 'c');
const { dir, inside } = world;
const { s: SERVER, c: CLIENT } = world.ns;
const MAC = '52:54:00:99:00:01';
const EVERYBODY = 'ff:ff:ff:ff:ff:ff';

const CONFIG = `
dhcp: { segments: [{ pools: [{ first: 10.77.0.100, last: 10.77.0.100 }], conflictProbe: false }] }
`;

/** The namespace of a client on one wire with the daemon's. */
function connect({ s: server, c: client }: typeof world.ns): void {
  ip('-n', server, 'link', 'add', 'prov0', 'type', 'veth', 'peer', 'name', 'eth0', 'netns', client);
  ip('-n', server, 'address', 'add', '10.77.0.1/24', 'dev', 'prov0');
  ip('-n', server, 'link', 'set', 'prov0', 'up');
  ip('-n', client, 'link', 'set', 'eth0', 'address', MAC, 'up');
}

beforeAll(async () => {
  connect(world.ns);
  await world.startDaemon(SERVER, CONFIG);
});

afterAll(() => world.destroy());

interface Reply {
  readonly frameTo: string;
  readonly from: string;
  readonly to: string;
  readonly checksum: string;
}

/** What tcpdump says of a frame, in the two lines that it has for each with -e and -v. */
const REPLY =
  /> ([0-9a-f:]{17}), ethertype IPv4.*\n\s+(10\.77\.0\.1\.67) > (\S+): \[(udp sum ok|bad udp cksum[^\]]*|no cksum)\] BOOTP\/DHCP, Reply/g;

async function startCapture(): Promise<() => Promise<Reply[]>> {
  const words = ['netns', 'exec', CLIENT, 'tcpdump', '-lnnevv', '-i', 'eth0', 'udp port 68'];
  const tcpdump: ChildProcess = spawn('ip', words, { stdio: ['ignore', 'pipe', 'pipe'] });
  let [text, said] = ['', ''];
  tcpdump.stdout?.on('data', (part) => {
    text += part;
  });
  tcpdump.stderr?.on('data', (part) => {
    said += part;
  });
  await until('tcpdump listens', () => (said.includes('listening on') ? true : undefined));
  return async () => {
    const replies = await until('an offer and an acknowledgement', () => {
      const found = [...text.matchAll(REPLY)].map(
        ([, frameTo = '', from = '', to = '', checksum = '']): Reply => ({
          ...{ frameTo, from, to, checksum },
        }),
      );
      return found.length >= 2 ? found : undefined;
    });
    tcpdump.kill('SIGINT');
    await once(tcpdump, 'exit');
    return replies;
  };
}

const toClient: Reply = {
  ...{ frameTo: MAC, from: '10.77.0.1.67', to: '10.77.0.100.68', checksum: 'udp sum ok' },
};

async function repliesTo(bind: () => unknown): Promise<Reply[]> {
  const seen = await startCapture();
  await bind();
  return seen();
}

describe('a client without an address', () => {
  it('is offered and acknowledged one by unicast: udhcpc', async () => {
    const replies = await repliesTo(() =>
      expect(world.udhcpc(CLIENT, 'eth0').ip).toBe('10.77.0.100'),
    );
    expect(replies).toEqual([toClient, toClient]);
  });

  it('is offered and acknowledged one by unicast: dhclient', async () => {
    const [lease, pid] = [join(dir, 'dhclient.leases'), join(dir, 'dhclient.pid')];
    const words = ['-4', '-1', '-lf', lease, '-pf', pid, '-sf', '/bin/true', 'eth0'];
    const replies = await repliesTo(() => inside(CLIENT, 'dhclient', ...words));
    process.kill(await pidIn(pid), 'SIGKILL');
    expect(readFileSync(lease, 'utf8')).toContain('fixed-address 10.77.0.100;');
    expect(replies).toEqual([toClient, toClient]);
  });

  it('is answered by broadcast when it asks for that', async () => {
    const replies = await repliesTo(() => world.udhcpc(CLIENT, 'eth0', '-B'));
    expect(replies.map(({ frameTo, to }) => [frameTo, to])).toEqual([
      [EVERYBODY, '255.255.255.255.68'],
      [EVERYBODY, '255.255.255.255.68'],
    ]);
  });
});

describe('a daemon that may not open packet sockets', () => {
  const other = createNamespaces('s', 'c');
  afterAll(() => other.destroy());

  it('answers by broadcast, and says so once', async () => {
    connect(other.ns);
    await other.startDaemon(other.ns.s, CONFIG, ['setpriv', '--bounding-set', '-net_raw']);
    expect(other.udhcpc(other.ns.c, 'eth0').ip).toBe('10.77.0.100');
    const said = await until('it was said', () =>
      readFileSync(join(other.dir, 'log'), 'utf8').match(/answered by broadcast/g),
    );
    expect(said).toHaveLength(1);
  });
});
