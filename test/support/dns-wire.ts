/** Our name server on loopback, with a site of three hundred machines and a secondary that hears its NOTIFY. */
import dgram from 'node:dgram';
import { once } from 'node:events';
import net from 'node:net';
import pino from 'pino';
import {
  type DecodedMessage,
  decodeMessage,
  encodeMessage,
  type Resource,
} from '../../src/dns/message.ts';
import { type DnsName, parseName } from '../../src/dns/name.ts';
import type { TsigKey } from '../../src/dns/tsig.ts';
import { CLASS } from '../../src/dns/types.ts';
import { soaRecord } from '../../src/dns/zones.ts';
import { makeAskerTable } from '../../src/nameserver/asker-watch.ts';
import { startNameserver } from '../../src/nameserver/server.ts';
import type { Asked } from '../../src/nameserver/udp-protocol.ts';
import { dnsName, optRecord } from './dns.ts';
import { createDnsWorld, machineNumber, planFrom } from './dns-world.ts';
import { freePort } from './free-port.ts';

export const KEY: TsigKey = {
  name: parseName('transfer.') ?? dnsName('x'),
  algorithm: 'hmac-sha256',
  secret: Buffer.from('c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0', 'base64'),
};
export const HOST = '127.0.0.1';
export const ZONE = dnsName('lon.example');
/** The server's clock, in seconds. */
export const NOW = 1_700_000_000;

/** Keeps what it is told, and answers. */
async function openSecondary(notified: Uint8Array[]): Promise<dgram.Socket> {
  const secondary = dgram.createSocket('udp4');
  secondary.on('message', (bytes, from) => {
    notified.push(Uint8Array.from(bytes));
    const { id, questions } = readable(bytes);
    const sections = { answers: [], authority: [], additional: [] };
    const reply = encodeMessage({ id, flags: 0xa400, questions, ...sections });
    if (reply) secondary.send(reply, from.port, from.address);
  });
  secondary.bind(0, HOST);
  await once(secondary, 'listening');
  return secondary;
}

export async function startWire() {
  const world = createDnsWorld({
    plan: planFrom({ catalog: 'catalog' }),
    machines: Array.from({ length: 300 }, (_, n) => machineNumber(n + 1)),
  });
  const notified: Uint8Array[] = [];
  const watched: Asked[] = [];
  const askers = makeAskerTable();
  const port = await freePort(HOST);
  const secondary = await openSecondary(notified);
  await world.fill();
  const server = await startNameserver({
    ...{ plan: world.plan, store: world.store, shrinkShareMax: 0.2 },
    source: world.source,
    ...{ listen: [HOST], port, threads: 2, responsesPerSecond: 0 },
    responder: { cookieSecret: new Uint8Array(16) },
    secondaries: [{ address: HOST, port: secondary.address().port, key: KEY }],
    ...{ keys: [KEY], transferTo: [], log: pino({ enabled: false }) },
    lastEvent: () => 0,
    nowSeconds: () => NOW,
    follow: (wake) => world.onChange(wake),
    asking: { askers, onAsked: (asked) => void watched.push(asked) },
  });
  return {
    ...{ world, server, port, notified, watched, askers },
    udp: (bytes: Uint8Array) => udp(port, bytes),
    tcp: (octets: Uint8Array, count: number) => tcp(port, octets, count),
    transfer(type: number, serial?: number, { name = ZONE, edns }: TransferOptions = {}) {
      const zone = server.keeper.zones().get(name);
      if (!zone) throw new Error(`no zone ${name}`);
      const soa: Resource = { ...soaRecord({ ...zone, serial: serial ?? 0 }), class: CLASS.IN };
      const bytes = encodeMessage({
        ...{ id: 77, flags: 0, questions: [{ name, type, class: CLASS.IN }], answers: [] },
        authority: serial === undefined ? [] : [soa],
        additional: edns ? [optRecord(edns)] : [],
      });
      if (!bytes) throw new Error('too long');
      return bytes;
    },
    async close() {
      await server.close();
      secondary.close();
    },
  };
}

export type Wire = Awaited<ReturnType<typeof startWire>>;

interface TransferOptions {
  readonly name?: DnsName;
  readonly edns?: Parameters<typeof optRecord>[0];
}

async function udp(port: number, bytes: Uint8Array): Promise<Uint8Array> {
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
async function tcp(port: number, octets: Uint8Array, count: number): Promise<Uint8Array[]> {
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

/** As it goes over TCP: with its length in front. */
export function framed(bytes: Uint8Array): Uint8Array {
  return Uint8Array.from([bytes.length >> 8, bytes.length & 255, ...bytes]);
}

export function readable(bytes: Uint8Array | undefined): DecodedMessage {
  const decoded = decodeMessage(bytes ?? new Uint8Array());
  if (!decoded.ok) throw new Error(`${decoded.code} at ${decoded.at}`);
  return decoded.value;
}

export function rcode(bytes: Uint8Array | undefined): number | undefined {
  return bytes ? (bytes[3] ?? 0) & 15 : undefined;
}
