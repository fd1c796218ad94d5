/** Ports as the doctor sees them: free, the daemon's own, or somebody else's, whom it names. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { ports } from '../../../src/cli/people/doctor-ports.ts';
import { type Config, parseConfig } from '../../../src/config.ts';
import { wantedPorts } from '../../../src/daemon/wanted-ports.ts';
import { parseSockets } from '../../../src/platform/socket-holders.ts';
import { freePort } from '../../support/free-port.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

const closers: (() => unknown)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

async function freePorts(count: number): Promise<number[]> {
  const found = new Set<number>();
  while (found.size < count) found.add(await freePort('0.0.0.0'));
  return [...found];
}

async function site(): Promise<{ config: Config; file: string; port: Record<string, number> }> {
  const file = join(temporaryFolder('doctor'), 'reveille.db');
  writeFileSync(file, '');
  const [
    server = 0,
    proxy = 0,
    tftp = 0,
    dns = 0,
    machine = 0,
    machineTls = 0,
    people = 0,
    to = 0,
  ] = await freePorts(8);
  const tls = { cert: 'cert.pem', key: 'key.pem' };
  const config = parseConfig(
    JSON.stringify({
      database: { file },
      dhcp: {
        ...{ serverPort: server, proxyPort: proxy },
        segments: [
          {
            ...{ name: 'a', iface: 'lo', address: '127.0.0.1', cidr: '127.0.0.0/24' },
            mode: 'proxy',
          },
        ],
      },
      tftp: { port: tftp },
      dns: { port: dns },
      machineHttp: { port: machine, tls: { ...tls, port: machineTls, ca: 'ca.pem' } },
      peopleHttp: { address: '127.0.0.1', port: people, tls: { ...tls, redirectPort: to } },
    }),
  );
  return { config, file, port: { server, proxy, tftp, dns, machine, machineTls, people, to } };
}

/** Another process that holds ports, and a file when it is to be the daemon. */
async function holder(
  sockets: { udp?: readonly number[]; tcp?: readonly number[] },
  file?: string,
): Promise<ChildProcess> {
  const child = spawn(
    process.execPath,
    [
      '-e',
      `const { udp = [], tcp = [], file } = JSON.parse(process.argv[1]);
       if (file) require('node:fs').openSync(file);
       Promise.all([
         ...udp.map((port) => new Promise((done) =>
           require('node:dgram').createSocket({ type: 'udp4', reuseAddr: true }).bind(port, '0.0.0.0', done))),
         ...tcp.map((port) => new Promise((done) => require('node:net').createServer().listen(port, '127.0.0.1', done))),
       ]).then(() => console.log('ready'));`,
      JSON.stringify({ ...sockets, file }),
    ],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  closers.push(() => child.kill('SIGKILL'));
  await once(child.stdout, 'data');
  return child;
}

const of = async (config: Config, text: string) =>
  (await ports(config)).filter(({ check }) => check.includes(text));

describe('the ports of a site', () => {
  it('are all that the daemon opens, by UDP and TCP, and are free when nobody has them', async () => {
    const { config, port } = await site();
    const wanted = wantedPorts(config).map((one) => `${one.transport} ${one.port}`);
    expect(wanted.sort()).toEqual(
      [
        ...[port.server, port.proxy, port.tftp, port.dns].map((one) => `udp ${one}`),
        ...[port.dns, port.machine, port.machineTls, port.people, port.to].map(
          (one) => `tcp ${one}`,
        ),
      ].sort(),
    );
    for (const finding of await ports(config))
      expect(finding).toEqual({ check: finding.check, ok: true, found: 'free' });
  });

  it('are in order when the daemon itself has them, whatever it speaks there', async () => {
    const { config, file, port } = await site();
    const { server = 0, tftp = 0, people = 0 } = port;
    const { pid } = await holder({ udp: [server, tftp], tcp: [people] }, file);
    for (const name of ['(DHCP:', '(TFTP:', '(people, TLS:'])
      expect(await of(config, name), name).toMatchObject([
        { ok: true, found: `the daemon has it (${pid})` },
      ]);
  });

  it('name who else has one, and how to be rid of it', async () => {
    const { config, port } = await site();
    const { tftp = 0, dns = 0 } = port;
    const { pid } = await holder({ udp: [tftp], tcp: [dns] });
    expect(await of(config, '(TFTP:')).toMatchObject([
      {
        ok: false,
        found: expect.stringMatching(new RegExp(`^node \\(${pid}\\) has 0\\.0\\.0\\.0:${tftp}$`)),
        mend: expect.stringContaining(`systemctl status ${pid}`),
      },
    ]);
    expect(await of(config, 'tcp')).toMatchObject([
      { ok: false, found: expect.stringContaining(`(${pid}) has 127.0.0.1:${dns}`) },
      ...Array(4).fill({ ok: true, found: 'free' }),
    ]);
  });

  it('name a second DHCP server that shares the port with the daemon', async () => {
    const { config, file, port } = await site();
    const { server = 0 } = port;
    await holder({ udp: [server] }, file);
    const { pid } = await holder({ udp: [server] });
    expect(await of(config, '(DHCP:')).toMatchObject([
      {
        ok: false,
        found: `node (${pid}) has 0.0.0.0:${server}, beside the daemon: both answer`,
      },
    ]);
  });

  it('say that an address is not there', async () => {
    const { config } = await site();
    const [segment] = config.dhcp.segments;
    const elsewhere = { ...config, dns: { ...config.dns, listen: ['192.0.2.7'] } };
    expect(segment).toBeDefined();
    expect(await of(elsewhere, '(DNS: 192.0.2.7)')).toMatchObject(
      Array(2).fill({
        ok: false,
        found: 'EADDRNOTAVAIL',
        mend: expect.stringContaining('ip address'),
      }),
    );
  });
});

describe('/proc/net', () => {
  it('is read with the addresses of both families, and only what listens', () => {
    const head =
      '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode';
    const line = (local: string, state: string) =>
      `  12: ${local} 00000000:0000 ${state} 00000000:00000000 00:00000000 00000000   101        0 4711 2 0 0`;
    const udp = [head, line('0100007F:0043', '07'), line('00000000:0045', '01'), ''].join('\n');
    expect(parseSockets(udp, 'udp')).toEqual([
      { transport: 'udp', address: '127.0.0.1', port: 67, uid: 101, inode: '4711' },
    ]);
    const tcp = [
      head,
      line('00000000000000000000000000000000:0035', '0A'),
      line('0000000000000000FFFF0000014D0A0A:1F91', '0A'),
      line('B80D0120000000000000000001000000:1F90', '0A'),
    ].join('\n');
    expect(parseSockets(tcp, 'tcp').map(({ address, port }) => `${address} ${port}`)).toEqual([
      ':: 53',
      '10.10.77.1 8081',
      '2001:db8::1 8080',
    ]);
  });
});
