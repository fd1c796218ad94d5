/**
 * NOTIFY (RFC 1996): secondaries are told that a zone has changed, until they say that they have heard.
 *
 * One conversation for each zone and secondary; a newer change takes the place of an older one that is still being
 * told. Nothing waits for it: a secondary that never answers refreshes by its timer. An answer ends the conversation that it
 * fits in everything: from where it comes, its id, opcode and question. Anything else could be anybody's, and would keep
 * a secondary from hearing of a change. Signatures of answers are not checked: with a false one nothing more is won than
 * with a lost datagram, and who forges it must know the id, the port and the secondary's address.
 */
import { randomInt } from 'node:crypto';
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { isIPv6 } from 'node:net';
import {
  type DecodedMessage,
  decodeMessage,
  encodeMessage,
  opcodeOf,
  rcodeOf,
} from '../dns/message.ts';
import { foldName, formatName } from '../dns/name.ts';
import { parseAddress } from '../dns/reverse.ts';
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
  /** `rcode` is the secondary's answer, if it gave one; anything but 0 means that it will not fetch the zone. */
  onOutcome(outcome: { zone: string; secondary: string; heard: boolean; rcode?: number }): void;
}

/** Waits before each further attempt. */
const WAITS_MS = [1000, 4000, 16_000, 60_000];

export interface Telling {
  readonly id: number;
  readonly zone: Pick<Zone, 'name' | 'serial' | 'soa'>;
  readonly secondary: Secondary;
  attempts: number;
  timer: NodeJS.Timeout | undefined;
}

export function openNotifier(options: NotifierOptions): Notifier {
  const telling = new Map<string, Telling>();
  const sockets = new Map<number, Socket>();
  const keyOf = (zone: Pick<Zone, 'name'>, { address, port }: Secondary) =>
    `${zone.name} ${address} ${port}`;
  const end = (key: string, answer?: { rcode: number }): void => {
    const current = telling.get(key);
    if (!current) return;
    clearTimeout(current.timer);
    telling.delete(key);
    const { zone, secondary } = current;
    const heard = answer !== undefined;
    const told = { zone: formatName(zone.name), secondary: secondary.address, heard };
    options.onOutcome({ ...told, ...answer });
  };
  const hear = (bytes: Uint8Array, from: RemoteInfo): void => {
    const reply = decodeMessage(bytes);
    if (!reply.ok) return;
    for (const [key, told] of telling) {
      if (answersNotify(reply.value, from, told)) end(key, { rcode: rcodeOf(reply.value.flags) });
    }
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
      end(key);
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
        const id = randomInt(0x1_0000);
        telling.set(key, { id, zone, secondary, attempts: 0, timer: undefined });
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

/** Whether a message is the answer of that secondary to that NOTIFY (RFC 1996 sections 3.2 and 4.7). */
export function answersNotify(
  { id, flags, questions }: Pick<DecodedMessage, 'id' | 'flags' | 'questions'>,
  from: Pick<RemoteInfo, 'address' | 'port'>,
  told: Pick<Telling, 'id' | 'zone' | 'secondary'>,
): boolean {
  const [question, ...others] = questions;
  if (id !== told.id || (flags & FLAG.QR) === 0 || opcodeOf(flags) !== OPCODE.notify) return false;
  if (!question || others.length > 0) return false;
  const { address, port } = told.secondary;
  if (from.port !== port || plain(from.address) !== plain(address)) return false;
  const { name, type, class: qclass } = question;
  return foldName(name) === told.zone.name && type === TYPE.SOA && qclass === CLASS.IN;
}

/** One address has many texts in IPv6; a zone index (`%eth0`) is ours, not the secondary's. */
function plain(address: string): string | undefined {
  return parseAddress(address.replace(/%.*$/, ''));
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
