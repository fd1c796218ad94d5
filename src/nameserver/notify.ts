/**
 * NOTIFY (RFC 1996): secondaries are told that a zone has changed, until they say that they have heard.
 *
 * One conversation for each zone and secondary; a newer change takes the place of an older one that is still being
 * told. Nothing waits for it: a secondary that never answers refreshes by its timer.
 */
import { createSocket, type Socket } from 'node:dgram';
import { isIPv6 } from 'node:net';
import { decodeMessage, encodeMessage, opcodeOf } from '../dns/message.ts';
import { signRequest, type TsigKey } from '../dns/tsig.ts';
import { CLASS, FLAG, OPCODE, TYPE } from '../dns/types.ts';
import { soaRecord, type Zone } from '../dns/zones.ts';
import { limit } from '../limits.ts';

export interface Secondary {
  readonly address: string;
  readonly port: number;
  readonly key: TsigKey | undefined;
}

export interface Notifier {
  notify(zone: Pick<Zone, 'name' | 'serial' | 'soa'>): void;
  close(): void;
}

export interface NotifierOptions {
  readonly secondaries: readonly Secondary[];
  /** Our own addresses: a secondary believes a NOTIFY that comes from where it transfers from. */
  readonly from: readonly string[];
  nowSeconds(): number;
  onOutcome(outcome: { zone: string; secondary: string; heard: boolean }): void;
}

/** Waits before each further attempt. */
const WAITS_MS = [1000, 4000, 16_000, 60_000];

interface Telling {
  readonly id: number;
  readonly zone: Pick<Zone, 'name' | 'serial' | 'soa'>;
  readonly secondary: Secondary;
  attempts: number;
  timer: NodeJS.Timeout | undefined;
}

export function openNotifier(options: NotifierOptions): Notifier {
  const telling = new Map<string, Telling>();
  const sockets = new Map<number, Socket>();
  let nextId = 1;
  const keyOf = (zone: Pick<Zone, 'name'>, { address, port }: Secondary) =>
    `${zone.name} ${address} ${port}`;
  const end = (key: string, heard: boolean): void => {
    const current = telling.get(key);
    if (!current) return;
    clearTimeout(current.timer);
    telling.delete(key);
    const { zone, secondary } = current;
    options.onOutcome({ zone: zone.name, secondary: secondary.address, heard });
  };
  const hear = (bytes: Uint8Array): void => {
    const reply = decodeMessage(bytes);
    if (!reply.ok || opcodeOf(reply.value.flags) !== OPCODE.notify) return;
    for (const [key, { id }] of telling) if (id === reply.value.id) end(key, true);
  };
  const socketFor = (address: string): Socket => {
    const family = isIPv6(address) ? 6 : 4;
    const known = sockets.get(family);
    if (known) return known;
    const socket = createSocket(family === 6 ? 'udp6' : 'udp4');
    socket.on('message', hear);
    // An unreachable secondary is one that does not answer.
    socket.on('error', () => undefined);
    const from = options.from.find((own) => isIPv6(own) === (family === 6));
    socket.bind({ port: 0, ...(from === undefined ? {} : { address: from }) });
    socket.unref();
    sockets.set(family, socket);
    return socket;
  };
  const tell = (key: string): void => {
    const current = telling.get(key);
    if (!current) return;
    if (current.attempts >= limit('dnsNotifyAttemptsMax')) {
      end(key, false);
      return;
    }
    const { address, port, key: secret } = current.secondary;
    const message = notification(current.id, current.zone);
    const bytes = secret ? signRequest(message, secret, options.nowSeconds()) : message;
    socketFor(address).send(bytes, port, address, () => undefined);
    current.timer = setTimeout(() => tell(key), WAITS_MS[current.attempts] ?? 60_000);
    current.timer.unref();
    current.attempts += 1;
  };
  return {
    notify(zone) {
      for (const secondary of options.secondaries) {
        const key = keyOf(zone, secondary);
        clearTimeout(telling.get(key)?.timer);
        nextId = (nextId * 25_173 + 13_849) & 0xffff;
        telling.set(key, { id: nextId, zone, secondary, attempts: 0, timer: undefined });
        tell(key);
      }
    },
    close() {
      for (const { timer } of telling.values()) clearTimeout(timer);
      telling.clear();
      for (const socket of sockets.values()) socket.close();
    },
  };
}

/** Question SOA, and our SOA as a hint (section 3.7). */
function notification(id: number, zone: Pick<Zone, 'name' | 'serial' | 'soa'>): Uint8Array {
  const { name, type, ttl, rdata } = soaRecord(zone);
  const bytes = encodeMessage({
    ...{ id, flags: (OPCODE.notify << 11) | FLAG.AA },
    questions: [{ name, type: TYPE.SOA, class: CLASS.IN }],
    answers: [{ name, type, class: CLASS.IN, ttl, rdata }],
    ...{ authority: [], additional: [] },
  });
  return bytes ?? new Uint8Array();
}
