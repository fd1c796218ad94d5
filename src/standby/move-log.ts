/**
 * The notes of `moves.ts` as rows of the database: written in the transaction by which an address leaves a machine, told to the
 * follower with it, and taken away when they are over. A row counts for as long as it is there, for whoever serves from
 * this database or from a copy of it; only the one that is active knows when it is over.
 */
import type { Database } from 'better-sqlite3';
import type { Ipv4 } from '../wire/ipv4.ts';
import { isFromCopy } from './copy.ts';
import {
  addressKey,
  createMoves,
  type Held,
  leftMsOf,
  MOVE_KINDS,
  type MoveKind,
  type MoveNote,
  type MovePorts,
  type Moves,
  type Owner,
} from './moves.ts';

export interface MoveLog extends Moves {
  /** Forgets what is over. Within a transaction; does nothing, and costs nothing, when there is nothing. */
  tidy(transaction: (run: () => void) => void): void;
}

export interface MoveLogPorts extends Omit<MovePorts, 'before'> {
  /** The time of day. */
  wall(): number;
  /** No lease is longer: what seems to last for longer was written by a clock that was ahead of ours. */
  readonly longestMs: number;
}

const PREFIX = 'standby_moved ';

const keyOf = ({ kind, segment, address, was }: Omit<MoveNote, 'leftMs'>): string =>
  `${PREFIX}${kind} ${segment} ${address} ${was}`;

/** With when it ends, of the writer's time of day; 0: when the other one knows. */
interface NoteRow {
  readonly note: Omit<MoveNote, 'leftMs'>;
  readonly end: number;
}

function rowsOf(db: Database): NoteRow[] {
  const found = db
    .prepare<[string, string], { key: string; value: string }>(
      'SELECT key, value FROM meta WHERE key >= ? AND key < ?',
    )
    .all(PREFIX, `${PREFIX.trimEnd()}!`);
  return found.flatMap(({ key, value }) => {
    const [, kind, segment, address, was] =
      /^(\w+) (.+) (\d+) (\S*)$/.exec(key.slice(PREFIX.length)) ?? [];
    if (!MOVE_KINDS.includes(kind as MoveKind) || segment === undefined) return [];
    const note = { kind: kind as MoveKind, segment, address: Number(address) as Ipv4 };
    return [{ note: { ...note, was: was as Owner }, end: Number(value) }];
  });
}

/** Rows of before there were kinds: a reservation had no end, a lease had one, and the member that wrote it stood in place of the kind. */
function renameOld(db: Database): void {
  for (const member of ['a', 'b'])
    db.prepare<[string, string, string]>(
      `UPDATE OR REPLACE meta
         SET key = ? || iif(value = '', 'reserved', 'left') || substr(key, length('${PREFIX}a') + 1),
             value = iif(value = '', '0', value)
       WHERE key >= ? AND key < ?`,
    ).run(PREFIX, `${PREFIX}${member} `, `${PREFIX}${member}!`);
}

const putNote = (db: Database) =>
  db.prepare<[string, string]>(
    `INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE
       SET value = max(CAST(value AS INTEGER), CAST(excluded.value AS INTEGER))`,
  );

/** Whose an address may be for another one than this copy, as its writer has noted: read anew when `meta` has changed. */
export function readMoves(db: Database): { formerly: Moves['formerly']; reread(): void } {
  let owners = new Map<string, Owner[]>();
  const reread = (): void => {
    owners = new Map();
    for (const { note } of rowsOf(db)) {
      const key = addressKey(note.segment, note.address);
      owners.set(key, [...(owners.get(key) ?? []), note.was]);
    }
  };
  reread();
  return { formerly: (segment, address) => owners.get(addressKey(segment, address)) ?? [], reread };
}

/**
 * A copy becomes the database of one that is active: it knows what its writer knew, so what is noted ends by itself, when what
 * either of them has said is over.
 */
export function inheritMoves(db: Database, { now, holdMs, aheadMs, longestMs }: Inheritance): void {
  renameOld(db);
  const put = putNote(db);
  const drop = db.prepare('DELETE FROM meta WHERE key = ?');
  for (const { note, end } of rowsOf(db)) {
    drop.run(keyOf(note));
    const ends = note.kind === 'reserved' ? now + holdMs : Math.min(end + aheadMs, now + longestMs);
    put.run(keyOf({ ...note, kind: 'until' }), String(Math.round(ends)));
  }
}

export interface Inheritance {
  readonly now: number;
  readonly holdMs: number;
  /** No lease is longer. */
  readonly longestMs: number;
  /** By how much our time of day is ahead of the writer's; negative: behind. */
  readonly aheadMs: number;
}

/** The writer's time of day was set forward by so much: what is noted lasts for as long as it would have. */
export function moveNotes(db: Database, byMs: number): void {
  const put = db.prepare<[string, string]>('UPDATE meta SET value = ? WHERE key = ?');
  for (const { note, end } of rowsOf(db))
    if (end !== 0) put.run(String(Math.round(end + byMs)), keyOf(note));
}

/** Notes from here on. To be called once for a connection. */
export function openMoveLog(db: Database, ports: MoveLogPorts): MoveLog {
  const { wall, isAlone, longestMs } = ports;
  renameOld(db);
  const at = { now: wall(), isCopy: isFromCopy(db), longestMs };
  const before = rowsOf(db).map(({ note, end }) => ({ ...note, leftMs: leftMsOf(end, at) }));
  const moves = createMoves({ ...ports, before });
  const drop = db.prepare('DELETE FROM meta WHERE key = ?');
  const put = putNote(db);
  const keep = (note: MoveNote): MoveNote => {
    if (note.kind === 'until' || !isAlone())
      put.run(keyOf(note), String(Math.round(wall() + note.leftMs)));
    return note;
  };
  db.function('standby_moved', (subnet, address, was) =>
    isAlone() ? null : keyOf(moves.changed(String(subnet), Number(address) as Ipv4, was as Owner)),
  );
  for (const [what, row, was] of [
    ['INSERT', 'NEW', "''"],
    ['DELETE', 'OLD', 'OLD.mac'],
  ] as const)
    db.exec(
      `CREATE TEMP TRIGGER standby_moved_${what} AFTER ${what} ON main.addresses BEGIN
         INSERT INTO meta (key, value)
           SELECT note, '0' FROM (SELECT standby_moved(${row}.subnet, ${row}.address, ${was}) AS note)
             WHERE note IS NOT NULL
           ON CONFLICT (key) DO NOTHING;
       END`,
    );
  return {
    ...moves,
    left: (segment, address, lease: Held) => keep(moves.left(segment, address, lease)),
    told: (segment, address, word: Held) => keep(moves.told(segment, address, word)),
    tidy(transaction) {
      const over = moves.over();
      if (over.length > 0)
        transaction(() => {
          for (const note of over) drop.run(keyOf(note));
        });
    },
  };
}
