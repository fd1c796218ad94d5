/** What the keeper (keeper.ts) is given, and what it tells. */
import type { Fault } from '../dns/check.ts';
import type { DnsPlan } from '../dns/generate.ts';
import type { DnsSource, GenerationStore } from '../dns/ports.ts';
import type { ZoneSigning } from '../dns/zone-image.ts';
import type { ZoneDiff } from '../dns/zones.ts';

export interface Served {
  readonly renewed: boolean;
  readonly diffs: readonly ZoneDiff[];
}

export interface KeeperOptions {
  readonly plan: DnsPlan;
  readonly store: GenerationStore;
  readonly source: DnsSource;
  readonly shrinkShareMax: number;
  /** What DNSSEC adds; without it no zone is signed. */
  readonly signing?: ZoneSigning | undefined;
  /** The number of the newest event. */
  lastEvent(): number;
  nowSeconds(): number;
  /** There is something for `advance` to do. */
  onWork(): void;
  /** Another image took over: readers must be handed it. */
  onImage(buffer: SharedArrayBuffer): void;
  /** Steps that the image shows now. */
  onServed(change: Served): void;
}

/** What would be served next, and what speaks against it. */
export interface Pending {
  readonly diffs: readonly ZoneDiff[];
  readonly faults: readonly Fault[];
}
