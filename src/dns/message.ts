/**
 * The DNS message codec (RFC 1035 section 4, RFC 6891): whole messages as values.
 *
 * It serves what is not hot: transfers, NOTIFY, signed requests, clients, tests. Questions of resolvers take the path in
 * respond.ts, which reads and writes in place. Decoding is strict and total, and its work is bounded: a compression
 * pointer must lead strictly backwards and a name may follow sixteen of them, so the 64 KB "ladder" of pointers that
 * blocks other codecs for seconds costs a few milliseconds. Names keep the case that they came in.
 */

import type { Decoded } from '../wire/result.ts';
import { decoded, malformed } from '../wire/result.ts';
import { LABEL_BYTES_MAX, NAME_BYTES_MAX, type RawName } from './name.ts';
import { decodeRdata, type Rdata, rdataParts } from './rdata.ts';

export interface Question {
  readonly name: RawName;
  readonly type: number;
  readonly class: number;
}

export interface Resource {
  readonly name: RawName;
  readonly type: number;
  readonly class: number;
  readonly ttl: number;
  readonly rdata: Rdata;
}

export interface Message {
  readonly id: number;
  /** The second word of the header: QR, opcode, AA, TC, RD, RA, AD, CD, rcode. */
  readonly flags: number;
  readonly questions: readonly Question[];
  readonly answers: readonly Resource[];
  readonly authority: readonly Resource[];
  readonly additional: readonly Resource[];
}

/** A decoded message, with where its last record began: TSIG signs what stands before itself. */
export interface DecodedMessage extends Message {
  readonly lastRecordAt: number;
}

export type MessageFault = 'short' | 'name' | 'rdata' | 'trailing';

const HEADER_BYTES = 12;
const POINTERS_MAX = 16;
/** Pointers reach 14 bits. */
const POINTER_REACH = 0x4000;

export const opcodeOf = (flags: number): number => (flags >> 11) & 15;
export const rcodeOf = (flags: number): number => flags & 15;

export function decodeMessage(bytes: Uint8Array): Decoded<DecodedMessage, MessageFault> {
  if (bytes.length < HEADER_BYTES) return malformed('short', 0);
  const u16 = (at: number) => ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
  const counts = [u16(4), u16(6), u16(8), u16(10)] as const;
  const questions: Question[] = [];
  let at = HEADER_BYTES;
  for (let i = 0; i < counts[0]; i++) {
    const read = readName(bytes, at);
    if (!read) return malformed('name', at);
    if (read.next + 4 > bytes.length) return malformed('short', read.next);
    questions.push({ name: read.name, type: u16(read.next), class: u16(read.next + 2) });
    at = read.next + 4;
  }
  const sections: Resource[][] = [];
  let lastRecordAt = at;
  for (const count of counts.slice(1)) {
    const section: Resource[] = [];
    for (let i = 0; i < count; i++) {
      const read = readResource(bytes, at);
      if (!read.ok) return read;
      section.push(read.value.resource);
      lastRecordAt = at;
      at = read.value.next;
    }
    sections.push(section);
  }
  if (at !== bytes.length) return malformed('trailing', at);
  const [answers = [], authority = [], additional = []] = sections;
  return decoded({
    ...{ id: u16(0), flags: u16(2), questions, answers, authority, additional, lastRecordAt },
  });
}

function readResource(
  bytes: Uint8Array,
  at: number,
): Decoded<{ resource: Resource; next: number }, MessageFault> {
  const owner = readName(bytes, at);
  if (!owner) return malformed('name', at);
  const fixed = owner.next;
  if (fixed + 10 > bytes.length) return malformed('short', fixed);
  const u16 = (offset: number) => ((bytes[offset] ?? 0) << 8) | (bytes[offset + 1] ?? 0);
  const type = u16(fixed);
  const from = fixed + 10;
  const to = from + u16(fixed + 8);
  if (to > bytes.length) return malformed('short', from);
  // An empty rdata is legal in UPDATE and nowhere else that matters; the layout decides.
  const rdata = decodeRdata(type, bytes, { from, to, readName: (where) => readName(bytes, where) });
  if (rdata === undefined) return malformed('rdata', from);
  const ttl = u16(fixed + 4) * 65_536 + u16(fixed + 6);
  return decoded({
    resource: { name: owner.name, type, class: u16(fixed + 2), ttl, rdata },
    next: to,
  });
}

/** Reads a name that may be compressed; `next` is behind it where it stands. */
function readName(bytes: Uint8Array, from: number): { name: RawName; next: number } | undefined {
  let name = '';
  let at = from;
  let next: number | undefined;
  let lowest = from;
  for (let pointers = 0; ; ) {
    const length = bytes[at];
    if (length === undefined) return undefined;
    if (length >= 0xc0) {
      const low = bytes[at + 1];
      const target = ((length & 0x3f) << 8) | (low ?? 0);
      pointers += 1;
      if (low === undefined || target >= lowest || pointers > POINTERS_MAX) return undefined;
      next ??= at + 2;
      lowest = target;
      at = target;
      continue;
    }
    if (length > LABEL_BYTES_MAX || at + 1 + length > bytes.length) return undefined;
    for (let i = at; i <= at + length; i++) name += String.fromCharCode(bytes[i] ?? 0);
    if (name.length > NAME_BYTES_MAX) return undefined;
    at += 1 + length;
    if (length === 0) return { name, next: next ?? at };
  }
}

/**
 * Writes a message record by record up to a size. A record that does not fit leaves no trace, so a transfer can close
 * this message and begin the next.
 */
export class MessageWriter {
  private readonly bytes: Uint8Array;
  private readonly view: DataView;
  private readonly names = new Map<string, number>();
  private at = HEADER_BYTES;

  constructor(header: { id: number; flags: number }, sizeBytesMax: number) {
    this.bytes = new Uint8Array(sizeBytesMax);
    this.view = new DataView(this.bytes.buffer);
    this.view.setUint16(0, header.id);
    this.view.setUint16(2, header.flags);
  }

  get length(): number {
    return this.at;
  }

  question({ name, type, class: qclass }: Question): boolean {
    return this.whole(4, () => {
      if (!this.name(name) || !this.fits(4)) return false;
      this.view.setUint16(this.at, type);
      this.view.setUint16(this.at + 2, qclass);
      this.at += 4;
      return true;
    });
  }

  /** @param section 1 answer, 2 authority, 3 additional; sections are written in this order */
  resource(section: 1 | 2 | 3, resource: Resource): boolean {
    const { name, type, class: rclass, ttl, rdata } = resource;
    return this.whole(4 + 2 * section, () => {
      if (!this.name(name) || !this.fits(10)) return false;
      const fixed = this.at;
      this.view.setUint16(fixed, type);
      this.view.setUint16(fixed + 2, rclass);
      this.view.setUint32(fixed + 4, ttl);
      this.at += 10;
      for (const part of rdataParts(type, rdata)) {
        if (!(part.kind === 'name' ? this.name(part.octets) : this.octets(part.octets)))
          return false;
      }
      this.view.setUint16(fixed + 8, this.at - fixed - 10);
      return true;
    });
  }

  finish(): Uint8Array {
    return this.bytes.slice(0, this.at);
  }

  private fits(count: number): boolean {
    return this.at + count <= this.bytes.length;
  }

  private octets(octets: string): boolean {
    if (!this.fits(octets.length)) return false;
    for (let i = 0; i < octets.length; i++) this.bytes[this.at + i] = octets.charCodeAt(i);
    this.at += octets.length;
    return true;
  }

  private name(name: RawName): boolean {
    for (let at = 0; ; ) {
      const length = name.charCodeAt(at);
      if (!(length > 0)) return this.octets('\0');
      const rest = name.slice(at);
      const known = this.names.get(rest);
      if (known !== undefined) {
        if (!this.fits(2)) return false;
        this.view.setUint16(this.at, 0xc000 | known);
        this.at += 2;
        return true;
      }
      if (this.at < POINTER_REACH) this.names.set(rest, this.at);
      if (!this.octets(name.slice(at, at + 1 + length))) return false;
      at += 1 + length;
    }
  }

  /** Runs all of it or takes it back, and counts what was written at `countAt`. */
  private whole(countAt: number, write: () => boolean): boolean {
    const start = this.at;
    if (write()) {
      this.view.setUint16(countAt, this.view.getUint16(countAt) + 1);
      return true;
    }
    this.at = start;
    for (const [name, at] of this.names) if (at >= start) this.names.delete(name);
    return false;
  }
}

/** Encodes a whole message. @returns `undefined` when it does not fit */
export function encodeMessage(message: Message, sizeBytesMax = 65_535): Uint8Array | undefined {
  const writer = new MessageWriter(message, sizeBytesMax);
  const sections = [
    [1, message.answers],
    [2, message.authority],
    [3, message.additional],
  ] as const;
  if (!message.questions.every((question) => writer.question(question))) return undefined;
  for (const [section, resources] of sections) {
    if (!resources.every((resource) => writer.resource(section, resource))) return undefined;
  }
  return writer.finish();
}
