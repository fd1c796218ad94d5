/**
 * Zone transfers as messages: AXFR (RFC 5936) and IXFR (RFC 1995), made one message at a time so that a slow secondary
 * costs no memory, from an immutable zone so that it gets one generation however long it takes.
 */
import { OPT_BYTES, withOpt } from './edns.ts';
import { MessageWriter, type Question, type Resource } from './message.ts';
import type { ZoneSteps } from './ports.ts';
import { CLASS, FLAG, TYPE } from './types.ts';
import { soaRdata, soaRecord, type Zone, type ZoneDiff, type ZoneRecord } from './zones.ts';

/** What is transferred: a zone, or the signed copy of one. It does not change while it is sent. */
export interface Transferable extends Pick<Zone, 'name' | 'serial' | 'soa' | 'records'> {
  /** All records, the SOA among them or not. */
  all(): Iterable<ZoneRecord>;
}

/** Compression reaches 16 KB; larger messages only grow. */
const MESSAGE_BYTES = 16_384;

export interface TransferHead {
  readonly id: number;
  readonly question: Question;
  /** Room to leave at the end of each message for a signature. */
  readonly reservedBytes: number;
  /** What the first message says of EDNS, where the request said something. */
  readonly opt: Resource | undefined;
}

function* pack(head: TransferHead, records: Iterable<ZoneRecord>): IterableIterator<Uint8Array> {
  const { opt } = head;
  if (!opt) return yield* messages(head, records);
  let first = true;
  const room = { ...head, reservedBytes: head.reservedBytes + OPT_BYTES };
  for (const message of messages(room, records)) {
    yield first ? withOpt(message, opt) : message;
    first = false;
  }
}

function* messages(
  head: Omit<TransferHead, 'opt'>,
  records: Iterable<ZoneRecord>,
): IterableIterator<Uint8Array> {
  const open = (first: boolean) => {
    const flags = FLAG.QR | FLAG.AA;
    // A record of 64 KB would need a message of its own; zones from the inventory have none.
    const writer = new MessageWriter({ id: head.id, flags }, MESSAGE_BYTES - head.reservedBytes);
    if (first) writer.question(head.question);
    return writer;
  };
  let writer = open(true);
  for (const record of records) {
    const resource: Resource = { ...record, class: CLASS.IN };
    if (writer.resource(1, resource)) continue;
    yield writer.finish();
    writer = open(false);
    if (writer.resource(1, resource)) continue;
    const large = new MessageWriter(
      { id: head.id, flags: FLAG.QR | FLAG.AA },
      65_535 - head.reservedBytes,
    );
    large.resource(1, resource);
    writer = large;
  }
  yield writer.finish();
}

/** SOA, everything else, SOA. */
export function axfr(head: TransferHead, zone: Transferable): IterableIterator<Uint8Array> {
  function* records(): IterableIterator<ZoneRecord> {
    yield soaRecord(zone);
    for (const record of zone.all()) if (record.type !== TYPE.SOA) yield record;
    yield soaRecord(zone);
  }
  return pack(head, records());
}

/** The new SOA; for each step the old SOA, what went, its new SOA, what came; the new SOA again. */
export function ixfr(
  head: TransferHead,
  zone: Transferable,
  steps: Iterable<ZoneDiff>,
): IterableIterator<Uint8Array> {
  const soaAt = (serial: number): ZoneRecord => ({
    ...{ name: zone.name, type: TYPE.SOA, ttl: zone.soa.ttl },
    rdata: soaRdata({ soa: zone.soa, serial }),
  });
  function* records(): IterableIterator<ZoneRecord> {
    yield soaRecord(zone);
    for (const { from = 0, to = 0, removed, added } of steps) {
      yield soaAt(from);
      yield* removed;
      yield soaAt(to);
      yield* added;
    }
    yield soaRecord(zone);
  }
  return pack(head, records());
}

/** A secondary that has what we have, or newer, gets our SOA alone; so does one that asks over UDP. */
export function soaOnly(head: TransferHead, zone: Transferable): IterableIterator<Uint8Array> {
  return pack(head, [soaRecord(zone)]);
}

/** The serial that the client of an IXFR has: that of the SOA in its authority section. */
export function clientSerial(authority: readonly Resource[]): number | undefined {
  const soa = authority.find(({ type }) => type === TYPE.SOA);
  if (!soa || soa.rdata.length < 22) return undefined;
  const at = soa.rdata.length - 20;
  let serial = 0;
  for (let i = 0; i < 4; i++) serial = serial * 256 + soa.rdata.charCodeAt(at + i);
  return serial;
}

/** Sending more in steps than the zone has records is worse than sending the zone. */
export function worthSteps(zone: Transferable, { records }: Pick<ZoneSteps, 'records'>): boolean {
  return records <= Math.max(zone.records, 100);
}
