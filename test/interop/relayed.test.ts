/**
 * Clients behind ISC dhcrelay and a router, and a Linux there that squats on addresses of the pool: no ARP of ours gets there, only
 * what is routed. Needs root.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createNamespaces, ip, until } from '../support/namespaces.ts';

const world = createNamespaces('s', 'r', 'c', 'n');
const { s: SERVER, r: RELAY, c: CLIENT, n: SQUATTER } = world.ns;

/** So many at once that the answers are several runs, and within what one port of a relay may hold of the pool. */
const CROWD = 32;

/** Sends DISCOVERs of as many clients in one go, and counts whose offers come. */
const BURST = `
const socket = require('node:dgram').createSocket({ type: 'udp4', reuseAddr: true });
const offered = new Set();
const tell = () => { console.log(offered.size); process.exit(); };
socket.on('message', (bytes) => {
  if (offered.add(bytes.readUInt32BE(4)).size === ${CROWD}) tell();
});
socket.bind(68, () => {
  socket.setBroadcast(true);
  for (let client = 1; client <= ${CROWD}; client++) {
    const packet = Buffer.alloc(300);
    packet.set([1, 1, 6, 0]);
    packet.writeUInt32BE(client, 4);
    packet.writeUInt16BE(0x8000, 10);
    packet.set([2, 0, 0, 0, 7, client], 28);
    packet.set([99, 130, 83, 99, 53, 1, 1, 255], 236);
    socket.send(packet, 67, '255.255.255.255');
  }
  setTimeout(tell, 20_000);
});`;

const CONFIG = `
dhcp:
  segments:
    - { pools: [] }
    - { name: hall, relayed: true, address: 10.77.0.1, cidr: 10.78.0.0/24, pools: [{ first: 10.78.0.100, last: 10.78.0.150 }] }
    - { name: unreachable, relayed: true, address: 10.77.0.1, cidr: 10.79.0.0/24, pools: [{ first: 10.79.0.100, last: 10.79.0.150 }] }
`;

beforeAll(async () => {
  const veth = (ns: string, name: string, peer: readonly [string, string]) =>
    ip('-n', ns, 'link', 'add', name, 'type', 'veth', 'peer', 'name', peer[1], 'netns', peer[0]);
  const up = (ns: string, name: string, ...more: string[]) =>
    ip('-n', ns, 'link', 'set', name, ...more, 'up');
  const address = (ns: string, name: string, cidr: string) =>
    ip('-n', ns, 'address', 'add', cidr, 'dev', name);
  veth(SERVER, 'prov0', [RELAY, 'up0']);
  address(SERVER, 'prov0', '10.77.0.1/24');
  address(RELAY, 'up0', '10.77.0.2/24');
  up(SERVER, 'prov0');
  up(RELAY, 'up0');
  ip('-n', RELAY, 'link', 'add', 'down0', 'type', 'bridge');
  address(RELAY, 'down0', '10.78.0.1/24');
  up(RELAY, 'down0');
  for (const ns of [CLIENT, SQUATTER]) {
    const port = `port${ns.slice(-1)}`;
    veth(RELAY, port, [ns, 'eth0']);
    up(RELAY, port, 'master', 'down0');
    up(ns, 'eth0');
  }
  for (const cidr of ['10.78.0.100/24', '10.78.0.102/24']) address(SQUATTER, 'eth0', cidr);
  ip('-n', SQUATTER, 'route', 'add', 'default', 'via', '10.78.0.1');
  ip('-n', SERVER, 'route', 'add', '10.78.0.0/24', 'via', '10.77.0.2');
  world.inside(RELAY, 'sysctl', '-qw', 'net.ipv4.ip_forward=1');
  const words = ['-4', '-d', '--no-pid', '-a', '-id', 'down0', '-iu', 'up0', '10.77.0.1'];
  world.start(RELAY, 'sh', '-c', `exec dhcrelay ${words.join(' ')} 2>/dev/null`);
  await world.startDaemon(SERVER, CONFIG);
});

afterAll(() => world.destroy());

describe('addresses behind a relay that somebody squats on', () => {
  it('are found by echoes before they are offered', async () => {
    const found = await until('two conflicts', () => {
      const events = world.events('dhcp.conflict');
      return events.length > 1 ? events : undefined;
    });
    expect(found).toEqual(
      ['10.78.0.100', '10.78.0.102'].map((address) => ({
        mac: null,
        data: { address, by: '', quarantineSeconds: 86_400 },
      })),
    );
    expect(world.udhcpc(CLIENT, 'eth0').ip).toBe('10.78.0.101');
  });

  it('are asked twice each, and not at all where there is no route', async () => {
    const sent = () => {
      const counters = world.inside(SERVER, 'nstat', '-asz', 'IcmpOutEchos');
      return Number(/IcmpOutEchos\s+(\d+)/.exec(counters)?.[1]);
    };
    // All of the hall's pool; what is sent nowhere is not counted, and does not hold up the others.
    await until('echoes to the whole pool', () => (sent() >= 2 * 51 ? true : undefined));
    expect(sent()).toBe(2 * 51);
  });
});

it('gives a crowd its offers through a relay on the same machine, which reads whole packets', () => {
  world.inside(CLIENT, 'ip', 'route', 'replace', '255.255.255.255', 'dev', 'eth0');
  expect(world.inside(CLIENT, process.execPath, '-e', BURST).trim()).toBe(`${CROWD}`);
});
