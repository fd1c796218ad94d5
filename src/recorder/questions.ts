/**
 * DNS questions of machines that boot.
 *
 * Nobody asks the name server to tell of every question: threads that answer a million a second are handed the few addresses
 * whose machines are booting, and look only while there are any. What one of these asks comes here as the two packets that were
 * on the wire, and is kept with the other packets of its boot, so that an exported capture has them, too.
 *
 * Bounded: an address is watched for a while after its last DHCP answer, and until its boot has asked so many questions; so
 * many addresses at once, the oldest make room. Questions over TCP and signed ones are not seen.
 */

import type { FlightEntry } from '../diagnose/flight.ts';
import { decodeMessage, rcodeOf } from '../dns/message.ts';
import { formatName } from '../dns/name.ts';
import { formatRcode, formatType } from '../dns/types.ts';
import { limit } from '../limits.ts';
import type { BootId } from '../wire/ids.ts';
import { formatIpv4, type Ipv4 } from '../wire/ipv4.ts';
import type { Mac } from '../wire/mac.ts';
import type { KeptPacket } from './packets.ts';

export const DNS_PORT = 53;

/** One question and what was answered, byte for byte; an empty reply is none. */
export interface AskedQuestion {
  readonly at: number;
  readonly address: Ipv4;
  readonly port: number;
  readonly question: Uint8Array;
  readonly reply: Uint8Array;
}

/** Where the addresses are put that are to be told of. */
export interface AskerWatch {
  set(addresses: readonly number[]): void;
}

export interface Booting {
  readonly boot: BootId;
  readonly mac: Mac;
}

interface Watched extends Booting {
  until: number;
  left: number;
}

export interface QuestionDesk {
  /** A machine that boots was told this address. */
  told(address: Ipv4, booting: Booting, now: number): void;
  /** For the name server, at any time. */
  asked(question: AskedQuestion): void;
  /** Since the last call, each with the boot that asked. */
  drain(): { readonly booting: Booting; readonly packets: KeptPacket[]; readonly at: number }[];
  /** Once a second: forgets who is done, and tells the name server. */
  tick(now: number): void;
  /** How many questions were not kept, ever, because too many came at once. */
  dropped(): number;
}

export function createQuestionDesk(watch: AskerWatch): QuestionDesk {
  const watched = new Map<Ipv4, Watched>();
  let waiting: AskedQuestion[] = [];
  let changed = false;
  let dropped = 0;
  return {
    dropped: () => dropped,
    told(address, { boot, mac }, now) {
      const until = now + limit('flightQuestionsMs');
      const before = watched.get(address);
      if (before?.boot === boot) {
        before.until = until;
        return;
      }
      watched.delete(address);
      watched.set(address, { boot, mac, until, left: limit('flightQuestionsMax') });
      changed = true;
      if (watched.size <= limit('flightAskersMax')) return;
      const oldest = watched.keys().next().value;
      if (oldest !== undefined) watched.delete(oldest);
    },
    asked(question) {
      if (waiting.length < limit('flightQuestionsWaitingMax')) waiting.push(question);
      else dropped += 1;
    },
    drain() {
      const all = waiting;
      waiting = [];
      return all.flatMap((question) => {
        const booting = watched.get(question.address);
        if (!booting || booting.left === 0) return [];
        booting.left -= 1;
        if (booting.left === 0) booting.until = 0;
        return [{ booting, packets: packetsOf(question), at: question.at }];
      });
    },
    tick(now) {
      for (const [address, { until }] of watched) {
        if (until > now) continue;
        watched.delete(address);
        changed = true;
      }
      if (changed) watch.set([...watched.keys()]);
      changed = false;
    },
  };
}

function packetsOf({ at, address, port, question, reply }: AskedQuestion): KeptPacket[] {
  const peer = { address: formatIpv4(address), port };
  const whole = { at, peer, port: DNS_PORT, drop: '' };
  return [
    { ...whole, direction: 'in', bytes: question },
    ...(reply.length > 0 ? [{ ...whole, direction: 'out' as const, bytes: reply }] : []),
  ];
}

/** Packets of port 53 as entries: each question with what was answered. */
export function questionEntries(packets: readonly KeptPacket[]): FlightEntry[] {
  const answers = new Map<string, string>();
  const keyOf = ({ peer }: KeptPacket, id: number) => `${peer.address} ${peer.port} ${id}`;
  const mine = packets.filter(({ port }) => port === DNS_PORT);
  for (const packet of mine) {
    if (packet.direction === 'in') continue;
    const message = decodeMessage(packet.bytes);
    if (!message.ok) continue;
    const { id, flags, answers: records } = message.value;
    const count = records.length === 1 ? '1 record' : `${records.length} records`;
    const said = rcodeOf(flags) === 0 ? count : formatRcode(rcodeOf(flags));
    answers.set(keyOf(packet, id), said);
  }
  return mine.flatMap((packet): FlightEntry[] => {
    if (packet.direction === 'out') return [];
    const message = decodeMessage(packet.bytes);
    const question = message.ok ? message.value.questions[0] : undefined;
    if (!message.ok || !question) return [];
    const answer = answers.get(keyOf(packet, message.value.id)) ?? '';
    const { name, type } = question;
    return [{ kind: 'dns', at: packet.at, name: formatName(name), type: formatType(type), answer }];
  });
}
