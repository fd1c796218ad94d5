/**
 * A question as it lies in a datagram, read in place into buffers that are made once.
 *
 * The fast path allocates nothing: the name is folded into a fixed buffer while its labels are found, one pass from the
 * right hashes every enclosing name, and EDNS (RFC 6891) is read as numbers and offsets. What is malformed is said as an
 * rcode; what must not be answered at all (RFC 1035 section 7.3, loops of responses) as a drop.
 */
import { HASH_SEED, hashEnd, hashStep, type ImageReader } from './image.ts';
import { LABEL_BYTES_MAX, NAME_BYTES_MAX } from './name.ts';
import { OPCODE, RCODE, TYPE } from './types.ts';

/** A name with its labels and the hash of every name that encloses it. */
export class NameKey {
  readonly bytes = new Uint8Array(256);
  length = 0;
  labels = 0;
  /** Where each label's length octet is; the root's is at `labelAt[labels]`. */
  readonly labelAt = new Uint8Array(130);
  private readonly hashes = new Int32Array(130);
  private readonly wildcard = new Uint8Array(260);

  /** Reads an uncompressed name, folding it. @returns the offset behind it, or -1 */
  load(source: Uint8Array, from: number, end: number): number {
    const { bytes, labelAt } = this;
    let at = from;
    let to = 0;
    let labels = 0;
    for (;;) {
      if (at >= end) return -1;
      const length = source[at] ?? 0;
      if (length > LABEL_BYTES_MAX || to + length >= NAME_BYTES_MAX) return -1;
      if (at + length >= end) return -1;
      labelAt[labels] = to;
      bytes[to++] = length;
      at += 1;
      if (length === 0) break;
      labels += 1;
      for (const stop = at + length; at < stop; at++) {
        const octet = source[at] ?? 0;
        bytes[to++] = octet >= 65 && octet <= 90 ? octet + 32 : octet;
      }
    }
    this.length = to;
    this.labels = labels;
    this.hashAll();
    return at;
  }

  private hashAll(): void {
    const { bytes, labelAt, hashes } = this;
    let hash = HASH_SEED;
    let at = this.length - 1;
    for (let label = this.labels; label >= 0; label--) {
      for (const stop = labelAt[label] ?? 0; at >= stop; at--) {
        hash = hashStep(hash, bytes[at] ?? 0);
      }
      hashes[label] = hash;
    }
  }

  hashOf(label: number): number {
    return hashEnd(this.hashes[label] ?? 0);
  }

  /** The node of the name without its first `label` labels, or 0. */
  find(image: ImageReader, label: number): number {
    const at = this.labelAt[label] ?? 0;
    return image.find(hashEnd(this.hashes[label] ?? 0), this.bytes, at, this.length - at);
  }

  /** The node of `*` below the name without its first `label` labels, or 0. */
  findWildcard(image: ImageReader, label: number): number {
    const { wildcard, bytes, length } = this;
    const from = this.labelAt[label] ?? 0;
    wildcard[0] = 1;
    wildcard[1] = 42;
    for (let at = from; at < length; at++) wildcard[at - from + 2] = bytes[at] ?? 0;
    const hash = hashStep(hashStep(this.hashes[label] ?? 0, 42), 1);
    return image.find(hashEnd(hash), wildcard, 0, length - from + 2);
  }
}

/** What becomes of a datagram before any zone is looked at. */
export type Verdict =
  | 'query'
  /** Never answered. */
  | 'drop'
  /** Answered with `rcode` and nothing else. */
  | 'refuse'
  /** Signed, or a transfer: for the slow path. */
  | 'forward';

const OPTION_NSID = 3;
const OPTION_COOKIE = 10;

/** The question being answered. One for each thread. */
export class Query {
  readonly key = new NameKey();
  rcode = 0;
  /** The question is sound and can be echoed. */
  echo = false;
  questionEnd = 0;
  type = 0;
  class = 0;
  edns = false;
  version = 0;
  udpBytes = 512;
  dnssecOk = false;
  nsid = false;
  /** Where the COOKIE option's data is, 0 without one. */
  cookieAt = 0;
  cookieBytes = 0;
  private tsig = false;

  /** @param at,end the datagram inside `bytes` */
  read(bytes: Uint8Array, at: number, end: number): Verdict {
    this.edns = false;
    this.echo = false;
    this.tsig = false;
    this.cookieAt = 0;
    this.nsid = false;
    this.dnssecOk = false;
    this.udpBytes = 512;
    this.rcode = RCODE.FORMERR;
    if (end - at < 12 || (bytes[at + 2] ?? 0) & 0x80) return 'drop';
    const opcode = ((bytes[at + 2] ?? 0) >> 3) & 15;
    if (u16(bytes, at + 4) !== 1) return this.refuse(opcode);
    const nameEnd = this.key.load(bytes, at + 12, end);
    if (nameEnd < 0 || nameEnd + 4 > end) return this.refuse(opcode);
    this.type = u16(bytes, nameEnd);
    this.class = u16(bytes, nameEnd + 2);
    this.questionEnd = nameEnd + 4;
    this.echo = true;
    if (opcode !== OPCODE.query) return opcode === OPCODE.notify ? 'forward' : this.refuse(opcode);
    if (this.type === TYPE.IXFR || this.type === TYPE.AXFR) return 'forward';
    if (u16(bytes, at + 6) !== 0 || u16(bytes, at + 8) !== 0) return 'refuse';
    return this.readAdditional(bytes, u16(bytes, at + 10), end);
  }

  private refuse(opcode: number): Verdict {
    if (opcode !== OPCODE.query) this.rcode = RCODE.NOTIMP;
    return 'refuse';
  }

  private readAdditional(bytes: Uint8Array, count: number, end: number): Verdict {
    let at = this.questionEnd;
    for (let left = count; left > 0; left--) {
      const next = this.readRecord(bytes, at, end);
      if (next < 0 || (this.tsig && left > 1)) return this.malformed();
      at = next;
    }
    if (at !== end) return this.malformed();
    if (this.tsig) return 'forward';
    if (this.edns && this.version !== 0) {
      this.rcode = RCODE.BADVERS;
      return 'refuse';
    }
    return 'query';
  }

  private malformed(): Verdict {
    this.edns = false;
    this.rcode = RCODE.FORMERR;
    return 'refuse';
  }

  /** One record behind the question: OPT or TSIG; any other is skipped. @returns the offset behind it, or -1 */
  private readRecord(bytes: Uint8Array, at: number, end: number): number {
    let name = at;
    while (name < end && (bytes[name] ?? 0) > 0 && (bytes[name] ?? 0) < 64)
      name += 1 + (bytes[name] ?? 0);
    if (name >= end) return -1;
    const pointer = (bytes[name] ?? 0) >= 192;
    if (!pointer && bytes[name] !== 0) return -1;
    const fixed = name + (pointer ? 2 : 1);
    if (fixed + 10 > end) return -1;
    const type = u16(bytes, fixed);
    const dataAt = fixed + 10;
    const next = dataAt + u16(bytes, fixed + 8);
    if (next > end) return -1;
    if (type === TYPE.TSIG) this.tsig = true;
    if (type !== TYPE.OPT) return next;
    if (this.edns || name !== at || pointer) return -1;
    this.edns = true;
    this.udpBytes = u16(bytes, fixed + 2);
    this.version = bytes[fixed + 5] ?? 0;
    this.dnssecOk = ((bytes[fixed + 6] ?? 0) & 0x80) !== 0;
    return this.readOptions(bytes, dataAt, next) ? next : -1;
  }

  private readOptions(bytes: Uint8Array, from: number, end: number): boolean {
    let at = from;
    while (at + 4 <= end) {
      const code = u16(bytes, at);
      const length = u16(bytes, at + 2);
      at += 4;
      if (at + length > end) return false;
      if (code === OPTION_NSID) this.nsid = true;
      if (code === OPTION_COOKIE && this.cookieAt === 0) {
        // RFC 7873 section 5.2.2: any other length is malformed.
        if (length !== 8 && (length < 16 || length > 40)) return false;
        this.cookieAt = at;
        this.cookieBytes = length;
      }
      at += length;
    }
    return at === end;
  }
}

export function u16(bytes: Uint8Array, at: number): number {
  return ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
}
