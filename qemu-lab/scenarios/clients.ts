/**
 * DHCP clients that nobody here wrote, in namespaces on the lab's bridge: busybox udhcpc, ISC dhclient, systemd-networkd, and
 * a udhcpc on another network behind ISC dhcrelay. What each was given is judged by the wire.
 *
 * networkd runs without systemd: its own mount namespace gives it an empty /run, and a read-only /sys tells it that no udev
 * will announce the link, as in a container.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Capture } from '../../src/capture/model.ts';
import { saveFixture } from '../fixtures.ts';
import type { Lab } from '../lab.ts';
import { errorsOf, type Granted, negotiatedBy, traceOf } from '../negotiated.ts';
import { addNeighbour, ip } from '../network.ts';
import type { Scenario, ScenarioRun } from '../scenario.ts';
import { same } from './boots.ts';

const LEASED_MS = 60_000;
const RELAY = '10.77.0.2';
const NETWORKD = '/lib/systemd/systemd-networkd';

/** The lab's segment with every kind of option on it, and one behind a relay. */
export const CLIENTS_CONFIG = {
  dhcp: {
    segments: [
      {
        routers: ['10.77.0.254'],
        dns: ['10.77.0.1', '10.77.0.3'],
        options: {
          routes: [{ to: '10.0.0.0/8', via: '10.77.0.253' }],
          domainSearch: ['lab.example', 'example'],
          ntp: ['10.77.0.1'],
          mtu: 1400,
          raw: [{ code: 224, text: 'hello', always: true }],
        },
      },
      {
        ...{ name: 'hall', relayed: true, address: '10.77.0.1', cidr: '10.78.0.0/24' },
        pool: { first: '10.78.0.100', last: '10.78.0.199' },
        routers: ['10.78.0.1'],
      },
    ],
  },
};

interface ClientProgram {
  readonly name: string;
  readonly mac: string;
  readonly command: (dir: string) => readonly string[];
  /** What its REQUEST has, by option. */
  readonly asks: Readonly<Record<number, string | RegExp>>;
  readonly relayed?: boolean;
}

const UDHCPC = [
  'busybox',
  'udhcpc',
  '-i',
  'eth0',
  '-f',
  '-n',
  '-q',
  '-t',
  '10',
  '-T',
  '2',
  '-s',
  '/bin/true',
];

const CLIENTS: readonly ClientProgram[] = [
  {
    name: 'udhcpc',
    mac: '52:54:00:c1:00:01',
    command: () => [...UDHCPC, '-O', '121', '-x', 'hostname:udhcpc'],
    asks: { 12: '"udhcpc"', 60: /^"udhcp 1\./, 61: 'ethernet 52:54:00:c1:00:01', 57: '576' },
  },
  {
    name: 'dhclient',
    mac: '52:54:00:c1:00:02',
    command: (dir) => {
      const file = (suffix: string) => join(dir, `dhclient.${suffix}`);
      writeFileSync(
        file('conf'),
        'send host-name "dhclient";\nsend dhcp-client-identifier 1:52:54:00:c1:00:02;\nrequest subnet-mask, routers, domain-name-servers, domain-search, ntp-servers, interface-mtu;\n',
      );
      const files = ['-cf', file('conf'), '-lf', file('leases'), '-pf', file('pid')];
      return ['dhclient', '-4', '-1', '-d', ...files, '-sf', '/bin/true', 'eth0'];
    },
    asks: { 12: '"dhclient"', 61: 'ethernet 52:54:00:c1:00:02', 55: '1 3 6 119 42 26' },
  },
  {
    name: 'networkd',
    mac: '52:54:00:c1:00:03',
    command: (dir) => {
      const folder = join(dir, 'networkd');
      mkdirSync(folder, { recursive: true });
      writeFileSync(
        join(folder, '10-eth0.network'),
        '[Match]\nName=eth0\n[Network]\nDHCP=ipv4\nLinkLocalAddressing=no\nIPv6AcceptRA=no\n[DHCPv4]\nHostname=networkd\nUseMTU=yes\nUseDomains=yes\nDUIDType=vendor\nDUIDRawData=00:00:00:09:01:02:03:04:05:06:07:08\nIAID=1\n',
      );
      const script = [
        'mount -t tmpfs tmpfs /run',
        'mkdir -p /run/systemd/network',
        `cp ${folder}/* /run/systemd/network/`,
        'chmod -R go+rX /run/systemd',
        'mount -o remount,ro,bind /sys',
        `exec env SYSTEMD_LOG_TARGET=console ${NETWORKD}`,
      ];
      return ['unshare', '-m', 'sh', '-ec', script.join('\n')];
    },
    asks: { 12: '"networkd"', 61: 'iaid 00000001 duid 0002000000090102030405060708', 57: /^\d+$/ },
  },
  {
    name: 'relayed',
    mac: '52:54:00:c1:00:04',
    command: () => [...UDHCPC, '-x', 'hostname:relayed'],
    asks: { 12: '"relayed"', 82: /^1 circuit id: / },
    relayed: true,
  },
];

/** dhcrelay between the bridge and a network of its own; the namespace of a client on that network. */
function addRelayedNeighbour({ network, start }: Lab, mac: string): string {
  const relay = addNeighbour(network, 'relay', { address: `${RELAY}/24` });
  const ns = network.app.replace(/app$/, 'far');
  ip('netns', 'add', ns);
  ip('-n', relay, 'link', 'add', 'down0', 'type', 'veth', 'peer', 'name', 'eth0', 'netns', ns);
  ip('-n', relay, 'address', 'add', '10.78.0.1/24', 'dev', 'down0');
  ip('-n', relay, 'link', 'set', 'down0', 'up');
  ip('-n', ns, 'link', 'set', 'eth0', 'address', mac, 'up');
  ip('-n', network.app, 'route', 'add', '10.78.0.0/24', 'via', RELAY);
  start(relay, [
    'dhcrelay',
    '-4',
    '-d',
    '--no-pid',
    '-a',
    '-id',
    'down0',
    '-iu',
    'eth0',
    '10.77.0.1',
  ]);
  return ns;
}

export const clients: Scenario = {
  name: 'clients',
  about: 'udhcpc, dhclient, systemd-networkd, and udhcpc behind dhcrelay: every option on the wire',
  tools: ['busybox', 'dhclient', 'dhcrelay', NETWORKD],
  config: CLIENTS_CONFIG,
  async run(run) {
    const { lab } = run;
    const started = new Map<string, number>();
    for (const program of CLIENTS) {
      const { name, mac, command, relayed } = program;
      const ns = relayed
        ? addRelayedNeighbour(lab, mac)
        : addNeighbour(lab.network, `c${started.size}`, { mac });
      started.set(name, Date.now());
      lab.start(ns, command(lab.dir));
    }
    for (const program of CLIENTS) {
      const capture = await run.until(`an ACK for ${program.name}`, LEASED_MS, async () => {
        const now = await run.capture();
        return negotiatedBy(now, program.mac).granted.length > 0 ? now : undefined;
      });
      judge(run, program, { capture, startedAt: started.get(program.name) ?? 0 });
      saveFixture(program.name, join(lab.dir, 'bridge.pcap'), program.mac);
    }
  },
};

function judge(
  run: ScenarioRun,
  program: ClientProgram,
  { capture, startedAt }: { capture: Capture; startedAt: number },
): void {
  const { name, mac, asks, relayed } = program;
  const check: ScenarioRun['check'] = (holds, what) => run.check(holds, `${name}: ${what}`);
  const seen = negotiatedBy(capture, mac);
  run.negotiated[name] = seen;
  const [granted] = seen.granted;
  if (!granted) return;
  run.say(`${name} has ${granted.address}`);
  for (const [code, wanted] of Object.entries(asks)) {
    const found = granted.asked[Number(code)] ?? '';
    check(
      typeof wanted === 'string' ? found === wanted : wanted.test(found),
      `asks with option ${code} ${found}, not ${wanted}`,
    );
  }
  if (relayed) judgeRelayed(granted, check);
  else judgeDirect(granted, check);
  same(check, 'options 58 and 59', [granted.options[58], granted.options[59]], ['300 s', '525 s']);
  same(check, 'option 61 comes back', granted.options[61], granted.asked[61]);
  for (const { check: id, detail } of errorsOf(capture, mac))
    check(false, `decode finds ${id}: ${detail}`);
  const ackUs = traceOf(capture, mac)?.boots.at(-1)?.entries.at(-1)?.atUs ?? 0;
  run.clients.push({
    ...{ name, firmware: '', netboot: '', hardwarename: undefined, state: 'leased', mac },
    seconds: { leased: Math.round(ackUs / 1000 - startedAt) / 1000 },
  });
}

/** Sent to who asks for it, and only then; 3 makes way for 121 (RFC 3442). */
const ON_REQUEST: Readonly<Record<number, string>> = {
  26: '1400',
  42: '10.77.0.1',
  119: 'lab.example example',
  121: '0.0.0.0/0 via 10.77.0.254, 10.0.0.0/8 via 10.77.0.253',
};

function judgeDirect(
  { address, from, to, asked, options }: Granted,
  check: ScenarioRun['check'],
): void {
  const codes = (asked[55] ?? '').split(' ');
  check(/^10\.77\.0\.(1\d\d|2[0-4]\d|250)$/.test(address), `address ${address}`);
  // None of them asks for broadcasts.
  same(check, 'sender and destination', [from, to], ['10.77.0.1:67', `${address}:68`]);
  const [mask, dns, domain] = [options[1], options[6], options[15]];
  same(
    check,
    'options 1, 6, 15',
    [mask, dns, domain],
    ['255.255.255.0', '10.77.0.1 10.77.0.3', '"lab.example"'],
  );
  same(check, 'option 51', options[51], '600 s');
  same(check, 'option 54', options[54], '10.77.0.1');
  same(
    check,
    'option 224, which is always sent',
    options[224],
    Buffer.from('hello').toString('hex'),
  );
  same(check, 'option 3', options[3], codes.includes('121') ? undefined : '10.77.0.254');
  for (const [code, value] of Object.entries(ON_REQUEST)) {
    same(check, `option ${code}`, options[Number(code)], codes.includes(code) ? value : undefined);
  }
}

function judgeRelayed({ address, options, asked }: Granted, check: ScenarioRun['check']): void {
  check(/^10\.78\.0\.1\d\d$/.test(address), `address ${address}`);
  same(check, 'options 1 and 3', [options[1], options[3]], ['255.255.255.0', '10.78.0.1']);
  same(check, 'option 82 comes back', options[82], asked[82]);
  same(check, 'option 224 of the other segment', options[224], undefined);
}
