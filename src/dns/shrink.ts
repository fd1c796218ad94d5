/**
 * How large each zone was of late: what a loss is measured against.
 *
 * A mistake upstream seldom comes as one change: machines are deleted one by one, or a hundred at a time, and each step
 * is small. So a generation is compared with the largest size that its zones had within a window, not with the
 * generation before it. Kept in memory, in two halves of the window: after a start, what is served then is what counts.
 */
import type { DnsName } from './name.ts';
import type { ZoneDiff, Zones } from './zones.ts';

export class ZoneSizes {
  private readonly halfSeconds: number;
  private current = new Map<DnsName, number>();
  private previous = new Map<DnsName, number>();
  private since = 0;

  constructor(windowSeconds: number) {
    this.halfSeconds = windowSeconds / 2;
  }

  /** The most records that a zone had within the window; never less than it has now. */
  largest(zone: DnsName, now: Zones): number {
    const sizes = [this.current.get(zone), this.previous.get(zone), now.get(zone)?.records];
    return Math.max(...sizes.map((size) => size ?? 0));
  }

  /** These zones are about to be other ones. */
  note(before: Zones, diffs: readonly ZoneDiff[], nowSeconds: number): void {
    const age = nowSeconds - this.since;
    if (age < 0 || age >= this.halfSeconds) {
      this.previous = age < this.halfSeconds * 2 ? this.current : new Map();
      this.current = new Map();
      this.since = nowSeconds;
    }
    for (const { zone } of diffs) {
      const size = before.get(zone)?.records ?? 0;
      this.current.set(zone, Math.max(size, this.current.get(zone) ?? 0));
    }
  }

  /** These changes are a person's own: what they take is not missed. */
  lessen(diffs: readonly ZoneDiff[]): void {
    for (const { zone, removed, added } of diffs) {
      const taken = removed.length - added.length;
      for (const sizes of [this.current, this.previous]) {
        const size = sizes.get(zone);
        if (size !== undefined && taken > 0) sizes.set(zone, size - taken);
      }
    }
  }

  /** A person has seen what went: what is served from now on is what counts. */
  forget(): void {
    this.current.clear();
    this.previous.clear();
  }
}
