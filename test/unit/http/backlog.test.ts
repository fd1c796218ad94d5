/** A storm of newcomers while the main thread is busy: all of them wait in the kernel, and each is answered. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Worker } from 'node:worker_threads';
import pino from 'pino';
import { afterEach, expect, it } from 'vitest';
import { listenAt } from '../../../src/http/https.ts';
import { createMachineApp } from '../../../src/http/machine/app.ts';
import { limit } from '../../../src/limits.ts';
import { createWorld } from '../../support/world.ts';

const log = pino({ level: 'silent' });
const MACHINES = 1000;
const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

/** Connects them all, counts in `seen` who is connected, and posts how many were answered. */
const CROWD = `
  const { connect } = require('node:net');
  const { parentPort, workerData: { port, seen, machines } } = require('node:worker_threads');
  let [answered, over] = [0, 0];
  for (let machine = 0; machine < machines; machine++) {
    // An address each, as machines have.
    const localAddress = '127.0.' + (1 + (machine >> 7)) + '.' + (1 + (machine & 127));
    const socket = connect({ port, host: '127.0.0.1', localAddress });
    socket.on('error', () => {});
    socket.on('connect', () => Atomics.notify(seen, 0, Atomics.add(seen, 0, 1) + 1));
    socket.once('data', () => { answered += 1; socket.destroy(); });
    socket.on('close', () => { over += 1; if (over === machines) parentPort.postMessage(answered); });
    socket.write('GET /boot/nobody/script.ipxe HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n');
  }`;

const at = { host: '127.0.0.1', port: 0, backlog: limit('httpBacklogMax') };

it.each([
  [
    'HTTP',
    async () => {
      const app = createMachineApp({
        ...createWorld(),
        log,
        assets: '/nowhere',
        pxeimage: '/nowhere',
      });
      closers.push(() => app.close());
      await app.listen(at);
      return app.server;
    },
  ],
  [
    'what HTTPS listens by',
    async () => {
      const server = createServer((_request, response) => response.end('ok'));
      closers.push(() => server.close());
      await listenAt(server, at);
      return server;
    },
  ],
])('%s', async (_, listening) => {
  const { port } = (await listening()).address() as AddressInfo;
  const seen = new Int32Array(new SharedArrayBuffer(4));
  const crowd = new Worker(CROWD, { eval: true, workerData: { port, seen, machines: MACHINES } });
  const answered = new Promise((resolve) => crowd.once('message', resolve));
  // Nothing is accepted meanwhile.
  const until = performance.now() + 10_000;
  for (
    let count = 0;
    count < MACHINES && performance.now() < until;
    count = Atomics.load(seen, 0)
  ) {
    Atomics.wait(seen, 0, count, 100);
  }
  expect(seen[0]).toBe(MACHINES);
  expect(await answered).toBe(MACHINES);
});
