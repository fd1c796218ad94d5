import dgram from 'node:dgram';
import { once } from 'node:events';
import net from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { decodeMessage, rcodeOf } from '../../../src/dns/message.ts';
import { parseName } from '../../../src/dns/name.ts';
import { signRequest } from '../../../src/dns/tsig.ts';
import { TYPE } from '../../../src/dns/types.ts';
import { AskerTable, makeAskerTable } from '../../../src/nameserver/asker-watch.ts';
import { COUNTER } from '../../../src/nameserver/udp-protocol.ts';
import { answersOf, describeReply, question } from '../../support/dns.ts';
import { framed, HOST, KEY, NOW, rcode, startWire, type Wire } from '../../support/dns-wire.ts';
import { machineNumber } from '../../support/dns-world.ts';

let wire: Wire;
const udp: Wire['udp'] = (bytes) => wire.udp(bytes);
const tcp: Wire['tcp'] = (octets, count) => wire.tcp(octets, count);

beforeAll(async () => {
  wire = await startWire();
});
afterAll(() => wire.close());

describe('UDP', () => {
  it('answers from threads', async () =>
    expect(describeReply(await udp(question('web5.lon.example A')))).toBe(
      'NOERROR aa q=web5.lon.example. AN:web5.lon.example./A/300',
    ));

  it('no answer is lost or of two generations while a name changes over and over', async () => {
    const socket = dgram.createSocket('udp4');
    const seen: string[] = [];
    socket.on('message', (bytes) => seen.push(answersOf(Uint8Array.from(bytes)).join()));
    socket.bind(0, HOST);
    await once(socket, 'listening');
    const replaced = wire.world.served.length;
    const asked = 1500;
    for (let i = 0; i < asked; i++) {
      socket.send(question('web7.lon.example A'), wire.port, HOST);
      if (i % 10 === 0) {
        const moved = machineNumber(7);
        const names = moved.names.map((name) => ({ ...name, addresses: [`10.0.3.${i % 200}`] }));
        wire.world.set({ ...moved, names });
        await sleep(2);
      }
    }
    await expect.poll(() => seen.length, { timeout: 5000 }).toBe(asked);
    expect(seen.every((answer) => /^10\.0\.(1\.7|3\.\d+)$/.test(answer))).toBe(true);
    expect(new Set(seen).size).toBeGreaterThan(3);
    expect(wire.world.served.length).toBe(replaced);
    socket.close();
  });

  it('a change is on the wire within a moment, also when the image is built anew', async () => {
    const before = wire.server.keeper.buffer;
    for (let round = 0; round < 80 && wire.server.keeper.buffer === before; round++) {
      wire.world.set(
        ...Array.from({ length: 300 }, (_, n) => machineNumber(n + 1, `r${round}n${n}`)),
      );
      await expect
        .poll(async () => rcode(await udp(question(`r${round}n100.lon.example A`))), {
          timeout: 5000,
        })
        .toBe(0);
    }
    expect(wire.server.keeper.buffer).not.toBe(before);
    expect(rcode(await udp(question('web1.lon.example A')))).toBe(3);
    wire.world.set(...Array.from({ length: 300 }, (_, n) => machineNumber(n + 1)));
    await expect.poll(async () => rcode(await udp(question('web1.lon.example A')))).toBe(0);
  });

  it('counts, and survives what is no question', async () => {
    const socket = dgram.createSocket('udp4');
    for (const bytes of [
      Buffer.alloc(0),
      Buffer.alloc(11),
      Buffer.alloc(2000, 0xff),
      Buffer.alloc(9000),
    ]) {
      socket.send(bytes, wire.port, HOST);
    }
    const malformed = await udp(Buffer.alloc(100));
    expect(rcode(malformed)).toBe(1);
    expect(wire.server.counters().udp[COUNTER.questions]).toBeGreaterThan(1500);
    await expect.poll(() => wire.server.counters().udp[COUNTER.dropped]).toBeGreaterThan(0);
    socket.close();
  });

  it('a signed question is answered signed, by the port that was asked', async () => {
    const request = signRequest(question('web5.lon.example A'), KEY, NOW);
    const reply = decodeMessage(await udp(request));
    expect(reply.ok && reply.value.answers.length).toBe(1);
    expect(reply.ok && reply.value.additional.at(-1)?.type).toBe(TYPE.TSIG);
  });

  it.each([
    ['another secret', { ...KEY, secret: Buffer.alloc(32) }, NOW, 16],
    ['another key', { ...KEY, name: parseName('other.') ?? KEY.name }, NOW, 17],
    ['another time', KEY, 1_700_009_999, 18],
  ])('TSIG with %s is NOTAUTH', async (_name, key, at, error) => {
    const reply = await udp(signRequest(question('web5.lon.example A'), key, at));
    const decoded = decodeMessage(reply);
    if (!decoded.ok) expect.fail(decoded.code);
    expect(rcodeOf(decoded.value.flags)).toBe(9);
    const rdata = decoded.value.additional[0]?.rdata ?? '';
    const other = error === 18 ? 6 : 0;
    expect(rdata.charCodeAt(rdata.length - 3 - other)).toBe(error);
  });
});

describe('TCP', () => {
  it('many questions on one connection, in one segment, answered in order', async () => {
    const names = Array.from({ length: 50 }, (_, n) => `web${n + 1}.lon.example`);
    const octets = Buffer.concat(names.map((name, id) => framed(question(`${name} A`, { id }))));
    const replies = await tcp(octets, 50);
    expect(replies.map((reply) => ((reply[0] ?? 0) << 8) | (reply[1] ?? 0))).toEqual(
      names.map((_, id) => id),
    );
  });
  it('a message that comes octet by octet is answered, one that stops is cut off', async () => {
    const socket = net.connect(wire.port, HOST).setNoDelay(true);
    for (const octet of framed(question('web5.lon.example A'))) {
      socket.write(Uint8Array.of(octet));
      await new Promise((resolve) => setImmediate(resolve));
    }
    const [reply] = (await once(socket, 'data')) as [Buffer];
    expect(rcode(reply.subarray(2))).toBe(0);
    socket.write(Uint8Array.of(0, 40, 1, 2, 3));
    const started = performance.now();
    await once(socket, 'close');
    expect(performance.now() - started).toBeLessThan(9000);
  });
  it.each([
    ['a message of 64 KB', Buffer.alloc(65_537, 0xff)],
    ['a message of no size', Buffer.from([0, 0, 0, 0])],
    ['one that is too short', Buffer.from([0, 5, 1, 2, 3, 4, 5])],
  ])('%s ends the connection', async (_name, octets) => {
    const replies = await tcp(octets, 1).catch(() => []);
    expect(replies).toEqual([]);
    expect(rcode(await udp(question('web5.lon.example A')))).toBe(0);
  });
  it('one address cannot take all connections', async () => {
    const sockets = Array.from({ length: 40 }, () =>
      net.connect(wire.port, HOST).on('error', () => undefined),
    );
    await Promise.all(sockets.map((socket) => once(socket, 'connect')));
    await expect
      .poll(() => sockets.filter((socket) => socket.destroyed).length)
      .toBeGreaterThanOrEqual(8);
    for (const socket of sockets) socket.destroy();
    await expect.poll(() => wire.server.counters().tcpConnections).toBe(0);
  });
});

describe('questions of machines that boot', () => {
  const LOOPBACK = 0x7f000001;
  it('are told of while their address is watched, with the answer, and not before or after', async () => {
    const table = new AskerTable(wire.askers);
    await udp(question('web7.lon.example. A'));
    table.set([0x0a000001, LOOPBACK]);
    const asked = question('web8.lon.example. A');
    const reply = await udp(asked);
    while (wire.watched.length === 0) await new Promise((next) => setImmediate(next));
    table.set([0x0a000001]);
    await udp(question('web9.lon.example. A'));
    table.set([LOOPBACK]);
    await udp(asked);
    while (wire.watched.length < 2) await new Promise((next) => setImmediate(next));
    expect(wire.watched.map(({ address }) => address)).toEqual([LOOPBACK, LOOPBACK]);
    for (const one of wire.watched) expect(one.question).toEqual(asked);
    expect(wire.watched[0]?.reply).toEqual(reply);
  });
});

describe('the table of those who are watched', () => {
  it('finds each of thousands, and nobody else', () => {
    const table = new AskerTable(makeAskerTable());
    expect(table.any).toBe(false);
    const all = Array.from({ length: 8000 }, (_, n) => 0xc0a80001 + 3 * n);
    table.set(all);
    expect(table.any).toBe(true);
    expect(all.every((address) => table.has(address))).toBe(true);
    expect(all.some((address) => table.has(address + 1))).toBe(false);
    table.set([]);
    expect([table.any, table.has(all[0] ?? 0)]).toEqual([false, false]);
  });
});
