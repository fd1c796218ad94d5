/**
 * The DHCP rules on real wires, judged by programs that nobody here wrote: busybox udhcpc and dhclient read our options,
 * dnsmasq leases the addresses beside our proxy, and a Linux that squats on a pool address answers our probes.
 *
 * Three wires join the server, a client and a neighbour: on the first the neighbour squats on an address, the second has
 * every kind of option, on the third we are the proxy and dnsmasq, at the neighbour, the server. Needs root.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { decodePacket } from '../../src/dhcp/packet.ts';
import { formatIpv4 } from '../../src/wire/ipv4.ts';
import { createNamespaces, ip, pidIn, until } from '../support/namespaces.ts';
import { udpDatagrams } from '../support/pcap.ts';

const world = createNamespaces('s', 'c', 'n');
const { dir, inside, start, events } = world;
const { s: SERVER, c: CLIENT, n: NEIGHBOUR } = world.ns;
const udhcpc = (iface: string, ...extra: string[]) => world.udhcpc(CLIENT, iface, ...extra);

const CONFIG = `
dhcp:
  segments:
    - { name: wire, pools: [{ first: 10.77.0.100, last: 10.77.0.110 }] }
    - name: optioned
      iface: eth0.100
      address: 10.78.0.1
      cidr: 10.78.0.0/24
      pools: [{ first: 10.78.0.100, last: 10.78.0.110 }]
      exclude: [10.78.0.100]
      reservations: [{ mac: '52:54:00:99:00:01', address: 10.78.0.7, hostname: db1 }]
      routers: [10.78.0.254]
      dns: [10.78.0.53]
      conflictProbe: false
      options:
        routes: [{ to: 10.0.0.0/8, via: 10.78.0.253 }, { to: 192.168.4.0/22, via: 10.78.0.252 }]
        domainSearch: [lon.example.com, eng.example.com]
        ntp: [10.78.0.1, 10.78.0.2]
        mtu: 1400
        timeOffsetSeconds: -3600
        raw: [{ code: 224, text: of-the-site }]
    - name: second
      address: 10.80.0.1
      cidr: 10.80.0.0/24
      pools: []
      reservations: [{ mac: '52:54:00:99:00:02', address: 10.80.0.9 }]
    - { name: proxied, iface: eth0.200, mode: proxy, address: 10.79.0.1, cidr: 10.79.0.0/24 }
`;

/** Each wire is a bridge at the server; every other namespace has an end of it, `eth0` of `prov0` and so on. */
const WIRES = [
  ['prov0', 'eth0', '10.77.0.1/24', '10.80.0.1/24'],
  ['eth0.100', 'eth20', '10.78.0.1/24'],
  ['eth0.200', 'eth30', '10.79.0.1/24'],
] as const;

function connect(ns: string, letter: string, mac: string): void {
  for (const [bridge, nic] of WIRES) {
    const port = `${bridge}${letter}`;
    ip('-n', SERVER, 'link', 'add', port, 'type', 'veth', 'peer', 'name', nic, 'netns', ns);
    ip('-n', SERVER, 'link', 'set', port, 'master', bridge, 'up');
    ip('-n', ns, 'link', 'set', nic, 'address', mac, 'up');
  }
}

beforeAll(async () => {
  for (const [bridge, , ...addresses] of WIRES) {
    ip('-n', SERVER, 'link', 'add', bridge, 'type', 'bridge');
    for (const address of addresses) {
      ip('-n', SERVER, 'address', 'add', address, 'dev', bridge);
    }
    ip('-n', SERVER, 'link', 'set', bridge, 'up');
  }
  connect(CLIENT, 'c', '52:54:00:99:00:01');
  connect(NEIGHBOUR, 'n', '52:54:00:99:00:02');
  // The squatter: on the first address of the pool, and deaf to echoes.
  ip('-n', NEIGHBOUR, 'address', 'add', '10.77.0.100/24', 'dev', 'eth0');
  inside(NEIGHBOUR, 'sysctl', '-qw', 'net.ipv4.icmp_echo_ignore_all=1');
  ip('-n', NEIGHBOUR, 'address', 'add', '10.79.0.2/24', 'dev', 'eth30');
  await world.startDaemon(SERVER, CONFIG);
});

afterAll(() => world.destroy());

describe('an address that somebody squats on', () => {
  it('is found before it is offered, though the squatter answers no echo', async () => {
    const [conflict] = await until('dhcp.conflict', () => {
      const found = events('dhcp.conflict');
      return found.length > 0 ? found : undefined;
    });
    expect(conflict?.data).toEqual({
      address: '10.77.0.100',
      by: '52:54:00:99:00:02',
      quarantineSeconds: 86_400,
    });
    expect(udhcpc('eth0').ip).toBe('10.77.0.101');
  });
});

describe('a subnet of the inventory', () => {
  it('gives the running server another pool, a router and options; a contradiction is refused', () => {
    // From the repository, where the configuration's relative paths lead.
    const reveille = ['env', '-C', resolve('.'), resolve('bin/reveille')];
    const token = inside(
      SERVER,
      ...[...reveille, 'tokens', 'create', 'test', '--local', '--role', 'admin'],
      ...['--config', join(dir, 'config.yaml')],
    ).trim();
    const subnet = {
      ...{ cidr: '10.77.0.0/24', use: 'provisioning', gateway: '10.77.0.254' },
      ...{ pools: [{ first: '10.77.0.200', last: '10.77.0.205' }], options: { mtu: 1450 } },
    };
    const put = (body: object, version: string) =>
      inside(
        SERVER,
        ...['curl', '-s', '-X', 'PUT', '-H', `Authorization: Bearer ${token}`],
        ...['-H', `If-Match: "${version}"`, '-H', 'Content-Type: application/json'],
        ...['-d', JSON.stringify(body), 'http://127.0.0.1:8081/api/v1/subnets/wire'],
      );
    expect(JSON.parse(put(subnet, '0'))).toMatchObject({ name: 'wire', version: 1 });
    expect(udhcpc('eth0', '-O', 'mtu')).toMatchObject({
      ...{ ip: '10.77.0.200', router: '10.77.0.254', mtu: '1450', serverid: '10.77.0.1' },
    });
    // The file says that the wire is a /24.
    const other = { cidr: '10.77.0.128/25', use: 'provisioning' };
    expect(JSON.parse(put(other, '1')).code).toBe('SUBNET_CONFLICT');
  });
});

describe('a second subnet on the wire', () => {
  it('leases its addresses, and serves TFTP from its own one', () => {
    const bound = world.udhcpc(NEIGHBOUR, 'eth0');
    expect(bound).toMatchObject({ ip: '10.80.0.9', serverid: '10.80.0.1' });
    ip('-n', NEIGHBOUR, 'address', 'add', '10.80.0.9/24', 'dev', 'eth0');
    const got = join(dir, 'got.efi');
    inside(NEIGHBOUR, 'curl', '-sf', '-o', got, 'tftp://10.80.0.1/snponly.efi');
    expect(readFileSync(got).equals(readFileSync('build/boot/snponly.efi'))).toBe(true);
  });
});

describe('options, as busybox and dhclient read them', () => {
  it('udhcpc: a reservation, routes, search list, time servers, MTU', () => {
    const asks = ['search', 'ntpsrv', 'mtu', 'staticroutes', 'timezone', '0xe0'];
    const bound = udhcpc('eth20', ...asks.flatMap((name) => ['-O', name]));
    expect(bound).toMatchObject({
      ip: '10.78.0.7',
      mask: '24',
      hostname: 'db1',
      dns: '10.78.0.53',
      domain: 'lab.example',
      search: 'lon.example.com eng.example.com',
      ntpsrv: '10.78.0.1 10.78.0.2',
      mtu: '1400',
      // busybox prints the two's complement as it stands; dhclient below reads the sign.
      timezone: `${2 ** 32 - 3600}`,
      staticroutes: '0.0.0.0/0 10.78.0.254 10.0.0.0/8 10.78.0.253 192.168.4.0/22 10.78.0.252',
      opt224: Buffer.from('of-the-site').toString('hex'),
      serverid: '10.78.0.1',
    });
    // It asked for the routes, and so was sent no router beside them.
    expect(bound.router).toBeUndefined();
  });

  it('dhclient: the same, and a router for a client that does not ask for routes', async () => {
    const [conf, leases] = [join(dir, 'dhclient.conf'), join(dir, 'dhclient.leases')];
    const wanted =
      'subnet-mask, routers, domain-name, domain-search, ntp-servers, interface-mtu, time-offset';
    writeFileSync(conf, `request ${wanted};\n`);
    const pid = join(dir, 'dhclient.pid');
    const words = ['-4', '-1', '-cf', conf, '-lf', leases, '-pf', pid, '-sf', '/bin/true'];
    inside(CLIENT, 'dhclient', ...words, 'eth20');
    const text = readFileSync(leases, 'utf8');
    process.kill(await pidIn(pid), 'SIGKILL');
    for (const line of [
      'fixed-address 10.78.0.7;',
      'option routers 10.78.0.254;',
      'option domain-search "lon.example.com.", "eng.example.com.";',
      'option ntp-servers 10.78.0.1,10.78.0.2;',
      'option interface-mtu 1400;',
      'option time-offset -3600;',
      'option dhcp-server-identifier 10.78.0.1;',
    ]) {
      expect(text).toContain(line);
    }
  });
});

/**
 * Sends a packet of a capture from the client and prints what comes back: so many replies, and whatever comes in the half
 * second after them. Runs in the client's namespace.
 */
const PLAYER = `
const dgram = require('node:dgram');
const [port, address, to, hex, count] = process.argv.slice(1);
const socket = dgram.createSocket('udp4');
const replies = [];
const tell = () => { console.log(JSON.stringify(replies)); process.exit(0); };
let over = setTimeout(tell, 20_000);
socket.on('message', (bytes, from) => {
  replies.push({ from: from.address + ':' + from.port, hex: bytes.toString('hex') });
  if (replies.length !== Number(count)) return;
  clearTimeout(over);
  over = setTimeout(tell, 500);
});
socket.bind(Number(port), () => {
  socket.setBroadcast(true);
  socket.send(Buffer.from(hex, 'hex'), Number(to), address);
});`;

interface Heard {
  readonly from: string;
  readonly yiaddr: string;
  readonly file: string;
  readonly vendorClass: string;
  readonly options: number[];
}

interface Played {
  readonly port: number;
  readonly address: string;
  readonly to: number;
  readonly bytes: Uint8Array;
  readonly replies: number;
}

function play({ port, address, to, bytes, replies }: Played): Heard[] {
  const words = [`${port}`, address, `${to}`, Buffer.from(bytes).toString('hex'), `${replies}`];
  const out = inside(CLIENT, process.execPath, '-e', PLAYER, ...words);
  return (JSON.parse(out) as { from: string; hex: string }[]).map(({ from, hex }) => {
    const packet = decodePacket(Buffer.from(hex, 'hex'));
    if (!packet.ok) throw new Error(packet.code);
    const { yiaddr, file, options } = packet.value;
    const vendorClass = Buffer.from(options.get(60) ?? []).toString();
    return { from, yiaddr: formatIpv4(yiaddr), file, vendorClass, options: [...options.keys()] };
  });
}

describe('beside dnsmasq as the DHCP server', () => {
  const recorded = udpDatagrams('test/fixtures/dhcp/proxyefi.pcap').map(({ payload }) => payload);
  const packet = (at: number) => recorded[at] ?? new Uint8Array();

  beforeAll(async () => {
    const range = '10.79.0.100,10.79.0.120,255.255.255.0,600';
    const words = ['-k', '--port=0', '--interface=eth30', '--bind-interfaces', '--no-ping'];
    const files = [
      `--dhcp-leasefile=${dir}/dnsmasq.leases`,
      '--pid-file=',
      '--conf-file=/dev/null',
    ];
    start(NEIGHBOUR, 'dnsmasq', ...words, ...files, `--dhcp-range=${range}`);
    ip('-n', CLIENT, 'address', 'add', '10.79.0.50/24', 'dev', 'eth30');
    ip('-n', CLIENT, 'route', 'add', '255.255.255.255/32', 'dev', 'eth30');
    await until('dnsmasq listening', () =>
      inside(NEIGHBOUR, 'ss', '-Hlnu', 'sport = 67').includes(':67') ? true : undefined,
    );
  });

  it('edk2 is offered an address by dnsmasq, and by us the way to its file', () => {
    const discover = { port: 68, address: '255.255.255.255', to: 67, bytes: packet(0) };
    const heard = play({ ...discover, replies: 2 });
    const ours = heard.find(({ from }) => from === '10.79.0.1:67');
    const theirs = heard.find(({ from }) => from === '10.79.0.2:67');
    expect(theirs?.yiaddr).toMatch(/^10\.79\.0\.1\d\d$/);
    expect(ours).toEqual({
      from: '10.79.0.1:67',
      yiaddr: '0.0.0.0',
      file: '',
      vendorClass: 'PXEClient',
      options: [53, 54, 60, 97],
    });
  });

  it('edk2 asks port 4011 from port 4011 and is answered there; iPXE asks from 68', () => {
    const request = Uint8Array.from(packet(5));
    request.set([10, 79, 0, 50], 12);
    const asked = { address: '10.79.0.1', to: 4011, bytes: request, replies: 1 };
    for (const port of [4011, 68]) {
      expect(play({ port, ...asked })).toEqual([
        {
          from: '10.79.0.1:4011',
          yiaddr: '0.0.0.0',
          file: 'snponly.efi',
          vendorClass: 'PXEClient',
          options: [53, 54, 67, 60, 97],
        },
      ]);
    }
  });

  it('an operating system hears dnsmasq only', () => {
    const bound = udhcpc('eth30');
    expect(bound.serverid).toBe('10.79.0.2');
    expect(bound.ip).toMatch(/^10\.79\.0\.1\d\d$/);
  });
});
