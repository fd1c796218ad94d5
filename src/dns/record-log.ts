/**
 * Zones and differences as bytes, for the database: compact, exact, and readable by later versions.
 *
 * The layout is frozen (`test/unit/dns/generations.test.ts` holds golden bytes): one octet of version, then records as
 * name length, name, type, TTL, rdata length, rdata. A version that is not known is an error, never a guess.
 */

import { Reader, Writer } from '../wire/cursor.ts';
import type { Decoded } from '../wire/result.ts';
import { decoded, malformed } from '../wire/result.ts';
import { type DnsName, fromOctets, toOctets } from './name.ts';
import type { Rdata } from './rdata.ts';
import type { ZoneDiff, ZoneRecord } from './zones.ts';

const VERSION = 1;

function writeRecords(writer: Writer, records: readonly ZoneRecord[]): void {
  writer.u32(records.length);
  for (const { name, type, ttl, rdata } of records) {
    writer.u8(name.length).bytes(fromOctets(name)).u16(type).u32(ttl);
    writer.u16(rdata.length).bytes(fromOctets(rdata));
  }
}

function readRecords(reader: Reader): ZoneRecord[] {
  const records: ZoneRecord[] = [];
  for (let left = reader.u32(); left > 0 && reader.failedAt === undefined; left--) {
    const name = toOctets(reader.take(reader.u8())) as DnsName;
    const type = reader.u16();
    const ttl = reader.u32();
    const rdata = toOctets(reader.take(reader.u16())) as Rdata;
    records.push({ name, type, ttl, rdata });
  }
  return records;
}

export function encodeRecords(records: readonly ZoneRecord[]): Uint8Array {
  const writer = new Writer(records.length * 64 + 64);
  writer.u8(VERSION);
  writeRecords(writer, records);
  return writer.finish();
}

export function decodeRecords(bytes: Uint8Array): Decoded<ZoneRecord[], 'version' | 'short'> {
  const reader = new Reader(bytes);
  if (reader.u8() !== VERSION) return malformed('version', 0);
  const records = readRecords(reader);
  return reader.failedAt === undefined && reader.remaining === 0
    ? decoded(records)
    : malformed('short', reader.offset);
}

/** What went, then what came. Zone and serials are columns of their own. */
export function encodeDiff({ removed, added }: Pick<ZoneDiff, 'removed' | 'added'>): Uint8Array {
  const writer = new Writer((removed.length + added.length) * 64 + 64);
  writer.u8(VERSION);
  writeRecords(writer, removed);
  writeRecords(writer, added);
  return writer.finish();
}

export function decodeDiff(
  bytes: Uint8Array,
): Decoded<Pick<ZoneDiff, 'removed' | 'added'>, 'version' | 'short'> {
  const reader = new Reader(bytes);
  if (reader.u8() !== VERSION) return malformed('version', 0);
  const removed = readRecords(reader);
  const added = readRecords(reader);
  return reader.failedAt === undefined && reader.remaining === 0
    ? decoded({ removed, added })
    : malformed('short', reader.offset);
}
