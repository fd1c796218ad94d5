/** Requests that have ended and outcomes of installs are forgotten, in small steps; what is open or may be compared is not. */
import Sqlite from 'better-sqlite3';
import { expect, it } from 'vitest';
import { openInventory } from '../../../src/inventory/inventory.ts';
import { createKinds } from '../../../src/jobs/definition.ts';
import { openJobDesk } from '../../../src/jobs/desk.ts';
import { limit } from '../../../src/limits.ts';
import { openRequestDesk } from '../../../src/provisioning/desk.ts';
import type { RequestEntry } from '../../../src/provisioning/fold.ts';
import type { RequestDoc } from '../../../src/provisioning/request.ts';
import { forgetProvisioning } from '../../../src/provisioning/retention.ts';
import { provisioningSchema } from '../../../src/provisioning/settings.ts';
import type { Hardwarename } from '../../../src/wire/ids.ts';
import type { Millis } from '../../../src/wire/time.ts';

const DAY_MS = 86_400_000;
const KEEP = { days: 365, most: 50_000 };

function world(windowHours = 6) {
  let now = 1_700_000_000_000;
  const clock = () => now as Millis;
  const db = new Sqlite(':memory:');
  const inventory = openInventory({ db, clock });
  const jobs = openJobDesk({ ...inventory, db, clock, kinds: createKinds([]) });
  const settings = provisioningSchema.parse({ breaker: { windowHours } });
  const desk = openRequestDesk({ db, clock, inventory, jobs, settings, site: 'lon' });
  const { store, breakers } = desk;
  let asked = 0;
  const ask = (requester: string, entries: readonly RequestEntry[]): number => {
    asked += 1;
    return inventory.transaction(() => {
      const doc = {
        role: 'db',
        site: 'lon',
        squad: '',
        priority: 0,
        why: '',
        count: 1,
      } as RequestDoc;
      const base = { id: `r${asked}`, pool: '', requester, doc, count: 1 };
      const request = store.insert(base);
      let fold = store.foldOf(request);
      for (const entry of entries) fold = store.append(request, fold, entry);
      return request.number;
    });
  };
  return {
    ...{ db, store, breakers },
    pass: (ms: number) => {
      now += ms;
    },
    request: (...entries: readonly RequestEntry[]) => ask('negz', entries),
    ask,
    outcome: (failed: boolean) =>
      inventory.transaction(() =>
        breakers.note({
          ...{
            hardwarename: 'A' as Hardwarename,
            site: 'lon',
            source: 'install',
            failed,
            code: '',
          },
          factors: { rack: [], switch: [], image: [], firmware: [], 'bmc-firmware': [], type: [] },
        }),
      ),
    forget: (keep = KEEP) =>
      inventory.transaction(() => forgetProvisioning({ store, breakers }, keep, clock())),
    numbers: () => store.page({}, 10_000).map(({ number }) => number),
    count: (table: string) =>
      db.prepare<[], { n: number }>(`SELECT count(*) AS n FROM ${table}`).get()?.n,
  };
}

const ENDED: RequestEntry = { is: 'ended', status: 'fulfilled' };
const CLAIMED: RequestEntry = {
  ...{ is: 'claimed', place: 0, machine: 'M1' as Hardwarename, hostname: 'db-1', job: 'j1' },
  why: '',
};

it('forgets requests that ended so long ago with their logs, and none that is open or has a claim', () => {
  const { request, forget, numbers, pass, count } = world();
  request(ENDED);
  const open = request();
  const claims = request(CLAIMED, ENDED);
  pass(364 * DAY_MS);
  const young = request(ENDED);
  expect([forget(), numbers()]).toEqual([false, [young, claims, open, 1]]);
  pass(2 * DAY_MS);
  expect([forget(), numbers()]).toEqual([false, [young, claims, open]]);
  expect(count('request_log')).toBe(6);
});

it('keeps no more than so many that have ended, the newest', () => {
  const { request, forget, numbers, pass } = world();
  const made = [1, 2, 3, 4, 5].map(() => {
    pass(1000);
    return request(ENDED);
  });
  const open = request();
  forget({ days: 365, most: 2 });
  expect(numbers()).toEqual([open, ...made.slice(3).reverse()]);
});

it('keeps what central has asked for until it has had time to hear of its end, however many there are', () => {
  const { ask, request, forget, numbers, pass } = world();
  const ofCentral = [1, 2].map(() => ask('central:bob', [ENDED]));
  const own = [1, 2, 3].map(() => {
    pass(1000);
    return request(ENDED);
  });
  forget({ days: 1, most: 2 });
  expect(numbers()).toEqual([...own.slice(1).reverse(), ...ofCentral.toReversed()]);
  pass(limit('requestOfCentralKeepMs') - 4000);
  forget();
  expect(numbers()).toEqual(ofCentral.toReversed());
  pass(4000);
  forget({ days: 401, most: 2 });
  expect(numbers()).toEqual(ofCentral.toReversed());
  forget();
  expect(numbers()).toEqual([]);
});

it('goes by small steps, by requests and by the length of their logs', () => {
  const { request, forget, numbers, pass, count, db } = world();
  const most = limit('requestForgetMax');
  for (let each = 0; each < most + 1; each++) request(ENDED);
  pass(366 * DAY_MS);
  expect([forget(), numbers().length, forget(), numbers().length]).toEqual([true, 1, false, 0]);
  const many = limit('requestForgetEntriesMax');
  for (let each = 0; each < 3; each++) {
    const number = request(ENDED);
    const put = db.prepare('INSERT INTO request_log (request, seq, at, entry) VALUES (?, ?, 0, ?)');
    for (let seq = 3; seq <= many; seq++) put.run(number, seq, '{"is":"asked"}');
  }
  pass(366 * DAY_MS);
  expect([forget(), numbers().length, forget(), forget(), numbers().length]).toEqual([
    ...[true, 2, true, false, 0],
  ]);
  expect(count('request_log')).toBe(0);
});

it('forgets old outcomes, but none that a breaker may compare', () => {
  const short = world();
  short.outcome(false);
  short.pass(DAY_MS);
  short.outcome(true);
  expect([short.forget({ ...KEEP, days: 1 }), short.count('outcomes')]).toEqual([false, 2]);
  short.pass(1);
  expect([short.forget({ ...KEEP, days: 1 }), short.count('outcomes')]).toEqual([false, 1]);
  const long = world(720);
  long.outcome(false);
  long.pass(29 * DAY_MS);
  expect([long.forget({ ...KEEP, days: 1 }), long.count('outcomes')]).toEqual([false, 1]);
});

it('forgets closed breakers by age and number, and none that is open, may be compared or is the newest', () => {
  const { db, forget, pass } = world();
  const now = 1_700_000_000_000;
  const put = db.prepare(
    "INSERT INTO breakers (id, source, factor, value, opened_at, closed_at, evidence) VALUES (?, 'install', 'rack', ?, 0, ?, '{}')",
  );
  const ids = () => db.prepare('SELECT id FROM breakers ORDER BY id').pluck().all();
  const most = limit('breakersKeptMax');
  const [open, old, young, compared, newest] = [1, 2, 3, 4, most + 5];
  put.run(open, 'a', 0);
  put.run(old, 'b', now - 366 * DAY_MS);
  put.run(young, 'c', now - 7 * 3_600_000);
  put.run(compared, 'd', now - 5 * 3_600_000);
  expect([forget(), ids()]).toEqual([false, [open, young, compared]]);
  put.run(newest, 'e', now);
  // So many behind the newest it is one too many, but for what a failure of now may be compared with.
  expect([forget(), ids()]).toEqual([false, [open, compared, newest]]);
  pass(366 * DAY_MS);
  expect([forget(), ids()]).toEqual([false, [open, newest]]);
});

it('forgets closed breakers in small steps', () => {
  const { db, forget, count } = world();
  const step = limit('outcomesForgetMax');
  db.exec(`WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${step + 3})
    INSERT INTO breakers (source, factor, value, opened_at, closed_at, evidence)
    SELECT 'install', 'rack', i, 0, 1, '{}' FROM n`);
  expect([forget(), count('breakers')]).toEqual([true, 3]);
  expect([forget(), count('breakers')]).toEqual([false, 1]);
});

it('forgets outcomes by small steps, and keeps no more than so many', () => {
  const { db, forget, count, pass } = world();
  const step = limit('outcomesForgetMax');
  const fill = (rows: number) =>
    db.exec(`WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${rows})
      INSERT INTO outcomes (at, hardwarename, site, source, failed, code, factors)
      SELECT 1700000000000, 'A', 'lon', iif(i % 2, 'work', 'install'), 0, '', '{}' FROM n`);
  fill(limit('outcomesKeptMax') + step + 5);
  expect([forget(), forget(), count('outcomes')]).toEqual([true, false, limit('outcomesKeptMax')]);
  pass(366 * DAY_MS);
  expect([forget(), count('outcomes')]).toEqual([true, limit('outcomesKeptMax') - step]);
});
