/** What bounds the machines' listener: buffers, connections, time. */
import { createServer } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import {
  boundTimes,
  createConnectionGuard,
  type ShedReason,
} from '../../../src/http/machine/connections.ts';
import { limit } from '../../../src/limits.ts';
import { CHUNK_BYTES_MIN, createBufferPool } from '../../../src/platform/file-sender.ts';
import { closed, dial as dialTo } from '../../support/dial.ts';

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

function dial(port: number) {
  const socket = dialTo(port);
  closers.push(() => socket.destroy());
  return socket;
}

describe('the buffers', () => {
  it('are large for few, small for many, used again, and bounded', () => {
    const pool = createBufferPool({ budgetBytes: 8_388_608, chunkBytesMax: 1_048_576 });
    const lent = Array.from({ length: 100 }, () => pool.take(1e9));
    expect(lent[0]?.length).toBe(1_048_576);
    expect(lent.at(-1)?.length).toBe(CHUNK_BYTES_MIN);
    expect(pool.usage().lentBytes).toBeLessThan(8_388_608 + 100 * CHUNK_BYTES_MIN);
    for (const buffer of lent) pool.give(buffer);
    const { lentBytes, keptBytes } = pool.usage();
    expect(lentBytes).toBe(0);
    expect(keptBytes).toBeLessThanOrEqual(8_388_608);
    const [one, two] = [pool.take(1e9), pool.take(1e9)];
    expect(one.length).toBe(1_048_576);
    pool.give(one);
    expect(pool.take(1e9)).toBe(one);
    pool.forget(two);
    expect(pool.usage().lentBytes).toBe(1_048_576);
    expect(pool.take(10).length).toBe(CHUNK_BYTES_MIN);
  });
});

describe('a full house', () => {
  async function house(
    connectionsMax: number,
    perAddressMax: number,
    { silenceMs = 60_000, begunMs = 60_000 } = {},
  ) {
    const shed: ShedReason[] = [];
    const limits = { connectionsMax, perAddressMax, silenceMs, begunMs };
    const guard = createConnectionGuard((why) => shed.push(why), limits);
    const server = createServer((_request, response) => response.end('ok'));
    guard.watch(server);
    const guests: Socket[] = [];
    server.on('connection', (socket) => guests.push(socket));
    closers.push(
      () => server.close(),
      () => server.closeAllConnections(),
    );
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return { shed, guard, guests, port: (server.address() as AddressInfo).port };
  }
  const talk = async (socket: ReturnType<typeof dial>) => {
    socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
    await socket.until((text) => text.includes('ok'));
  };

  it('sends away the connection that has been idle longest', async () => {
    const { shed, guard, port } = await house(2, 10);
    const [first, second] = [dial(port), dial(port)];
    await talk(first);
    await talk(second);
    await talk(first);
    await talk(dial(port));
    await closed(second);
    expect(first.closed).toBe(false);
    expect(shed).toEqual(['idle']);
    expect(guard.open()).toBe(2);
  });

  it('turns newcomers away when nobody is idle, and takes them when there is room', async () => {
    const { shed, guests, port } = await house(1, 10);
    const busy = dial(port);
    busy.write('GET / HTTP/1.1\r\n');
    await new Promise((resolve) => busy.once('connect', resolve));
    await closed(dial(port));
    expect(shed).toEqual(['full']);
    const [guest] = guests;
    if (!guest) throw new Error('no guest');
    busy.destroy();
    await closed(guest);
    await talk(dial(port));
  });

  it('is none because of connections that ask for nothing: the first of them goes', async () => {
    const { shed, guard, guests, port } = await house(2, 10, { silenceMs: 0 });
    const [first, second] = [dial(port), dial(port)];
    await expect.poll(() => guests.length).toBe(2);
    await talk(dial(port));
    await closed(first);
    expect([second.closed, guard.open(), shed]).toEqual([false, 2, ['idle']]);
  });

  it.each([
    ['later than those that sent nothing', 60_000, 'silent'],
    ['in the end', 0, 'begun'],
  ])('has who began to ask make room %s', async (_, begunMs, loser) => {
    const { shed, guests, port } = await house(2, 10, { silenceMs: 0, begunMs });
    const begun = dial(port);
    begun.write('GET / HTTP/1.1\r\n');
    await expect.poll(() => guests[0]?.bytesRead).toBeGreaterThan(0);
    const silent = dial(port);
    await expect.poll(() => guests.length).toBe(2);
    await talk(dial(port));
    await closed(loser === 'begun' ? begun : silent);
    expect([begun.closed, silent.closed]).toEqual([loser === 'begun', loser === 'silent']);
    expect(shed).toEqual(['idle']);
  });

  it('sends nobody away whose request has arrived and was not read yet', async () => {
    const { shed, guard, port } = await house(2, 10);
    const [first, second] = [dial(port), dial(port)];
    await talk(first);
    await talk(second);
    const newcomer = dial(port);
    // It is in the kernel's queue now, before the request: both are found in one turn of the loop.
    await new Promise((resolve) => process.nextTick(resolve));
    first.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
    await first.until((text) => text.includes('ok'));
    await talk(newcomer);
    await closed(second);
    expect([first.closed, guard.open(), shed]).toEqual([false, 2, ['idle']]);
  });

  it('gives one address a part only', async () => {
    const { shed, guard, port } = await house(10, 2);
    await talk(dial(port));
    await talk(dial(port));
    await closed(dial(port));
    expect(shed).toEqual(['address-full']);
    expect(guard.open()).toBe(2);
  });
});

describe('requests that are sent before an answer', () => {
  const ask = (path: string) => `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`;
  /** Answers `/now`, and keeps everything else waiting. */
  async function slow(connectionsMax: number) {
    const shed: ShedReason[] = [];
    const limits = { connectionsMax, perAddressMax: 10, silenceMs: 0, begunMs: 0 };
    const guard = createConnectionGuard((why) => shed.push(why), limits);
    const server = createServer((request, response) => {
      if (request.url === '/now') response.end('ok');
    });
    guard.watch(server);
    closers.push(
      () => server.close(),
      () => server.closeAllConnections(),
    );
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return { shed, port: (server.address() as AddressInfo).port };
  }

  it('keep a connection from being idle until the last is answered', async () => {
    const { shed, port } = await slow(1);
    const busy = dial(port);
    busy.write(ask('/now') + ask('/later'));
    await busy.until((text) => text.includes('ok'));
    await closed(dial(port));
    expect(shed).toEqual(['full']);
    expect(busy.closed).toBe(false);
  });

  it('are bounded', async () => {
    const { shed, port } = await slow(10);
    const max = limit('httpPipelinedMax');
    const many = dial(port);
    many.write(ask('/later').repeat(max));
    const more = dial(port);
    more.write(ask('/later').repeat(max + 5));
    await closed(more);
    expect(shed).toEqual(['pipelined']);
    expect(many.closed).toBe(false);
  });
});

describe('what is no request', () => {
  async function listening() {
    const shed: ShedReason[] = [];
    const guard = createConnectionGuard((why) => shed.push(why));
    const server = createServer({ connectionsCheckingInterval: 20 }, (_, response) =>
      response.writeHead(200, { 'content-length': 100 }).write('a part'),
    );
    server.headersTimeout = 60;
    guard.watch(server);
    closers.push(() => server.close());
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return { shed, socket: dial((server.address() as AddressInfo).port) };
  }

  it.each([
    ['no HTTP', 'malformed', '400', 'nonsense\r\n\r\n'],
    ['a long head', 'head-too-large', '431', `GET / HTTP/1.1\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`],
    ['a head that does not end', 'too-slow', '408', 'GET / HTTP/1.1\r\nHost: x\r\n'],
  ])('is answered, counted and closed: %s', async (_, reason, status, bytes) => {
    const { shed, socket } = await listening();
    socket.write(bytes);
    const answer = await socket.until((text) => text.includes('\r\n\r\n'));
    expect(answer.split(' ')[1]).toBe(status);
    await closed(socket);
    expect(shed).toEqual([reason]);
  });

  it('has no answer put into the body that is on its way', async () => {
    const { shed, socket } = await listening();
    socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
    await socket.until((text) => text.endsWith('\r\n\r\na part'));
    socket.write('nonsense\r\n\r\n');
    await closed(socket);
    expect(await socket.until(() => true)).toBe('');
    expect(shed).toEqual(['malformed']);
  });
});

describe('time', () => {
  it('is bounded for heads, requests, idleness and bodies', () => {
    const server = createServer();
    boundTimes(server);
    expect(server).toMatchObject({
      headersTimeout: limit('httpHeadersMs'),
      requestTimeout: limit('httpRequestMs'),
      keepAliveTimeout: limit('httpKeepAliveMs'),
      timeout: limit('httpIdleMs'),
    });
  });

  it('ends for a client that drips its head (slowloris)', async () => {
    const server = createServer({ connectionsCheckingInterval: 20 });
    boundTimes(server);
    server.headersTimeout = 60;
    closers.push(() => server.close());
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const drip = dial((server.address() as AddressInfo).port);
    const dripping = setInterval(() => drip.write('X: 1\r\n'), 10);
    closers.push(() => clearInterval(dripping));
    drip.write('GET / HTTP/1.1\r\nHost: x\r\n');
    expect(await drip.until((text) => text.includes('\r\n\r\n'))).toMatch(/^HTTP\/1.1 408 /);
    await closed(drip);
  });
});
