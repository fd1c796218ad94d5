import { randomBytes } from 'node:crypto';
import { symlinkSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createConnection } from 'node:net';
import { join } from 'node:path';
import type { FastifyInstance } from 'fastify';
import pino from 'pino';
import { afterEach, describe, expect, it } from 'vitest';
import { whoHas } from '../../../src/daemon/who-has.ts';
import { createMachineApp } from '../../../src/http/machine/app.ts';
import { parseRange } from '../../../src/http/machine/preconditions.ts';
import { createPeopleApp } from '../../../src/http/people/app.ts';
import { limit } from '../../../src/limits.ts';
import { maskTokens } from '../../../src/platform/log.ts';
import { bytesOf, report } from '../../support/reports.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { createWorld, dhcpPacket, ipv4, mac, type World } from '../../support/world.ts';

const A = mac('52:54:00:00:00:0a');
const B = mac('52:54:00:00:00:0b');
const log = pino({ level: 'silent' });
const apps: FastifyInstance[] = [];
afterEach(async () => {
  for (const app of apps.splice(0)) await app.close();
});

function folder(): string {
  const dir = temporaryFolder('http');
  writeFileSync(join(dir, 'vmlinuz'), 'kernel'.repeat(1000));
  writeFileSync(join(dir, 'initrd.img'), randomBytes(300_000));
  writeFileSync(join(dir, 'snponly.efi'), 'efi');
  symlinkSync('/etc/hostname', join(dir, 'leak.efi'));
  return dir;
}

function machineApp(world: World) {
  const dir = folder();
  const app = createMachineApp({ ...world, log, assets: dir, pxeimage: dir });
  apps.push(app);
  return app;
}

/** A boot of this NIC, up to the offer, and its token. */
function booted(world: World, of = A) {
  world.dhcp(dhcpPacket({ mac: of, type: 1, client: 'ipxe' }));
  const boot = world.inventory.boots.latest(of);
  if (!boot) throw new Error('no boot');
  return { boot: boot.id, token: world.inventory.tokens.mint(boot.id, of, 'boot').token };
}

const problem = (answer: { statusCode: number; json(): { code: string; path?: string } }) =>
  `${answer.statusCode} ${answer.json().code} ${answer.json().path ?? ''}`.trim();

describe('the machines’ listener', () => {
  it('carries an unknown machine from script to record', async () => {
    const world = createWorld();
    const app = machineApp(world);
    const { token, boot } = booted(world);
    const script = await app.inject(`/boot/${token}/script.ipxe`);
    expect(script.body).toContain('reveille.mode=recon');
    expect((await app.inject(`/boot/${token}/vmlinuz`)).body).toHaveLength(6000);
    expect(
      (
        await app.inject({
          method: 'POST',
          url: `/agent/${token}/progress`,
          payload: { phase: 'linux', message: 'up', level: 'info' },
        })
      ).statusCode,
    ).toBe(204);
    const answer = await app.inject({
      method: 'POST',
      url: `/recon/${token}`,
      payload: report({ macs: [A] }),
    });
    expect(answer.body).toMatch(
      /^instruction: wait\ntoken: .{32}\nhardwarename: SN-0001\nstate: available\n/,
    );
    const wait = /token: (.*)/.exec(answer.body)?.[1];
    expect(wait).not.toBe(token);
    expect(
      (
        await app.inject({ method: 'POST', url: `/recon/${wait}`, payload: report({ macs: [A] }) })
      ).json(),
    ).toMatchObject({ code: 'TOKEN_PURPOSE' });
    expect(world.inventory.events.ofBoot(boot).map(({ name }) => name)).toEqual([
      'boot.started',
      'dhcp.offered',
      'ipxe.script',
      'http.started',
      'http.sent',
      'agent.progress',
      'recon.received',
      'machine.registered',
    ]);
  });

  it('puts the loader that UEFI HTTP Boot fetches on its timeline, also where another server leases', async () => {
    const world = createWorld(undefined, 'dhcp: { segments: [{ mode: proxy }] }');
    const dir = folder();
    const onLink = (ifaces: readonly string[], address: number) =>
      ifaces.includes('prov0') && address === ipv4('127.0.0.1') ? A : undefined;
    const app = createMachineApp({
      ...{ ...world, log, assets: dir, pxeimage: dir },
      whoHas: whoHas(world, onLink),
    });
    apps.push(app);
    world.dhcp(dhcpPacket({ mac: A, type: 1, client: 'http' }));
    expect((await app.inject('/boot/ipxe/snponly.efi')).body).toBe('efi');
    const boot = world.inventory.boots.latest(A);
    if (!boot) throw new Error('no boot');
    expect(world.inventory.events.ofBoot(boot.id).map(({ name }) => name)).toEqual([
      ...['boot.started', 'dhcp.offered', 'http.started', 'http.sent'],
    ]);
    expect(boot.binariesServed).toBe(1);
  });

  it('refuses reports without a good token', async () => {
    const world = createWorld();
    const app = machineApp(world);
    const mine = booted(world);
    const theirs = booted(world, B);
    const post = async (token: string, payload: unknown = report({ macs: [A] })) =>
      problem(
        await app.inject({ method: 'POST', url: `/recon/${token}`, payload: payload as object }),
      );
    expect(await post('')).toBe('404 TOKEN_UNKNOWN');
    expect(await post('x'.repeat(32))).toBe('404 TOKEN_UNKNOWN');
    expect(await post('..%2f..%2fetc')).toBe('404 TOKEN_UNKNOWN');
    expect(await post(theirs.token)).toBe('403 TOKEN_MISMATCH /nics');
    world.pass(limit('bootTokenMs') + 1);
    expect(await post(mine.token)).toBe('410 TOKEN_EXPIRED');
    expect(world.inventory.machines.list()).toEqual([]);
  });

  it('refuses malformed and oversized reports with the path that failed', async () => {
    const world = createWorld();
    const app = machineApp(world);
    const { token } = booted(world);
    const post = async (payload: object | string) =>
      problem(
        await app.inject({
          method: 'POST',
          url: `/recon/${token}`,
          payload,
          headers: { 'content-type': 'application/json' },
        }),
      );
    expect(await post('{')).toBe('400 REPORT_INVALID');
    expect(
      await post({ ...report({ macs: [A] }), cpus: [{ socket: -1, cores: 1, threads: 1 }] }),
    ).toBe('400 REPORT_INVALID /cpus/0/socket');
    expect(await post({ ...report({ macs: [A] }), evil: 1 })).toBe('400 REPORT_INVALID /evil');
    expect(await post({ ...report({ macs: [A] }), pci: Array(600).fill({}) })).toBe(
      '400 REPORT_INVALID /pci',
    );
    expect(await post(' '.repeat(limit('reportBytesMax') + 1))).toBe('413 REPORT_TOO_LARGE');
    expect(world.inventory.machines.list()).toEqual([]);
  });

  it('answers a repeated report again', async () => {
    const world = createWorld();
    const app = machineApp(world);
    const { token } = booted(world);
    const post = () =>
      app.inject({ method: 'POST', url: `/recon/${token}`, payload: report({ macs: [A] }) });
    const [first, second] = [await post(), await post()];
    expect(second.body).toBe(first.body);
    expect(world.inventory.machines.list()).toHaveLength(1);
  });

  it('gives no file but the named ones', async () => {
    const app = machineApp(createWorld());
    expect((await app.inject('/boot/ipxe/snponly.efi')).statusCode).toBe(200);
    for (const name of [
      '..%2f..%2f..%2fetc%2fpasswd',
      '%2e%2e/%2e%2e/etc/passwd',
      'leak.efi',
      '..',
      'x%00',
      `${'a'.repeat(300)}`,
    ]) {
      expect([404, 414]).toContain((await app.inject(`/boot/ipxe/${name}`)).statusCode);
    }
  });

  it('serves HEAD, ranges and conditional requests', async () => {
    const world = createWorld();
    const app = machineApp(world);
    const url = `/boot/${booted(world).token}/vmlinuz`;
    const head = await app.inject({ method: 'HEAD', url });
    expect(head.headers).toMatchObject({ 'content-length': '6000', 'accept-ranges': 'bytes' });
    const { etag } = head.headers;
    const part = await app.inject({ url, headers: { range: 'bytes=6-11' } });
    expect([part.statusCode, part.body, part.headers['content-range']]).toEqual([
      206,
      'kernel',
      'bytes 6-11/6000',
    ]);
    expect(
      (await app.inject({ url, headers: { range: 'bytes=6-11', 'if-range': '"old"' } })).statusCode,
    ).toBe(200);
    expect((await app.inject({ url, headers: { range: 'bytes=6000-' } })).statusCode).toBe(416);
    expect((await app.inject({ url, headers: { 'if-none-match': String(etag) } })).statusCode).toBe(
      304,
    );
    expect(world.eventNames().filter((name) => name === 'http.started')).toHaveLength(2);
  });

  it.each([
    ['bytes=0-0', { first: 0, last: 0 }],
    ['bytes=-3', { first: 7, last: 9 }],
    ['bytes=5-', { first: 5, last: 9 }],
    ['bytes=5-99', { first: 5, last: 9 }],
    ['bytes=10-', 'unsatisfiable'],
    ['bytes=-0', 'unsatisfiable'],
    ['bytes=3-1', undefined],
    ['bytes=-', undefined],
    ['bytes=0-1,3-4', undefined],
    ['lines=1-2', undefined],
  ])('range %s', (header, expected) => expect(parseRange(header, 10)).toEqual(expected));

  it('notes a download that the machine breaks off', async () => {
    const world = createWorld();
    const app = machineApp(world);
    await app.listen({ host: '127.0.0.1', port: 0 });
    const { token, boot } = booted(world);
    const { port } = app.server.address() as AddressInfo;
    const socket = createConnection(port, '127.0.0.1');
    socket.write(`GET /boot/${token}/initrd.img HTTP/1.1\r\nHost: x\r\n\r\n`);
    await new Promise((resolve) => socket.once('data', resolve));
    const told = new Promise<void>((resolve) => {
      const check = () => {
        const names = world.inventory.events.ofBoot(boot).map(({ name }) => name);
        if (names.some((name) => name === 'http.aborted' || name === 'http.sent')) resolve();
      };
      world.inventory.events.follow(check);
      check();
    });
    socket.destroy();
    await told;
    expect(world.inventory.events.ofBoot(boot).at(-1)).toMatchObject({
      data: { file: 'initrd.img', sizeBytes: 300_000 },
    });
  });

  it('holds a heartbeat and lets it go when there is work', async () => {
    const world = createWorld();
    const app = machineApp(world);
    const { token } = booted(world);
    expect((await app.inject(`/agent/${token}/next`)).body).toMatch(/^instruction: recon/);
    await app.inject({ method: 'POST', url: `/recon/${token}`, payload: report({ macs: [A] }) });
    await app.listen({ host: '127.0.0.1', port: 0 });
    const { port } = app.server.address() as AddressInfo;
    const asking = fetch(`http://127.0.0.1:${port}/agent/${token}/next`).then((answer) =>
      answer.text(),
    );
    const early = await Promise.race([
      asking,
      new Promise((resolve) => setTimeout(() => resolve('held'), 150)),
    ]);
    expect(early).toBe('held');
    const [machine] = world.inventory.machines.list();
    if (!machine) throw new Error('no machine');
    const { transition } = world.inventory.machines;
    world.inventory.transaction(() =>
      transition(machine.hardwarename, 'retired', { by: 'operator', why: 'test' }),
    );
    expect(await asking).toMatch(/^instruction: poweroff/);
  });

  it('shrugs off random bytes', async () => {
    const world = createWorld();
    const app = machineApp(world);
    await app.listen({ host: '127.0.0.1', port: 0 });
    const { port } = app.server.address() as AddressInfo;
    for (let n = 0; n < 50; n++) {
      await new Promise<void>((resolve) => {
        const socket = createConnection(port, '127.0.0.1', () => socket.end(randomBytes(200)));
        socket.on('close', () => resolve());
        socket.on('error', () => undefined);
        socket.resume();
      });
    }
    expect((await fetch(`http://127.0.0.1:${port}/boot/ipxe/snponly.efi`)).status).toBe(200);
    expect(world.inventory.events.lastId()).toBe(0);
  });

  it('masks tokens in logs', () => {
    expect(maskTokens(`/boot/${'a'.repeat(32)}/script.ipxe`)).toBe('/boot/aaaa****/script.ipxe');
    expect(maskTokens(`/recon/${'a'.repeat(32)}`)).toBe('/recon/aaaa****');
  });
});

describe('the people’s listener', () => {
  async function peopleApp(world: World, ready = true) {
    const app = await createPeopleApp({
      ...world,
      log,
      site: 'lab',
      uiRoot: folder(),
      readiness: () => ({ database: true, dhcp: ready }),
      metrics: async () => ({ contentType: 'text/plain', text: 'up 1\n' }),
    });
    apps.push(app);
    return app;
  }

  it('tells health, readiness and metrics', async () => {
    const app = await peopleApp(createWorld());
    expect((await app.inject('/healthz')).json()).toEqual({ status: 'alive' });
    expect((await app.inject('/readyz')).json()).toMatchObject({ ready: true });
    expect((await app.inject('/metrics')).body).toBe('up 1\n');
    expect((await (await peopleApp(createWorld(), false)).inject('/readyz')).statusCode).toBe(503);
  });

  it('reads machines, boots, the board and pages of events', async () => {
    const world = createWorld();
    const { boot, token } = booted(world);
    const found = world.inventory.tokens.find(token);
    if (!found) throw new Error('no token');
    world.inventory.ingest({ token: found, body: bytesOf(report({ macs: [A] })) });
    booted(world, B);
    const app = await peopleApp(world);
    expect((await app.inject('/api/v1/machines')).json().machines).toMatchObject([
      { hardwarename: 'SN-0001' },
    ]);
    expect((await app.inject('/api/v1/machines/SN-0001')).json()).toMatchObject({
      machine: { serial: 'SN-0001' },
    });
    expect(problem(await app.inject('/api/v1/machines/NO'))).toBe('404 MACHINE_UNKNOWN');
    expect((await app.inject(`/api/v1/boots/${boot}`)).json().timeline).toMatchObject({
      boot,
      state: 'done',
    });
    expect(problem(await app.inject('/api/v1/boots/nope'))).toBe('404 NOT_FOUND');
    const board = (await app.inject('/api/v1/board')).json();
    expect(board).toMatchObject({ site: 'lab', cursor: world.inventory.events.lastId() });
    expect(board.rows.map((row: { timeline: { mac: string } }) => row.timeline.mac).sort()).toEqual(
      [A, B],
    );
    const page = (await app.inject('/api/v1/events?after=1&limit=2')).json();
    expect([page.events.map(({ id }: { id: number }) => id), page.next]).toEqual([[2, 3], 3]);
    expect(problem(await app.inject('/api/v1/events?limit=0'))).toBe('400 REQUEST_INVALID /limit');
    expect((await app.inject('/')).headers['content-security-policy']).toMatch(
      /default-src 'none'/,
    );
    expect((await app.inject('/..%2f..%2fetc/passwd')).statusCode).toBe(404);
    expect(JSON.stringify([board, page])).not.toContain(token);
  });

  it('streams events without gap or repetition across a reconnect', async () => {
    const world = createWorld();
    const app = await peopleApp(world);
    await app.listen({ host: '127.0.0.1', port: 0 });
    const { port } = app.server.address() as AddressInfo;
    const append = (n: number) =>
      world.inventory.transaction(() =>
        world.inventory.events.append({ name: 'daemon.started', data: { version: '1', pid: n } }),
      );
    const read = (headers: Record<string, string>, count: number): Promise<number[]> =>
      new Promise((resolve, reject) => {
        const asking = request(
          {
            port,
            path: '/api/v1/events?after=0',
            headers: { accept: 'text/event-stream', ...headers },
          },
          (answer) => {
            let text = '';
            answer.on('data', (chunk) => {
              text += chunk;
              const ids = [...text.matchAll(/^id: (\d+)\.\w+\nevent: /gm)].map((match) =>
                Number(match[1]),
              );
              if (ids.length >= count) {
                asking.destroy();
                resolve(ids);
              }
            });
          },
        );
        asking.on(
          'error',
          (error: NodeJS.ErrnoException) => error.code !== 'ECONNRESET' && reject(error),
        );
        asking.end();
      });
    for (let n = 1; n <= 250; n++) append(n);
    const first = await read({}, 250);
    expect(first).toEqual(Array.from({ length: 250 }, (_, n) => n + 1));
    const resumed = read({ 'last-event-id': '248' }, 5);
    for (let n = 251; n <= 253; n++) append(n);
    expect(await resumed).toEqual([249, 250, 251, 252, 253]);
  });
});
