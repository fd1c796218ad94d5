/**
 * A reply as it is written in place: header, the question back, record sets copied from the image, EDNS at the end.
 *
 * It knows sizes, counts and flags and nothing of names; what to answer is respond.ts. A record set that does not fit
 * marks the reply as truncated and leaves nothing behind (RFC 2181 section 9).
 */
import { COOKIE_BYTES, Cookies } from './cookies.ts';
import type { ImageReader } from './image.ts';
import { Query, u16 } from './query.ts';
import { CLASS, RCODE, TYPE } from './types.ts';

/** What a reply may be for: over UDP it is limited to what the client can take, and never more than this. */
export const UDP_REPLY_BYTES_MAX = 1232;

/** The most that a reply over UDP may have. @param offered the size in the request's OPT; `undefined` without one */
export function replyBytesMax(offered: number | undefined): number {
  return offered === undefined ? 512 : Math.min(Math.max(offered, 512), UDP_REPLY_BYTES_MAX);
}

export interface ResponderSettings {
  /** Answer to `version.bind CH TXT`; without it the question is refused. */
  readonly version?: string | undefined;
  /** Name of this server for RFC 5001. */
  readonly nsid?: string | undefined;
  readonly cookieSecret: Uint8Array;
}

/** Who asks; one object is reused for all questions of a socket. */
export interface Asker {
  readonly transport: 'udp' | 'tcp';
  /** 4 or 16 octets. */
  address: Uint8Array;
  nowSeconds: number;
}

export class Reply {
  readonly query = new Query();
  private readonly cookies: Cookies;
  private readonly settings: ResponderSettings;
  private readonly nsid: Uint8Array;
  protected image: ImageReader;
  protected out: Uint8Array = new Uint8Array(0);
  /** Where the reply begins in `out`, where it may end, and where the next octet goes. */
  protected base = 0;
  protected end = 0;
  protected at = 0;
  protected truncated = false;
  protected authoritative = false;
  protected rcode = 0;
  protected answers = 0;
  protected authority = 0;
  protected additional = 0;
  /** Where one answer stands for many names, what is left of the question's name without so many labels; or -1. */
  protected rateLabel = -1;

  constructor(image: ImageReader, settings: ResponderSettings) {
    this.image = image;
    this.settings = settings;
    this.cookies = new Cookies(settings.cookieSecret);
    this.nsid = new TextEncoder().encode(settings.nsid ?? '');
  }

  useImage(image: ImageReader): void {
    this.image = image;
  }

  /** The rcode of the last reply, and whether it carried an answer: what rate limiting and counters ask. */
  get lastRcode(): number {
    return this.rcode;
  }
  get lastTruncated(): boolean {
    return this.truncated;
  }

  /**
   * A number that equal answers share: the name's for an answer, the closest existing name's for what does not exist, for
   * a referral and for what a wildcard or a DNAME makes (random names below it are one answer), one for all errors.
   */
  answerKey(): number {
    const { key } = this.query;
    if (this.rateLabel >= 0) return key.hashOf(this.rateLabel) ^ 1;
    if (this.answers > 0) return key.hashOf(0);
    if (this.rcode === RCODE.NOERROR || this.rcode === RCODE.NXDOMAIN) {
      return key.hashOf(Math.min(1, key.labels)) ^ 1;
    }
    return this.rcode;
  }

  /** An empty reply with TC, to what has been answered last: the client asks again over TCP (rate limiting's "slip"). */
  slip(request: Uint8Array, from: number, asker: Asker): number {
    this.start(request, from, asker);
    this.truncated = true;
    this.finish(request, from, asker);
    return this.at - this.base;
  }

  /** Whether the client of the last question showed a cookie of ours. */
  knownClient(request: Uint8Array, asker: Asker): boolean {
    const { cookieAt, cookieBytes } = this.query;
    return (
      cookieAt > 0 &&
      cookieBytes === COOKIE_BYTES &&
      this.cookies.valid({ bytes: request, cookieAt, ...asker })
    );
  }

  /** The question back, octet for octet (its case is a secret of the client's), and empty sections. */
  protected start(request: Uint8Array, from: number, { transport }: Asker): void {
    const { query, out, base } = this;
    const length = query.echo ? query.questionEnd - from : 12;
    out[base] = request[from] ?? 0;
    out[base + 1] = request[from + 1] ?? 0;
    for (let i = 12; i < length; i++) out[base + i] = request[from + i] ?? 0;
    this.at = base + length;
    const udp = replyBytesMax(query.edns ? query.udpBytes : undefined);
    this.end = base + (transport === 'udp' ? udp : 65_535) - this.optBytes();
    this.truncated = false;
    this.authoritative = false;
    this.rcode = RCODE.NOERROR;
    this.answers = 0;
    this.authority = 0;
    this.additional = 0;
    this.rateLabel = -1;
  }

  protected optBytes(): number {
    const { query, nsid } = this;
    if (!query.edns) return 0;
    const cookie = query.cookieAt > 0 ? 4 + COOKIE_BYTES : 0;
    return 11 + cookie + (query.nsid && nsid.length > 0 ? 4 + nsid.length : 0);
  }

  /** Nothing but TC: what was left out could be what mattered (RFC 2181 section 9). */
  protected clear(): void {
    this.at = this.base + 12 + this.query.key.length + 4;
    this.answers = 0;
    this.authority = 0;
    this.additional = 0;
  }

  /** Copies a record set, its owners pointing to `ownerAt`. @returns how many records, 0 with TC when it does not fit */
  protected copy(rrset: number, ownerAt: number): number {
    const { image, out } = this;
    if (rrset === 0) return 0;
    const length = image.rrsetBytes(rrset);
    const from = image.rrsetAt(rrset);
    const at = this.at;
    if (at + length > this.end) {
      this.truncated = true;
      return 0;
    }
    const { bytes } = image;
    for (let i = 0; i < length; i++) out[at + i] = bytes[from + i] ?? 0;
    if (ownerAt !== 12) {
      for (let record = at; record < at + length; record += 12 + u16(out, record + 10)) {
        out[record] = 0xc0 | (ownerAt >> 8);
        out[record + 1] = ownerAt & 255;
      }
    }
    this.at = at + length;
    return image.rrsetSize(rrset);
  }

  /** `version.bind` and its newer name; every other question of the class is refused. */
  protected chaos(): void {
    const { version } = this.settings;
    const { key, type } = this.query;
    const name = String.fromCharCode(...key.bytes.subarray(0, key.length));
    const asked = name === '\x07version\x04bind\0' || name === '\x07version\x06server\0';
    if (!asked || version === undefined || (type !== TYPE.TXT && type !== TYPE.ANY)) {
      this.rcode = RCODE.REFUSED;
      return;
    }
    const text = new TextEncoder().encode(version).subarray(0, 255);
    const rdlength = text.length + 1;
    const head = [0xc0, 12, 0, TYPE.TXT, 0, CLASS.CH, 0, 0, 0, 0, rdlength >> 8, rdlength & 255];
    this.out.set([...head, text.length, ...text], this.at);
    this.at += head.length + rdlength;
    this.authoritative = true;
    this.answers = 1;
  }

  protected finish(request: Uint8Array, from: number, asker: Asker): void {
    const { out, base, query } = this;
    if (query.edns) this.writeOpt(request, asker);
    const opcodeAndRd = (request[from + 2] ?? 0) & 0x79;
    out[base + 2] = 0x80 | opcodeAndRd | (this.authoritative ? 4 : 0) | (this.truncated ? 2 : 0);
    out[base + 3] = this.rcode & 15;
    out[base + 4] = 0;
    out[base + 5] = query.echo ? 1 : 0;
    out[base + 6] = this.answers >> 8;
    out[base + 7] = this.answers;
    out[base + 8] = this.authority >> 8;
    out[base + 9] = this.authority;
    out[base + 10] = this.additional >> 8;
    out[base + 11] = this.additional;
  }

  protected writeOpt(request: Uint8Array, asker: Asker): void {
    const { out, query, nsid } = this;
    const at = this.at;
    const options = this.optBytes() - 11;
    out[at] = 0;
    out[at + 1] = 0;
    out[at + 2] = TYPE.OPT;
    out[at + 3] = UDP_REPLY_BYTES_MAX >> 8;
    out[at + 4] = UDP_REPLY_BYTES_MAX & 255;
    out[at + 5] = this.rcode >> 4;
    out[at + 6] = 0;
    out[at + 7] = query.dnssecOk ? 0x80 : 0;
    out[at + 8] = 0;
    out[at + 9] = options >> 8;
    out[at + 10] = options & 255;
    let next = at + 11;
    if (query.cookieAt > 0) {
      next = this.optionHead(next, 10, COOKIE_BYTES);
      this.cookies.write({ bytes: request, cookieAt: query.cookieAt, ...asker }, out, next);
      next += COOKIE_BYTES;
    }
    if (query.nsid && nsid.length > 0) {
      next = this.optionHead(next, 3, nsid.length);
      out.set(nsid, next);
      next += nsid.length;
    }
    this.at = next;
    this.additional += 1;
  }

  protected optionHead(at: number, code: number, length: number): number {
    this.out[at] = 0;
    this.out[at + 1] = code;
    this.out[at + 2] = 0;
    this.out[at + 3] = length;
    return at + 4;
  }
}
