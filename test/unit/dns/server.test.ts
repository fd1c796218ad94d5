import dgram from 'node:dgram';
import { once } from 'node:events';
import net from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import pino from 'pino';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { replyEdns } from '../../../src/dns/edns.ts';
import {
  type DecodedMessage,
  decodeMessage,
  encodeMessage,
  type Resource,
  rcodeOf,
} from '../../../src/dns/message.ts';
import { type DnsName, parseName } from '../../../src/dns/name.ts';
import { axfr } from '../../../src/dns/transfer.ts';
import { checkTsig, signRequest, type TsigKey } from '../../../src/dns/tsig.ts';
import { CLASS, TYPE } from '../../../src/dns/types.ts';
import { soaRecord, zoneRecords } from '../../../src/dns/zones.ts';
import { AskerTable, makeAskerTable } from '../../../src/nameserver/asker-watch.ts';
import { type Nameserver, startNameserver } from '../../../src/nameserver/server.ts';
import { type Asked, COUNTER } from '../../../src/nameserver/udp-protocol.ts';
import {
  answersOf,
  describeReply,
  dnsName,
  optRecord,
  question,
  zoneFrom,
} from '../../support/dns.ts';
import { createDnsWorld, machineNumber, planFrom } from '../../support/dns-world.ts';

const KEY: TsigKey = {
  name: parseName('transfer.') ?? dnsName('x'),
  algorithm: 'hmac-sha256',
  secret: Buffer.from('c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0', 'base64'),
};
const HOST = '127.0.0.1';
const zone = dnsName('lon.example');

async function freePort(): Promise<number> {
  const server = net.createServer().listen(0, HOST);
  await once(server, 'listening');
  const { port } = server.address() as net.AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

const world = createDnsWorld({
  plan: planFrom({ catalog: 'catalog' }),
  machines: Array.from({ length: 300 }, (_, n) => machineNumber(n + 1)),
});
let port = 0;
let server: Nameserver;
let secondary: dgram.Socket;
const notified: Uint8Array[] = [];
const askers = makeAskerTable();
const watched: Asked[] = [];

beforeAll(async () => {
  port = await freePort();
  secondary = dgram.createSocket('udp4');
  secondary.on('message', (bytes, from) => {
    notified.push(Uint8Array.from(bytes));
    const { id, questions } = readable(bytes);
    const sections = { answers: [], authority: [], additional: [] };
    const reply = encodeMessage({ id, flags: 0xa400, questions, ...sections });
    if (reply) secondary.send(reply, from.port, from.address);
  });
  secondary.bind(0, HOST);
  await once(secondary, 'listening');
  await world.fill();
  server = await startNameserver({
    ...{ plan: world.plan, store: world.store, shrinkShareMax: 0.2 },
    source: world.source,
    ...{ listen: [HOST], port, threads: 2, responsesPerSecond: 0 },
    responder: { cookieSecret: new Uint8Array(16) },
    secondaries: [{ address: HOST, port: secondary.address().port, key: KEY }],
    ...{ keys: [KEY], transferTo: [], log: pino({ enabled: false }) },
    lastEvent: () => 0,
    nowSeconds: () => 1_700_000_000,
    follow: (wake) => world.onChange(wake),
    asking: { askers, onAsked: (asked) => void watched.push(asked) },
  });
});

afterAll(async () => {
  await server.close();
  secondary.close();
});

async function udp(bytes: Uint8Array): Promise<Uint8Array> {
  const socket = dgram.createSocket('udp4');
  try {
    socket.send(bytes, port, HOST);
    const [reply] = (await once(socket, 'message', { signal: AbortSignal.timeout(5000) })) as [
      Buffer,
    ];
    return Uint8Array.from(reply);
  } finally {
    socket.close();
  }
}

/** Sends raw octets and collects messages until `count` have come or the server closes. */
async function tcp(octets: Uint8Array, count: number): Promise<Uint8Array[]> {
  const socket = net.connect(port, HOST);
  socket.write(octets);
  const messages: Uint8Array[] = [];
  let rest = Buffer.alloc(0);
  for await (const chunk of socket) {
    rest = Buffer.concat([rest, chunk as Buffer]);
    while (rest.length >= 2 && rest.length >= 2 + rest.readUInt16BE(0)) {
      messages.push(Uint8Array.from(rest.subarray(2, 2 + rest.readUInt16BE(0))));
      rest = rest.subarray(2 + rest.readUInt16BE(0));
    }
    if (messages.length >= count) break;
  }
  socket.destroy();
  return messages;
}

function framed(bytes: Uint8Array): Uint8Array {
  return Uint8Array.from([bytes.length >> 8, bytes.length & 255, ...bytes]);
}

function transfer(
  type: number,
  serial?: number,
  { name = zone, edns }: { name?: DnsName; edns?: Parameters<typeof optRecord>[0] } = {},
): Uint8Array {
  const soa = soaRecord({
    ...(server.keeper.zones().get(name) ?? expect.fail()),
    serial: serial ?? 0,
  });
  const authority: Resource[] = serial === undefined ? [] : [{ ...soa, class: CLASS.IN }];
  return (
    encodeMessage({
      ...{ id: 77, flags: 0, questions: [{ name, type, class: CLASS.IN }] },
      ...{ answers: [], authority, additional: edns ? [optRecord(edns)] : [] },
    }) ?? expect.fail()
  );
}

function readable(bytes: Uint8Array | undefined): DecodedMessage {
  const decoded = decodeMessage(bytes ?? new Uint8Array());
  return decoded.ok ? decoded.value : expect.fail(decoded.code);
}

const rcode = (bytes: Uint8Array | undefined) => (bytes ? (bytes[3] ?? 0) & 15 : undefined);

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
    const replaced = world.served.length;
    const asked = 1500;
    for (let i = 0; i < asked; i++) {
      socket.send(question('web7.lon.example A'), port, HOST);
      if (i % 10 === 0) {
        const moved = machineNumber(7);
        const names = moved.names.map((name) => ({ ...name, addresses: [`10.0.3.${i % 200}`] }));
        world.set({ ...moved, names });
        await sleep(2);
      }
    }
    await expect.poll(() => seen.length, { timeout: 5000 }).toBe(asked);
    expect(seen.every((answer) => /^10\.0\.(1\.7|3\.\d+)$/.test(answer))).toBe(true);
    expect(new Set(seen).size).toBeGreaterThan(3);
    expect(world.served.length).toBe(replaced);
    socket.close();
  });

  it('a change is on the wire within a moment, also when the image is built anew', async () => {
    const before = server.keeper.buffer;
    for (let round = 0; round < 80 && server.keeper.buffer === before; round++) {
      world.set(...Array.from({ length: 300 }, (_, n) => machineNumber(n + 1, `r${round}n${n}`)));
      await expect
        .poll(async () => rcode(await udp(question(`r${round}n100.lon.example A`))), {
          timeout: 5000,
        })
        .toBe(0);
    }
    expect(server.keeper.buffer).not.toBe(before);
    expect(rcode(await udp(question('web1.lon.example A')))).toBe(3);
    world.set(...Array.from({ length: 300 }, (_, n) => machineNumber(n + 1)));
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
      socket.send(bytes, port, HOST);
    }
    const malformed = await udp(Buffer.alloc(100));
    expect(rcode(malformed)).toBe(1);
    expect(server.counters().udp[COUNTER.questions]).toBeGreaterThan(1500);
    await expect.poll(() => server.counters().udp[COUNTER.dropped]).toBeGreaterThan(0);
    socket.close();
  });

  it('a signed question is answered signed, by the port that was asked', async () => {
    const request = signRequest(question('web5.lon.example A'), KEY, 1_700_000_000);
    const reply = decodeMessage(await udp(request));
    expect(reply.ok && reply.value.answers.length).toBe(1);
    expect(reply.ok && reply.value.additional.at(-1)?.type).toBe(TYPE.TSIG);
  });

  it.each([
    ['another secret', { ...KEY, secret: Buffer.alloc(32) }, 1_700_000_000, 16],
    ['another key', { ...KEY, name: parseName('other.') ?? KEY.name }, 1_700_000_000, 17],
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
    const socket = net.connect(port, HOST).setNoDelay(true);
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
      net.connect(port, HOST).on('error', () => undefined),
    );
    await Promise.all(sockets.map((socket) => once(socket, 'connect')));
    await expect
      .poll(() => sockets.filter((socket) => socket.destroyed).length)
      .toBeGreaterThanOrEqual(8);
    for (const socket of sockets) socket.destroy();
    await expect.poll(() => server.counters().tcpConnections).toBe(0);
  });
});

describe('transfers', () => {
  const records = async (request: Uint8Array) => {
    const all: Resource[] = [];
    const soas = () => all.filter(({ type }) => type === TYPE.SOA).length;
    const socket = net.connect(port, HOST);
    socket.write(framed(request));
    let rest = Buffer.alloc(0);
    for await (const chunk of socket) {
      rest = Buffer.concat([rest, chunk as Buffer]);
      while (rest.length >= 2 && rest.length >= 2 + rest.readUInt16BE(0)) {
        const decoded = decodeMessage(rest.subarray(2, 2 + rest.readUInt16BE(0)));
        if (!decoded.ok) expect.fail(decoded.code);
        all.push(...decoded.value.answers);
        rest = rest.subarray(2 + rest.readUInt16BE(0));
      }
      if (soas() > 1 && all.at(-1)?.type === TYPE.SOA && all.at(-1)?.rdata === all[0]?.rdata) break;
    }
    socket.destroy();
    return all;
  };
  const signed = (request: Uint8Array) => signRequest(request, KEY, 1_700_000_000);

  it('are refused without a key, over UDP, and for zones that are not ours', async () => {
    const [refused] = await tcp(framed(transfer(TYPE.AXFR)), 1);
    expect(rcode(refused)).toBe(5);
    expect(rcode(await udp(signed(transfer(TYPE.AXFR))))).toBe(4);
    const foreign = question('other.example AXFR');
    expect(rcode((await tcp(framed(signed(foreign)), 1))[0])).toBe(9);
  });
  describe('and NOTIFY are answered with OPT where the request has one (RFC 6891 section 6.1.1)', () => {
    const edns = { size: 4096, flags: 0x8000 };
    const opts = (bytes: Uint8Array | undefined) =>
      readable(bytes)
        .additional.filter(({ type }) => type === TYPE.OPT)
        .map((opt) => [opt.class, opt.ttl >>> 24, opt.ttl & 0xffff]);
    const notify = (more: object) => question('lon.example SOA', { flags: 4 << 11, ...more });

    it('a transfer, in front of its signature', async () => {
      const [first] = await tcp(framed(signed(transfer(TYPE.AXFR, undefined, { edns }))), 1);
      expect(opts(first)).toEqual([[1232, 0, 0x8000]]);
      const types = readable(first).additional.map(({ type }) => type);
      expect(types).toEqual([TYPE.OPT, TYPE.TSIG]);
      expect(opts((await tcp(framed(signed(transfer(TYPE.AXFR))), 1))[0])).toEqual([]);
    });
    it('a transfer of many messages, in the first of them, and none is longer for it', () => {
      const lines = Array.from({ length: 2000 }, (_, n) => `w${n} 300 A 192.0.2.1`).join('\n');
      const large = zoneFrom('t.test', lines);
      const head = { id: 1, question: { name: large.name, type: TYPE.AXFR, class: CLASS.IN } };
      const opt = replyEdns({ version: 0, udpBytes: 4096, dnssecOk: true }, 0);
      const all = { ...large, all: () => zoneRecords(large) };
      const messages = [...axfr({ ...head, opt, reservedBytes: 100 }, all)];
      expect(messages.length).toBeGreaterThan(2);
      expect(messages.map((bytes) => opts(bytes).length)).toEqual(
        messages.map((_, at) => (at === 0 ? 1 : 0)),
      );
      expect(Math.max(...messages.map(({ length }) => length))).toBeLessThanOrEqual(16_384 - 100);
    });
    it('an IXFR over UDP', async () => {
      expect(opts(await udp(signed(transfer(TYPE.IXFR, 5, { edns }))))).toEqual([
        [1232, 0, 0x8000],
      ]);
      expect(opts(await udp(signed(transfer(TYPE.IXFR, 5))))).toEqual([]);
    });
    it.each([
      ['a transfer without a key', () => transfer(TYPE.AXFR, undefined, { edns })],
      ['a zone that is not ours', () => signed(question('other.example AXFR', { edns }))],
      ['a NOTIFY', () => notify({ edns })],
      [
        'a key that nobody knows',
        () =>
          signRequest(
            question('web5.lon.example A', { edns }),
            { ...KEY, name: dnsName('other') },
            1_700_000_000,
          ),
      ],
    ])('%s', async (_name, request) => {
      const reply = await udp(request());
      expect(rcode(reply)).toBeGreaterThan(0);
      expect(opts(reply)).toEqual([[1232, 0, 0x8000]]);
    });
    it('an EDNS version that we do not know is BADVERS', async () => {
      const edns1 = { ...edns, version: 1 };
      expect(opts(await udp(notify({ edns: edns1 })))).toEqual([[1232, 1, 0x8000]]);
      const [axfr] = await tcp(framed(signed(transfer(TYPE.AXFR, undefined, { edns: edns1 }))), 1);
      expect([rcode(axfr), opts(axfr)]).toEqual([0, [[1232, 1, 0x8000]]]);
    });
    it('two OPT are malformed', async () => {
      const two = encodeMessage({
        ...{ id: 1, flags: 0, answers: [], authority: [] },
        questions: [{ name: zone, type: TYPE.AXFR, class: CLASS.IN }],
        additional: [optRecord(edns), optRecord(edns)],
      });
      expect(rcode(await udp(two ?? expect.fail()))).toBe(1);
    });
  });
  it('a signed answer with no room for its signature is cut off', async () => {
    const edns = { size: 512 };
    const names = Array.from({ length: 28 }, (_, n) => `10.0.0.${n + 100}`);
    world.set({
      ...machineNumber(310, 'many'),
      names: [{ kind: 'hostname', name: 'many', addresses: names }],
    });
    await expect.poll(async () => rcode(await udp(question('many.lon.example A')))).toBe(0);
    const plain = readable(await udp(question('many.lon.example A', { edns })));
    expect([plain.flags & 0x0200, plain.answers.length]).toEqual([0, 28]);
    const reply = await udp(signed(question('many.lon.example A', { edns })));
    expect(reply.length).toBeLessThanOrEqual(512);
    expect(readable(reply).flags & 0x0200).toBe(0x0200);
    expect(readable(reply).additional.at(-1)?.type).toBe(TYPE.TSIG);
  });
  it('AXFR carries the whole zone, once', async () => {
    const all = await records(signed(transfer(TYPE.AXFR)));
    expect(all).toHaveLength((server.keeper.zones().get(zone)?.records ?? 0) + 1);
    expect(new Set(all.map(({ name, type, rdata }) => `${name} ${type} ${rdata}`)).size).toBe(
      all.length - 1,
    );
  });
  it('IXFR carries the steps since a serial; nothing for who is up to date; all for who is too old', async () => {
    const serial = server.keeper.zones().get(zone)?.serial ?? 0;
    world.set(machineNumber(8, 'moved'));
    await expect.poll(() => server.keeper.zones().get(zone)?.serial).toBe(serial + 1);
    const steps = await records(signed(transfer(TYPE.IXFR, serial)));
    expect(steps.map(({ type }) => type)).toEqual([6, 6, 1, 6, 1, 6]);
    const current = await udp(signed(transfer(TYPE.IXFR, serial + 1)));
    const decoded = decodeMessage(current);
    expect(decoded.ok && decoded.value.answers.length).toBe(1);
    const whole = await records(signed(transfer(TYPE.IXFR, 5)));
    expect(whole.length).toBeGreaterThan(600);
  });
  it('the catalog zone lists every other zone', async () => {
    const all = await records(
      signed(transfer(TYPE.AXFR, undefined, { name: dnsName('catalog.lon.example') })),
    );
    const members = all.filter(({ type }) => type === TYPE.PTR).map(({ rdata }) => rdata as string);
    const others = [...server.keeper.zones().keys()].filter(
      (name) => name !== dnsName('catalog.lon.example'),
    );
    expect(members.sort()).toEqual(others.sort());
  });
});

describe('NOTIFY', () => {
  it('tells the secondary, signed, with the new SOA', async () => {
    notified.length = 0;
    world.set(machineNumber(9, 'told'));
    await expect.poll(() => notified.length).toBeGreaterThan(0);
    const bytes =
      notified.find((candidate) => candidate[13] === 'l'.charCodeAt(0)) ?? expect.fail();
    const decoded = decodeMessage(bytes);
    if (!decoded.ok) expect.fail(decoded.code);
    expect(decoded.value.questions).toEqual([{ name: zone, type: TYPE.SOA, class: CLASS.IN }]);
    const checked = checkTsig(bytes, decoded.value, { keys: [KEY], nowSeconds: 1_700_000_000 });
    expect(typeof checked === 'object' && checked.request.error).toBe(0);
  });
});

describe('questions of machines that boot', () => {
  const LOOPBACK = 0x7f000001;
  it('are told of while their address is watched, with the answer, and not before or after', async () => {
    const table = new AskerTable(askers);
    await udp(question('web7.lon.example. A'));
    table.set([0x0a000001, LOOPBACK]);
    const asked = question('web8.lon.example. A');
    const reply = await udp(asked);
    while (watched.length === 0) await new Promise((next) => setImmediate(next));
    table.set([0x0a000001]);
    await udp(question('web9.lon.example. A'));
    table.set([LOOPBACK]);
    await udp(asked);
    while (watched.length < 2) await new Promise((next) => setImmediate(next));
    expect(watched.map(({ address }) => address)).toEqual([LOOPBACK, LOOPBACK]);
    for (const one of watched) expect(one.question).toEqual(asked);
    expect(watched[0]?.reply).toEqual(reply);
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
