/**
 * The event feed for people and programs that come back: filtered pages, and the compaction of what is old.
 *
 * Compaction deletes the chatter of boots (DHCP, TFTP, HTTP, progress) after one retention and everything else after a longer one. It
 * remembers the highest number that it deleted: a consumer whose cursor lies below that has missed something and is told
 * to read the state anew, never left with a silent gap.
 */
import type { Database } from 'better-sqlite3';
import { AppError } from '../errors.ts';
import { EVENT_NAMES, type EventName, type StoredEvent } from '../events.ts';
import { limit } from '../limits.ts';
import type { Millis } from '../wire/time.ts';
import type { EventStore } from './event-store.ts';

export interface EventFilter {
  /** Names, or prefixes that end in a dot (`machine.`); empty is all. */
  readonly names: readonly string[];
  readonly hardwarename?: string | undefined;
  readonly mac?: string | undefined;
  readonly boot?: string | undefined;
  /** Id of a job: its live log. */
  readonly job?: string | undefined;
}

export interface EventPage {
  readonly events: readonly StoredEvent[];
  /** The cursor to go on from: it moves on over events that the filter left out. */
  readonly next: number;
  readonly more: boolean;
}

export interface EventHistory {
  /** @throws AppError EVENTS_COMPACTED with `oldest` when events behind the cursor are gone */
  page(after: number, count: number, filter: EventFilter): EventPage;
  /** The lowest cursor from which nothing is missing. */
  floor(): number;
  /** Deletes a bounded number of events older than these moments; says whether there is more to do. */
  compact(before: { boot: Millis; other: Millis }): { deleted: number; more: boolean };
}

/** Never deleted: the next event takes the number after it. */
const NEWEST = '(SELECT max(id) FROM events)';

/** Prefixes of the events that only matter while a boot is looked at. */
const BOOT_CHATTER = ['dhcp.', 'tftp.', 'http.', 'ipxe.', 'agent.', 'boot.'];

export function matches(event: StoredEvent, filter: EventFilter): boolean {
  const { names, hardwarename, mac, boot, job } = filter;
  const named =
    names.length === 0 ||
    names.some((name) => (name.endsWith('.') ? event.name.startsWith(name) : event.name === name));
  return (
    named &&
    (hardwarename === undefined || event.hardwarename === hardwarename) &&
    (mac === undefined || event.mac === mac) &&
    (boot === undefined || event.boot === boot) &&
    (job === undefined || ('job' in event.data && event.data.job === job))
  );
}

/** @throws AppError REQUEST_INVALID for a name that no event has */
export function assertEventNames(names: readonly string[]): void {
  for (const name of names) {
    const known = name.endsWith('.')
      ? EVENT_NAMES.some((one) => one.startsWith(name))
      : EVENT_NAMES.includes(name as EventName);
    if (!known)
      throw new AppError('REQUEST_INVALID', {
        detail: `No event is called ${name.slice(0, 64)}.`,
        path: '/names',
      });
  }
}

export function openEventHistory(db: Database, { events }: { events: EventStore }): EventHistory {
  const floor = db.prepare<[], { value: string }>(
    `SELECT value FROM meta WHERE key = 'events_floor'`,
  );
  const setFloor = db.prepare(
    `INSERT INTO meta (key, value) VALUES ('events_floor', ?)
     ON CONFLICT (key) DO UPDATE SET value = max(CAST(value AS INTEGER), CAST(excluded.value AS INTEGER))`,
  );
  const isChatter = BOOT_CHATTER.map((prefix) => `name GLOB '${prefix}*'`).join(' OR ');
  const mark = db.prepare<[], { value: string }>(
    `SELECT value FROM meta WHERE key = 'events_chatter_mark'`,
  );
  const setMark = db.prepare(
    `INSERT INTO meta (key, value) VALUES ('events_chatter_mark', ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value`,
  );
  const chunk = db.prepare<[number, number, number], { id: number; at: number; chatter: number }>(
    `SELECT id, at, (${isChatter}) AS chatter FROM events
     WHERE id > ? AND at < ? AND id < ${NEWEST} ORDER BY id LIMIT ?`,
  );
  const oldest = db.prepare<[number, number], { id: number }>(
    `SELECT id FROM events WHERE id > 0 AND at < ? AND id < ${NEWEST} ORDER BY id LIMIT ?`,
  );
  const drop = db.prepare('DELETE FROM events WHERE id = ?');
  let untold = 0;
  const lowest = () => Number(floor.get()?.value ?? 0);

  return {
    floor: lowest,
    page(after, count, filter) {
      if (after < lowest() && after > 0)
        throw new AppError('EVENTS_COMPACTED', { more: { oldest: lowest() } });
      const found: StoredEvent[] = [];
      let next = after;
      // A rare filter looks at a bounded number of events and hands the cursor back for the next call.
      for (let looked = 0; looked < limit('eventsPageMax') && found.length < count; ) {
        const page = events.after(next, Math.min(200, limit('eventsPageMax') - looked));
        for (const event of page) {
          if (found.length >= count) break;
          next = event.id;
          looked += 1;
          if (matches(event, filter)) found.push(event);
        }
        if (page.length === 0) return { events: found, next, more: false };
      }
      return { events: found, next, more: next < events.lastId() };
    },
    compact(before) {
      const rowsMax = limit('compactionRowsMax');
      const old = oldest.all(before.other, rowsMax).map(({ id }) => id);
      const from = Number(mark.get()?.value ?? 0);
      const looked = old.length > 0 ? [] : chunk.all(from, before.boot, rowsMax);
      const gone = [...old, ...looked.filter(({ chatter }) => chatter === 1).map(({ id }) => id)];
      for (const id of gone) drop.run(id);
      const last = looked.at(-1);
      if (last) setMark.run(String(last.id));
      // What has just ended was not looked through for chatter yet.
      const more = old.length > 0 || looked.length === rowsMax;
      const through = gone.at(-1);
      if (through === undefined) return { deleted: 0, more };
      setFloor.run(String(through));
      untold += gone.length;
      // One event for each sweep, at its last step, not one for each step.
      if (Math.max(old.length, looked.length) < rowsMax) {
        events.append({ name: 'events.compacted', data: { through, deleted: untold } });
        untold = 0;
      }
      return { deleted: gone.length, more };
    },
  };
}
