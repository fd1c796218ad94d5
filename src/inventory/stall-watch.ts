/**
 * Notices boots that have stopped. It runs once a second beside the protocols and only reads, except for the one
 * `boot.stalled` event that each stall gets; any later sign of life ends the stall (`Boots.touch`, `Boots.sight`).
 *
 * A hall that powers on is thousands of boots at once, so a boot's events are read only when it has been quiet for as
 * long as the least patient rule waits, and then not again before the moment at which it would stall. What is left over
 * when a look has used up its share is taken up by the next one. What one look finds is one commit, which waits for no disk:
 * a stall that is lost with the process is found again by the next one.
 */
import type { NewEvent, StoredEvent } from '../events.ts';
import { limit } from '../limits.ts';
import type { BootId } from '../wire/ids.ts';
import type { Clock, Millis } from '../wire/time.ts';
import type { Boot, Boots } from './boots.ts';
import { STALL_MS_MIN, type Stall } from './stalls.ts';
import { foldTimeline, stallMoment } from './timeline.ts';

export interface StallWatchParts {
  readonly boots: Pick<Boots, 'unfinished' | 'byId' | 'stalled' | 'idled'>;
  readonly events: {
    ofBoot(boot: BootId, max: number): StoredEvent[];
    append(event: NewEvent): void;
  };
  readonly clock: Clock;
  transactionUnsynced<T>(run: () => T): T;
}

/** @returns one look at the unfinished boots: each that has newly stalled gets its `boot.stalled` event, once. */
export function createStallWatch(parts: StallWatchParts): () => Boot[] {
  const { boots, clock, transactionUnsynced } = parts;
  /** Of a boot that was looked at: for which last move, and when it is worth another look. */
  const looked = new Map<BootId, { readonly lastAt: Millis; readonly againAt: Millis }>();
  return () => {
    const now = clock();
    const stalled: { readonly boot: Boot; readonly stall: Stall }[] = [];
    let reads = 0;
    for (const [id, lastAt] of boots.unfinished()) {
      if (now - lastAt < STALL_MS_MIN) continue;
      if (now - lastAt > limit('bootIdleMs')) {
        boots.idled(id);
        continue;
      }
      const before = looked.get(id);
      if (before && before.lastAt === lastAt && before.againAt > now) continue;
      if (++reads > limit('stallLooksMax')) break;
      const boot = boots.byId(id);
      if (!boot) continue;
      const { stall, againAt } = look(parts, boot, now);
      if (stall) stalled.push({ boot, stall });
      looked.set(id, { lastAt, againAt });
    }
    for (const id of looked.keys()) if (!boots.unfinished().has(id)) looked.delete(id);
    if (stalled.length > 0)
      transactionUnsynced(() => {
        for (const one of stalled) note(parts, one);
      });
    return stalled.map(({ boot }) => boot);
  };
}

function look(
  { events }: StallWatchParts,
  boot: Boot,
  now: Millis,
): { stall: Stall | undefined; againAt: Millis } {
  const history = events.ofBoot(boot.id, limit('stallEventsMax'));
  const { stall } = foldTimeline(boot, history, now);
  const moment = stallMoment(boot, history) ?? Number.POSITIVE_INFINITY;
  return { stall, againAt: (stall ? now : Math.max(moment, now + 1)) as Millis };
}

function note(
  { boots, events }: StallWatchParts,
  { boot, stall }: { readonly boot: Boot; readonly stall: Stall },
): void {
  const { after, waitedMs, cause, next } = stall;
  boots.stalled(boot.id);
  events.append({
    name: 'boot.stalled',
    mac: boot.mac,
    boot: boot.id,
    hardwarename: boot.hardwarename,
    data: { after, waitedMs, cause, next },
  });
}
