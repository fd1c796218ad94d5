import { describe, expect, it } from 'vitest';
import { parseCsv, renderCsvRow } from '../../../../src/http/people/csv.ts';
import { openInventory } from '../../../../src/inventory/inventory.ts';
import { type Answer, createPeople, type People, problemOf } from '../../../support/people.ts';
import { createWorld } from '../../../support/world.ts';

async function fleet(count: number, more: (n: number) => object = () => ({})): Promise<People> {
  const people = await createPeople();
  const machines = Array.from({ length: count }, (_, n) => ({
    serial: `SN-${1000 + n}`,
    nics: [{ mac: `52:54:00:00:10:${n.toString(16).padStart(2, '0')}` }],
    ...more(n),
  }));
  const answer = await people.admin('POST', '/machines/import', { body: { machines } });
  expect(answer.body).toMatchObject({ changed: count, failed: 0 });
  return people;
}

describe('bulk', () => {
  it('has a result for each, and a failure undoes nothing else', async () => {
    const people = await fleet(3);
    const { body } = await people.admin('POST', '/machines/bulk', {
      body: {
        machines: ['SN-1000', 'SN-1001', 'NO-SUCH'],
        edit: { hostname: 'only-one' },
        why: 'test',
      },
    });
    expect(body).toMatchObject({ changed: 1, failed: 2 });
    expect(body.results.map(({ code }: { code?: string }) => code)).toEqual([
      undefined,
      'HOSTNAME_TAKEN',
      'MACHINE_UNKNOWN',
    ]);
  });

  it('asks for the count above ten machines, and takes no other', async () => {
    const people = await fleet(11);
    const bulk = (more: object) =>
      people.admin('POST', '/machines/bulk', {
        body: { filter: { state: 'held' }, move: { to: 'available' }, why: 'all', ...more },
      });
    const asked = await bulk({});
    expect(problemOf(asked)).toBe('409 CONFIRMATION_NEEDED /confirm');
    expect(asked.body.count).toBe(11);
    expect(problemOf(await bulk({ confirm: 10 }))).toBe('409 CONFIRMATION_NEEDED /confirm');
    expect((await bulk({ confirm: 11 })).body).toMatchObject({ changed: 11, failed: 0 });
  });

  it('asks when it takes in more than a fifth of a rack', async () => {
    const people = await fleet(8, (n) => ({ rack: n < 6 ? 'R1' : 'R2', unit: n + 1 }));
    const bulk = (machines: string[]) =>
      people.admin('POST', '/machines/bulk', {
        body: { machines, edit: { notes: 'x' }, why: 'x' },
      });
    const asked = await bulk(['SN-1000', 'SN-1001']);
    expect(asked.body.detail).toContain('2 of the 6 in rack R1');
    expect((await bulk(['SN-1000', 'SN-1006'])).status).toBe(200);
  });

  it('counts a rack within its site, where another site has one of the same name', async () => {
    const people = await fleet(20, (n) => ({ rack: 'R1', site: n < 6 ? 'ams' : 'lon' }));
    const machines = ['SN-1000', 'SN-1001', 'SN-1006', 'SN-1007'];
    const { body } = await people.admin('POST', '/machines/bulk', {
      body: { machines, edit: { notes: 'x' }, why: 'x' },
    });
    expect(body.detail).toContain('2 of the 6 in rack R1');
  });

  it('releases machines in use only by their names', async () => {
    const people = await fleet(2, () => ({ state: 'in-use' }));
    const { body } = await people.admin('POST', '/machines/bulk', {
      body: {
        machines: ['SN-1000', 'SN-1001'],
        move: { to: 'recycling', release: ['SN-1001'] },
        why: 'x',
      },
    });
    expect(body.results).toMatchObject([{ code: 'RELEASE_NEEDED' }, { ok: true }]);
  });

  it('rehearses', async () => {
    const people = await fleet(2);
    const before = people.world.inventory.events.lastId();
    const { body } = await people.admin('POST', '/machines/bulk', {
      body: { filter: { state: 'held' }, edit: { notes: 'x' }, why: 'x', dryRun: true },
    });
    expect(body).toMatchObject({ changed: 2, dryRun: true });
    expect(people.world.inventory.events.lastId()).toBe(before);
  });

  it.each([
    [{ machines: ['A'], filter: { state: 'held' }, edit: {}, why: 'x' }, '/machines'],
    [{ machines: ['A'], why: 'x' }, '/edit'],
    [{ machines: ['A'], edit: { state: 'held' }, why: 'x' }, '/edit/state'],
    [{ filter: {}, edit: {}, why: 'x' }, '/filter'],
    [{ machines: ['A'], edit: {} }, '/why'],
  ])('refuses %j', async (body, path) => {
    const { admin } = await createPeople();
    expect(problemOf(await admin('POST', '/machines/bulk', { body }))).toBe(
      `400 REQUEST_INVALID ${path}`,
    );
  });
});

describe('a sheet', () => {
  const SHEET = [
    '\uFEFFserial;rack;unit;tags;nics;custom.purpose;notes',
    'SN-1;R1;3;ssd gpu;52:54:00:00:20:01 52:54:00:00:20:02;db;"two',
    'lines; and ""quotes"""',
    ';R1;4;;525400002003;;',
    'SN-2;R1;3;;;;',
    '',
  ].join('\r\n');

  it('makes what it does not know, changes what it knows, and says which row failed', async () => {
    const people = await createPeople();
    const load = (csv: string, more = {}) =>
      people.admin('POST', '/machines/import', { body: { csv, ...more } });
    const { body } = await load(SHEET);
    expect(body.results).toMatchObject([
      { ok: true, hardwarename: 'SN-1' },
      { ok: true, hardwarename: 'MAC-525400002003' },
      { ok: false, code: 'UNIT_TAKEN' },
    ]);
    const { machine } = (await people.admin('GET', '/machines/SN-1')).body;
    expect(machine).toMatchObject({
      ...{ rack: 'R1', unit: 3, tags: ['gpu', 'ssd'], custom: { purpose: 'db' } },
      notes: 'two\r\nlines; and "quotes"',
    });
    const again = await load('serial,unit\nsn-1,9\n');
    expect(again.body.results).toMatchObject([{ ok: true, hardwarename: 'SN-1' }]);
    expect((await people.admin('GET', '/machines/SN-1')).body.machine.unit).toBe(9);
  });

  it('goes out and comes in again as it was', async () => {
    const people = await createPeople();
    await people.admin('POST', '/machines/import', { body: { csv: SHEET } });
    await people.admin('PATCH', '/machines/SN-1', {
      body: { owner: '=1+1', supplier: 'a, "b"' },
      version: '*',
    });
    const sheet = (await people.admin('GET', '/machines.csv')).text;
    expect(sheet).toContain("'=1+1");
    const other = await createPeople();
    const { body } = await other.admin('POST', '/machines/import', {
      body: { csv: sheet },
    });
    expect(body.failed).toBe(0);
    const read = async (from: People) => (await from.admin('GET', '/machines/SN-1')).body.machine;
    const { owner, supplier, unit, tags } = await read(other);
    expect({ owner, supplier, unit, tags }).toEqual({
      owner: '=1+1',
      supplier: 'a, "b"',
      unit: 3,
      tags: ['gpu', 'ssd'],
    });
  });

  it.each([
    ['serial,colour\nA,red', "No column is called 'colour'"],
    ['serial\n"open', 'Line 2'],
    ['', 'No header row'],
  ])('refuses %j', async (csv, detail) => {
    const { admin } = await createPeople();
    const answer = await admin('POST', '/machines/import', { body: { csv } });
    expect(answer.status).toBe(400);
    expect(answer.body.detail).toContain(detail);
  });

  it.each([
    [['plain', '', 'a,b', 'say "x"', 'two\nlines', '=SUM(A1)', '-1', '@x', "it's"]],
    [['']],
  ])('cells survive: %j', (cells) => {
    const parsed = parseCsv(renderCsvRow(cells) + renderCsvRow(['end', ...cells.slice(1)]));
    expect(parsed).toMatchObject({ ok: true });
    if (parsed.ok && cells.some(Boolean)) expect(parsed.rows[0]).toEqual(cells);
  });
});

describe('an Idempotency-Key', () => {
  const headers = { 'idempotency-key': 'k1' };
  it('makes a repeated request one change with one answer', async () => {
    const people = await createPeople();
    const post = (body: object, extra = headers) =>
      people.admin('POST', '/machines', { body, headers: extra });
    const first = await post({ serial: 'SN-1' });
    const second = await post({ serial: 'SN-1' });
    expect([first.status, second.status]).toEqual([201, 201]);
    expect(second.text).toBe(first.text);
    expect(second.headers).toMatchObject({
      'idempotency-replayed': 'true',
      etag: first.headers.etag,
    });
    expect(problemOf(await post({ serial: 'SN-2' }))).toBe('422 IDEMPOTENCY_MISMATCH');
    const other = people.as('operator');
    const theirs = await other('POST', '/machines', { body: { serial: 'SN-3' }, headers });
    expect(theirs.status).toBe(201);
    expect(problemOf(await post({ serial: 'X-100' }, { 'idempotency-key': 'a b' }))).toBe(
      '400 REQUEST_INVALID',
    );
  });

  it('of a refused request can be used again', async () => {
    const people = await createPeople();
    const post = () =>
      people.admin('POST', '/machines', { body: { serial: 'SN-1', squad: 'm' }, headers });
    expect((await post()).status).toBe(400);
    people.squad('m');
    expect((await post()).status).toBe(201);
  });

  const EDIT = { machines: ['SN-1000', 'SN-1001'], edit: { notes: 'x' }, why: 'x' };
  const edits = (people: People) =>
    people.world.inventory.events.after(0, 10_000).filter(({ name }) => name === 'machine.edited');

  it.each([
    ['bulk', '/machines/bulk', EDIT],
    ['import', '/machines/import', { machines: [{ serial: 'SN-9' }, { serial: 'SN-8' }] }],
    ['jobs', '/jobs/bulk', { action: 'power-on', targets: ['SN-1000'] }],
  ])(
    'of %s is taken before it runs: an equal request meanwhile is refused, and answered after',
    async (_what, path, body) => {
      const people = await fleet(2);
      const post = () => people.admin('POST', path, { body, headers });
      const last = people.world.inventory.events.lastId();
      const [first, second] = await Promise.all([post(), post()]);
      expect(first.status).toBe(200);
      expect(problemOf(second as Answer)).toBe('409 IDEMPOTENCY_RUNNING');
      const after = people.world.inventory.events.lastId();
      const third = await post();
      expect([third.text, third.headers['idempotency-replayed']]).toEqual([first.text, 'true']);
      expect(people.world.inventory.events.lastId()).toBe(after);
      if (path !== '/jobs/bulk') expect(after).toBeGreaterThan(last);
    },
  );

  it('of one change that two ask for at once makes it once, and answers both', async () => {
    const people = await createPeople();
    const post = () => people.admin('POST', '/machines', { body: { serial: 'SN-1' }, headers });
    const [first, second] = await Promise.all([post(), post()]);
    expect([first.status, second.status]).toEqual([201, 201]);
    expect(second.text).toBe(first.text);
  });

  it('of a call that broke off in the middle says so, and does not run it again', async () => {
    const people = await fleet(2);
    const bulk = () => people.admin('POST', '/machines/bulk', { body: EDIT, headers });
    people.world.db.exec(
      `CREATE TRIGGER broken BEFORE UPDATE ON machines WHEN new.hardwarename = 'SN-1001'
       BEGIN SELECT raise(ABORT, 'power cut'); END`,
    );
    expect((await bulk()).status).toBe(500);
    people.world.db.exec('DROP TRIGGER broken');
    const before = edits(people).length;
    expect(problemOf(await bulk())).toBe('409 IDEMPOTENCY_CUT_OFF');
    expect(edits(people)).toHaveLength(before);
  });

  it('of a call that a killed daemon was carrying out says so to the next one', () => {
    const { db, clock, inventory } = createWorld();
    const key = { who: 'token', key: 'k1', digest: 'd' };
    const { idempotency } = inventory.serverdb;
    inventory.transaction(() => expect(idempotency.take(key)).toBeUndefined());
    expect(() => idempotency.take(key)).toThrow(/being carried out/);
    const next = openInventory({ db, clock }).serverdb.idempotency;
    expect(() => next.take(key)).toThrow(/cut off in the middle/);
    expect(() => next.find({ ...key, digest: 'other' })).toThrow(/another request/);
  });

  it('of a bulk call that asks for a confirmation can be used again', async () => {
    const people = await fleet(12);
    const machines = Array.from({ length: 12 }, (_, index) => `SN-${1000 + index}`);
    const bulk = (confirm?: number) =>
      people.admin('POST', '/machines/bulk', { body: { ...EDIT, machines, confirm }, headers });
    expect(problemOf(await bulk())).toBe('409 CONFIRMATION_NEEDED /confirm');
    expect((await bulk(12)).body).toMatchObject({ changed: 12 });
  });

  it('covers bulk calls too, and is forgotten after a day', async () => {
    const people = await fleet(1);
    const bulk = async () => {
      const body = { machines: ['SN-1000'], edit: { notes: 'x' }, why: 'x' };
      return (await people.admin('POST', '/machines/bulk', { body, headers })).text;
    };
    const [first, second] = [await bulk(), await bulk()];
    expect(second).toBe(first);
    people.world.pass(86_400_001);
    people.world.inventory.serverdb.idempotency.sweep();
    expect(people.world.inventory.serverdb.idempotency.sweep()).toBe(0);
  });
});
