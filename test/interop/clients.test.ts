/**
 * The daemon, as people start it, against clients that nobody here wrote: DHCP by udhcpc and dhclient, TFTP by tftp-hpa,
 * atftp and curl. Needs root: it runs in two network namespaces of its own.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { cpSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { endNamespace } from '../../qemu-lab/network.ts';
import { pidIn, until } from '../support/namespaces.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const ID = `rt${randomBytes(2).toString('hex')}`;
const [SERVER, CLIENT] = [`${ID}-s`, `${ID}-c`];
const dir = temporaryFolder('interop');
const big = randomBytes(3_000_001);
let daemon: ChildProcess | undefined;

const ip = (...words: string[]) => execFileSync('ip', words, { encoding: 'utf8' });
const inside = (ns: string, ...words: string[]) =>
  execFileSync('ip', ['netns', 'exec', ns, ...words], {
    encoding: 'utf8',
    cwd: dir,
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: 60_000,
  });
const api = (path: string) =>
  JSON.parse(inside(SERVER, 'curl', '-s', `http://127.0.0.1:8081${path}`));
const sha = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

async function startDaemon(): Promise<void> {
  daemon = spawn(
    'ip',
    ['netns', 'exec', SERVER, 'bin/reveille', 'serve', '--config', join(dir, 'config.yaml')],
    { stdio: ['ignore', 'ignore', 'inherit'] },
  );
  const deadline = Date.now() + 20_000;
  while (Date.now() < deadline) {
    try {
      if (api('/readyz').ready) return;
    } catch {
      await new Promise((next) => setTimeout(next, 50));
    }
  }
  throw new Error('the daemon did not become ready');
}

async function endDaemon(signal: 'SIGTERM' | 'SIGKILL'): Promise<number | null> {
  // It has ended, or was never started.
  if (daemon === undefined || daemon.exitCode !== null) return daemon?.exitCode ?? null;
  const gone = new Promise<number | null>((done) => daemon?.once('exit', done));
  daemon?.kill(signal);
  return gone;
}

beforeAll(async () => {
  for (const ns of [SERVER, CLIENT]) {
    ip('netns', 'add', ns);
    ip('-n', ns, 'link', 'set', 'lo', 'up');
  }
  ip('-n', SERVER, 'link', 'add', 'prov0', 'type', 'veth', 'peer', 'name', 'eth0', 'netns', CLIENT);
  ip('-n', SERVER, 'address', 'add', '10.77.0.1/24', 'dev', 'prov0');
  ip('-n', SERVER, 'link', 'set', 'prov0', 'up');
  ip('-n', CLIENT, 'link', 'set', 'eth0', 'address', '52:54:00:99:00:01', 'up');
  cpSync('build/boot', join(dir, 'boot'), { recursive: true });
  writeFileSync(join(dir, 'boot/big.bin'), big);
  writeFileSync(
    join(dir, 'config.yaml'),
    `database: { file: ${dir}/db }\nlog: { file: ${dir}/log }\nboot: { assets: ${dir}/boot }\n`,
  );
  await startDaemon();
});

afterAll(async () => {
  await endDaemon('SIGKILL');
  for (const ns of [CLIENT, SERVER]) endNamespace(ns);
});

describe('DHCP clients', () => {
  it('udhcpc binds, as itself and as PXE firmware, to one address', () => {
    const script = join(dir, 'udhcpc.sh');
    writeFileSync(
      script,
      '#!/bin/sh\n[ "$1" = bound ] && echo "ip=$ip mask=$subnet lease=$lease file=$boot_file" >>"$OUT"\nexit 0\n',
      { mode: 0o755 },
    );
    const bind = (...extra: string[]) => {
      const out = join(dir, 'udhcpc.out');
      rmSync(out, { force: true });
      inside(
        CLIENT,
        'env',
        `OUT=${out}`,
        'busybox',
        'udhcpc',
        '-i',
        'eth0',
        '-n',
        '-q',
        '-t',
        '5',
        '-T',
        '1',
        '-s',
        script,
        ...extra,
      );
      return readFileSync(out, 'utf8').trim();
    };
    expect(bind()).toMatch(/^ip=10\.77\.0\.100 mask=255\.255\.255\.0 lease=600 file=$/);
    expect(bind('-V', 'PXEClient:Arch:00000:UNDI:002001')).toMatch(
      /^ip=10\.77\.0\.100 .* file=undionly\.kpxe$/,
    );
  });

  it('dhclient binds, renews after a crash of the daemon, and releases', async () => {
    const lease = join(dir, 'dhclient.leases');
    const words = [
      'dhclient',
      '-4',
      '-1',
      '-lf',
      lease,
      '-pf',
      join(dir, 'dhclient.pid'),
      '-sf',
      '/bin/true',
    ];
    inside(CLIENT, ...words, 'eth0');
    expect(readFileSync(lease, 'utf8')).toContain('fixed-address 10.77.0.100;');
    process.kill(await pidIn(join(dir, 'dhclient.pid')), 'SIGKILL');
    await endDaemon('SIGKILL');
    await startDaemon();
    inside(CLIENT, ...words, 'eth0');
    const acks = api('/api/v1/events').events.filter(
      (event: { name: string }) => event.name === 'dhcp.acked',
    );
    expect(new Set(acks.map((event: { data: { address: string } }) => event.data.address))).toEqual(
      new Set(['10.77.0.100']),
    );
    ip('-n', CLIENT, 'address', 'replace', '10.77.0.100/24', 'dev', 'eth0');
    inside(CLIENT, ...words.filter((word) => word !== '-1'), '-r', 'eth0');
    // It waits for no answer: there is none.
    await until('the release', () =>
      api('/api/v1/events').events.at(-1).name === 'dhcp.released' ? true : undefined,
    );
  });
});

describe('TFTP clients', () => {
  beforeAll(() => void ip('-n', CLIENT, 'address', 'replace', '10.77.0.50/24', 'dev', 'eth0'));

  it.each([
    ['tftp-hpa', ['tftp', '-m', 'binary', '10.77.0.1', '-c', 'get', 'big.bin', 'got.bin']],
    ['atftp', ['atftp', '--get', '-r', 'big.bin', '-l', 'got.bin', '10.77.0.1', '69']],
    [
      'atftp, blksize 1468',
      [
        'atftp',
        '--option',
        'blksize 1468',
        '--get',
        '-r',
        'big.bin',
        '-l',
        'got.bin',
        '10.77.0.1',
        '69',
      ],
    ],
    ['curl', ['curl', '-s', '-o', 'got.bin', 'tftp://10.77.0.1/big.bin']],
    [
      'curl, blksize 1024',
      ['curl', '-s', '--tftp-blksize', '1024', '-o', 'got.bin', 'tftp://10.77.0.1/big.bin'],
    ],
  ])('%s gets a file whole', (_name, command) => {
    rmSync(join(dir, 'got.bin'), { force: true });
    inside(CLIENT, ...command);
    expect(sha(readFileSync(join(dir, 'got.bin')))).toBe(sha(big));
  });

  it('curl is told that a file is missing', () => {
    expect(() =>
      inside(CLIENT, 'curl', '-s', '-o', 'none', 'tftp://10.77.0.1/../../etc/passwd'),
    ).toThrow();
    expect(existsSync(join(dir, 'none')) && readFileSync(join(dir, 'none')).length > 0).toBe(false);
  });
});

describe('DNS clients', () => {
  const dig = (...words: string[]) =>
    inside(SERVER, 'dig', '@10.77.0.1', '+time=2', '+tries=1', ...words);
  it('dig gets the SOA of the site over UDP and TCP, and of the reverse zone', () => {
    for (const words of [['lab.example'], ['+tcp', 'lab.example'], ['0.77.10.in-addr.arpa']]) {
      const reply = dig(...words, 'SOA');
      expect(reply).toMatch(/status: NOERROR/);
      expect(reply).toMatch(/SOA\s+ns1\.lab\.example\. hostmaster\.lab\.example\. \d+/);
    }
    expect(dig('ns1.lab.example', 'A', '+short').trim()).toBe('10.77.0.1');
    expect(dig('www.example.org', 'A')).toMatch(/status: REFUSED/);
  });
});

describe('random bytes on every port', () => {
  it('change nothing, and the daemon goes on', async () => {
    const before = api('/api/v1/machines').machines.length;
    const spray = `
      const dgram = require('node:dgram'), net = require('node:net'), { randomBytes } = require('node:crypto');
      const socket = dgram.createSocket('udp4');
      for (let n = 0; n < 400; n++) for (const port of [67, 69]) socket.send(randomBytes(1 + (n * 7) % 700), port, '10.77.0.1');
      for (const port of [8080, 8081]) for (let n = 0; n < 20; n++) {
        const tcp = net.connect(port, '10.77.0.1', () => tcp.end(randomBytes(300)));
        tcp.on('error', () => {}); tcp.resume();
      }
      setTimeout(() => process.exit(0), 1500);`;
    inside(CLIENT, process.execPath, '-e', spray);
    expect(api('/readyz').ready).toBe(true);
    expect(api('/api/v1/machines').machines.length).toBe(before);
    const drops = /reveille_dhcp_drops_total\{reason="(too-short|bad-op|bad-magic)"\} [1-9]/;
    await until('drops are counted', () =>
      drops.test(inside(SERVER, 'curl', '-s', 'http://127.0.0.1:8081/metrics')) ? true : undefined,
    );
  });
});

describe('stopping', () => {
  it('SIGTERM ends it in order, with status 0 and an event', async () => {
    expect(await endDaemon('SIGTERM')).toBe(0);
    await startDaemon();
    const names = api('/api/v1/events').events.map((event: { name: string }) => event.name);
    expect(names.slice(-2)).toEqual(['daemon.stopped', 'daemon.started']);
  });
});
