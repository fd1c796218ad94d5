/**
 * The event feed for people and programs that come back: filtered pages, and the compaction of what is old.
 *
 * Compaction deletes the chatter of boots (DHCP, TFTP, HTTP, progress) after one retention and everything else after a longer one. It
 * remembers the highest number that it deleted: a consumer whose cursor lies below that has missed something and is told
 * to read the state anew, never left with a silent gap. So is one whose cursor is of another feed (feed-epoch.ts).
 *
 * Numbers and times go up together, so compaction reads from the oldest event on and stops at the first that is young: it
 * never looks through what stays. An event from the future, of a clock that was wrong, holds it up no more than an old one.
 */
import type { Database } from 'better-sqlite3';
import { AppError } from '../errors.ts';
import { EVENT_NAMES, type EventName, type StoredEvent } from '../events.ts';
import { limit } from '../limits.ts';
import type { Millis } from '../wire/time.ts';
import type { EventHead, EventStore } from './event-store.ts';
import { type Cursor, epochOf, formatCursor } from './feed-epoch.ts';

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
  /** The same with the feed's epoch: hand it back, and you are told when the feed is another. */
  readonly cursor: string;
  readonly more: boolean;
}

/** Where a cursor stands: all behind it is there, some of it was compacted away, or it is of another feed. */
export type Standing = 'here' | 'compacted' | 'elsewhere';

export interface EventHistory {
  /**
   * @throws AppError with `oldest`, from which to go on when the state has been read: EVENTS_COMPACTED when events behind the
   *   cursor are gone, FEED_RESTARTED when it is of another feed
   */
  page(after: Cursor, count: number, filter: EventFilter): EventPage;
  standing(cursor: Cursor): Standing;
  epoch(): string;
  /** The lowest cursor from which nothing is missing. */
  floor(): number;
  /** Looks at a bounded number of events and deletes those older than these moments; says whether there is more to do. */
  compact(before: Before): { deleted: number; more: boolean };
}

export interface Before {
  readonly boot: Millis;
  readonly other: Millis;
  readonly now: Millis;
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

/** Whether an event can match, from what can be seen without its data. */
export function headMatches(head: EventHead, filter: EventFilter): boolean {
  const { names, hardwarename, mac, boot } = filter;
  const { name } = head;
  const named =
    names.length === 0 ||
    names.some((one) => (one.endsWith('.') ? name.startsWith(one) : name === one));
  return (
    named &&
    (hardwarename === undefined || head.hardwarename === hardwarename) &&
    (mac === undefined || head.mac === mac) &&
    (boot === undefined || head.boot === boot)
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
  const mark = db.prepare<[], { value: string }>(
    `SELECT value FROM meta WHERE key = 'events_chatter_mark'`,
  );
  const setMark = db.prepare(
    `INSERT INTO meta (key, value) VALUES ('events_chatter_mark', ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value`,
  );
  const slice = db.prepare<[number, number], { id: number; at: number; name: string }>(
    `SELECT id, at, name FROM events WHERE id > ? AND id < ${NEWEST} ORDER BY id LIMIT ?`,
  );
  const drop = db.prepare('DELETE FROM events WHERE id = ?');
  const epoch = epochOf(db);
  let untold = 0;
  /** How far this sweep has looked for what is older than everything that is kept. */
  let swept = 0;
  const lowest = () => Number(floor.get()?.value ?? 0);
  /** Events behind `from`, up to the first that is young. */
  const oldBehind = (from: number, before: number, now: number) => {
    const rows = slice.all(from, limit('compactionRowsMax'));
    const young = rows.findIndex(({ at }) => at >= before && at <= now);
    return young < 0 ? rows : rows.slice(0, young);
  };
  const standing = ({ id, epoch: of }: Cursor): Standing => {
    if ((of !== undefined && of !== epoch) || id > events.lastId()) return 'elsewhere';
    return id > 0 && id < lowest() ? 'compacted' : 'here';
  };

  return {
    floor: lowest,
    epoch: () => epoch,
    standing,
    page(after, count, filter) {
      const stands = standing(after);
      if (stands === 'elsewhere')
        throw new AppError('FEED_RESTARTED', { more: { oldest: events.lastId(), epoch } });
      if (stands === 'compacted')
        throw new AppError('EVENTS_COMPACTED', { more: { oldest: lowest(), epoch } });
      // A rare filter looks at a bounded number of events and hands the cursor back for the next call.
      const { events: found, through } = events.scan(after.id, limit('eventsPageMax'), {
        max: count,
        head: (head) => headMatches(head, filter),
        event: (event) => matches(event, filter),
      });
      const cursor = formatCursor(through, epoch);
      return { events: found, next: through, cursor, more: through < events.lastId() };
    },
    compact({ boot, other, now }) {
      const rowsMax = limit('compactionRowsMax');
      const ended = oldBehind(swept, other, now);
      const from = Math.max(Number(mark.get()?.value ?? 0), ended.at(-1)?.id ?? swept);
      const looked = ended.length === rowsMax ? [] : oldBehind(from, boot, now);
      const gone = [
        ...ended.filter(({ at }) => at < other),
        ...looked.filter(({ at, name }) => at < boot && isChatter(name)),
      ];
      for (const { id } of gone) drop.run(id);
      swept = ended.at(-1)?.id ?? swept;
      const last = looked.at(-1);
      if (last) setMark.run(String(last.id));
      const more = ended.length === rowsMax || looked.length === rowsMax;
      const through = Math.max(0, ...gone.map(({ id }) => id));
      if (through > 0) setFloor.run(String(through));
      untold += gone.length;
      if (more) return { deleted: gone.length, more };
      // One event for each sweep, at its last step, not one for each step.
      if (untold > 0)
        events.append({ name: 'events.compacted', data: { through: lowest(), deleted: untold } });
      untold = 0;
      swept = 0;
      return { deleted: gone.length, more };
    },
  };
}

function isChatter(name: string): boolean {
  return BOOT_CHATTER.some((prefix) => name.startsWith(prefix));
}
