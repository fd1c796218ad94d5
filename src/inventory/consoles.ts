/**
 * What machines have printed on their serial ports: recordings, each of one boot as far as that can be told, bounded in size
 * and number. A recording keeps its beginning and its end; when it grows beyond both, parts in the middle are given up,
 * oldest first.
 *
 * What is printed may show boot tokens (iPXE prints URLs, Linux its command line): whoever reads a recording gets it with those
 * hidden (`consoleText`; console-tokens.ts says how they are found).
 */
import type { Database } from 'better-sqlite3';
import { limit } from '../limits.ts';
import type { Hardwarename } from '../wire/ids.ts';
import type { Clock } from '../wire/time.ts';
import { tokenPlaces } from './console-tokens.ts';

export interface ConsoleRecording {
  readonly number: number;
  readonly hardwarename: Hardwarename;
  /** '' for one that asked for no address. */
  readonly boot: string;
  readonly why: string;
  readonly startedAt: number;
  readonly lastAt: number;
  /** 0 while it goes on. */
  readonly endedAt: number;
  readonly ended: string;
  readonly heardBytes: number;
  readonly keptBytes: number;
}

export interface ConsolePart {
  /** Where it begins in what was heard; a gap to the part before it was given up. */
  readonly atByte: number;
  readonly bytes: Uint8Array;
  /** When it was written down, a flush after it was heard; 0 for parts of before that was kept. */
  readonly at?: number;
}

export interface ConsoleStore {
  begin(recording: { hardwarename: Hardwarename; boot: string; why: string }): number;
  /** The boot that a recording turned out to be of. */
  name(number: number, boot: string): void;
  append(number: number, bytes: Uint8Array): void;
  /** One that heard nothing leaves nothing. @returns whether it was kept */
  end(number: number, why: string): boolean;
  get(number: number): ConsoleRecording | undefined;
  /** Newest first. */
  ofMachine(hardwarename: Hardwarename): ConsoleRecording[];
  ofBoot(boot: string): ConsoleRecording | undefined;
  parts(number: number): ConsolePart[];
  /** Recordings that a crash has left open. @returns how many */
  closeLeftOpen(): number;
  /** Forgets what is too old or too much, a few at a time. @returns how many */
  prune(before: number): number;
}

interface Row {
  number: number;
  hardwarename: string;
  boot: string;
  why: string;
  started_at: number;
  last_at: number;
  ended_at: number;
  ended: string;
  heard_bytes: number;
  kept_bytes: number;
}

/** Deleted at once: each has at most a few hundred kilobytes. */
const PRUNE_MAX = 50;

export function openConsoles(db: Database, clock: Clock): ConsoleStore {
  const one = db.prepare<[number], Row>('SELECT * FROM consoles WHERE number = ?');
  const byBoot = db.prepare<[string], Row>(
    `SELECT * FROM consoles WHERE boot <> '' AND boot = ? ORDER BY number DESC LIMIT 1`,
  );
  const byMachine = db.prepare<[string], Row>(
    'SELECT * FROM consoles WHERE hardwarename = ? ORDER BY number DESC',
  );
  const insert = db.prepare(
    'INSERT INTO consoles (hardwarename, boot, why, started_at, last_at) VALUES (?, ?, ?, ?, ?)',
  );
  const insertPart = db.prepare(
    'INSERT INTO console_parts (console, at_byte, bytes, at) VALUES (?, ?, ?, ?)',
  );
  const grow = db.prepare(
    `UPDATE consoles SET heard_bytes = heard_bytes + ?, kept_bytes = kept_bytes + ?, last_at = ?
     WHERE number = ?`,
  );
  const middle = db.prepare<[number, number], { at_byte: number; size: number }>(
    `SELECT at_byte, length(bytes) AS size FROM console_parts
     WHERE console = ? AND at_byte >= ? ORDER BY at_byte LIMIT 1`,
  );
  const dropPart = db.prepare('DELETE FROM console_parts WHERE console = ? AND at_byte = ?');
  const shrink = db.prepare('UPDATE consoles SET kept_bytes = kept_bytes - ? WHERE number = ?');
  const remove = db.prepare('DELETE FROM consoles WHERE number = ?');
  const setBoot = db.prepare('UPDATE consoles SET boot = ? WHERE number = ?');
  const setEnded = db.prepare('UPDATE consoles SET ended_at = ?, ended = ? WHERE number = ?');
  const allParts = db.prepare<[number], { at_byte: number; bytes: Uint8Array; at: number }>(
    'SELECT at_byte, bytes, at FROM console_parts WHERE console = ? ORDER BY at_byte',
  );
  const leftOpen = db.prepare(
    "UPDATE consoles SET ended_at = last_at, ended = 'the appliance was stopped' WHERE ended_at = 0",
  );
  const old = db.prepare<[number, number], { number: number }>(
    'SELECT number FROM consoles WHERE ended_at > 0 AND ended_at < ? ORDER BY number LIMIT ?',
  );
  const total = db.prepare<[], { bytes: number }>(
    'SELECT coalesce(sum(kept_bytes), 0) AS bytes FROM consoles',
  );
  const oldest = db.prepare<[number], { number: number; kept_bytes: number }>(
    'SELECT number, kept_bytes FROM consoles WHERE ended_at > 0 ORDER BY number LIMIT ?',
  );
  const surplus = db.prepare<[string, number], { number: number }>(
    `SELECT number FROM consoles WHERE hardwarename = ? AND ended_at > 0
     ORDER BY number DESC LIMIT -1 OFFSET ?`,
  );
  const kept = limit('consoleHeadBytesMax') + limit('consoleTailBytesMax');

  return {
    begin({ hardwarename, boot, why }) {
      const now = clock();
      const { lastInsertRowid } = insert.run(hardwarename, boot, why, now, now);
      return Number(lastInsertRowid);
    },
    name: (number, boot) => void setBoot.run(boot, number),
    append(number, bytes) {
      const row = one.get(number);
      if (!row || bytes.length === 0) return;
      insertPart.run(number, row.heard_bytes, bytes, clock());
      grow.run(bytes.length, bytes.length, clock(), number);
      let size = row.kept_bytes + bytes.length;
      while (size > kept) {
        const part = middle.get(number, limit('consoleHeadBytesMax'));
        if (!part) break;
        dropPart.run(number, part.at_byte);
        shrink.run(part.size, number);
        size -= part.size;
      }
    },
    end(number, why) {
      const row = one.get(number);
      if (!row || row.heard_bytes === 0) {
        remove.run(number);
        return false;
      }
      setEnded.run(clock(), why, number);
      for (const { number: each } of surplus.all(row.hardwarename, limit('consoleRecordingsMax')))
        remove.run(each);
      return true;
    },
    get: (number) => recordingOf(one.get(number)),
    ofMachine: (hardwarename) =>
      byMachine.all(hardwarename).flatMap((row) => recordingOf(row) ?? []),
    ofBoot: (boot) => recordingOf(byBoot.get(boot)),
    parts: (number) =>
      allParts.all(number).map(({ at_byte: atByte, bytes, at }) => ({ atByte, bytes, at })),
    closeLeftOpen: () => leftOpen.run().changes,
    prune(before) {
      const gone = new Set(old.all(before, PRUNE_MAX).map(({ number }) => number));
      let excess = (total.get()?.bytes ?? 0) - limit('consoleStoreBytesMax');
      for (const { number, kept_bytes: size } of excess > 0 ? oldest.all(PRUNE_MAX) : []) {
        if (excess <= 0) break;
        gone.add(number);
        excess -= size;
      }
      for (const number of gone) remove.run(number);
      return gone.size;
    },
  };
}

function recordingOf(row: Row | undefined): ConsoleRecording | undefined {
  if (!row) return undefined;
  return {
    ...{ number: row.number, hardwarename: row.hardwarename as Hardwarename, boot: row.boot },
    ...{ why: row.why, startedAt: row.started_at, lastAt: row.last_at, endedAt: row.ended_at },
    ...{ ended: row.ended, heardBytes: row.heard_bytes, keptBytes: row.kept_bytes },
  };
}

/** What was printed, as text for people: what a terminal could not show is replaced, tokens are hidden, gaps are named. */
export function consoleText(parts: readonly ConsolePart[]): string {
  const { kept, gaps, hidden } = readConsole(parts);
  const pieces: Buffer[] = [];
  for (let from = 0; from < kept.length; ) {
    const lost = gaps.get(from);
    if (lost !== undefined) pieces.push(Buffer.from(`\r\n[… ${lost} bytes were not kept …]\r\n`));
    let to = from + 1;
    while (to < kept.length && hidden[to] === hidden[from] && !gaps.has(to)) to += 1;
    pieces.push(hidden[from] ? Buffer.from('…') : kept.subarray(from, to));
    from = to;
  }
  return Buffer.concat(pieces).toString('utf8');
}

export interface ConsoleRead {
  readonly kept: Buffer;
  /** By the places of what was kept: how many bytes were given up before it. */
  readonly gaps: ReadonlyMap<number, number>;
  /** For each place 1 where a token is, which nobody may be shown. */
  readonly hidden: Uint8Array;
}

export function readConsole(parts: readonly ConsolePart[]): ConsoleRead {
  const gaps = new Map<number, number>();
  let [heard, place] = [0, 0];
  for (const { atByte, bytes } of parts) {
    if (atByte > heard) gaps.set(place, atByte - heard);
    heard = atByte + bytes.length;
    place += bytes.length;
  }
  const kept = Buffer.concat(parts.map(({ bytes }) => bytes));
  return { kept, gaps, hidden: tokenPlaces(kept.toString('latin1'), gaps) };
}
