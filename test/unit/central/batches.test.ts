/** Batches of several sites in one transaction: each as if it had been alone. */
import { describe, expect, it } from 'vitest';
import { type ArrivedBatch, type Batch, openBatches } from '../../../src/central/batches.ts';
import { openFleet } from '../../../src/central/fleet.ts';
import { createInbox, joinedBatch } from '../../../src/central/inbox.ts';
import type { FleetDatabase } from '../../../src/central/sql.ts';
import type { MachineDocument } from '../../../src/federation/protocol.ts';
import { limit } from '../../../src/limits.ts';
import type { Clock, Millis } from '../../../src/wire/time.ts';
import { fleetDatabase, quietUpkeep } from '../../support/fleet-database.ts';

const clock: Clock = () => 1_000_000 as Millis;

const machine = (hardwarename: string, version = 1, state = 'available'): MachineDocument => ({
  ...{ hardwarename, version, state, hostname: `${hardwarename.toLowerCase()}.example` },
});

const batchOf = (from: number, to: number, machines: readonly MachineDocument[] = []): Batch => ({
  ...{ kind: 'batch', from, to, machines: [...machines], mark: `m${to}` },
  events: Array.from({ length: to - from }, (_, index) => ({
    ...{ id: from + index + 1, at: 5, name: 'machine.state', hardwarename: 'X', data: {} },
  })),
});

const arrived = (site: string, batch: Batch, line = site): ArrivedBatch => ({ site, line, batch });

async function openSites(...names: string[]) {
  const db = await fleetDatabase();
  for (const name of names)
    await db.run('INSERT INTO sites (name, joined_at, feed_cursor, line) VALUES (?, 0, 0, ?)', [
      ...[name, name],
    ]);
  let transactions = 0;
  const counted: FleetDatabase = {
    ...db,
    transaction: (run) => {
      transactions += 1;
      return db.transaction(run);
    },
  };
  const notices: string[] = [];
  const keep = openBatches(counted, {
    ...{ clock, upkeep: quietUpkeep },
    notice: async (_sql, site, code) => notices.push(`${site} ${code}`),
  });
  return { db, keep, notices, transactions: () => transactions };
}

const cursors = async (db: FleetDatabase) =>
  (await db.all('SELECT name, feed_cursor, mark FROM sites ORDER BY name')).map(
    ({ name, feed_cursor, mark }) => `${name} ${feed_cursor} ${mark}`,
  );

const machinesOf = async (db: FleetDatabase) =>
  (
    await db.all(
      `SELECT m.site, m.hardwarename, m.state, m.claimed, w.words FROM machines m
       JOIN machine_words w ON w.hardwarename = m.hardwarename AND w.site = m.site
       ORDER BY m.hardwarename, m.site`,
    )
  ).map((row) => [row.site, row.hardwarename, row.state, row.claimed].join(' '));

describe('batches that come while another one is kept', () => {
  it('are kept together, with what each site has told, and each gets its own answer', async () => {
    const { db, keep, transactions } = await openSites('ams', 'lon', 'sto', 'tok');
    const verdicts = await Promise.all([
      keep(arrived('tok', batchOf(0, 1, [machine('T-1')]))),
      keep(arrived('sto', batchOf(0, 2, [machine('S-1'), machine('S-2', 2, 'in-use')]))),
      keep(arrived('ams', batchOf(3, 4))),
      keep(arrived('lon', batchOf(0, 3, [machine('L-1')]))),
    ]);
    expect(verdicts).toEqual([
      { kind: 'applied', cursor: 1 },
      { kind: 'applied', cursor: 2 },
      { kind: 'gap', cursor: 0 },
      { kind: 'applied', cursor: 3 },
    ]);
    expect(transactions()).toBe(1);
    expect(await cursors(db)).toEqual(['ams 0 ', 'lon 3 m3', 'sto 2 m2', 'tok 1 m1']);
    expect(await machinesOf(db)).toEqual([
      ...['lon L-1 available 0', 'sto S-1 available 0', 'sto S-2 in-use 0', 'tok T-1 available 0'],
    ]);
    const events = await db.all('SELECT site, id FROM events ORDER BY site, id');
    expect(events.map(({ site, id }) => `${site} ${id}`)).toEqual([
      ...['lon 1', 'lon 2', 'lon 3', 'sto 1', 'sto 2', 'tok 1'],
    ]);
  });

  it('change nothing a second time, nor from a line that is over, nor beside one that is kept', async () => {
    const { db, keep } = await openSites('ams', 'lon', 'sto', 'tok');
    await keep(arrived('lon', batchOf(0, 2, [machine('L-1', 2, 'in-use')])));
    const verdicts = await Promise.all([
      keep(arrived('tok', batchOf(0, 1))),
      keep(arrived('lon', batchOf(0, 2, [machine('L-1', 1)]))),
      keep(arrived('sto', batchOf(0, 1, [machine('S-1')]), 'older')),
      keep(arrived('ams', batchOf(0, 1))),
      keep(arrived('nowhere', batchOf(0, 1))),
    ]);
    expect(verdicts.map(({ kind }) => kind)).toEqual([
      ...['applied', 'known', 'over', 'applied', 'over'],
    ]);
    expect(await cursors(db)).toEqual(['ams 1 m1', 'lon 2 m2', 'sto 0 ', 'tok 1 m1']);
    expect(await machinesOf(db)).toEqual(['lon L-1 in-use 0']);
  });

  it('of one site are kept one after the other', async () => {
    const { db, keep } = await openSites('lon', 'sto');
    const verdicts = await Promise.all([
      keep(arrived('sto', batchOf(0, 1))),
      ...[0, 1, 2, 3].map((at) =>
        keep(arrived('lon', batchOf(at, at + 1, [machine('L-1', at + 1)]))),
      ),
    ]);
    expect(verdicts.map(({ kind }) => kind)).toEqual(Array(5).fill('applied'));
    expect(await cursors(db)).toEqual(['lon 4 m4', 'sto 1 m1']);
  });

  it('are each tried alone when one of them cannot be kept, and it alone is told so', async () => {
    const { db, keep } = await openSites('ams', 'lon', 'sto', 'tok');
    // A number that neither database takes as a whole one, as no parsed message has it.
    const bad = { ...machine('S-1'), version: Number.NaN };
    const verdicts = await Promise.allSettled([
      keep(arrived('tok', batchOf(0, 1, [machine('T-1')]))),
      keep(arrived('lon', batchOf(0, 1, [machine('L-1')]))),
      keep(arrived('sto', batchOf(0, 1, [bad]))),
      keep(arrived('ams', batchOf(0, 1, [machine('A-1')]))),
    ]);
    expect(verdicts.map(({ status }) => status)).toEqual([
      ...['fulfilled', 'fulfilled', 'rejected', 'fulfilled'],
    ]);
    expect(await cursors(db)).toEqual(['ams 1 m1', 'lon 1 m1', 'sto 0 ', 'tok 1 m1']);
    expect(await machinesOf(db)).toEqual([
      ...['ams A-1 available 0', 'lon L-1 available 0', 'tok T-1 available 0'],
    ]);
  });

  it('that tell of one machine at once leave it with the first of them', async () => {
    const { db, keep, notices } = await openSites('ams', 'lon', 'sto');
    await Promise.all([
      keep(arrived('ams', batchOf(0, 1))),
      keep(arrived('sto', batchOf(0, 1, [machine('SAME')]))),
      keep(arrived('lon', batchOf(0, 1, [machine('SAME')]))),
    ]);
    expect(await machinesOf(db)).toEqual(['lon SAME available 1', 'sto SAME available 0']);
    expect(notices).toEqual(['lon MACHINE_CLAIMED']);
  });

  it('leave a machine with who had it before, also where another one tells of it first', async () => {
    const { db, keep, notices } = await openSites('lon', 'sto');
    await keep(arrived('sto', batchOf(0, 1, [machine('SAME')])));
    await Promise.all([
      keep(arrived('lon', batchOf(0, 1, [machine('SAME')]))),
      keep(arrived('sto', batchOf(1, 2, [machine('SAME', 2, 'in-use')]))),
    ]);
    expect(await machinesOf(db)).toEqual(['lon SAME available 1', 'sto SAME in-use 0']);
    expect(notices).toEqual(['lon MACHINE_CLAIMED']);
    // It goes from one to the other in one moment: nobody has claimed it.
    await Promise.all([
      keep(arrived('sto', batchOf(2, 3, [{ hardwarename: 'SAME', gone: true }]))),
      keep(arrived('lon', batchOf(1, 2, [machine('SAME', 2)]))),
    ]);
    expect(await machinesOf(db)).toEqual(['lon SAME available 0']);
    expect(notices).toEqual(['lon MACHINE_CLAIMED']);
  });

  it('go beside each other where they are large', async () => {
    const { db, keep, transactions } = await openSites('ams', 'lon', 'sto');
    const many = limit('fleetBatchSmallMax') + 1;
    await Promise.all(['ams', 'lon', 'sto'].map((site) => keep(arrived(site, batchOf(0, many)))));
    expect(transactions()).toBe(3);
    expect(await cursors(db)).toEqual([`ams ${many} m51`, `lon ${many} m51`, `sto ${many} m51`]);
  });

  it('at two instances wait for each other in one order, and each is kept once', async () => {
    const names = ['ams', 'lon', 'sto', 'tok'];
    const { db } = await openSites(...names);
    const fleets = [0, 1].map(() => openFleet(db, clock, quietUpkeep));
    const applied = new Map(names.map((name) => [name, 0]));
    // Each batch comes at both, as after an answer that was lost, in opposite orders.
    for (let at = 0; at < 20; at++)
      await Promise.all(
        fleets.flatMap((fleet, index) =>
          (index === 0 ? names : names.toReversed()).map(async (site) => {
            const batch = batchOf(at, at + 1, [machine(`${site}-${at}`)]);
            const { kind } = await fleet.applyBatch({ site, line: site }, batch);
            if (kind === 'applied') applied.set(site, (applied.get(site) ?? 0) + 1);
            else expect(kind).toBe('known');
          }),
        ),
      );
    expect([...applied.values()]).toEqual([20, 20, 20, 20]);
    expect(await machinesOf(db)).toHaveLength(80);
  });
});

describe('batches of one line', () => {
  it('that follow on each other are one, with each record as it was told last', () => {
    const joined = joinedBatch([
      batchOf(0, 2, [machine('A'), machine('B')]),
      { ...batchOf(2, 3, [{ hardwarename: 'A', gone: true }]), jobs: [{ id: 'j', gone: true }] },
      batchOf(3, 4, [machine('B', 2)]),
    ]);
    expect(joined).toMatchObject({ from: 0, to: 4, mark: 'm4', jobs: [{ id: 'j', gone: true }] });
    expect(joined?.machines).toEqual([{ hardwarename: 'A', gone: true }, machine('B', 2)]);
    expect(joined?.events.map(({ id }) => id)).toEqual([1, 2, 3, 4]);
  });

  it('are left as they are where they do not, or where something else is among them', () => {
    expect(joinedBatch([batchOf(0, 2)])).toBeUndefined();
    expect(joinedBatch([batchOf(0, 2), batchOf(3, 4)])).toBeUndefined();
    const job = {
      ...{
        id: 'j',
        action: 'reset',
        version: 1,
        machine: 'A',
        params: {},
        requester: '',
        user: '',
      },
      ...{ priority: 0, status: 'finished' as const, step: '', retries: 0, code: '', detail: '' },
      ...{ createdAt: 1, startedAt: 1, endedAt: 2 },
    };
    const [told, gone] = [[job], [{ id: 'j', gone: true as const }]];
    expect(joinedBatch([batchOf(0, 2), { ...batchOf(2, 4), jobs: told }])).toBeDefined();
    // Its end would be lost with the record.
    expect(
      joinedBatch([
        { ...batchOf(0, 2), jobs: told },
        { ...batchOf(2, 4), jobs: gone },
      ]),
    ).toBeUndefined();
    const page = { kind: 'snapshot' as const, snapshot: 's', machines: [] };
    expect(joinedBatch([batchOf(0, 2), page, batchOf(2, 4)])).toBeUndefined();
  });

  it('are handed on together once what came before is done, and too many are not read', async () => {
    let say: (data: unknown, isBinary: boolean) => void = () => undefined;
    let isPaused = false;
    const turn = (to: boolean) => () => {
      isPaused = to;
    };
    const on = (_name: string, listener: typeof say) => {
      say = listener;
    };
    const socket = { on, pause: turn(true), resume: turn(false) };
    const worked: string[][] = [];
    let finish: () => void = () => undefined;
    createInbox(socket as never, (texts) => {
      worked.push(texts.map((text) => text.slice(0, 20)));
      return new Promise((done) => {
        finish = done;
      });
    });
    const [batch, other] = ['{"kind":"batch","x":1}', '{"kind":"result","x":1}'];
    for (const text of [batch, batch, batch, other, batch]) say(text, false);
    expect(isPaused).toBe(false);
    say(`{"kind":"batch",${'x'.repeat(limit('fleetWaitingCharsMax'))}`, false);
    expect(isPaused).toBe(true);
    for (let n = 0; n < 4; n++) {
      finish();
      await new Promise((next) => setImmediate(next));
    }
    expect(worked.map(({ length }) => length)).toEqual([1, 2, 1, 2]);
    expect(isPaused).toBe(false);
  });
});
