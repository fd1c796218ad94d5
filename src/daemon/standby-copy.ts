/**
 * The files of a pair: the database that is a copy of the other one's, given and taken, and the few files beside it without which
 * it could not be used (the key of secrets, the site's membership of the fleet).
 *
 * A copy comes whole, is brought to disk beside the database, and takes its place by one rename while nothing has it open: at each moment
 * there is a database, and the place that it is at is in it. One that was active is set aside; the copy of one that only served while it
 * was apart is not, for it holds nothing that nobody else has.
 */
import { existsSync, readdirSync, readFileSync, renameSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import Sqlite, { type Database } from 'better-sqlite3';
import type { Config } from '../config.ts';
import { MIGRATIONS } from '../inventory/schema.ts';
import { backupDatabase } from '../platform/backup.ts';
import { runMs } from '../platform/lasting-clock.ts';
import type { Log } from '../platform/log.ts';
import { BESIDE, discard, sync } from '../platform/private-files.ts';
import {
  inheritLeases,
  isFromCopy,
  leavePlace,
  placeOf,
  promisedAfter,
  setPlace,
} from '../standby/copy.ts';
import { reservedHoldSeconds } from '../standby/gate.ts';
import { clockOf, followClock, keepClock } from '../standby/lease-clock.ts';
import { inheritMoves } from '../standby/move-log.ts';
import type { Promised } from '../standby/promises.ts';
import type { Place, RowsMessage, StandbyMessage } from '../standby/protocol.ts';
import { federationFolderOf, keyFileOf } from './core.ts';
import { FLEET_FILES } from './membership.ts';
import { setAside } from './standby-aside.ts';
import { openFollower } from './standby-follow.ts';
import { type IncomingDatabase, openIncoming } from './standby-incoming.ts';
import type { Line } from './standby-line.ts';

export interface StandbyCopy {
  readonly schema: number;
  exists(): boolean;
  /** Holds machines of its own, and is nobody's copy. */
  isInUse(): boolean;
  place(): Place | undefined;
  /** It is going to be written to. `aheadMs`: our time of day is ahead of its writer's; its leases run by ours from here on. */
  leave(to: 'active' | 'apart', aheadMs: number): void;
  /** What was promised in this database since then; nothing of a copy, whose promises are its writer's, or in the file of what was told. */
  promisedAfter(at: number): Promised[];
  /** By how much its owner's time of day was set in all, as the database has it. */
  clockSetMs(): number | undefined;
  /** As a follower: follows up the file from here on. `onRows`: what has changed, before it is said that it is here. */
  open(onRows: (tables: ReadonlySet<string>) => void): void;
  /** Nothing is entered any more. */
  pause(): void;
  close(): Promise<void>;
  /** The line broke: what was under way is no copy. */
  cut(): void;
  heard(message: Extract<StandbyMessage, { kind: 'file' | 'rows' }>, line: Line): void;
  bytes(bytes: Uint8Array): void;
  /** To the other one. */
  send(line: Line | undefined, place: Place): Promise<void>;
  /**
   * The small files.
   *
   * @param had what was sent of them on this line, which is not sent again; it is brought up to date
   */
  sendFiles(line: Line, had: Map<string, Buffer>): void;
  onZones(show: () => void): void;
}

export interface CopyPorts {
  readonly config: Config;
  readonly log: Log;
  /** By how much our time of day was set in all. */
  clockSetMs(): number;
  /** A whole copy is on disk: closes the database, runs this, and opens it again. */
  replace(put: () => void): void;
  /** What came cannot be used: the line is to begin anew. */
  onError(error: unknown): void;
}

export function openStandbyCopy(ports: CopyPorts): StandbyCopy {
  const { config, log, clockSetMs, replace, onError } = ports;
  const { file } = config.database;
  const small: Readonly<Record<string, string>> = {
    key: keyFileOf(config),
    certificates: `${file}.certificate-key`,
    membership: join(federationFolderOf(config), FLEET_FILES.membership),
    identity: join(federationFolderOf(config), FLEET_FILES.identity),
  };
  const follower = openFollower(file, log);
  let place: Place | undefined;
  /** The newest that is under way, from its announcement until it is in its place. */
  let coming: string | undefined;
  let made = 0;
  let waiting: { message: RowsMessage; line: Line }[] = [];

  const inFile = <T>(run: (db: Database) => T, at = file): T => {
    const db = new Sqlite(at, { timeout: 5000 });
    try {
      return run(db);
    } finally {
      db.close();
    }
  };
  const apply = (message: RowsMessage, line: Line): void => {
    if (!place) {
      // They follow on a place that was left since: on another line there is a copy instead.
      line.close();
      return;
    }
    const reached = follower.apply(message, place);
    if (!reached) return;
    place = reached;
    line.send({ kind: 'ack', to: reached.seq });
  };
  const put = (come: IncomingDatabase): void => {
    inFile((db) => setPlace(db, come.place), come.file);
    if (existsSync(file) && !inFile(isFromCopy)) setAside(file, new Date());
    for (const name of BESIDE) discard(`${file}${name}`);
    renameSync(come.file, file);
    sync(dirname(file));
    // What follows on a newer one waits for that.
    if (coming === come.file) coming = undefined;
  };
  const incomingOf = (n: number) => `${file}.incoming-${n}`;
  discardAll(file, `${file}.incoming`);
  const files = openIncoming(small, {
    ...{ incomingFile: () => incomingOf(made), onError },
    onDatabase: (come) => replace(() => put(come)),
  });
  const cut = (): void => {
    files.cut();
    follower.cut();
    [coming, waiting] = [undefined, []];
  };
  return {
    schema: MIGRATIONS.length,
    exists: () => existsSync(file),
    isInUse: () => existsSync(file) && inFile(holdsMachines),
    place: () => (coming === undefined ? place : undefined),
    leave(to, aheadMs) {
      place = undefined;
      if (!existsSync(file)) return;
      inFile((db) => {
        if (isLeased(db)) leaveCopy(db, to, { config, aheadMs, setMs: clockSetMs() });
      });
    },
    clockSetMs: () =>
      existsSync(file) ? inFile((db) => (isLeased(db) ? clockOf(db) : undefined)) : undefined,
    promisedAfter: (at) =>
      existsSync(file)
        ? inFile((db) => (isLeased(db) ? ownPromisesAfter(db, at, clockSetMs()) : []))
        : [],
    open(onRows) {
      place = follower.open(onRows);
      if (coming !== undefined) return;
      const had = waiting;
      waiting = [];
      for (const { message, line } of had) apply(message, line);
    },
    pause: follower.pause,
    close: follower.close,
    cut,
    heard(message, line) {
      if (message.kind === 'file') {
        if (message.name === 'database') {
          made += 1;
          [coming, place, waiting] = [incomingOf(made), undefined, []];
          follower.cut();
        }
        return files.begin(message);
      }
      if (follower.isOpen() && coming === undefined) apply(message, line);
      else waiting.push({ message, line });
    },
    bytes: files.bytes,
    async send(line, at) {
      if (!line) throw new Error('there is no line');
      const folder = join(dirname(file), 'standby-copies');
      const made = await backupDatabase(file, { folder, keep: 1, now: new Date() });
      try {
        await line.sendFile('database', made.file, at);
      } finally {
        discard(made.file);
      }
    },
    sendFiles(line, had) {
      for (const [name, from] of Object.entries(small)) {
        if (!existsSync(from)) continue;
        const bytes = readFileSync(from);
        if (had.get(name)?.equals(bytes)) continue;
        line.sendBytes(name, bytes);
        had.set(name, bytes);
      }
    },
    onZones: follower.onZones,
  };
}

const isLeased = (db: Database): boolean =>
  db.prepare(`SELECT 1 FROM sqlite_schema WHERE name = 'leases'`).get() !== undefined;

/** Of a database that is no copy, with its times by our time of day as it is now. */
function ownPromisesAfter(db: Database, at: number, setMs: number): Promised[] {
  if (isFromCopy(db)) return [];
  db.transaction(() => followClock(db, { setMs, now: Date.now(), runMs: runMs() })).immediate();
  return promisedAfter(db, at);
}

interface Leaving {
  readonly config: Config;
  readonly aheadMs: number;
  readonly setMs: number;
}

function leaveCopy(db: Database, to: 'active' | 'apart', how: Leaving): void {
  const { config, aheadMs, setMs } = how;
  const holdMs = reservedHoldSeconds(config.standby?.mcltSeconds ?? 0) * 1000;
  const now = Date.now();
  const leave = (): void => {
    const wasCopy = isFromCopy(db);
    if (wasCopy && to === 'active') {
      inheritMoves(db, { now, holdMs, longestMs: longestLeaseMs(config), aheadMs });
      inheritLeases(db, { now, aheadMs });
      keepClock(db, setMs);
    } else if (!wasCopy) followClock(db, { setMs, now, runMs: runMs() });
    leavePlace(db, to);
  };
  db.transaction(leave).immediate();
}

/** What a daemon before this one has left of copies that were under way. */
function discardAll(file: string, prefix: string): void {
  const folder = dirname(file);
  if (!existsSync(folder)) return;
  for (const name of readdirSync(folder))
    if (name.startsWith(basename(prefix))) discard(join(folder, name));
}

/** As long as a client may have one of either of the two, which have the same segments. */
export function longestLeaseMs({ dhcp }: Config): number {
  const seconds = dhcp.segments.flatMap(
    ({ leaseSeconds, unknownLeaseSeconds, leaseSecondsMax, leaseSecondsByState }) => [
      ...[leaseSeconds, unknownLeaseSeconds, leaseSecondsMax],
      ...Object.values(leaseSecondsByState),
    ],
  );
  return Math.max(0, ...seconds.map((most) => most ?? 0)) * 1000;
}

/** Machines or leases of its own, and no copy of anybody's. */
function holdsMachines(db: Database): boolean {
  const has = db.prepare(`SELECT 1 FROM sqlite_schema WHERE name = 'meta'`).get();
  if (!has || placeOf(db) !== undefined) return false;
  const any = (table: string) => db.prepare(`SELECT 1 FROM ${table} LIMIT 1`).get();
  return (any('machines') ?? any('leases')) !== undefined;
}
