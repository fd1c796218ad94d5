/** Changes of machines that people ask central for: carried out at the site of each, by its rules, once; and answered as an appliance answers. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openFleetAccess } from '../../../src/central/access.ts';
import { openFleetDatabase } from '../../../src/central/sql.ts';
import { codeOf, commandLine } from '../../support/command-line.ts';
import { createFleet, type TestFleet, until } from '../../support/fleet.ts';
import { current, type FleetHall, hallAt } from '../../support/fleet-halls.ts';

let fleet: TestFleet;
let [lon, sto]: FleetHall[] = [];
let leaveSto: () => void = () => undefined;
let run: ReturnType<typeof commandLine>;
let told = '';

const any = { 'if-match': '*' };
const record = (of: FleetHall | undefined, name: string) =>
  of?.hall.now.inventory.machines.record(name as never);

/** An operator of these squads, or of the fleet. */
async function bot(name: string, squads: readonly string[] = []) {
  const opened = openFleetDatabase(fleet.database);
  const access = openFleetAccess(opened, () => Date.now() as never);
  const token = await access.makeToken(name, 'operator', squads);
  await opened.close();
  return fleet.as(token);
}

beforeAll(async () => {
  fleet = await createFleet();
  lon = await hallAt(fleet, 'lon', { from: 0, count: 12 });
  sto = await hallAt(fleet, 'sto', { from: 100, count: 12 });
  lon.site.connect();
  leaveSto = sto.site.connect();
  await current(fleet, 'lon', 'sto');
  const url = `http://127.0.0.1:${fleet.central.peoplePort}`;
  run = commandLine({ REVEILLE_URL: url, REVEILLE_TOKEN: fleet.token }, (text) => {
    told += text;
  });
});
afterAll(async () => {
  process.exitCode = 0;
  await fleet?.close();
});

describe('an order for one machine', () => {
  it('is carried out at its site, and answered with the machine as it is then', async () => {
    const before = await fleet.call('GET', '/machines/SN00101');
    const version = `"${before.body.machine.version}"`;
    const change = { notes: 'fan is loud', tags: ['loud'] };
    const path = '/machines/SN00101?why=heard';
    const { status, body } = await fleet.call('PATCH', path, change, { 'if-match': version });
    expect(status).toBe(200);
    expect(body).toMatchObject({ ...change, site: 'sto', hardwarename: 'SN00101' });
    expect(record(sto, 'SN00101')).toMatchObject(change);
    const events = sto?.hall.now.inventory.events.ofMachine('SN00101' as never, 5) ?? [];
    const edited = events.find(({ name }) => name === 'machine.edited');
    expect(edited?.data).toMatchObject({ who: 'central:token:first-start', why: 'heard' });
    // Who has read what is no more is told so by the site.
    const late = await fleet.call('PATCH', path, { notes: '' }, { 'if-match': version });
    expect([late.status, late.body.code]).toEqual([412, 'VERSION_CONFLICT']);
    expect((await fleet.call('PATCH', path, change)).body.code).toBe('VERSION_NEEDED');
  });

  it('is refused as its site refuses it, and what is no field nowhere', async () => {
    const illegal = { to: 'in-use', why: 'by hand' };
    const moved = await fleet.call('POST', '/machines/SN00000/transitions', illegal);
    expect([moved.status, moved.body.code]).toEqual([409, 'TRANSITION_ILLEGAL']);
    const strange = await fleet.call('PATCH', '/machines/SN00000', { state: 'held' }, any);
    expect([strange.status, strange.body.code]).toEqual([400, 'REQUEST_INVALID']);
    const unknown = await fleet.call('PATCH', '/machines/NO-SUCH', { notes: 'x' }, any);
    expect([unknown.status, unknown.body.code]).toEqual([404, 'MACHINE_UNKNOWN']);
    // Nor past these forms: the site checks them itself.
    const edit = { kind: 'edit', target: 'SN00000', edit: { state: 'retired' }, why: 'past it' };
    const { id } = (await fleet.call('POST', '/sites/lon/intents', edit)).body;
    const { body } = await until(
      () => fleet.call('GET', `/intents/${id}`),
      (intent) => intent.body.status !== 'waiting',
    );
    expect([body.status, JSON.parse(body.result).code]).toEqual(['refused', 'REQUEST_INVALID']);
    expect(record(lon, 'SN00000')?.state).toBe('available');
  });

  it('moves it, names it, enters one and forgets it', async () => {
    const held = await fleet.call('POST', '/machines/SN00001/transitions', {
      ...{ to: 'held', why: 'a look at it' },
    });
    expect([held.status, held.body.state]).toEqual([200, 'held']);
    expect(record(lon, 'SN00001')?.state).toBe('held');
    const rule = { role: 'cache', pattern: 'cache-{n}' };
    expect((await fleet.call('PUT', '/naming-rules/cache', rule)).status).toBe(200);
    const name = () => fleet.call('POST', '/machines/SN00002/hostname', { role: 'cache' });
    const named = await until(name, ({ status }) => status === 200);
    expect(named.body).toMatchObject({ role: 'cache', hostname: expect.stringMatching(/^cache-/) });
    const entry = { site: 'sto', serial: 'NEW-1', rack: '' };
    const made = await fleet.call('POST', '/machines', entry);
    expect(made.status).toBe(201);
    const { hardwarename } = made.body;
    expect(record(sto, hardwarename)).toMatchObject({ serial: 'NEW-1', state: 'held' });
    await until(
      () => fleet.call('GET', `/machines/${hardwarename}`),
      ({ status }) => status === 200,
    );
    const forget = (headers: object) =>
      fleet.call('DELETE', `/machines/${hardwarename}`, undefined, { ...any, ...headers });
    const key = { 'idempotency-key': randomUUID() };
    expect((await forget(key)).status).toBe(204);
    expect(record(sto, hardwarename)).toBeUndefined();
    const unknown = await until(
      () => forget({}),
      ({ status }) => status === 404,
    );
    expect(unknown.body.code).toBe('MACHINE_UNKNOWN');
    expect((await forget(key)).status).toBe(204);
    const nowhere = await fleet.call('POST', '/machines', { ...entry, site: 'par' });
    expect(nowhere.body.code).toBe('SITE_UNKNOWN');
  });

  it('is one order for one Idempotency-Key, whoever is asked how often', async () => {
    const job = { action: 'netboot', target: 'SN00103' };
    const key = { 'idempotency-key': randomUUID() };
    const first = await fleet.call('POST', '/jobs', job, key);
    const again = await fleet.call('POST', '/jobs', job, key);
    expect([first.status, again.status]).toEqual([202, 202]);
    expect(again.body.id).toBe(first.body.id);
    const other = await fleet.call('POST', '/jobs', { ...job, target: 'SN00104' }, key);
    expect([other.status, other.body.code]).toEqual([422, 'IDEMPOTENCY_MISMATCH']);
  });

  it('of many, each is known again by its machine, whatever others are asked for', async () => {
    const key = { 'idempotency-key': randomUUID() };
    const edit = (...machines: string[]) => {
      const body = { machines, edit: { notes: 'once' }, why: 'a look' };
      return fleet.call('POST', '/machines/bulk', body, key);
    };
    const first = await edit('SN00009', 'SN00010');
    expect(first.body).toMatchObject({ changed: 2, failed: 0 });
    const again = await edit('SN00010');
    expect(again.body.results).toEqual([first.body.results[1]]);
  });

  it('is for those who may at the site: a squad for its own machines', async () => {
    const squad = await bot('music-bot', ['music']);
    const all = await bot('all-bot');
    await fleet.call('PUT', '/squads/music', {});
    const give = () => fleet.call('PATCH', '/machines/SN00003', { squad: 'music' }, any);
    await until(give, ({ status }) => status === 200);
    const notes = { notes: 'ours' };
    expect((await squad('PATCH', '/machines/SN00003', notes, any)).status).toBe(200);
    expect((await squad('PATCH', '/machines/SN00004', notes, any)).body.code).toBe('FORBIDDEN');
    const hold = { to: 'held', why: 'broken fan' };
    const foreign = await squad('POST', '/machines/SN00004/transitions', hold);
    expect(foreign.body.code).toBe('FORBIDDEN');
    expect((await all('PATCH', '/machines/SN00003', { hostname: 'm-1' }, any)).status).toBe(200);
    const guard = { protected: true };
    expect((await all('PATCH', '/machines/SN00003', guard, any)).body.code).toBe('FORBIDDEN');
    for (const field of [guard, { bmcCredential: 'site-admin', bmcAddress: '192.0.2.9' }]) {
      const entered = await all('POST', '/machines', { site: 'lon', serial: 'ADM-1', ...field });
      expect([entered.status, entered.body.code]).toEqual([403, 'FORBIDDEN']);
    }
    // Nor past these rules: what is asked of a site as it stands is an administrator's.
    const past = { kind: 'edit', target: 'SN00003', edit: guard, why: 'past them' };
    expect((await all('POST', '/sites/lon/intents', past)).body.code).toBe('FORBIDDEN');
  });
});

describe('a job on a machine that two sites claim', () => {
  it('is called off by whoever may where the job is', async () => {
    const squad = await bot('music-too', ['music']);
    await fleet.call('PUT', '/squads/music', {});
    const give = () => fleet.call('PATCH', '/machines/SN00006', { squad: 'music' }, any);
    await until(give, ({ status }) => status === 200);
    expect((await fleet.call('POST', '/machines', { site: 'sto', serial: 'SN00006' })).status).toBe(
      201,
    );
    await until(
      () => fleet.call('GET', '/machines/SN00006'),
      ({ body }) => body.claims?.length > 0,
    );
    const job = { kind: 'job', action: 'netboot', target: 'SN00006' };
    const { id } = (await fleet.call('POST', '/sites/sto/intents', job)).body;
    const { status } = await squad('POST', `/jobs/${id}/cancel`, { why: 'mine' });
    expect(status).toBe(403);
  });
});

describe('the command line', () => {
  it('changes machines of any site as at an appliance', async () => {
    const shown = await run(['machines', 'set', 'SN00105', 'notes=two words', '--why', 'a look']);
    expect(shown).toMatch(/\nnotes +two words\n/);
    expect(record(sto, 'SN00105')?.notes).toBe('two words');
    told = '';
    const moved = await run('machines move held SN00005 SN00106 NO-SUCH --why check --confirm 2');
    expect(told).toBe('changed 2, 1 failed\n');
    expect(moved).toMatch(/SN00005 +ok\b[\s\S]*SN00106 +ok\b[\s\S]*NO-SUCH +MACHINE_UNKNOWN/);
    expect([record(lon, 'SN00005')?.state, record(sto, 'SN00106')?.state]).toEqual([
      ...['held', 'held'],
    ]);
    const many = 'machines edit-many tags=seen --filter site=sto --why seen';
    expect(await codeOf(run(many))).toBe('CONFIRMATION_NEEDED');
    told = '';
    await run(`${many} --dry-run`);
    expect(told).toBe('would change 12, 0 failed\n');
    expect(record(sto, 'SN00107')?.tags).toEqual([]);
    await run(`${many} --confirm 12`);
    expect(record(sto, 'SN00107')?.tags).toEqual(['seen']);
    expect(record(lon, 'SN00007')?.tags).toEqual([]);
  });

  it('asks for a job on several machines, and calls one off', async () => {
    const made = JSON.parse(await run('jobs create netboot SN00008 SN00108 NO-SUCH --json'));
    expect(made).toMatchObject({ created: 2, refused: 1 });
    const [first, second, third] = made.results;
    expect(third).toMatchObject({ target: 'NO-SUCH', ok: false, code: 'MACHINE_UNKNOWN' });
    await until(
      () => run(`jobs show ${first.id} --json`).then((text) => JSON.parse(text).job),
      ({ siteJob }) => siteJob !== '',
    );
    expect(await run(`jobs cancel ${first.id} --why enough`)).toContain('asked to stop');
    await lon?.hall.settle();
    await until(
      () => run(`jobs show ${first.id} --json`).then((text) => JSON.parse(text).job.status),
      (status) => status === 'cancelled',
    );
    expect(await run(`jobs list --machine SN00108`)).toContain(second.id);
    const late = await run(`jobs cancel ${first.id}`).catch(({ code }: { code: string }) => code);
    expect(late).toBe('JOB_ENDED');
  });
});

describe('a site that is away', () => {
  it('is asked when it comes back, and until then the answer says so', async () => {
    leaveSto();
    await fleet.forge("UPDATE sites SET line = 'gone', heard_at = 1 WHERE name = 'sto'");
    const notes = { notes: 'for later' };
    const begun = performance.now();
    const { status, body } = await fleet.call('PATCH', '/machines/SN00109', notes, any);
    expect(performance.now() - begun).toBeLessThan(2500);
    expect(status).toBe(202);
    expect(body).toMatchObject({ hardwarename: 'SN00109', notes: '', freshness: 'away' });
    expect(body.asked).toMatchObject({ site: 'sto', status: 'waiting' });
    told = '';
    await run('machines set SN00110 notes=later');
    expect(told).toContain('sto has not answered yet');
    told = '';
    expect(await run('machines move held SN00110 --why later')).toMatch(/SN00110 +asked/);
    expect(told).toBe('changed 0, 0 failed, 1 not answered yet\n');
    // A job that is called off before its site has heard of it never begins.
    const job = (await fleet.call('POST', '/jobs', { action: 'netboot', target: 'SN00111' })).body;
    await fleet.call('POST', `/jobs/${job.id}/cancel`, { why: 'no need' });
    leaveSto = sto?.site.connect() ?? leaveSto;
    await until(
      async () => record(sto, 'SN00109')?.notes,
      (now) => now === 'for later',
    );
    await until(
      async () => record(sto, 'SN00110')?.state,
      (state) => state === 'held',
    );
    await until(
      // Time runs there only here.
      () => Promise.resolve(sto?.hall.settle()).then(() => fleet.call('GET', `/jobs/${job.id}`)),
      ({ body: detail }) => detail.job.status === 'cancelled',
    );
    const jobs = sto?.hall.now.jobs.store.page({ target: 'SN00111' as never }, 5) ?? [];
    expect(jobs.filter(({ status: is }) => is !== 'cancelled')).toEqual([]);
  });

  it('refuses what was decided by whose machine it was, once it is somebody else’s', async () => {
    await fleet.call('PUT', '/squads/music', {});
    const editor = sto?.hall.now.inventory.serverdb.editor;
    const give = async () =>
      editor?.edit('SN00107' as never, { squad: 'music' }, { who: 'ann', why: 'promised' });
    await until(
      async () => sto?.hall.now.inventory.serverdb.records.get('squad', 'music'),
      (squad) => squad !== undefined,
    );
    leaveSto();
    await fleet.forge("UPDATE sites SET line = 'gone', heard_at = 1 WHERE name = 'sto'");
    await give();
    const before = record(sto, 'SN00107');
    const why = 'by what was known';
    const path = '/machines/SN00107';
    const job = { action: 'netboot', target: 'SN00107' };
    const many = { machines: ['SN00107'], edit: { notes: 'mine' }, why };
    const asked = [
      (await fleet.call('PATCH', path, { notes: 'mine' }, any)).body.asked.id,
      (await fleet.call('POST', `${path}/hostname`, { role: 'cache' })).body.asked.id,
      (await fleet.call('POST', `${path}/transitions`, { to: 'held', why })).body.asked.id,
      (await fleet.call('DELETE', path, undefined, any)).body.asked.id,
      (await fleet.call('POST', '/machines/bulk', many)).body.results[0].asked.id,
      (await fleet.call('POST', '/jobs', job)).body.id,
      (await fleet.call('POST', '/jobs/bulk', { action: 'netboot', targets: ['SN00107'] })).body
        .results[0].id,
    ];
    leaveSto = sto?.site.connect() ?? leaveSto;
    for (const id of asked) {
      const { body } = await until(
        () => fleet.call('GET', `/intents/${id}`),
        (intent) => intent.body.status !== 'waiting',
      );
      expect([body.status, JSON.parse(body.result).code]).toEqual(['refused', 'VERSION_CONFLICT']);
    }
    expect(record(sto, 'SN00107')).toEqual(before);
  });

  it('refuses what was decided by a machine in use, once it is not', async () => {
    const entry = { site: 'sto', serial: 'USED-1', state: 'in-use' };
    const target = (await fleet.call('POST', '/machines', entry)).body.hardwarename;
    await until(
      () => fleet.call('GET', `/machines/${target}`),
      ({ status }) => status === 200,
    );
    leaveSto();
    await fleet.forge("UPDATE sites SET line = 'gone', heard_at = 1 WHERE name = 'sto'");
    const cause = { who: 'ann', why: 'given back', release: target };
    sto?.hall.now.inventory.serverdb.editor.move(target, 'broken', { ...cause, by: 'owner' });
    const job = { action: 'netboot', target, release: target };
    const { id } = (await fleet.call('POST', '/jobs', job)).body;
    leaveSto = sto?.site.connect() ?? leaveSto;
    const { body } = await until(
      () => fleet.call('GET', `/intents/${id}`),
      (intent) => intent.body.status !== 'waiting',
    );
    expect([body.status, JSON.parse(body.result)]).toMatchObject([
      ...['refused', { code: 'VERSION_CONFLICT', detail: expect.stringContaining('broken now') }],
    ]);
  });
});
