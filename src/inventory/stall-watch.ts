/**
 * Notices boots that have stopped. It runs once a second beside the protocols and only reads, except for the one
 * `boot.stalled` event that each stall gets; any later sign of life ends the stall (`Boots.touch`, `Boots.sight`).
 *
 * A hall that powers on is thousands of boots at once, so a boot's events are read only when it has been quiet for as
 * long as the least patient rule waits, and then not again before the moment at which it would stall. What is left over
 * when a look has used up its share is taken up by the next one. What one look finds is one commit, which waits for no disk:
 * a stall that is lost with the process is found again by the next one.
 *
 * How long a boot has been silent is counted by a clock that nobody sets: by the time of day, all that run would have
 * stalled at once when it is set forward, and when it is set by an hour nobody would be told why a machine had stopped.
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
  /** Milliseconds that only go on, from any moment. */
  mono(): number;
  transactionUnsynced<T>(run: () => T): T;
}

/** A boot since its last move. */
interface Watched {
  readonly lastAt: Millis;
  /** By the clock that nobody sets. */
  readonly silentSince: number;
  /** When it is worth another look, by the time of day at its last move. */
  againAt: number;
}

/** @returns one look at the unfinished boots: each that has newly stalled gets its `boot.stalled` event, once. */
export function createStallWatch(parts: StallWatchParts): () => Boot[] {
  const { boots, clock, transactionUnsynced } = parts;
  const watched = new Map<BootId, Watched>();
  let lookedAt = Number.NEGATIVE_INFINITY;
  /** What has moved since the last look has been silent for no longer than that is ago, whatever the clock says. */
  const watch = (id: BootId, lastAt: Millis, mono: number): Watched => {
    const known = watched.get(id);
    if (known?.lastAt === lastAt) return known;
    const silentMs = Math.min(Math.max(0, clock() - lastAt), mono - lookedAt);
    const fresh = { lastAt, silentSince: mono - silentMs, againAt: 0 };
    watched.set(id, fresh);
    return fresh;
  };
  return () => {
    const mono = parts.mono();
    const stalled: { readonly boot: Boot; readonly stall: Stall }[] = [];
    let reads = 0;
    for (const [id, lastAt] of boots.unfinished()) {
      const one = watch(id, lastAt, mono);
      const silentMs = Math.floor(mono - one.silentSince);
      if (silentMs < STALL_MS_MIN) continue;
      if (silentMs > limit('bootIdleMs')) {
        boots.idled(id);
        continue;
      }
      const now = (lastAt + silentMs) as Millis;
      if (one.againAt > now || ++reads > limit('stallLooksMax')) continue;
      const boot = boots.byId(id);
      if (!boot) continue;
      const { stall, againAt } = look(parts, boot, now);
      if (stall) stalled.push({ boot, stall });
      one.againAt = againAt;
    }
    lookedAt = mono;
    for (const id of watched.keys()) if (!boots.unfinished().has(id)) watched.delete(id);
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
): { stall: Stall | undefined; againAt: number } {
  const history = events.ofBoot(boot.id, limit('stallEventsMax'));
  const { stall } = foldTimeline(boot, history, now);
  const moment = stallMoment(boot, history) ?? Number.POSITIVE_INFINITY;
  return { stall, againAt: stall ? now : Math.max(moment, now + 1) };
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
