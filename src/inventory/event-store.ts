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
import { openGuestRows } from './guest-rows.ts';
import { createGuestRun, isOfGuest } from './guest-run.ts';

export interface EventStore {
  /** Adds one event at the current time and returns its number. */
  append(event: NewEvent): number;
  /**
   * The same for who needs no number, inside a transaction of the runner: what guests are offered and given is written by its
   * end at the latest, many by one statement. The order is that of the calls, of either kind.
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
   * Calls `wake` after each commit that added events; returns the way to stop. Who follows `machines` is not woken each time
   * by what nobody on record does (the chatter of guests), only now and then, so that its cursor moves on.
   */
  follow(wake: () => void, only?: 'machines'): () => void;
  /** The same for events about one machine (its hardwarename) or one NIC (its MAC): what thousands may follow. */
  followOne(subject: Hardwarename | Mac, wake: () => void): () => void;
  /**
   * Where a reader of what concerns machines may go on from: behind `after`, the newest of what guests were offered and given, when there is
   * nothing else in between, and `after` otherwise.
   */
  pastGuests(after: number): number;
  /** Differs after each event that may tell of a change of a record, and after a rollback. */
  changes(): number;
  /** For the transaction runner only, before the commit: writes what was noted. */
  settle(): void;
  /** For the transaction runner only: tells the followers when something was appended. */
  committed(): void;
  /** Another connection has changed something: whatever was read may be old. */
  arrived(): void;
  /** For the transaction runner only: what was appended is gone, and the records are what they were. */
  rolledBack(): void;
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

/** How often who follows machines is woken by guests alone. */
const GUESTS_WAKE_MS = 100;

/** What passes by: it changes no record of ServerDb. */
const TRAFFIC = /^(dhcp|tftp|http|ipxe|agent|boot|job|work|os)\./;

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

/** It names nobody on record, but one on record may have lost an address by it. Both are rare. */
function takesAddress(event: NewEvent): boolean {
  if (event.name === 'dhcp.acked') return event.data.displaced !== undefined;
  return event.name === 'dhcp.declined';
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

/** Whether an event of this name is traffic. Names are few, and each comes by thousands. */
function createPassesBy(): (name: string) => boolean {
  const known = new Map<string, boolean>();
  return (name) => {
    const before = known.get(name);
    if (before !== undefined) return before;
    const passes = TRAFFIC.test(name);
    known.set(name, passes);
    return passes;
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
  const followers = new Set<() => void>();
  const followersOfMachines = new Set<() => void>();
  const followersOfOne = new Map<string, Set<() => void>>();
  /** Whom the events of the running transaction are about, as far as somebody follows them. */
  const touched = new Set<string>();
  const passesBy = createPassesBy();
  const guestRun = createGuestRun();
  const guestRows = openGuestRows(db, { clock, written: guestRun.noteGuests });
  let appended: 'nothing' | 'of guests' | 'of machines' = 'nothing';
  let [machinesToldAt, changes] = [0, 0];

  const tellOf = (event: NewEvent): void => {
    const isTraffic = passesBy(event.name);
    if (!isTraffic) changes += 1;
    if (!isTraffic || event.hardwarename !== undefined || takesAddress(event))
      appended = 'of machines';
    else if (appended === 'nothing') appended = 'of guests';
    if (event.mac && followersOfOne.has(event.mac)) touched.add(event.mac);
    if (event.hardwarename && followersOfOne.has(event.hardwarename)) {
      touched.add(event.hardwarename);
    }
  };
  const append = (event: NewEvent): number => {
    guestRows.settle();
    tellOf(event);
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

  return {
    append,
    note(event) {
      if (isOfGuest(event)) {
        tellOf(event);
        guestRows.add(event);
      } else append(event);
    },
    settle: guestRows.settle,
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
    follow(wake, only) {
      const among = only === 'machines' ? followersOfMachines : followers;
      among.add(wake);
      return () => among.delete(wake);
    },
    followOne(subject, wake) {
      const others = followersOfOne.get(subject);
      if (others) others.add(wake);
      else followersOfOne.set(subject, new Set([wake]));
      return () => {
        const left = followersOfOne.get(subject);
        left?.delete(wake);
        if (left?.size === 0) followersOfOne.delete(subject);
      };
    },
    committed() {
      if (appended === 'nothing') return;
      const now = clock();
      const tellsMachines = appended === 'of machines' || now - machinesToldAt >= GUESTS_WAKE_MS;
      appended = 'nothing';
      for (const wake of followers) wake();
      if (tellsMachines) {
        machinesToldAt = now;
        for (const wake of followersOfMachines) wake();
      }
      const subjects = [...touched];
      touched.clear();
      for (const subject of subjects) {
        for (const wake of followersOfOne.get(subject) ?? []) wake();
      }
    },
    pastGuests: guestRun.past,
    changes: () => changes,
    arrived() {
      guestRun.forget();
      changes += 1;
      for (const wake of [...followers, ...followersOfMachines]) wake();
    },
    rolledBack() {
      guestRows.forget();
      guestRun.forget();
      appended = 'nothing';
      touched.clear();
      changes += 1;
    },
  };
}
