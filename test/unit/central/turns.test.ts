/** Large work of many sites at once leaves connections for the others, and waits for its turn without an end. */
import { expect, it, onTestFinished } from 'vitest';
import { openFleet } from '../../../src/central/fleet.ts';
import { openFleetDatabase } from '../../../src/central/sql.ts';
import { openTurns } from '../../../src/central/turns.ts';
import type { Millis } from '../../../src/wire/time.ts';
import { fakePostgres } from '../../support/fake-postgres.ts';
import { quietUpkeep } from '../../support/fleet-database.ts';

it('work takes turns in the order in which it comes, also behind work that fails', async () => {
  const inTurn = openTurns(2);
  const begun: number[] = [];
  const ends: (() => void)[] = [];
  const works = Array.from({ length: 5 }, (_, n) =>
    inTurn(
      () =>
        new Promise<void>((done, fail) => {
          begun.push(n);
          ends.push(n === 0 ? () => fail(new Error('no')) : done);
        }),
    ),
  );
  const all = Promise.allSettled(works);
  for (let n = 0; n < 5; n++) {
    await new Promise(setImmediate);
    expect(begun).toEqual([0, 1, 2, 3, 4].slice(0, n + 2));
    ends[n]?.();
  }
  const verdicts = (await all).map(({ status }) => status);
  expect(verdicts).toEqual(['rejected', ...Array(4).fill('fulfilled')]);
  expect(await inTurn(async () => 'again')).toBe('again');
});

it('pages of more sites than there are connections wait for longer than one is waited for', async () => {
  // Each page takes longer than a connection is waited for.
  const server = await fakePostgres({ answer: (text) => (text === 'COMMIT' ? 'silent' : 'ok') });
  const times = {
    connectMs: 300,
    statementMs: 400,
    lockMs: 400,
    idleMs: 900,
    graceMs: 100,
    closeMs: 1000,
  };
  const db = openFleetDatabase(server.url, { times });
  onTestFinished(() => db.close());
  const fleet = openFleet(db, () => 1 as Millis, quietUpkeep);
  const page = { kind: 'snapshot' as const, snapshot: 's', machines: [] };
  const pages = Array.from({ length: 20 }, (_, n) =>
    fleet.applySnapshot({ site: `s${n}`, line: 'l' }, page).catch(({ code }) => code),
  );
  // Meanwhile people are answered.
  expect(await db.all('SELECT 1 AS one')).toEqual([]);
  expect(await Promise.all(pages)).toEqual(Array(20).fill('DATABASE_SILENT'));
  // Each has come as far as to its end: none has waited for a connection in vain.
  expect(server.heard.filter((text) => text === 'COMMIT')).toHaveLength(20);
});
