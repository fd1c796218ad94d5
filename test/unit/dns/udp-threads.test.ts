import dgram from 'node:dgram';
import { once } from 'node:events';
import { readdirSync, readlinkSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import { ZoneImage } from '../../../src/dns/zone-image.ts';
import { COUNTER } from '../../../src/nameserver/udp-protocol.ts';
import {
  startUdpThreads,
  type ThreadChange,
  type UdpThreads,
} from '../../../src/nameserver/udp-threads.ts';
import { question, zoneFrom, zonesOf } from '../../support/dns.ts';
import { freePort } from '../../support/free-port.ts';

const HOST = '127.0.0.1';
const zones = zonesOf(zoneFrom('t.test', 'www 300 A 192.0.2.1'));
const good = new ZoneImage(zones).writer.buffer;
/** Too small for its own header: whoever opens it ends, as by any fault of ours. */
const fatal = new SharedArrayBuffer(4);

const sockets = () =>
  readdirSync('/proc/self/fd').filter((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`).startsWith('socket:');
    } catch {
      return false;
    }
  }).length;

async function asks(port: number): Promise<number> {
  const socket = dgram.createSocket('udp4');
  try {
    socket.send(question('www.t.test A'), port, HOST);
    const [reply] = (await once(socket, 'message', { signal: AbortSignal.timeout(10_000) })) as [
      Buffer,
    ];
    return reply.readUInt16BE(6);
  } finally {
    socket.close();
  }
}

describe('a UDP thread that ends by itself', () => {
  let threads: UdpThreads | undefined;
  afterEach(() => threads?.close());

  it('is replaced, later each time, counted and told of; nothing stays open and no count is lost', async () => {
    const port = await freePort(HOST);
    const changes: ThreadChange[] = [];
    const before = sockets();
    threads = await startUdpThreads({
      ...{ image: good, keys: undefined, responsesPerSecond: 0, askers: undefined },
      targets: [{ address: HOST, port, waitMs: 20 }],
      responder: { cookieSecret: new Uint8Array(16) },
      onAsked: () => undefined,
      onForward: () => undefined,
      onChange: (change) => void changes.push(change),
    });
    const open = sockets();
    expect(await asks(port)).toBe(1);
    expect(threads.health()).toEqual({ threads: 1, running: 1, restarts: 0, silent: [] });
    threads.useImage(fatal);
    const ended = () => changes.filter(({ kind }) => kind === 'ended');
    await expect.poll(() => ended().length, { timeout: 20_000 }).toBeGreaterThanOrEqual(3);
    expect(threads.health()).toMatchObject({ running: 0, silent: [HOST] });
    expect(sockets()).toBe(before);
    expect(ended().slice(0, 3)).toMatchObject([
      { address: HOST, againInMs: 100, why: expect.stringMatching(/Int32Array|length|bounds/i) },
      { againInMs: 200 },
      { againInMs: 400 },
    ]);
    threads.useImage(good);
    await expect.poll(() => threads?.health().running, { timeout: 20_000 }).toBe(1);
    expect(await asks(port)).toBe(1);
    expect(threads.health()).toMatchObject({ running: 1, silent: [], restarts: 1 });
    expect(changes.at(-1)).toMatchObject({ kind: 'restarted', address: HOST });
    expect(sockets()).toBe(open);
    await expect.poll(() => threads?.counters()[COUNTER.questions]).toBe(2);
  });

  it('is not replaced while all are being closed', async () => {
    const port = await freePort(HOST);
    const changes: ThreadChange[] = [];
    const closing = await startUdpThreads({
      ...{ image: good, keys: undefined, responsesPerSecond: 0, askers: undefined },
      targets: [{ address: HOST, port, waitMs: 20 }],
      responder: { cookieSecret: new Uint8Array(16) },
      onAsked: () => undefined,
      onForward: () => undefined,
      onChange: (change) => void changes.push(change),
    });
    await closing.close();
    expect(changes).toEqual([]);
    expect(closing.health()).toMatchObject({ running: 0 });
  });
});
