/** A copy that is told which rows have changed is the same as the original, whatever was done to that, and however often it is told. */
import Sqlite, { type Database } from 'better-sqlite3';
import { afterEach, expect, it } from 'vitest';
import { openInventory } from '../../../src/inventory/inventory.ts';
import { openChangeLog, tablesOf, trim } from '../../../src/standby/change-log.ts';
import { UNKNOWN_MS } from '../../../src/standby/clock-difference.ts';
import {
  inheritLeases,
  leavePlace,
  openCopy,
  placeOf,
  promisedAfter,
} from '../../../src/standby/copy.ts';
import { parseStandby, tell, untold } from '../../../src/standby/protocol.ts';
import type { Ipv4 } from '../../../src/wire/ipv4.ts';
import type { Mac } from '../../../src/wire/mac.ts';
import type { Millis } from '../../../src/wire/time.ts';

const open: Database[] = [];
afterEach(() => {
  for (const db of open.splice(0)) db.close();
});

function database() {
  const db = new Sqlite(':memory:');
  open.push(db);
  const inventory = openInventory({ db, clock: () => 1_000_000 as Millis });
  return { db, inventory };
}

const MAC = '02:00:00:00:00:01' as Mac;
const lease = (address: number, mac: Mac) => ({
  ...{ segment: 's', address: address as Ipv4, mac, state: 'bound' as const, hostname: 'x' },
  ...{ expiresAt: 2_000_000 as Millis, clientId: new Uint8Array([1, 2, 255]), boot: undefined },
});

/** Whatever the order of rows is. */
function content(db: Database) {
  return tablesOf(db)
    .filter(({ name }) => name !== 'meta')
    .map(({ name, columns }) => {
      const rows = db.prepare(
        `SELECT ${columns.map((one) => `"${one}"`).join(', ')} FROM "${name}"`,
      );
      return [
        name,
        rows
          .all()
          .map((row) => JSON.stringify(row))
          .sort(),
      ];
    });
}

it('is the original after it was told, twice as well as once', () => {
  const from = database();
  const to = { db: new Sqlite(from.db.serialize()) };
  open.push(to.db);
  const log = openChangeLog(from.db);
  const copy = openCopy(to.db);
  let at = 0;
  const follow = () => {
    const head = log.head();
    const wire = [...tell(log.read(at), head)].map((message) => JSON.stringify(message));
    for (const text of [...wire, ...wire]) {
      const message = parseStandby(text);
      if (message.kind === 'rows') copy.apply(untold(message), { run: 'r', seq: head });
    }
    log.forget(at);
    at = head;
    expect(content(to.db)).toEqual(content(from.db));
  };
  const { transaction, leases, events, serverdb } = from.inventory;
  transaction(() => leases.apply(lease(10, MAC)));
  transaction(() => events.append({ name: 'standby.current', data: { epoch: 1 } }));
  follow();
  // The client's old row goes, another takes its address, and a key changes hands within one transaction.
  transaction(() => {
    leases.apply(lease(11, MAC));
    leases.apply(lease(10, '02:00:00:00:00:02' as Mac));
  });
  transaction(() => void serverdb.access.bootstrap());
  follow();
  expect(() =>
    transaction(() => {
      leases.apply(lease(12, MAC));
      throw new Error('undone');
    }),
  ).toThrow('undone');
  follow();
  from.db.exec('DELETE FROM events');
  follow();
  expect(placeOf(to.db)).toEqual({ run: 'r', seq: at });
  leavePlace(to.db, 'active');
  expect(placeOf(to.db)).toBeUndefined();
  expect(() => log.read(0)).toThrow('does not reach back');
});

it('keeps the newer half of what nobody has taken for too long', () => {
  const { db } = database();
  const log = openChangeLog(db);
  const change = (count: number) =>
    db.exec(
      `INSERT INTO temp.standby_log (t, k1)
       WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${count})
       SELECT 0, i FROM n`,
    );
  change(400_000);
  trim(log);
  expect(log.floor()).toBe(0);
  change(1);
  trim(log);
  expect(log.floor()).toBe(200_001);
  expect(db.prepare('SELECT count(*) FROM temp.standby_log').pluck().get()).toBe(200_000);
});

it('tells in parts what is too much for one message, and all of it', () => {
  const rows = Array.from({ length: 4500 }, (_, index) => [index, new Uint8Array([index % 256])]);
  const gone = Array.from({ length: 1200 }, (_, index) => [index + 9000]);
  const change = { table: 't', columns: ['a', 'b'], key: ['a'], rows, gone };
  const messages = [...tell([change], 7)];
  expect(messages.length).toBe(3);
  expect(messages.map(({ to }) => to)).toEqual([undefined, undefined, 7]);
  const back = messages.flatMap((message) => untold(message));
  expect(back.flatMap((one) => one.rows.map(([a]) => a))).toEqual(rows.map(([a]) => a));
  expect(back.flatMap((one) => one.gone)).toEqual(gone);
});

it('leases that are inherited end no sooner than by the clock of their writer, and within their own length', () => {
  const now = Date.now();
  const leasesOf = (aheadMs: number) => {
    const { db, inventory } = database();
    inventory.transaction(() => inventory.leases.apply(lease(10, MAC)));
    db.prepare('UPDATE leases SET last_at = ?, expires_at = ?').run(now - 10_000, now + 50_000);
    inheritLeases(db, { now, aheadMs });
    return db.prepare('SELECT expires_at AS expiresAt, last_at AS lastAt FROM leases').get();
  };
  expect(leasesOf(300)).toEqual({ expiresAt: now + 50_300, lastAt: now - 9700 });
  expect(leasesOf(-300)).toEqual({ expiresAt: now + 49_700, lastAt: now - 10_300 });
  // Nothing is known of that clock: the lease was given a moment ago, at the latest.
  expect(leasesOf(UNKNOWN_MS)).toEqual({ expiresAt: now + 60_000, lastAt: now });
});

it('tells what was promised since a moment', () => {
  const { db, inventory } = database();
  inventory.transaction(() => {
    inventory.leases.apply(lease(10, MAC));
    inventory.leases.apply(lease(11, '02:00:00:00:00:02' as Mac));
  });
  db.prepare('UPDATE leases SET last_at = 5000 + address % 2, expires_at = 9000').run();
  const found = promisedAfter(db, 5000);
  expect(found).toMatchObject([{ expiresAt: 9000, lastAt: 5001, mac: expect.any(String) }]);
});
