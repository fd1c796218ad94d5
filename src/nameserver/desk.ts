/**
 * What people ask of DNS: what is served, since when and why, what would be next, and where an answer comes from.
 *
 * All answers are plain values in presentation form. Long lists are given piece by piece, so that no question of a person
 * holds up a machine's.
 */

import type { Fault } from '../dns/check.ts';
import { decodeMessage, encodeMessage, rcodeOf } from '../dns/message.ts';
import { type DnsName, foldName, formatName, labelsOf, parseName } from '../dns/name.ts';
import type { EditCause, GenerationRow, GenerationStore, StaticRecord } from '../dns/ports.ts';
import { formatRdata } from '../dns/rdata.ts';
import type { Responder } from '../dns/respond.ts';
import type { Transferable } from '../dns/transfer.ts';
import { CLASS, FLAG, formatRcode, formatType, parseType, TYPE } from '../dns/types.ts';
import { exportDiff, formatRecord } from '../dns/zone-file.ts';
import {
  recordsOf,
  soaRecord,
  type Zone,
  type ZoneRecord,
  zoneFor,
  zoneRecords,
} from '../dns/zones.ts';
import { AppError } from '../errors.ts';
import type { Signing } from './dnssec.ts';
import type { Keeper } from './keeper.ts';
import { createKeysDesk } from './keys-desk.ts';
import { NO_THREADS, type UdpHealth } from './udp-threads.ts';

export interface DnsStatus {
  readonly generation: number;
  /** The generation that a person holds. */
  readonly held: number | null;
  /** What speaks against the next generation; empty when there is nothing to say. */
  readonly faults: readonly Fault[];
  readonly zones: readonly { name: string; serial: number; records: number }[];
  readonly udp: UdpHealth;
}

export interface ShownRecord {
  readonly name: string;
  readonly type: string;
  readonly ttl: number;
  readonly data: string;
}

export interface Explained {
  readonly question: string;
  readonly zone: string | null;
  readonly serial: number | null;
  readonly rcode: string;
  readonly authoritative: boolean;
  readonly answers: readonly ShownRecord[];
  /** For the name and each name above it in its zone: who put records there. */
  readonly origins: readonly {
    name: string;
    owners: readonly string[];
    records: readonly string[];
  }[];
}

const PIECE = 200;

export interface DnsDeskParts {
  readonly keeper: Keeper;
  readonly store: GenerationStore;
  readonly responder: Responder;
  readonly signing: Signing | undefined;
  /** None where nothing listens. */
  readonly health?: () => UdpHealth;
}

export function createDnsDesk(parts: DnsDeskParts) {
  const { keeper, store, responder, signing, health = () => NO_THREADS } = parts;
  const zoneNamed = (text: string): Zone => {
    const name = parseName(`${text.replace(/\.$/, '')}.`);
    const zone = name === undefined ? undefined : keeper.zones().get(name);
    if (!zone) throw new AppError('NOT_FOUND', { detail: `No zone ${text.slice(0, 253)}.` });
    return zone;
  };
  return {
    ...createKeysDesk(signing),
    status(): DnsStatus {
      const zones = [...keeper.zones().values()].map(({ name, serial, records }) => ({
        ...{ name: formatName(name), serial, records },
      }));
      const { faults } = keeper.pending();
      const held = store.held() ?? null;
      return { generation: keeper.currentGeneration(), held, faults, zones, udp: health() };
    },
    /** Whether somebody answers at each of our addresses. */
    answers: (): boolean => health().silent.length === 0,
    /** Lines of a zone file, SOA first, in no particular order otherwise; a piece at a time. */
    zoneFile(text: string): IterableIterator<string> {
      const zone = zoneNamed(text);
      return zonePieces(soaRecord(zone), zoneRecords(zone));
    },
    /** The same with all that DNSSEC adds, as secondaries get it. @throws AppError NOT_FOUND for one not signed */
    async signedZoneFile(text: string): Promise<IterableIterator<string>> {
      const zone = await signedZone(signing, zoneNamed(text).name);
      return zonePieces(soaRecord(zone), zone.all());
    },
    /** Newest first; with `below` those before that one. */
    generations: (count: number, below?: number): GenerationRow[] => store.list(count, below),
    /** The difference of a generation as text. @throws AppError NOT_FOUND */
    diff(generation: number): string {
      const diffs = store.diffs(generation);
      if (diffs.length === 0) {
        throw new AppError('NOT_FOUND', { detail: `No generation ${generation} is kept.` });
      }
      return diffs.map(exportDiff).join('');
    },
    pending: (): string => keeper.pending().diffs.map(exportDiff).join(''),
    rollback: (generation: number, who: string) => keeper.rollback(generation, who),
    accept: (who: string) => keeper.accept(who),
    resume: (who: string): Fault[] => keeper.resume(who),
    statics: (): StaticRecord[] => store.statics(),
    addStatic: (record: Omit<StaticRecord, 'id'>, cause: EditCause) =>
      keeper.addStatic(record, cause),
    removeStatic: (id: string, cause: EditCause): boolean => keeper.removeStatic(id, cause),
    explain: (name: string, type: string) => explain(keeper, responder, { name, type }),
  };
}

export type DnsDesk = ReturnType<typeof createDnsDesk>;

function* zonePieces(soa: ZoneRecord, records: Iterable<ZoneRecord>): IterableIterator<string> {
  let piece = [formatRecord(soa)];
  for (const record of records) {
    if (record.type !== TYPE.SOA) piece.push(formatRecord(record));
    if (piece.length < PIECE) continue;
    yield `${piece.join('\n')}\n`;
    piece = [];
  }
  if (piece.length > 0) yield `${piece.join('\n')}\n`;
}

function signedZone(signing: Signing | undefined, zone: DnsName): Promise<Transferable> {
  if (signing?.keyring.signed(zone)) return signing.signedZone(zone);
  throw new AppError('NOT_FOUND', { detail: `${formatName(zone)} is not signed.` });
}

function explain(
  keeper: Keeper,
  responder: Responder,
  asked: { name: string; type: string },
): Explained {
  const name = parseName(`${asked.name.replace(/\.$/, '')}.`);
  const type = parseType(asked.type);
  if (name === undefined || type === undefined) {
    throw new AppError('REQUEST_INVALID', { detail: 'That is no name or no type.' });
  }
  const reply = ask(responder, name, type);
  const zoneName = zoneFor(name, keeper.zones());
  const zone = zoneName === undefined ? undefined : keeper.zones().get(zoneName);
  return {
    question: `${formatName(name)} ${formatType(type)}`,
    zone: zone ? formatName(zone.name) : null,
    serial: zone?.serial ?? null,
    rcode: formatRcode(rcodeOf(reply.flags)),
    authoritative: (reply.flags & FLAG.AA) !== 0,
    answers: reply.answers.map(({ name: owner, type: of, ttl, rdata }) => ({
      ...{ name: formatName(owner), type: formatType(of), ttl, data: formatRdata(of, rdata) },
    })),
    origins: originsOf(
      keeper,
      [name, ...reply.answers.map((answer) => foldName(answer.name))],
      zone,
    ),
  };
}

function ask(responder: Responder, name: DnsName, type: number) {
  const sections = { answers: [], authority: [], additional: [] };
  const questions = [{ name, type, class: CLASS.IN }];
  const bytes = encodeMessage({ id: 0, flags: 0, questions, ...sections }) ?? new Uint8Array();
  const reply = { bytes: new Uint8Array(65_535), at: 0 };
  const asker = { transport: 'tcp' as const, address: new Uint8Array(4), nowSeconds: 0 };
  const length = responder.respond({ bytes, from: 0, to: bytes.length }, reply, asker);
  const decoded = decodeMessage(reply.bytes.subarray(0, Math.max(length, 0)));
  if (!decoded.ok) throw new AppError('REQUEST_INVALID', { detail: 'That cannot be asked.' });
  return decoded.value;
}

/** The names on the way of an answer: those asked and answered, the enclosing ones, and wildcards beside them. */
function originsOf(keeper: Keeper, names: readonly DnsName[], zone: Zone | undefined) {
  const seen = new Map<DnsName, readonly string[]>();
  for (const name of names) {
    let at: string = name;
    for (let left = labelsOf(name).length; left > 0; left--) {
      const owners = keeper.assembly.ownersOf(at as DnsName);
      if (owners.length > 0) seen.set(at as DnsName, owners);
      if (zone && at === zone.name) break;
      at = at.slice(1 + at.charCodeAt(0));
      const wildcard = `\x01*${at}` as DnsName;
      if (keeper.assembly.ownersOf(wildcard).length > 0) {
        seen.set(wildcard, keeper.assembly.ownersOf(wildcard));
      }
    }
  }
  return [...seen].map(([name, owners]) => ({
    ...{ name: formatName(name), owners },
    records: recordsOf(name, keeper.assembly.node(name)).slice(0, 50).map(formatRecord),
  }));
}
