/** HTTPS on both sides: certificates checked, renewed and told of, what iPXE can speak, and URLs that stay https. */
import { execFile } from 'node:child_process';
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import type { AddressInfo, Socket } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import pino from 'pino';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { closeServer, createHttps, createRedirect, listenAt } from '../../../src/http/https.ts';
import { createMachineApp } from '../../../src/http/machine/app.ts';
import { caImage } from '../../../src/http/machine/ca-image.ts';
import {
  boundTimes,
  type ConnectionLimits,
  createConnectionGuard,
  type WebServer,
} from '../../../src/http/machine/connections.ts';
import { limit } from '../../../src/limits.ts';
import { loadTls, type TlsFiles } from '../../../src/platform/tls-files.ts';
import type { Millis } from '../../../src/wire/time.ts';
import { closed, dial } from '../../support/dial.ts';
import { makeSiteCa } from '../../support/site-ca.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { createWorld, dhcpPacket, mac } from '../../support/world.ts';

const run = promisify(execFile);
const A = mac('52:54:00:00:00:0a');
const dir = temporaryFolder('tls');
const site = makeSiteCa(dir, '127.0.0.1');
const P256 = ['ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1'];
const ecdsa = site.issue('ecdsa', { days: 365, newkey: P256 });
const soon = site.issue('soon', { days: 7, newkey: ['rsa:2048'] });
const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});
beforeAll(() => {
  writeFileSync(join(dir, 'vmlinuz'), 'kernel'.repeat(500_000));
  writeFileSync(join(dir, 'snponly.efi'), 'efi');
});

interface Line {
  readonly level: number;
  readonly msg: string;
}

async function serve(
  files: TlsFiles,
  profile: 'machines' | 'people' = 'machines',
  limits?: ConnectionLimits,
) {
  const lines: Line[] = [];
  const log = pino({}, { write: (line: string) => void lines.push(JSON.parse(line) as Line) });
  const world = createWorld();
  const shed: string[] = [];
  const guard = createConnectionGuard((why) => shed.push(why), limits);
  const options = { ...world, log, assets: dir, pxeimage: dir, ca: site.ca, guard };
  const app = createMachineApp(options);
  closers.push(() => app.close());
  const notAfter: number[] = [];
  const https = await createHttps({
    ...{ app, files, profile, log, clock: () => Date.now() as Millis },
    onNotAfter: (ms) => notAfter.push(ms),
  });
  closers.push(() => https.close());
  boundTimes(https.server);
  guard.watch(https.server);
  await listenAt(https.server, { host: '127.0.0.1', port: 0 });
  const { port } = https.server.address() as AddressInfo;
  const warnings = () => lines.filter(({ level }) => level >= 40).map(({ msg }) => msg);
  return { ...https, world, app, guard, shed, port, notAfter, warnings };
}

const curl = async (...words: string[]) =>
  (await run('curl', ['-sS', '--cacert', site.ca, ...words], { maxBuffer: 1e8 })).stdout;

/** What a client that knows only this suite gets, as openssl prints it; the reason when there is no handshake. */
async function handshake(port: number, ...words: string[]): Promise<string> {
  const asking = run('openssl', [
    ...['s_client', '-connect', `127.0.0.1:${port}`, '-CAfile', site.ca, '-verify_return_error'],
    ...['-verify_ip', '127.0.0.1', ...words],
  ]);
  asking.child.stdin?.end();
  const { stdout } = await asking.catch((error: { stdout: string }) => error);
  return /Cipher is (\S+)/.exec(stdout)?.[1] ?? 'nothing';
}

const tokenOf = (world: ReturnType<typeof createWorld>) => {
  world.dhcp(dhcpPacket({ mac: A, type: 1, client: 'ipxe' }));
  const boot = world.inventory.boots.latest(A);
  if (!boot) throw new Error('no boot');
  return world.inventory.tokens.mint(boot.id, A, 'boot').token;
};

describe('the machines’ TLS listener', () => {
  it('serves the same files, in ranges too, to whoever trusts the CA', async () => {
    const { port, world, guard, server } = await serve(site);
    const url = `https://127.0.0.1:${port}/boot/${tokenOf(world)}`;
    expect(await curl(`${url}/vmlinuz`)).toBe('kernel'.repeat(500_000));
    expect(await curl('-r', '6-11', `${url}/vmlinuz`)).toBe('kernel');
    expect(await curl('-I', `${url}/vmlinuz`)).toMatch(/content-length: 3000000/i);
    await expect(run('curl', ['-sS', `${url}/vmlinuz`])).rejects.toThrow(/certificate/);
    const left = new Promise((resolve) => server.close(resolve));
    await left;
    expect(guard.open()).toBe(0);
  });

  it('hands out https URLs and the CA to who came by https, and only to them', async () => {
    const { port, world, app } = await serve(site);
    const token = tokenOf(world);
    const script = await curl(`https://127.0.0.1:${port}/boot/${token}/script.ipxe`);
    expect(script).toContain(`https://127.0.0.1:${port}/boot/${token}/vmlinuz`);
    expect(script).toContain(`reveille.url=https://127.0.0.1:${port} `);
    expect(script).toMatch(/initrd=initrd.img initrd=ca.img .*\n(.*\n)?.*initrd.*\/ca\.img/);
    expect(script).not.toContain('http://');
    const plain = await app.inject(`/boot/${token}/script.ipxe`);
    expect(plain.body).not.toMatch(/https:|ca\.img/);
    expect((await app.inject('/boot/wrong/ca.img')).statusCode).toBe(404);
  });

  it.each([
    ['today', ['-tls1_3'], 'TLS_AES_128_GCM_SHA256'],
    [
      'iPXE of 2024',
      ['-tls1_2', '-cipher', 'ECDHE-RSA-AES128-GCM-SHA256', '-curves', 'X25519'],
      '',
    ],
    ['iPXE of 2022', ['-tls1_2', '-cipher', 'DHE-RSA-AES128-GCM-SHA256'], ''],
    ['iPXE 1.21.1', ['-tls1_2', '-cipher', 'AES128-SHA256', '-maxfraglen', '4096'], ''],
    ['iPXE 1.21.1, SHA-1 for records', ['-tls1_2', '-cipher', 'AES256-SHA'], ''],
    ['TLS 1.1', ['-tls1_1', '-cipher', 'ALL:@SECLEVEL=0'], '(NONE)'],
    ['no encryption', ['-tls1_2', '-cipher', 'NULL-SHA256:@SECLEVEL=0'], '(NONE)'],
  ])('speaks with %s', async (_, words, cipher) => {
    const { port } = await serve(site);
    expect(await handshake(port, ...words)).toBe(cipher || words[words.indexOf('-cipher') + 1]);
  });

  it('lets a handshake that has begun go on longer than silence in a full house', async () => {
    const limits = { connectionsMax: 2, perAddressMax: 10, silenceMs: 0, begunMs: 60_000 };
    const { port, shed, server } = await serve(site, 'machines', limits);
    const guests: Socket[] = [];
    server.on('connection', (socket: Socket) => guests.push(socket));
    const [begun, silent] = [dial(port), dial(port)];
    closers.push(() => begun.destroy());
    // The first record of a handshake of 512 bytes, whose rest is on its way.
    begun.write(Buffer.from([22, 3, 1, 2, 0, 1]));
    await expect.poll(() => guests.map(({ bytesRead }) => bytesRead)).toEqual([6, 0]);
    await curl(`https://127.0.0.1:${port}/boot/ipxe/snponly.efi`);
    await closed(silent);
    expect([begun.closed, shed]).toEqual([false, ['idle']]);
  });

  it('counts who comes without TLS, or with none that it takes', async () => {
    const { port, shed } = await serve(site);
    await expect(curl(`http://127.0.0.1:${port}/boot/ipxe/snponly.efi`)).rejects.toThrow('curl');
    expect(shed).toEqual(['tls']);
    await handshake(port, '-tls1_1', '-cipher', 'ALL:@SECLEVEL=0');
    expect(shed).toEqual(['tls', 'tls']);
  });

  it('has a certificate for either kind of client when given both', async () => {
    const both = { cert: [site.cert, ecdsa.cert], key: [site.key, ecdsa.key] };
    const { port, warnings } = await serve(both);
    const only = (cipher: string) => handshake(port, '-tls1_2', '-cipher', cipher);
    expect(await only('ECDHE-RSA-AES128-GCM-SHA256')).toBe('ECDHE-RSA-AES128-GCM-SHA256');
    expect(await only('ECDHE-ECDSA-AES128-GCM-SHA256')).toBe('ECDHE-ECDSA-AES128-GCM-SHA256');
    expect(warnings()).toEqual([]);
    expect((await serve(ecdsa)).warnings()).toEqual([expect.stringMatching(/no RSA certificate/)]);
  });
});

describe('certificates', () => {
  it.each([
    ['of another key', { cert: site.cert, key: ecdsa.key }, /is not the key of/],
    ['that are not there', { cert: join(dir, 'none'), key: site.key }, /Cannot read .*none/],
    ['that are no PEM', { cert: site.cert, key: join(dir, 'snponly.efi') }, /not valid PEM/],
    ['without a certificate', { cert: site.key, key: site.key }, /No certificate in/],
    ['without a key for each', { cert: [site.cert, ecdsa.cert], key: site.key }, /needs its key/],
  ])('%s are refused', (_, files, why) => {
    beforeStart();
    expect(() => loadTls(files)).toThrow(why);
    expect(() => loadTls(files)).toThrow(expect.objectContaining({ code: 'TLS_INVALID' }));
  });
  const beforeStart = () => expect(loadTls(site).pairs).toMatchObject([{ keyType: 'rsa' }]);

  it('are told of before they end', async () => {
    const { notAfter, warnings } = await serve(soon);
    expect(warnings()).toEqual(['the certificate expires soon']);
    const leftMs = (notAfter[0] ?? 0) - Date.now();
    expect(leftMs).toBeGreaterThan(6 * 86_400_000);
    expect(leftMs).toBeLessThan(limit('tlsExpiryWarnMs'));
  });

  it('are renewed without a restart, and a half-replaced pair changes nothing', async () => {
    const files = { cert: join(dir, 'live.crt'), key: join(dir, 'live.key') };
    copyFileSync(soon.cert, files.cert);
    copyFileSync(soon.key, files.key);
    const { port, look, notAfter, warnings } = await serve(files);
    const ciphers = async () => [
      await handshake(port, '-tls1_2', '-cipher', 'ECDHE-RSA-AES128-GCM-SHA256'),
      await handshake(port, '-tls1_2', '-cipher', 'ECDHE-ECDSA-AES128-GCM-SHA256'),
    ];
    expect(await ciphers()).toEqual(['ECDHE-RSA-AES128-GCM-SHA256', '(NONE)']);
    copyFileSync(ecdsa.cert, files.cert);
    look();
    look();
    expect(await ciphers()).toEqual(['ECDHE-RSA-AES128-GCM-SHA256', '(NONE)']);
    const told = 'a changed certificate is not used';
    expect(warnings().filter((text) => text === told)).toHaveLength(1);
    copyFileSync(ecdsa.key, files.key);
    look();
    expect(await ciphers()).toEqual(['(NONE)', 'ECDHE-ECDSA-AES128-GCM-SHA256']);
    expect(notAfter).toHaveLength(2);
  });
});

describe('people’s side', () => {
  it('says HSTS and takes only forward-secret suites', async () => {
    const { port } = await serve(site, 'people');
    const head = await curl('-I', `https://127.0.0.1:${port}/boot/ipxe/snponly.efi`);
    expect(head).toMatch(/strict-transport-security: max-age=31536000/i);
    expect(await handshake(port, '-tls1_2', '-cipher', 'AES128-SHA256')).toBe('(NONE)');
  });

  it.each([
    ['board.example:8081', '/a?b=c', 'https://board.example:8443/a?b=c'],
    ['[::1]:80', '/', 'https://[::1]:8443/'],
    ['evil.example/x?', '/', undefined],
    ['user@evil.example', '/', undefined],
  ])('redirects %s%s to %s', async (host, path, location) => {
    const server: WebServer = createRedirect(8443);
    closers.push(() => closeServer(server));
    await listenAt(server, { host: '127.0.0.1', port: 0 });
    const { port } = server.address() as AddressInfo;
    const head = await curl('-I', '-H', `Host: ${host}`, `http://127.0.0.1:${port}${path}`);
    expect(/^location: (.*)\r$/im.exec(head)?.[1]).toBe(location);
    expect(head).toMatch(location ? /^HTTP\/1.1 308/ : /^HTTP\/1.1 400/);
  });
});

it('packs the CA as an initrd that cpio(1) unpacks', async () => {
  const pem = readFileSync(site.ca);
  const asking = run('busybox', ['cpio', '-i', '--to-stdout', 'etc/ssl/certs/ca-certificates.crt']);
  asking.child.stdin?.end(caImage(pem));
  expect((await asking).stdout).toBe(pem.toString());
});
