/**
 * The append-only event table, and the one way to follow it.
 *
 * `append` runs inside the caller's transaction, so an event exists exactly when its change does. Followers are told
 * after the commit that there is something to read, never what: they read from their own cursor, so a slow follower
 * loses nothing and holds nobody up.
 */
import type { Database } from 'better-sqlite3';
import type { EventName, NewEvent, StoredEvent } from '../events.ts';
import type { BootId, Hardwarename } from '../wire/ids.ts';
import type { Mac } from '../wire/mac.ts';
import type { Clock, Millis } from '../wire/time.ts';
import { createFollowers, type Followers } from './event-followers.ts';
import { openGuestRows } from './guest-rows.ts';
import { createGuestRun, isOfGuest } from './guest-run.ts';
import type { Kept } from './transactions.ts';

export interface EventStore
  extends Kept,
    Pick<Followers, 'follow' | 'followOne' | 'changes' | 'tell'> {
  /** Adds one event at the current time and returns its number. */
  append(event: NewEvent): number;
  /**
   * The same for who needs no number, inside a transaction of the inventory (else it throws): what guests are offered and given is
   * written by the end of its step at the latest, many by one statement. The order is that of the calls, of either kind.
   */
  note(event: NewEvent): void;
  /** Up to `count` events with an id above `after`, oldest first. */
  after(after: number, count: number): StoredEvent[];
  /**
   * The same of those that name a machine on record. What guests do is passed over without being read: in a storm it is
   * thousands a second. `through` is how far that looked.
   */
  ofMachinesAfter(after: number, count: number): { events: StoredEvent[]; through: number };
  /**
   * Looks at up to `count` events behind `after` and gives those that are wanted, up to `wantedMax` of them. What is not
   * wanted costs no parsing.
   */
  scan(after: number, count: number, wanted: Wanted): Scan;
  /** @param max of more than that, the first quarter and the newest: how it began says what it is, the end where it stands */
  ofBoot(boot: BootId, max?: number): StoredEvent[];
  ofMachine(hardwarename: Hardwarename, count: number): StoredEvent[];
  lastId(): number;
  /**
   * Where a reader of what concerns machines may go on from: behind `after`, the newest of what guests were offered and given, when there is
   * nothing else in between, and `after` otherwise.
   */
  pastGuests(after: number): number;
  /** Another connection has changed something: whatever was read may be old. */
  arrived(): void;
}

/** What of an event can be judged without its data. */
export interface EventHead {
  readonly name: string;
  readonly mac: string | null;
  readonly boot: string | null;
  readonly hardwarename: string | null;
}

export interface Wanted {
  readonly max: number;
  head(head: EventHead): boolean;
  /** The rest of the question, for those whose head is wanted. */
  event?(event: StoredEvent): boolean;
}

export interface Scan {
  readonly events: StoredEvent[];
  /** The last event that was looked at; `after` where there was none. */
  readonly through: number;
  readonly looked: number;
}

/** A row of the table `events`. */
export interface EventRow {
  id: number;
  at: number;
  name: string;
  mac: string | null;
  boot: string | null;
  hardwarename: string | null;
  data: string;
}

/** Boots of one machine whose events are looked at for its newest ones: none that is older has moved since. */
const BOOTS_LOOKED_AT = 50;

export function eventFromRow(row: EventRow): StoredEvent {
  return {
    id: row.id,
    at: row.at as Millis,
    name: row.name as EventName,
    ...(row.mac === null ? {} : { mac: row.mac as Mac }),
    ...(row.boot === null ? {} : { boot: row.boot as BootId }),
    ...(row.hardwarename === null ? {} : { hardwarename: row.hardwarename as Hardwarename }),
    data: JSON.parse(row.data),
  } as StoredEvent;
}

const FIRST_SHARE = 0.25;

function eventsOfBoot(db: Database): EventStore['ofBoot'] {
  const all = db.prepare<[string], EventRow>('SELECT * FROM events WHERE boot = ? ORDER BY id');
  const ends = db.prepare<[string, number, string, number], EventRow>(
    `SELECT * FROM (SELECT * FROM events WHERE boot = ? ORDER BY id LIMIT ?)
     UNION SELECT * FROM (SELECT * FROM events WHERE boot = ? ORDER BY id DESC LIMIT ?) ORDER BY id`,
  );
  return (boot, max) => {
    if (max === undefined) return all.all(boot).map(eventFromRow);
    const first = Math.floor(max * FIRST_SHARE);
    return ends.all(boot, first, boot, max - first).map(eventFromRow);
  };
}

function eventsOfMachines(db: Database): EventStore['ofMachinesAfter'] {
  const last = db.prepare<[], { id: number }>('SELECT coalesce(max(id), 0) AS id FROM events');
  const page = db.prepare<[number, number, number], EventRow>(
    'SELECT * FROM events WHERE id > ? AND id <= ? AND hardwarename IS NOT NULL ORDER BY id LIMIT ?',
  );
  return (after, count) => {
    const newest = last.get()?.id ?? 0;
    const events = page.all(after, newest, count).map(eventFromRow);
    const through = events.length < count ? Math.max(newest, after) : events.at(-1)?.id;
    return { events, through: through ?? after };
  };
}

/** Its own events and those of its latest boots, each found by an index and no more of them than can be wanted. */
function newestOfMachine(db: Database): (hardwarename: string, count: number) => EventRow[] {
  const ofMachine = db.prepare<[string, number], EventRow>(
    'SELECT * FROM events WHERE hardwarename = ? ORDER BY id DESC LIMIT ?',
  );
  const bootsOf = db.prepare<[string, number], { id: string }>(
    'SELECT id FROM boots WHERE hardwarename = ? ORDER BY last_at DESC LIMIT ?',
  );
  const newestOfBoot = db.prepare<[string, number], EventRow>(
    'SELECT * FROM events WHERE boot = ? ORDER BY id DESC LIMIT ?',
  );
  return (hardwarename, count) => {
    const own = ofMachine.all(hardwarename, count);
    const boots = bootsOf.all(hardwarename, Math.max(count, BOOTS_LOOKED_AT));
    const rows = new Map(own.map((row) => [row.id, row]));
    for (const { id } of boots)
      for (const row of newestOfBoot.all(id, count)) rows.set(row.id, row);
    return [...rows.values()].sort((one, other) => one.id - other.id).slice(-count);
  };
}

export function openEventStore(db: Database, clock: Clock): EventStore {
  const insert = db.prepare(
    'INSERT INTO events (at, name, mac, boot, hardwarename, data) VALUES (?, ?, ?, ?, ?, ?)',
  );
  const page = db.prepare<[number, number], EventRow>(
    'SELECT * FROM events WHERE id > ? ORDER BY id LIMIT ?',
  );
  const ofBoot = eventsOfBoot(db);
  const newestOf = newestOfMachine(db);
  const last = db.prepare<[], { id: number }>('SELECT coalesce(max(id), 0) AS id FROM events');
  const followers = createFollowers(clock);
  const guestRun = createGuestRun();
  const guestRows = openGuestRows(db, { clock, written: guestRun.noteGuests });
  let isInTransaction = false;
  const append = (event: NewEvent): number => {
    guestRows.settle();
    followers.appended(event);
    const { lastInsertRowid } = insert.run(
      clock(),
      event.name,
      event.mac ?? null,
      event.boot ?? null,
      event.hardwarename ?? null,
      JSON.stringify(event.data),
    );
    return guestRun.note(Number(lastInsertRowid), event);
  };

  /** What was appended is gone, and the records are what they were. */
  const takeBack = (): void => {
    guestRows.forget();
    guestRun.forget();
    followers.changed();
  };

  return {
    append,
    note(event) {
      if (!isInTransaction) throw new Error('events are noted within a transaction');
      if (isOfGuest(event)) {
        followers.appended(event);
        guestRows.add(event);
      } else append(event);
    },
    after: (after, count) => page.all(after, count).map(eventFromRow),
    ofMachinesAfter: eventsOfMachines(db),
    scan(after, count, { max, head, event }) {
      const events: StoredEvent[] = [];
      let through = after;
      let looked = 0;
      for (const row of page.iterate(after, count)) {
        if (events.length >= max) break;
        through = row.id;
        looked += 1;
        if (!head(row)) continue;
        const found = eventFromRow(row);
        if (event?.(found) !== false) events.push(found);
      }
      return { events, through, looked };
    },
    ofBoot,
    ofMachine: (hardwarename, count) => newestOf(hardwarename, count).map(eventFromRow),
    lastId: () => last.get()?.id ?? 0,
    ...{ follow: followers.follow, followOne: followers.followOne, tell: followers.tell },
    pastGuests: guestRun.past,
    changes: followers.changes,
    arrived() {
      guestRun.forget();
      followers.arrived();
    },
    begin() {
      isInTransaction = true;
    },
    settle: guestRows.settle,
    commit() {
      isInTransaction = false;
    },
    rollback() {
      isInTransaction = false;
      takeBack();
      followers.forget();
    },
    mark: () => takeBack,
  };
}
