import net from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { replyEdns } from '../../../src/dns/edns.ts';
import { decodeMessage, encodeMessage, type Resource } from '../../../src/dns/message.ts';
import { axfr } from '../../../src/dns/transfer.ts';
import { checkTsig, signRequest } from '../../../src/dns/tsig.ts';
import { CLASS, TYPE } from '../../../src/dns/types.ts';
import { zoneRecords } from '../../../src/dns/zones.ts';
import { dnsName, optRecord, question, zoneFrom } from '../../support/dns.ts';
import {
  framed,
  HOST,
  KEY,
  NOW,
  rcode,
  readable,
  startWire,
  type Wire,
  ZONE,
} from '../../support/dns-wire.ts';
import { machineNumber } from '../../support/dns-world.ts';

let wire: Wire;
const udp: Wire['udp'] = (bytes) => wire.udp(bytes);
const tcp: Wire['tcp'] = (octets, count) => wire.tcp(octets, count);
const transfer: Wire['transfer'] = (...what) => wire.transfer(...what);

beforeAll(async () => {
  wire = await startWire();
});
afterAll(() => wire.close());

describe('transfers', () => {
  const records = async (request: Uint8Array) => {
    const all: Resource[] = [];
    const soas = () => all.filter(({ type }) => type === TYPE.SOA).length;
    const socket = net.connect(wire.port, HOST);
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
  const signed = (request: Uint8Array) => signRequest(request, KEY, NOW);

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
            NOW,
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
        questions: [{ name: ZONE, type: TYPE.AXFR, class: CLASS.IN }],
        additional: [optRecord(edns), optRecord(edns)],
      });
      expect(rcode(await udp(two ?? expect.fail()))).toBe(1);
    });
  });
  it('a signed answer with no room for its signature is cut off', async () => {
    const edns = { size: 512 };
    const names = Array.from({ length: 28 }, (_, n) => `10.0.0.${n + 100}`);
    wire.world.set({
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
  it('AXFR carries the whole ZONE, once', async () => {
    const all = await records(signed(transfer(TYPE.AXFR)));
    expect(all).toHaveLength((wire.server.keeper.zones().get(ZONE)?.records ?? 0) + 1);
    expect(new Set(all.map(({ name, type, rdata }) => `${name} ${type} ${rdata}`)).size).toBe(
      all.length - 1,
    );
  });
  it('IXFR carries the steps since a serial; nothing for who is up to date; all for who is too old', async () => {
    const serial = wire.server.keeper.zones().get(ZONE)?.serial ?? 0;
    wire.world.set(machineNumber(8, 'moved'));
    await expect.poll(() => wire.server.keeper.zones().get(ZONE)?.serial).toBe(serial + 1);
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
    const others = [...wire.server.keeper.zones().keys()].filter(
      (name) => name !== dnsName('catalog.lon.example'),
    );
    expect(members.sort()).toEqual(others.sort());
  });
});

describe('NOTIFY', () => {
  it('tells the secondary, signed, with the new SOA', async () => {
    wire.notified.length = 0;
    wire.world.set(machineNumber(9, 'told'));
    await expect.poll(() => wire.notified.length).toBeGreaterThan(0);
    const bytes =
      wire.notified.find((candidate) => candidate[13] === 'l'.charCodeAt(0)) ?? expect.fail();
    const decoded = decodeMessage(bytes);
    if (!decoded.ok) expect.fail(decoded.code);
    expect(decoded.value.questions).toEqual([{ name: ZONE, type: TYPE.SOA, class: CLASS.IN }]);
    const checked = checkTsig(bytes, decoded.value, { keys: [KEY], nowSeconds: NOW });
    expect(typeof checked === 'object' && checked.request.error).toBe(0);
  });
});
