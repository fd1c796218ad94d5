/**
 * How large a record set may be: what one message over TCP can carry of it, whatever a client asks beside it.
 *
 * A set is answered whole or not at all (RFC 2181 section 9), and a message has 65,535 octets (RFC 1035 section 4.2.2). A
 * larger set would be an empty answer with TC, over TCP too, which sends the client round in a circle. So it is a fault of
 * the generation. Counted besides the set is the most that an answer to its own name holds: header, question, OPT with a
 * cookie and the longest NSID, a signature of one key, a TSIG record of the longest key name. An alias (CNAME) on the way
 * takes room too; where that is missing, the alias is answered and its target asked for by itself (respond.ts).
 */
import { COOKIE_BYTES } from './cookies.ts';
import { OPT_BYTES } from './edns.ts';
import { type DnsName, NAME_BYTES_MAX } from './name.ts';
import type { Rrset } from './zones.ts';

const MESSAGE_BYTES_MAX = 65_535;
const HEADER_BYTES = 12;
/** Owner as a pointer, type, class, TTL, length. */
const RECORD_BYTES = 12;
const OPTION_BYTES = 4;
/** `dns.nsid` has at most so many characters, of up to three octets each. */
const NSID_BYTES_MAX = 3 * 64;
const OPT_BYTES_MAX = OPT_BYTES + 2 * OPTION_BYTES + COOKIE_BYTES + NSID_BYTES_MAX;
/** RFC 4034 section 3.1 without the signer's name; RFC 6605 section 4: 64 octets for P-256. */
const RRSIG_BYTES = RECORD_BYTES + 18 + 64;
/** RFC 8945 section 4.2 with the longest key name, HMAC-SHA512 and the time of a BADTIME. */
const TSIG_BYTES_MAX = NAME_BYTES_MAX + 10 + 13 + 16 + 64 + 6;

/** The octets of a set in an answer. */
export function setBytes({ rdatas }: Pick<Rrset, 'rdatas'>): number {
  return rdatas.reduce((sum, rdata) => sum + RECORD_BYTES + rdata.length, 0);
}

/** The most that a set at this name, in this zone, may have. */
export function setBytesMax(name: DnsName, zone: DnsName): number {
  const question = name.length + 4;
  const besides = HEADER_BYTES + question + OPT_BYTES_MAX + RRSIG_BYTES + zone.length;
  return MESSAGE_BYTES_MAX - besides - TSIG_BYTES_MAX;
}
