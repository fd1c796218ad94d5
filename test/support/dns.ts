/** Zones, questions and answers for tests: text in, text out, through the real image and responder. */
import { ImageReader } from '../../src/dns/image.ts';
import { decodeMessage, encodeMessage, type Resource, rcodeOf } from '../../src/dns/message.ts';
import { type DnsName, formatName, parseName } from '../../src/dns/name.ts';
import { formatRdata, type Rdata } from '../../src/dns/rdata.ts';
import type { Asker, ResponderSettings } from '../../src/dns/reply.ts';
import { Responder } from '../../src/dns/respond.ts';
import { CLASS, FLAG, formatRcode, formatType, parseType, TYPE } from '../../src/dns/types.ts';
import { parseZoneFile } from '../../src/dns/zone-file.ts';
import { ZoneImage } from '../../src/dns/zone-image.ts';
import { makeZone, type SoaSettings, type Zone, type ZoneRecord } from '../../src/dns/zones.ts';

export function dnsName(text: string): DnsName {
  const name = parseName(text.endsWith('.') ? text : `${text}.`);
  if (name === undefined) throw new Error(`no name: ${text}`);
  return name;
}

export function soa(zone: string): SoaSettings {
  return {
    ...{ ttl: 3600, mname: dnsName(`ns1.${zone}`), rname: dnsName(`root.${zone}`) },
    ...{ refresh: 3600, retry: 600, expire: 86_400, minimum: 120 },
  };
}

export function recordsFrom(zone: string, text: string): ZoneRecord[] {
  const parsed = parseZoneFile(text, dnsName(zone));
  if (!parsed.ok) throw new Error(`line ${parsed.line}: ${parsed.why}`);
  return parsed.records;
}

export function zoneFrom(zone: string, text: string, serial = 7): Zone {
  return makeZone({ name: dnsName(zone), soa: soa(zone), serial }, recordsFrom(zone, text));
}

export function zonesOf(...zones: Zone[]): Map<DnsName, Zone> {
  return new Map(zones.map((zone) => [zone.name, zone]));
}

export const SETTINGS: ResponderSettings = { cookieSecret: new Uint8Array(16).fill(7) };

export function asker(transport: 'udp' | 'tcp' = 'udp'): Asker {
  return { transport, address: Uint8Array.of(192, 0, 2, 1), nowSeconds: 1_700_000_000 };
}

/** Bytes to bytes. */
export function askRaw(
  zones: ReadonlyMap<DnsName, Zone>,
  request: Uint8Array,
  how: { transport?: 'udp' | 'tcp'; settings?: ResponderSettings } = {},
): Uint8Array | 'drop' | 'forward' {
  return askBuffer(new ZoneImage(zones).writer.buffer, request, how);
}

/** A question to an image that a keeper has been changing. */
export function askImage(buffer: SharedArrayBuffer, text: string): string {
  return describeReply(askBuffer(buffer, question(text), {}));
}

function askBuffer(
  buffer: SharedArrayBuffer,
  request: Uint8Array,
  how: { transport?: 'udp' | 'tcp'; settings?: ResponderSettings },
): Uint8Array | 'drop' | 'forward' {
  const responder = new Responder(new ImageReader(buffer), how.settings ?? SETTINGS);
  const reply = { bytes: new Uint8Array(65_535), at: 0 };
  const length = responder.respond(
    { bytes: request, from: 0, to: request.length },
    reply,
    asker(how.transport),
  );
  if (length === 0) return 'drop';
  return length < 0 ? 'forward' : reply.bytes.slice(0, length);
}

export interface QuestionOptions {
  readonly flags?: number;
  readonly class?: number;
  readonly id?: number;
  /** EDNS: size, version, flags and raw options. */
  readonly edns?: { size?: number; version?: number; flags?: number; options?: string };
}

export function optRecord({ size = 1232, version = 0, flags = 0, options = '' }): Resource {
  const ttl = version * 65_536 + flags;
  return { name: '\0', type: TYPE.OPT, class: size, ttl, rdata: options as Rdata };
}

/** `www.example A` as a datagram. */
export function question(text: string, options: QuestionOptions = {}): Uint8Array {
  const [name = '', type = 'A'] = text.split(' ');
  // The name keeps its case: only its structure is parsed.
  const folded = dnsName(name);
  let raw = '';
  let plain = name.replace(/\.$/, '');
  for (let at = 0; folded.charCodeAt(at) > 0; at += 1 + folded.charCodeAt(at)) {
    const length = folded.charCodeAt(at);
    raw += String.fromCharCode(length) + plain.slice(0, length);
    plain = plain.slice(length + 1);
  }
  const bytes = encodeMessage({
    ...{ id: options.id ?? 0x1234, flags: options.flags ?? 0 },
    questions: [{ name: `${raw}\0`, type: parseType(type) ?? 0, class: options.class ?? CLASS.IN }],
    ...{ answers: [], authority: [] },
    additional: options.edns ? [optRecord(options.edns)] : [],
  });
  if (!bytes) throw new Error('too long');
  return bytes;
}

/** One line: rcode, flags and sections, as the captures of other servers have it. */
export function describeReply(bytes: Uint8Array | 'drop' | 'forward'): string {
  if (typeof bytes === 'string') return bytes;
  const decoded = decodeMessage(bytes);
  if (!decoded.ok) return `undecodable: ${decoded.code} at ${decoded.at}`;
  const { flags, questions, answers, authority, additional } = decoded.value;
  const opt = additional.find(({ type }) => type === TYPE.OPT);
  const rcode = rcodeOf(flags) + (opt ? (opt.ttl >>> 24) * 16 : 0);
  const words = [formatRcode(rcode)];
  if (flags & FLAG.AA) words.push('aa');
  if (flags & FLAG.TC) words.push('tc');
  if (flags & FLAG.RD) words.push('rd');
  if (questions[0]) words.push(`q=${formatName(questions[0].name)}`);
  const sections = { AN: answers, AU: authority, AD: additional };
  for (const [section, records] of Object.entries(sections)) {
    for (const { name, type, ttl } of records) {
      if (type !== TYPE.OPT)
        words.push(`${section}:${formatName(name)}/${formatType(type)}/${ttl}`);
    }
  }
  if (opt) words.push(`OPT(${opt.class},${(opt.ttl & 0xffff).toString(16)},${opt.rdata.length})`);
  return words.join(' ');
}

export function ask(
  zones: ReadonlyMap<DnsName, Zone>,
  text: string,
  options: QuestionOptions & { transport?: 'udp' | 'tcp'; settings?: ResponderSettings } = {},
): string {
  return describeReply(askRaw(zones, question(text, options), options));
}

/** The rdata of the answer section as text. */
export function answersOf(bytes: Uint8Array | 'drop' | 'forward'): string[] {
  if (typeof bytes === 'string') return [];
  const decoded = decodeMessage(bytes);
  if (!decoded.ok) return [];
  return decoded.value.answers.map(({ type, rdata }) => formatRdata(type, rdata));
}
