/** The time of day is set: leases and notes of our own database last for as long as they would have, once, and those of a copy by its writer's. */
import { join } from 'node:path';
import type { Database } from 'better-sqlite3';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parseConfig } from '../../../src/config.ts';
import { openStandbyCopy } from '../../../src/daemon/standby-copy.ts';
import { openInventory } from '../../../src/inventory/inventory.ts';
import { openDatabase } from '../../../src/platform/sqlite.ts';
import { setPlace } from '../../../src/standby/copy.ts';
import { clockOf, followClock, keepClock } from '../../../src/standby/lease-clock.ts';
import { openMoveLog } from '../../../src/standby/move-log.ts';
import type { Ipv4 } from '../../../src/wire/ipv4.ts';
import type { Mac } from '../../../src/wire/mac.ts';
import type { Millis } from '../../../src/wire/time.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

const HOUR_MS = 3_600_000;
const NOW = 1_700_000_000_000;
const [ONE, TWO] = ['02:00:00:00:00:01' as Mac, '02:00:00:00:00:02' as Mac];
const X = 10 as Ipv4;
let folder: string;
let file: string;
let db: Database;
let inventory: ReturnType<typeof openInventory>;
let now: number;
beforeEach(() => {
  folder = temporaryFolder('clock');
  file = join(folder, 'r.db');
  db = openDatabase(file);
  now = NOW;
  inventory = openInventory({ db, clock: () => now as Millis });
});
afterEach(() => {
  db.close();
});

function give(mac: Mac, address: number, forMs: number): void {
  const expiresAt = (now + forMs) as Millis;
  const lease = { segment: 's', address: address as Ipv4, mac, state: 'bound' } as const;
  const change = { ...lease, expiresAt, clientId: undefined, hostname: '', boot: undefined };
  inventory.transaction(() => inventory.leases.apply(change));
}

const leaseAt = (address: number) =>
  db
    .prepare(
      'SELECT expires_at - last_at AS forMs, expires_at AS expiresAt FROM leases WHERE address = ?',
    )
    .get(address);

const noteOf = (mac: Mac) =>
  Number(
    db
      .prepare<[string], string>('SELECT value FROM meta WHERE key LIKE ?')
      .pluck()
      .get(`standby_moved until%${mac}`),
  );

const log = () =>
  openMoveLog(db, {
    ...{ holdMs: 1000, apartMs: 1000, longestMs: 24 * HOUR_MS, wall: () => now, mono: () => 0 },
    ...{ head: () => 7, isTogether: () => false, isSilent: () => false, isAlone: () => false },
  });

describe.each([2 * HOUR_MS, -2 * HOUR_MS])('set by %d ms', (byMs) => {
  it('moves leases and notes, in the table and in memory, and once', () => {
    keepClock(db, 5000);
    give(ONE, X, HOUR_MS);
    log().told('s', X, { mac: TWO, leftMs: HOUR_MS });
    now += byMs;
    const setMs = 5000 + byMs;
    const follow = () =>
      inventory.transaction(() => followClock(db, { setMs, now, runMs: HOUR_MS }));
    expect([follow(), follow()]).toEqual([true, false]);
    inventory.leases.reload();
    expect(leaseAt(X)).toEqual({ forMs: HOUR_MS, expiresAt: NOW + byMs + HOUR_MS });
    expect(inventory.leases.byAddress('s', X)).toMatchObject({
      mac: ONE,
      expiresAt: now + HOUR_MS,
    });
    // Of before the start or not, nobody knows: one ends no sooner.
    expect(noteOf(TWO)).toBe(NOW + Math.max(0, byMs) + HOUR_MS);
    expect(clockOf(db)).toBe(setMs);
  });

  it('is made up for by whoever opens the database next, and never for a copy', () => {
    keepClock(db, 0);
    give(ONE, X, HOUR_MS);
    let setMs = byMs;
    const copy = openStandbyCopy({
      config: parseConfig(`database: { file: ${file} }`),
      log: pino({ level: 'silent' }),
      clockSetMs: () => setMs,
      replace: () => undefined,
      onError: () => undefined,
    });
    expect(copy.clockSetMs()).toBe(0);
    // Of before the start of this program.
    const moved = NOW + HOUR_MS + Math.max(0, byMs);
    expect(copy.promisedAfter(0)).toMatchObject([{ expiresAt: moved }]);
    copy.leave('apart', 0);
    expect(leaseAt(X)).toMatchObject({ expiresAt: moved });
    setPlace(db, { run: 'r', seq: 1 });
    setMs = 2 * byMs;
    expect(copy.promisedAfter(0)).toEqual([]);
    copy.leave('apart', 0);
    expect(leaseAt(X)).toMatchObject({ expiresAt: moved });
    // It is taken over with: its times are ours from here on, as ours is now.
    copy.leave('active', 0);
    expect(clockOf(db)).toBe(setMs);
  });
});

it('leaves alone what a clock has written that was ahead: after a start with one that was behind it is right again', () => {
  keepClock(db, 0);
  give(ONE, X, HOUR_MS);
  now -= 24 * HOUR_MS;
  give(TWO, X + 1, HOUR_MS);
  now = NOW + 1000;
  inventory.transaction(() => followClock(db, { setMs: 24 * HOUR_MS + 1000, now, runMs: 1000 }));
  expect(leaseAt(X)).toMatchObject({ expiresAt: NOW + HOUR_MS });
  expect(leaseAt(X + 1)).toMatchObject({ expiresAt: NOW + 1000 + HOUR_MS });
});

it('ends no lease of before a start with a clock that was ahead when that is set right', () => {
  keepClock(db, 0);
  give(ONE, X, 2 * HOUR_MS);
  log().told('s', X, { mac: TWO, leftMs: HOUR_MS });
  // Ten minutes later, and two hours ahead.
  now += 2 * HOUR_MS + 600_000;
  give(TWO, X + 1, HOUR_MS);
  now += 60_000 - 2 * HOUR_MS;
  const setMs = -2 * HOUR_MS;
  inventory.transaction(() => followClock(db, { setMs, now, runMs: 60_000 }));
  expect(leaseAt(X)).toEqual({ forMs: 2 * HOUR_MS, expiresAt: NOW + 2 * HOUR_MS });
  expect(leaseAt(X + 1)).toEqual({ forMs: HOUR_MS, expiresAt: now - 60_000 + HOUR_MS });
  expect(noteOf(TWO)).toBe(NOW + HOUR_MS);
});

it('lets no lease of before the start last for longer than it was given for when its clock is set back by years', () => {
  keepClock(db, 0);
  give(ONE, X, 2 * HOUR_MS);
  const byMs = -365 * 24 * HOUR_MS;
  now += 60_000 + byMs;
  inventory.transaction(() => followClock(db, { setMs: byMs, now, runMs: 30_000 }));
  expect(leaseAt(X)).toEqual({ forMs: 2 * HOUR_MS, expiresAt: now - 30_000 + 2 * HOUR_MS });
});

it('counts from now on where nobody has counted', () => {
  give(ONE, X, HOUR_MS);
  expect(clockOf(db)).toBeUndefined();
  expect(followClock(db, { setMs: 9000, now, runMs: 0 })).toBe(false);
  expect([clockOf(db), leaseAt(X)]).toMatchObject([9000, { expiresAt: NOW + HOUR_MS }]);
});

it('holds to no note for longer than any lease lasts', () => {
  log().told('s', X, { mac: TWO, leftMs: HOUR_MS });
  for (const what of ['INSERT', 'DELETE']) db.exec(`DROP TRIGGER temp.standby_moved_${what}`);
  now -= 1000 * 24 * HOUR_MS;
  let mono = 0;
  const again = openMoveLog(db, {
    ...{ holdMs: 1000, apartMs: 1000, longestMs: 2 * HOUR_MS, wall: () => now, mono: () => mono },
    ...{ head: () => 7, isTogether: () => false, isSilent: () => false, isAlone: () => false },
  });
  mono = 2 * HOUR_MS - 1;
  expect(again.formerly('s', X)).toEqual([TWO]);
  mono += 2;
  expect(again.formerly('s', X)).toEqual([]);
});
