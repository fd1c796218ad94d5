/** A storm of newcomers while the main thread is busy: all of them wait in the kernel, are let in at a rate, and answered. */
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { type AddressInfo, createServer as createNetServer, type Socket } from 'node:net';
import { Worker } from 'node:worker_threads';
import pino from 'pino';
import { afterEach, describe, expect, it } from 'vitest';
import { listenAt } from '../../../src/http/https.ts';
import { createMachineApp } from '../../../src/http/machine/app.ts';
import { createConnectionGuard, type WebServer } from '../../../src/http/machine/connections.ts';
import { limit } from '../../../src/limits.ts';
import { keepAccepting } from '../../../src/platform/accept.ts';
import { makeSiteCa } from '../../support/site-ca.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { createWorld } from '../../support/world.ts';

const log = pino({ level: 'silent' });
const dir = temporaryFolder('backlog');
const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

/** Connects them all, counts in `seen` who is connected, and posts how many were answered. */
const CROWD = `
  const { connect } = require('node:net');
  const tls = require('node:tls');
  const { parentPort, workerData } = require('node:worker_threads');
  const { port, seen, machines, secure } = workerData;
  let [answered, over] = [0, 0];
  for (let machine = 0; machine < machines; machine++) {
    // An address each, as machines have.
    const localAddress = '127.0.' + (1 + (machine >> 7)) + '.' + (1 + (machine & 127));
    const plain = connect({ port, host: '127.0.0.1', localAddress });
    plain.on('connect', () => Atomics.notify(seen, 0, Atomics.add(seen, 0, 1) + 1));
    const socket = secure ? tls.connect({ socket: plain, rejectUnauthorized: false }) : plain;
    socket.on('error', () => {});
    socket.once('data', () => { answered += 1; socket.destroy(); plain.destroy(); });
    plain.on('close', () => { over += 1; if (over === machines) parentPort.postMessage(answered); });
    socket.write('GET /boot/nobody/script.ipxe HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n');
  }`;

/** Returns when all of them are connected, without a turn of the loop in between. @returns how many were answered */
function gather(machines: number, { port, secure = false }: { port: number; secure?: boolean }) {
  const seen = new Int32Array(new SharedArrayBuffer(4));
  const workerData = { port, seen, machines, secure };
  const crowd = new Worker(CROWD, { eval: true, workerData });
  closers.push(() => crowd.terminate());
  const answered = new Promise((resolve) => crowd.once('message', resolve));
  const until = performance.now() + 10_000;
  for (let count = 0; count < machines && performance.now() < until; count = seen[0] ?? 0) {
    Atomics.wait(seen, 0, count, 100);
  }
  expect(Atomics.load(seen, 0)).toBe(machines);
  return answered;
}

const portOf = (server: WebServer) => (server.address() as AddressInfo).port;

describe('waiting to be accepted', () => {
  const at = { host: '127.0.0.1', port: 0, backlog: limit('httpBacklogMax') };

  it('is for a thousand at once, by HTTP', async () => {
    const app = createMachineApp({ ...createWorld(), log, assets: dir, pxeimage: dir });
    closers.push(() => app.close());
    await app.listen(at);
    expect(await gather(1000, { port: portOf(app.server) })).toBe(1000);
  });

  it('is for a thousand at once, by what HTTPS listens with', async () => {
    const server = createServer((_request, response) => response.end('ok'));
    closers.push(() => server.close());
    await listenAt(server, at);
    expect(await gather(1000, { port: portOf(server) })).toBe(1000);
  });
});

describe('accepting', () => {
  const { cert, key } = makeSiteCa(dir, '127.0.0.1');
  const tls = { cert: readFileSync(cert), key: readFileSync(key) };

  it.each([
    ['HTTP', false],
    ['HTTPS', true],
  ])('goes on when turns are long: %s', async (_, secure) => {
    const answer = (_request: unknown, response: { end(text: string): void }) => response.end('ok');
    const server: WebServer = secure ? createTlsServer(tls, answer) : createServer(answer);
    const guard = createConnectionGuard(() => undefined);
    guard.watch(server);
    const pace = { everyMs: limit('httpAcceptEveryMs'), atOnceMax: 16 };
    keepAccepting(server, pace);
    await listenAt(server, { host: '127.0.0.1', port: 0 });
    let accepted = 0;
    const addresses = new Set<string | undefined>();
    server.on('connection', (socket: Socket) => {
      accepted += 1;
      addresses.add(socket.remoteAddress);
    });
    const answered = gather(50, { port: portOf(server), secure });
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 17 * pace.everyMs);
    await expect.poll(() => accepted, { interval: 0 }).toBeGreaterThan(0);
    expect(accepted).toBeGreaterThanOrEqual(pace.atOnceMax);
    expect(await answered).toBe(50);
    expect([accepted, addresses.size]).toEqual([50, 50]);
    await expect.poll(() => guard.open()).toBe(0);
    server.close();
  });

  it('leaves nobody behind when the listener closes', async () => {
    const server = createNetServer();
    keepAccepting(server, { everyMs: 0.001, atOnceMax: 16 });
    const sockets: (Socket & { server?: unknown })[] = [];
    server.on('connection', (socket: Socket) => sockets.push(socket));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const answered = gather(5, { port: (server.address() as AddressInfo).port });
    await expect.poll(() => sockets.length).toBe(5);
    const ended = new Promise((resolve) => server.close(resolve));
    // Node waits for those that it has accepted by itself.
    const own = sockets.filter((socket) => socket.server === server);
    for (const socket of own) socket.destroy();
    await ended;
    expect(await answered).toBe(0);
    expect([own.length, sockets.map(({ destroyed }) => destroyed)]).toEqual([
      1,
      sockets.map(() => true),
    ]);
  });
});
