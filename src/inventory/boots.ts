/**
 * Boots: one row for each attempt of a machine to boot from the network.
 *
 * A boot begins when firmware (or an iPXE in the card's ROM) first asks for an address, and everything that the same
 * NIC does afterwards belongs to it: the chainloaded iPXE, the script, pxeimage, the report. What separates two boots
 * is decided here and nowhere else:
 *
 * - firmware asking again within its own retry window is the same boot, as long as nothing later has happened;
 * - an iPXE is the same boot until it has fetched a script; after that, an iPXE is a machine that started again;
 * - an operating system never begins a boot; it belongs to the running one for `bootIdleMs`.
 */
import type { Database } from 'better-sqlite3';
import type { ClientStage } from '../events.ts';
import { limit } from '../limits.ts';
import { type BootId, type Hardwarename, newBootId } from '../wire/ids.ts';
import type { Mac } from '../wire/mac.ts';
import type { Clock, Millis } from '../wire/time.ts';
import type { Kept } from './transactions.ts';
import { openUnfinished } from './unfinished.ts';

export interface Boot {
  readonly id: BootId;
  readonly mac: Mac;
  readonly hardwarename: Hardwarename | undefined;
  readonly client: ClientStage;
  /** As it last said: the script has to be for what DHCP has answered, and a loader may not have said. No system says any. */
  readonly arch: string;
  readonly startedAt: Millis;
  readonly lastAt: Millis;
  readonly binariesServed: number;
  readonly scriptAt: Millis | undefined;
  readonly reportDigest: string | undefined;
  readonly stalledAt: Millis | undefined;
}

export interface BootSighting {
  readonly mac: Mac;
  readonly client: ClientStage;
  readonly arch: string;
  readonly hardwarename: Hardwarename | undefined;
}

export interface Sighted {
  readonly boot: Boot;
  /** It is a new boot. */
  readonly begun: boolean;
  /** It had been marked as stalled, and is not any more. */
  readonly resumed: boolean;
}

export interface Boots extends Kept {
  /** The boot that this packet belongs to, begun if need be; `undefined` for an operating system outside any boot. */
  sight(sighting: BootSighting): Sighted | undefined;
  /** Would a packet of this stage begin a boot? */
  begins(mac: Mac, client: ClientStage): boolean;
  byId(id: BootId): Boot | undefined;
  /** The newest boot of a NIC, however old. */
  latest(mac: Mac): Boot | undefined;
  /** Newest first. */
  list(count: number): Boot[];
  /** Newest first: those by any of its NICs, and those by a NIC that has left it since. */
  ofMachine(hardwarename: Hardwarename, count: number): Boot[];
  /** When each boot last moved that has not reported and is not known to be stalled; kept in memory. */
  unfinished(): ReadonlyMap<BootId, Millis>;
  binaryServed(id: BootId): void;
  scriptServed(id: BootId): void;
  reported(id: BootId, digest: string, hardwarename: Hardwarename): void;
  /** Notes a sign of life, which also ends a stall; says whether it was stalled. */
  touch(id: BootId): boolean;
  stalled(id: BootId): void;
  /** It has been idle for so long that nothing continues it: until it moves it is no longer held in memory. */
  idled(id: BootId): void;
  /** Another connection has changed something: what is kept in memory is read anew. */
  reread(): void;
}

interface BootRow {
  id: string;
  mac: string;
  hardwarename: string | null;
  client: string;
  arch: string;
  started_at: number;
  last_at: number;
  binaries_served: number;
  script_at: number | null;
  report_digest: string | null;
  stalled_at: number | null;
}

function fromRow(row: BootRow): Boot {
  return {
    id: row.id as BootId,
    mac: row.mac as Mac,
    hardwarename: (row.hardwarename ?? undefined) as Hardwarename | undefined,
    client: row.client as ClientStage,
    arch: row.arch,
    startedAt: row.started_at as Millis,
    lastAt: row.last_at as Millis,
    binariesServed: row.binaries_served,
    scriptAt: (row.script_at ?? undefined) as Millis | undefined,
    reportDigest: row.report_digest ?? undefined,
    stalledAt: (row.stalled_at ?? undefined) as Millis | undefined,
  };
}

/** Does a packet of this stage continue that boot? The rules are the ones at the top of this file. */
function continuesBoot(boot: Boot, client: ClientStage, now: Millis): boolean {
  const idleMs = now - boot.lastAt;
  if (idleMs > limit('bootIdleMs')) return false;
  switch (client) {
    case 'os':
      return true;
    case 'bmc':
      return false;
    case 'ipxe':
      return boot.scriptAt === undefined;
    case 'firmware':
    case 'http-boot':
      return (
        boot.client !== 'ipxe' &&
        boot.client !== 'os' &&
        boot.binariesServed === 0 &&
        boot.scriptAt === undefined &&
        idleMs <= limit('firmwareRepeatMs')
      );
  }
}

export function openBoots(db: Database, clock: Clock): Boots {
  const insert = db.prepare(
    `INSERT INTO boots (id, mac, hardwarename, client, arch, started_at, last_at) VALUES (?, ?, ?, ?, ?, ?, ?)`,
  );
  const seen = db.prepare(
    `UPDATE boots SET client = ?, arch = ?, last_at = ?, stalled_at = NULL, hardwarename = coalesce(hardwarename, ?) WHERE id = ?`,
  );
  const byId = db.prepare<[string], BootRow>('SELECT * FROM boots WHERE id = ?');
  const latest = db.prepare<[string], BootRow>(
    'SELECT * FROM boots WHERE mac = ? ORDER BY started_at DESC LIMIT 1',
  );
  const list = db.prepare<[number], BootRow>(
    'SELECT * FROM boots ORDER BY started_at DESC LIMIT ?',
  );
  // What a NIC did before its machine was known is that machine's story too.
  const ofMachine = db.prepare<[string, string, number], BootRow>(
    `SELECT * FROM boots WHERE hardwarename = ? OR
       (hardwarename IS NULL AND mac IN (SELECT mac FROM nics WHERE hardwarename = ?))
       ORDER BY started_at DESC LIMIT ?`,
  );
  /** Nothing began in the future: the clock was ahead then, and by this much at least. */
  const moveBack = db.prepare<
    { mac: string; now: number; ahead: number },
    { id: string; last_at: number }
  >(
    `UPDATE boots SET started_at = started_at - @ahead, last_at = min(last_at - @ahead, @now),
       script_at = min(script_at - @ahead, @now), stalled_at = min(stalled_at - @ahead, @now)
       WHERE mac = @mac AND started_at >= @now RETURNING id, last_at`,
  );
  const unfinished = openUnfinished(db, clock);
  /** A boot that has reported is never unfinished again, whatever it does. */
  const moved = (boot: Pick<Boot, 'id' | 'reportDigest'>, at: Millis): void => {
    if (boot.reportDigest === undefined) unfinished.moved(boot.id, at);
  };
  const binary = db.prepare('UPDATE boots SET binaries_served = binaries_served + 1 WHERE id = ?');
  const script = db.prepare('UPDATE boots SET script_at = ? WHERE id = ?');
  const reported = db.prepare('UPDATE boots SET report_digest = ?, hardwarename = ? WHERE id = ?');
  const touch = db.prepare('UPDATE boots SET last_at = ?, stalled_at = NULL WHERE id = ?');
  const stalled = db.prepare('UPDATE boots SET stalled_at = ? WHERE id = ?');
  /**
   * When each MAC's boot last moved that may still be running, and perhaps of some more, oldest first: most operating systems'
   * packets are no part of a boot, and only these need a look into the table.
   */
  const booting = new Map<string, Millis>(
    db
      .prepare<[number], { mac: string; at: number }>(
        'SELECT mac, max(last_at) AS at FROM boots WHERE last_at >= ? GROUP BY mac ORDER BY at',
      )
      .all(clock() - limit('bootIdleMs'))
      .map(({ mac, at }) => [mac, at as Millis]),
  );
  const seenBooting = (mac: Mac, now: Millis): void => {
    booting.delete(mac);
    booting.set(mac, now);
    for (const [idle, at] of booting) {
      if (now - at <= limit('bootIdleMs')) return;
      booting.delete(idle);
    }
  };
  /**
   * The newest boot of a NIC is the one that began last. Where the clock was set back since, it is those before that move, so that
   * they are not said to be newer than all that follow until the clock has caught up with a year that it made up.
   */
  const putBefore = (boot: Boot, now: Millis): void => {
    const ahead = boot.startedAt - now + 1;
    for (const { id, last_at } of moveBack.all({ mac: boot.mac, now, ahead }))
      if (unfinished.all().has(id as BootId)) unfinished.moved(id as BootId, last_at as Millis);
  };
  const one = (row: BootRow | undefined) => row && fromRow(row);
  const find = (id: BootId) => one(byId.get(id));

  return {
    sight({ mac, client, arch: says, hardwarename }) {
      if (client === 'os' && !booting.has(mac)) return undefined;
      const now = clock();
      const latestBoot = one(latest.get(mac));
      if (latestBoot && continuesBoot(latestBoot, client, now)) {
        const arch = client === 'os' ? latestBoot.arch : says;
        const wasAhead = latestBoot.startedAt > now;
        if (wasAhead) putBefore(latestBoot, now);
        seen.run(client, arch, now, hardwarename ?? null, latestBoot.id);
        moved(latestBoot, now);
        seenBooting(mac, now);
        const newest = (wasAhead && find(latestBoot.id)) || latestBoot;
        const boot = { ...newest, client, arch, lastAt: now, stalledAt: undefined };
        return { boot, begun: false, resumed: latestBoot.stalledAt !== undefined };
      }
      if (client === 'os') return undefined;
      seenBooting(mac, now);
      const id = newBootId();
      if (latestBoot && latestBoot.startedAt >= now) putBefore(latestBoot, now);
      insert.run(id, mac, hardwarename ?? null, client, says, now, now);
      unfinished.moved(id, now);
      const boot = find(id);
      if (!boot) throw new Error(`boot ${id} vanished after its insert`);
      return { boot, begun: true, resumed: false };
    },
    begins(mac, client) {
      if (client === 'os') return false;
      const row = booting.has(mac) ? latest.get(mac) : undefined;
      return !row || !continuesBoot(fromRow(row), client, clock());
    },
    byId: find,
    latest: (mac) => one(latest.get(mac)),
    list: (count) => list.all(count).map(fromRow),
    ofMachine: (name, count) => ofMachine.all(name, name, count).map(fromRow),
    unfinished: unfinished.all,
    binaryServed: (id) => void binary.run(id),
    scriptServed: (id) => void script.run(clock(), id),
    reported(id, digest, hardwarename) {
      reported.run(digest, hardwarename, id);
      unfinished.ended(id);
    },
    touch(id) {
      const before = find(id);
      touch.run(clock(), id);
      if (before) {
        moved(before, clock());
        seenBooting(before.mac, clock());
      }
      return before?.stalledAt !== undefined;
    },
    stalled(id) {
      stalled.run(clock(), id);
      unfinished.ended(id);
    },
    idled: (id) => void unfinished.ended(id),
    ...unfinished.kept,
    reread: unfinished.reread,
  };
}
