/**
 * Notices boots that have stopped. It runs once a second beside the protocols and only reads, except for the one
 * `boot.stalled` event that each stall gets; any later sign of life ends the stall (`Boots.touch`, `Boots.sight`).
 */
import type { NewEvent, StoredEvent } from '../events.ts';
import { limit } from '../limits.ts';
import type { BootId } from '../wire/ids.ts';
import type { Clock, Millis } from '../wire/time.ts';
import type { Boot, Boots } from './boots.ts';
import { foldTimeline } from './timeline.ts';

export interface StallWatchParts {
  readonly boots: Pick<Boots, 'unfinishedSince' | 'stalled'>;
  readonly events: { ofBoot(boot: BootId): StoredEvent[]; append(event: NewEvent): void };
  readonly clock: Clock;
  transaction<T>(run: () => T): T;
}

/** One look at every unfinished boot: each that has newly stalled gets its `boot.stalled` event, once. */
export function watchStalls({ boots, events, clock, transaction }: StallWatchParts): Boot[] {
  const now = clock();
  const stalled: Boot[] = [];
  for (const boot of boots.unfinishedSince((now - limit('bootIdleMs')) as Millis)) {
    const { stall } = foldTimeline(boot, events.ofBoot(boot.id), now);
    if (!stall) continue;
    const { after, waitedMs, cause, next } = stall;
    transaction(() => {
      boots.stalled(boot.id);
      events.append({
        name: 'boot.stalled',
        mac: boot.mac,
        boot: boot.id,
        hardwarename: boot.hardwarename,
        data: { after, waitedMs, cause, next },
      });
    });
    stalled.push(boot);
  }
  return stalled;
}
