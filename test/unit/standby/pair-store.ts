/** The database of a member of the made-up pair: leases, reservations and the notes of moves, told to a copy row by row or whole. */
import { leftMsOf, type MoveNote, type Owner } from '../../../src/standby/moves.ts';
import type { Promised } from '../../../src/standby/promises.ts';
import type { Place } from '../../../src/standby/protocol.ts';
import type { Ipv4 } from '../../../src/wire/ipv4.ts';
import type { Mac } from '../../../src/wire/mac.ts';
import type { Millis } from '../../../src/wire/time.ts';
import { LONG_S } from './pair-form.ts';

export interface Row {
  address: Ipv4;
  mac: Mac;
  state: 'bound';
  expiresAt: Millis;
  lastAt: number;
}

/** With when it ends, by the time of day of who wrote it. */
type Kept = Omit<MoveNote, 'leftMs'> & { readonly end: number };

interface Inheritance {
  readonly holdMs: number;
  readonly aheadMs: number;
  readonly setMs: number;
}

const keyOf = ({ kind, address, was }: Pick<Kept, 'kind' | 'address' | 'was'>) =>
  `${kind} ${address} ${was}`;

export class SimStore {
  leases = new Map<number, Row>();
  /** By address. */
  reserved = new Map<number, Mac>();
  notes = new Map<string, Kept>();
  /** The number of the last change of the reservation of an address. */
  numbers = new Map<number, number>();
  /** It is a copy, or was one until its member became active. */
  fromCopy = false;
  /** Where it follows the other one's log; gone when it was left. */
  place: Place | undefined;
  head = 0;
  /** By how much its owner's clock was set in all, as its times have it. */
  clockSetMs = 0;
  private changes: { seq: number; address: number }[] = [];

  /** With a new daemon a new log begins. */
  restart(): void {
    this.head = 0;
    this.changes = [];
  }

  changed(address: number): void {
    this.head += 1;
    this.changes.push({ seq: this.head, address });
  }

  put(note: MoveNote, now: number): void {
    const { leftMs, ...rest } = note;
    const end = leftMs === 0 ? 0 : Math.max(now + leftMs, this.notes.get(keyOf(note))?.end ?? 0);
    this.notes.set(keyOf(note), { ...rest, end });
    this.changed(note.address);
  }

  drop(note: MoveNote): void {
    this.notes.delete(keyOf(note));
    this.changed(note.address);
  }

  /** As `lease-clock.ts` does it. */
  followClock(setMs: number, now: number, runMs: number): void {
    const byMs = setMs - this.clockSetMs;
    if (this.fromCopy || byMs === 0) return;
    this.clockSetMs = setMs;
    for (const row of this.leases.values()) {
      if (byMs > 0 && row.lastAt > now - byMs) continue;
      const start = now - runMs;
      const isOfBefore = byMs < 0 && row.lastAt < start - byMs;
      const rowMs = isOfBefore ? Math.min(0, start - row.lastAt) : byMs;
      row.expiresAt = (row.expiresAt + rowMs) as Millis;
      row.lastAt += rowMs;
      this.changed(row.address);
    }
    for (const [key, note] of this.notes) {
      if (byMs < 0) break;
      if (note.end !== 0) this.notes.set(key, { ...note, end: note.end + byMs });
      this.changed(note.address);
    }
  }

  /** As `inheritMoves` does it. */
  inherit(now: number, { holdMs, aheadMs, setMs }: Inheritance): void {
    this.clockSetMs = setMs;
    const had = [...this.notes.values()];
    this.notes.clear();
    for (const { kind, end, ...rest } of had) {
      const ends =
        kind === 'reserved' ? now + holdMs : Math.min(end + aheadMs, now + LONG_S * 1000);
      const next = { ...rest, kind: 'until' as const, end: ends };
      const known = this.notes.get(keyOf(next));
      this.notes.set(keyOf(next), { ...next, end: Math.max(ends, known?.end ?? 0) });
    }
    for (const row of this.leases.values()) {
      const longest = now + Math.max(0, row.expiresAt - row.lastAt);
      row.expiresAt = Math.min(row.expiresAt + aheadMs, longest) as Millis;
      row.lastAt = Math.min(row.lastAt + aheadMs, now);
    }
    this.fromCopy = false;
    this.place = undefined;
  }

  promisedAfter(at: number): Promised[] {
    const all = [...this.leases.values()].map((row) => ({ ...row, segment: 's' }));
    return this.fromCopy ? [] : all.filter(({ lastAt }) => lastAt > at);
  }

  before(now: number): MoveNote[] {
    return [...this.notes.values()].map(({ end, ...rest }) => ({
      ...{
        ...rest,
        leftMs: leftMsOf(end, { now, isCopy: this.fromCopy, longestMs: LONG_S * 1000 }),
      },
    }));
  }

  formerly = (_segment: string, address: Ipv4): Owner[] =>
    [...this.notes.values()].filter((one) => one.address === address).map(({ was }) => was);

  rowsAfter(after: number): string[] {
    const changed = this.changes.filter(({ seq }) => seq > after).map(({ address }) => address);
    return [...new Set(changed)].map((address) =>
      JSON.stringify({
        ...{ address, lease: this.leases.get(address), owner: this.reserved.get(address) },
        number: this.numbers.get(address) ?? 0,
        notes: [...this.notes].filter(([, note]) => note.address === address),
      }),
    );
  }

  apply(rows: readonly string[]): void {
    for (const text of rows) {
      const { address, lease, owner, number, notes } = JSON.parse(text);
      this.numbers.set(address, number);
      if (lease) this.leases.set(address, lease);
      else this.leases.delete(address);
      if (owner) this.reserved.set(address, owner);
      else this.reserved.delete(address);
      for (const [key, note] of this.notes) if (note.address === address) this.notes.delete(key);
      for (const [key, note] of notes) this.notes.set(key, note);
    }
  }

  whole(): string {
    return JSON.stringify(
      [this.leases, this.reserved, this.notes, this.numbers].map((all) => [...all]),
    );
  }

  replace(whole: string): void {
    const [leases, reserved, notes, numbers] = JSON.parse(whole);
    this.leases = new Map(leases);
    this.reserved = new Map(reserved);
    this.notes = new Map(notes);
    this.numbers = new Map(numbers);
    this.fromCopy = true;
  }
}
