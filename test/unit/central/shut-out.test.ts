/** What is asked of a site that is shut out: it would wait for good, or be carried out on the day on which the site joins again. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createFleet, type TestFleet } from '../../support/fleet.ts';
import { current, hallAt } from '../../support/fleet-halls.ts';

let fleet: TestFleet;

const BEFORE = { 'if-match': '*', 'idempotency-key': 'before' };
const CHANGE = { notes: 'asked before' };

const waiting = () =>
  fleet.look("SELECT id FROM intents WHERE site = 'sto' AND status = 'waiting'");

beforeAll(async () => {
  fleet = await createFleet();
  const lon = await hallAt(fleet, 'lon', { from: 0, count: 4 });
  const sto = await hallAt(fleet, 'sto', { from: 100, count: 4 });
  lon.site.connect();
  const leave = sto.site.connect();
  await current(fleet, 'lon', 'sto');
  const pool = { role: 'web', image: 'debian-12/stable', sites: { lon: 0, sto: 0 } };
  expect((await fleet.call('PUT', '/pools/web', pool)).status).toBe(200);
  await current(fleet, 'lon', 'sto');
  leave();
  expect((await fleet.call('PATCH', '/machines/SN00100', CHANGE, BEFORE)).status).toBe(202);
  await fleet.call('POST', '/sites/sto/revoke');
});
afterAll(() => fleet?.close());

const any = { 'if-match': '*' };
const ORDERS = {
  'a change of a machine': ['PATCH', '/machines/SN00101', { notes: 'x' }, any],
  'a name': ['POST', '/machines/SN00101/hostname', { role: 'web' }],
  'a move': ['POST', '/machines/SN00101/transitions', { to: 'held', why: 'x' }, any],
  'a machine that is entered': ['POST', '/machines?why=x', { site: 'sto', serial: 'NEW-1' }],
  'a machine that is forgotten': ['DELETE', '/machines/SN00101', undefined, any],
  'a job': ['POST', '/jobs', { action: 'inspect', target: 'SN00101' }],
  'an order as it stands': [
    ...(['POST', '/sites/sto/intents'] as const),
    { kind: 'job', action: 'inspect', target: 'SN00101', params: {} },
  ],
  'a request that names it': [
    ...(['POST', '/requests'] as const),
    { role: 'web', image: 'debian-12/stable', count: 1, sites: ['sto'] },
  ],
  'a rolling reset': ['POST', '/resets', { pool: 'web', why: 'x' }],
} as const satisfies Record<string, readonly [string, string, unknown?, Record<string, string>?]>;

describe('of a site that is shut out', () => {
  for (const [what, order] of Object.entries(ORDERS))
    it(`${what} is refused, and is not kept`, async () => {
      const before = await waiting();
      const [method, path, body, headers] = order as (typeof ORDERS)['a move'];
      const { status, body: answer } = await fleet.call(method, path, body, headers);
      expect([status, answer.code, answer.detail]).toEqual([
        ...[409, 'SITE_SHUT_OUT'],
        expect.stringContaining('sto'),
      ]);
      expect(answer.title).toMatch(/sites join-code.*federation remove/);
      expect(await waiting()).toEqual(before);
    });

  it('those of many machines are refused, and the others go on', async () => {
    const before = await waiting();
    const edits = { machines: ['SN00001', 'SN00101'], edit: { notes: 'many' }, why: 'x' };
    const { body: edited } = await fleet.call('POST', '/machines/bulk', edits);
    expect(edited.results).toEqual([
      expect.objectContaining({ hardwarename: 'SN00001', ok: true }),
      expect.objectContaining({ hardwarename: 'SN00101', ok: false, code: 'SITE_SHUT_OUT' }),
    ]);
    const jobs = { action: 'inspect', targets: ['SN00002', 'SN00102'] };
    const { body: made } = await fleet.call('POST', '/jobs/bulk', jobs);
    expect(made).toMatchObject({ created: 1, refused: 1 });
    expect(made.results).toEqual([
      expect.objectContaining({ target: 'SN00002', ok: true }),
      expect.objectContaining({ target: 'SN00102', ok: false, code: 'SITE_SHUT_OUT' }),
    ]);
    expect(made.results[1]).not.toHaveProperty('id');
    expect(await waiting()).toEqual(before);
  });

  it('records of the fleet are kept, and what waits for it says why', async () => {
    await fleet.call('PUT', '/squads/music', {});
    const { body } = await fleet.call('GET', '/squads/music');
    const why = { code: 'SITE_SHUT_OUT', detail: 'None of its certificates is living.' };
    expect(body.sites).toContainEqual(
      expect.objectContaining({ site: 'sto', status: 'waiting', ...why }),
    );
    expect(body.sites).toContainEqual(expect.objectContaining({ site: 'lon', code: '' }));
    const pool = { role: 'web', image: 'debian-12/stable', sites: { lon: 0, sto: 1 } };
    await fleet.call('PUT', '/pools/web', pool, any);
    const { body: of } = await fleet.call('GET', '/pools/web');
    const part = of.pool.sites.find(({ site }: { site: string }) => site === 'sto');
    expect(part).toMatchObject({ status: 'waiting', why: `${why.code}: ${why.detail}` });
  });

  it('what was asked before stays what it was, also when it is said again', async () => {
    const { status, body } = await fleet.call('PATCH', '/machines/SN00100', CHANGE, BEFORE);
    expect([status, body.asked.status]).toEqual([202, 'waiting']);
    expect(await waiting()).toContainEqual({ id: body.asked.id });
  });
});
