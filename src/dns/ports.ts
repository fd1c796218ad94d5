/**
 * What DNS asks of the inventory and of the database: the names and addresses of machines, and a place to keep
 * generations. The inventory satisfies these by shape; nothing in here knows a table.
 */
import type { Fault } from './check.ts';
import type { KeyRow, KeyStep } from './key-plan.ts';
import type { DnsName } from './name.ts';
import type { ZoneDiff, Zones } from './zones.ts';

/** What kind of name it is decides its TTL and where it is put. */
export type NameKind = 'hostname' | 'hardwarename' | 'bmc';

export interface MachineName {
  readonly kind: NameKind;
  /** Relative to the site's domain (`web1`, `web1.fancy`), or absolute with a final dot. */
  readonly name: string;
  /** IPv4 or IPv6, as text. */
  readonly addresses: readonly string[];
}

export interface NamedMachine {
  readonly hardwarename: string;
  readonly role: string | undefined;
  readonly names: readonly MachineName[];
}

export interface SourceChange {
  readonly eventId: number;
  /** Machines whose names, addresses or role may be others. */
  readonly machines: readonly string[];
  readonly networks: boolean;
}

export interface DnsSource {
  machine(hardwarename: string): NamedMachine | undefined;
  /** Machines after this hardwarename, in its order. */
  page(after: string, count: number): NamedMachine[];
  /** Networks on record, each of which has a reverse zone: `10.0.2.0/24`. */
  networks(): string[];
  /** What may have changed since an event, and the event to ask from next. */
  changedSince(eventId: number): SourceChange;
}

/** A record that a person wrote. */
export interface StaticRecord {
  readonly id: string;
  /** Presentation form; relative to the site's domain without a final dot. */
  readonly name: string;
  readonly type: string;
  readonly ttl: number;
  readonly data: string;
  readonly note: string;
}

/** Who changes a record, and why. */
export interface EditCause {
  readonly who: string;
  readonly why: string;
}

/** A record that comes (`after`) or goes (`before`). */
export interface RecordEdit extends EditCause {
  readonly before?: StaticRecord;
  readonly after?: StaticRecord;
}

export type GenerationStatus = 'served' | 'refused';

export interface GenerationRow {
  readonly id: number;
  readonly at: number;
  readonly cause: string;
  readonly status: GenerationStatus;
  readonly faults: readonly Fault[];
  readonly added: number;
  readonly removed: number;
}

/** The way from one serial of a zone to another. */
export interface ZoneSteps {
  /** About how many records it holds. */
  readonly records: number;
  /** Oldest first; read when it is taken, so that thousands of them are no work in one go. */
  readonly diffs: Iterable<ZoneDiff>;
}

/** Keeps generations. All calls are synchronous; `commit` returns when the generation survives a power cut. */
export interface GenerationStore {
  /** The last generation that was served, whole. */
  load(): { readonly generation: number; readonly zones: Zones };
  commit(
    head: {
      readonly cause: string;
      readonly status: GenerationStatus;
      readonly faults: readonly Fault[];
      /** The generation that is held from here on. */
      readonly hold?: number | undefined;
      /** The zones that are signed from here on, where those are others than before. */
      readonly signed?: readonly DnsName[] | undefined;
      /** The record of a person's that this generation shows, or shows no more: kept with it. */
      readonly edit?: RecordEdit | undefined;
    },
    diffs: readonly ZoneDiff[],
    zones: Zones,
  ): number;
  /** Writes a slice of a snapshot that is due. @returns whether there is more of it */
  advance(): boolean;
  /** Newest first, those below a number; -1 for all. */
  list(count: number, below?: number): GenerationRow[];
  diffs(generation: number): ZoneDiff[];
  /** Differences of a zone from a serial to another; `undefined` when the chain is not complete. */
  chain(zone: DnsName, fromSerial: number, toSerial: number): ZoneSteps | undefined;
  statics(): StaticRecord[];
  /** Keeps a change of a record that no generation shows; its event with it. */
  edit(edit: RecordEdit): void;
  /** The generation that a person has rolled back to, while that holds. */
  held(): number | undefined;
  /** The zones that were signed, as of the last commit that said so. */
  signed(): DnsName[];
  /** Ends the hold that a commit began. */
  resume(): void;
}

/** Keeps the keys of signed zones, their secrets sealed. Each call is durable, and an event, when it returns. */
export interface KeyStore {
  rows(): KeyRow[];
  /** PKCS #8 in base64. @throws AppError SECRET_KEY_INVALID */
  secretOf(id: string): string;
  /** Makes a key for a `publish`, notes the time for any other step. */
  take(step: KeyStep, nowSeconds: number): void;
}
