/**
 * Questions that need more than the zone image: signed ones, transfers, NOTIFY. Whole messages in, whole messages out.
 *
 * A transfer is given to who shows a key, or asks from an address that the configuration names; everybody else is
 * refused. Messages of a transfer are made one at a time, as they are taken. Whatever has OPT is answered with OPT
 * (RFC 6891 section 6.1.1), a transfer in its first message (RFC 5936 section 2.2).
 */
import { clientEdns, type Edns, replyEdns } from '../dns/edns.ts';
import { decodeMessage, encodeMessage, opcodeOf, type Question } from '../dns/message.ts';
import { type DnsName, foldName } from '../dns/name.ts';
import type { ZoneSteps } from '../dns/ports.ts';
import { type Asker, replyBytesMax } from '../dns/reply.ts';
import type { Responder } from '../dns/respond.ts';
import { inNetwork, type ReverseNetwork } from '../dns/reverse.ts';
import {
  axfr,
  clientSerial,
  ixfr,
  soaOnly,
  type Transferable,
  type TransferHead,
  worthSteps,
} from '../dns/transfer.ts';
import { checkTsig, ReplySigner, TSIG_ERROR, type TsigKey, tsigBytes } from '../dns/tsig.ts';
import { FLAG, OPCODE, RCODE, serialNewer, TYPE } from '../dns/types.ts';

export interface SlowPathOptions {
  readonly responder: Responder;
  readonly keys: readonly TsigKey[];
  /** Who may transfer without a key. */
  readonly transferTo: readonly ReverseNetwork[];
  /** What is transferred of a zone: itself, or its signed copy; `later` while there is none yet. */
  transferable(zone: DnsName): Transfer | 'later' | undefined;
  onTransfer(transfer: { zone: DnsName; kind: 'axfr' | 'ixfr'; to: string }): void;
}

export interface Transfer {
  readonly zone: Transferable;
  /** From a serial to the zone's, without a gap; `undefined` when that is not known any more. */
  steps(fromSerial: number): ZoneSteps | undefined;
}

export interface SlowPath {
  /** @returns the reply's messages (one, but for transfers); empty when there is nothing to say */
  answer(request: Uint8Array, asker: Asker): Iterable<Uint8Array>;
}

export function createSlowPath(options: SlowPathOptions): SlowPath {
  return { answer: (request, asker) => answer(options, request, asker) };
}

/** The most that a request of any kind has is a question, an SOA, OPT and TSIG. */
const RECORDS_MAX = 8;

function answer(options: SlowPathOptions, bytes: Uint8Array, asker: Asker): Iterable<Uint8Array> {
  // Hundreds of records with compressed names would cost a millisecond to decode.
  if (countRecords(bytes) > RECORDS_MAX) return [headerOnly(bytes, RCODE.FORMERR)];
  const message = decodeMessage(bytes);
  if (!message.ok) return bytes.length < 12 ? [] : [headerOnly(bytes, RCODE.FORMERR)];
  const { nowSeconds } = asker;
  const tsig = checkTsig(bytes, message.value, { keys: options.keys, nowSeconds });
  if (tsig === 'malformed') return [headerOnly(bytes, RCODE.FORMERR)];
  const [question] = message.value.questions;
  const edns = clientEdns(message.value);
  if (!question || edns === 'malformed') return [headerOnly(bytes, RCODE.FORMERR)];
  if (!tsig) return plain(options, { bytes, question, asker, edns, key: undefined });
  const signer = new ReplySigner(tsig.request);
  const inner = { bytes: tsig.unsigned, question, asker, edns, key: tsig.request.key };
  if (tsig.request.error !== TSIG_ERROR.none || !tsig.request.key) {
    return [signer.sign(refusal(inner, RCODE.NOTAUTH), nowSeconds)];
  }
  return signAll(signer, plain(options, inner), nowSeconds);
}

function countRecords(bytes: Uint8Array): number {
  let count = 0;
  for (let at = 4; at < 12; at += 2) count += ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
  return count;
}

function* signAll(
  signer: ReplySigner,
  messages: Iterable<Uint8Array>,
  nowSeconds: number,
): IterableIterator<Uint8Array> {
  for (const message of messages) yield signer.sign(message, nowSeconds);
}

interface Plain {
  readonly bytes: Uint8Array;
  readonly question: Question;
  readonly asker: Asker;
  readonly edns: Edns | undefined;
  /** The key that the request was signed with. */
  readonly key: TsigKey | undefined;
}

function plain(options: SlowPathOptions, request: Plain): Iterable<Uint8Array> {
  const { bytes, question, edns } = request;
  const flags = ((bytes[2] ?? 0) << 8) | (bytes[3] ?? 0);
  const notify = opcodeOf(flags) === OPCODE.notify;
  const transfer = question.type === TYPE.AXFR || question.type === TYPE.IXFR;
  if (!notify && !transfer) return respond(options, request);
  if (edns && edns.version !== 0) return [refusal(request, RCODE.BADVERS)];
  // We are primary for all that we serve: a NOTIFY is somebody's mistake.
  return notify ? [refusal(request, RCODE.NOTAUTH)] : transferOf(options, request);
}

function respond({ responder }: SlowPathOptions, request: Plain): Uint8Array[] {
  const { bytes, asker, key, edns } = request;
  const reply = { bytes: new Uint8Array(65_535 + 64), at: 0 };
  const length = responder.respond({ bytes, from: 0, to: bytes.length }, reply, asker);
  if (length <= 0) return [];
  const room = key ? tsigBytes(key) : 0;
  // RFC 8945 section 5.3: what has no room for its signature is cut off, never sent without.
  const most = asker.transport === 'tcp' ? 65_535 : replyBytesMax(edns?.udpBytes);
  if (length + room > most) return [reply.bytes.slice(0, responder.slip(bytes, 0, asker))];
  return [reply.bytes.slice(0, length)];
}

function transferOf(options: SlowPathOptions, request: Plain): Iterable<Uint8Array> {
  const { bytes, question, asker, key, edns } = request;
  const found = options.transferable(foldName(question.name));
  if (!found) return [refusal(request, RCODE.NOTAUTH)];
  if (!key && !options.transferTo.some((network) => inNetwork(addressOf(asker), network))) {
    return [refusal(request, RCODE.REFUSED)];
  }
  // It asks again by its own timer, and is told (NOTIFY) when there is something to fetch.
  if (found === 'later') return [refusal(request, RCODE.SERVFAIL)];
  const { zone } = found;
  const head: TransferHead = {
    ...{ id: ((bytes[0] ?? 0) << 8) | (bytes[1] ?? 0), question },
    ...{ opt: replyEdns(edns, RCODE.NOERROR), reservedBytes: key ? tsigBytes(key) : 0 },
  };
  const overUdp = asker.transport === 'udp';
  if (question.type === TYPE.AXFR) {
    if (overUdp) return [refusal(request, RCODE.NOTIMP)];
    note(options, zone, 'axfr', asker);
    return axfr(head, zone);
  }
  return ixfrOf(options, { ...request, found, head });
}

function ixfrOf(
  options: SlowPathOptions,
  request: Plain & { found: Transfer; head: TransferHead },
): Iterable<Uint8Array> {
  const { bytes, asker, found, head } = request;
  const { zone } = found;
  const decoded = decodeMessage(bytes);
  const serial = decoded.ok ? clientSerial(decoded.value.authority) : undefined;
  if (serial === undefined) return [refusal(request, RCODE.FORMERR)];
  if (!serialNewer(zone.serial, serial) || asker.transport === 'udp') return soaOnly(head, zone);
  const steps = found.steps(serial);
  const usable = steps !== undefined && worthSteps(zone, steps);
  note(options, zone, usable ? 'ixfr' : 'axfr', asker);
  return usable ? ixfr(head, zone, steps.diffs) : axfr(head, zone);
}

function note(
  options: SlowPathOptions,
  zone: Transferable,
  kind: 'axfr' | 'ixfr',
  asker: Asker,
): void {
  options.onTransfer({ zone: zone.name, kind, to: [...asker.address].join('.') });
}

function addressOf({ address }: Asker): string {
  return String.fromCharCode(...address);
}

function headerOnly(bytes: Uint8Array, rcode: number): Uint8Array {
  const reply = new Uint8Array(12);
  reply.set(bytes.subarray(0, 4));
  reply[2] = ((reply[2] ?? 0) & 0x79) | 0x80;
  reply[3] = rcode;
  return reply;
}

/** An rcode above 15 needs the request's OPT to be said (RFC 6891 section 6.1.3). */
function refusal({ bytes, question, edns }: Plain, rcode: number): Uint8Array {
  const id = ((bytes[0] ?? 0) << 8) | (bytes[1] ?? 0);
  const flags = FLAG.QR | (((bytes[2] ?? 0) & 0x79) << 8) | (rcode & 15);
  const opt = replyEdns(edns, rcode);
  const sections = { answers: [], authority: [], additional: opt ? [opt] : [] };
  return (
    encodeMessage({ id, flags, questions: [question], ...sections }) ??
    headerOnly(bytes, rcode & 15)
  );
}
