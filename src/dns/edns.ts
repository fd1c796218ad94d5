/**
 * EDNS (RFC 6891) of whole messages: what a request says in its OPT record, and what a reply says in its own.
 *
 * For the slow path only; questions of resolvers are read and answered in place (query.ts, reply.ts). Options are not
 * answered here: who transfers a zone has been recognised by its key or its address, and needs no cookie.
 */
import type { Message, Resource } from './message.ts';
import type { Rdata } from './rdata.ts';
import { UDP_REPLY_BYTES_MAX } from './reply.ts';
import { TYPE } from './types.ts';

/** What a client says of itself. */
export interface Edns {
  readonly version: number;
  readonly udpBytes: number;
  readonly dnssecOk: boolean;
}

/** OPT without options: root, type, class, TTL, length. */
export const OPT_BYTES = 11;
const DO = 0x8000;

/** @returns `undefined` without OPT; `malformed` for two of them, or one that is not at the root (section 6.1.1) */
export function clientEdns({ additional }: Pick<Message, 'additional'>) {
  const [opt, ...others] = additional.filter(({ type }) => type === TYPE.OPT);
  if (!opt) return undefined;
  if (others.length > 0 || opt.name !== '\0') return 'malformed';
  const edns: Edns = {
    version: (opt.ttl >>> 16) & 255,
    udpBytes: opt.class,
    dnssecOk: (opt.ttl & DO) !== 0,
  };
  return edns;
}

/** The OPT record of a reply: there exactly if the request had one. It carries the upper bits of the rcode. */
export function replyEdns(edns: Edns | undefined, rcode: number): Resource | undefined {
  if (!edns) return undefined;
  const ttl = (rcode >> 4) * 2 ** 24 + (edns.dnssecOk ? DO : 0);
  return { name: '\0', type: TYPE.OPT, class: UDP_REPLY_BYTES_MAX, ttl, rdata: '' as Rdata };
}

/** A whole message with this OPT record behind all others. */
export function withOpt(message: Uint8Array, { class: udpBytes, ttl }: Resource): Uint8Array {
  const whole = new Uint8Array(message.length + OPT_BYTES);
  whole.set(message);
  const view = new DataView(whole.buffer);
  view.setUint16(message.length + 1, TYPE.OPT);
  view.setUint16(message.length + 3, udpBytes);
  view.setUint32(message.length + 5, ttl);
  view.setUint16(10, view.getUint16(10) + 1);
  return whole;
}
