/** What people see of a pair: on the one that is not active, in metrics, and from the doctor. */
import { Registry } from 'prom-client';
import { expect, it } from 'vitest';
import { judgePair } from '../../../src/cli/people/doctor-standby.ts';
import { addPairMetrics } from '../../../src/daemon/standby-metrics.ts';
import type { PairStatus } from '../../../src/http/people/context.ts';
import { createPeople } from '../../support/people.ts';

const FINE: PairStatus = {
  ...{ member: 'a', mode: 'active', epoch: 3, addresses: 'whole', wholeFrom: null, unwritten: '' },
  partner: {
    ...{ address: '10.0.0.2', inTouch: true, current: true, behind: 7, touchAt: 1_000_000 },
    ...{ clockAheadMs: -20, version: '1.2.0' },
  },
  standby: { current: true, behindMs: 400, images: { missing: 0, bytes: 0 } },
  ...{ witness: 'heard', why: '', takeOvers: 2, version: '1.2.0' },
};
const partner = (change: Partial<PairStatus['partner']>): PairStatus => ({
  ...FINE,
  partner: { ...FINE.partner, ...change },
});

const standby = (change: Partial<PairStatus['standby']>): PairStatus => ({
  ...FINE,
  standby: { ...FINE.standby, ...change },
});

it('is found to be well, and each fault is named with what mends it', () => {
  const faults = (status: PairStatus) =>
    judgePair(status, true).flatMap(({ ok, check, mend }) => (ok ? [] : [`${check}: ${mend}`]));
  expect(faults(FINE)).toEqual([]);
  for (const [status, what] of [
    [partner({ inTouch: false }), 'the other appliance: '],
    [partner({ version: '1.1.9' }), 'versions of the pair: install the same'],
    [partner({ clockAheadMs: 2500 }), 'clocks of the pair: let both follow'],
    [standby({ current: false }), 'standby: '],
    [standby({ behindMs: 60_000 }), 'standby: '],
    [standby({ images: { missing: 1, bytes: 9 } }), 'images of the standby: '],
    [{ ...FINE, witness: 'silent' as const }, 'witness: '],
    [{ ...FINE, addresses: 'none' as const, unwritten: 'the disk is full' }, 'notes of the pair: '],
  ] as const) {
    const found = faults(status);
    expect(found).toHaveLength(1);
    expect(found[0]).toContain(what);
  }
  expect(judgePair({ ...FINE, witness: 'none' }, false).every(({ ok }) => ok)).toBe(true);
});

it('is in the metrics as it is when they are asked for', async () => {
  const registry = new Registry();
  let status = FINE;
  addPairMetrics(registry, () => status);
  expect(await registry.metrics()).toContain('reveille_standby_behind_seconds 0.4\n');
  const away = {
    ...standby({ current: false, behindMs: null }),
    partner: partner({ inTouch: false }).partner,
  };
  status = away;
  const text = await registry.metrics();
  for (const line of [
    'reveille_standby_role{role="active"} 1',
    'reveille_standby_role{role="following"} 0',
    'reveille_standby_epoch 3',
    'reveille_standby_in_touch 0',
    'reveille_standby_behind_changes 7',
    'reveille_standby_behind_seconds -1',
    'reveille_standby_take_overs 2',
    'reveille_standby_unwritten 0',
  ])
    expect(text).toContain(`${line}\n`);
});

it('is read on the one that is not active, which refuses every change and says who is', async () => {
  const orders: string[] = [];
  const people = await createPeople({
    passive: { active: '10.0.0.2' },
    standby: {
      status: () => ({ ...FINE, mode: 'following' }),
      takeOver: async ({ why }) => void orders.push(why),
      begin: () => undefined,
      handBack: async () => undefined,
    },
  });
  const { admin } = people;
  const read = await admin('GET', '/standby');
  expect(read.status).toBe(200);
  expect(read.body).toMatchObject({ mode: 'following', standby: { behindMs: 400 } });
  expect(read.headers['reveille-active']).toBe('10.0.0.2');
  expect((await admin('GET', '/session')).body).toMatchObject({ paired: true });
  const change = await admin('PUT', '/racks/r1', { body: {} });
  expect(change.status).toBe(503);
  expect(change.body).toMatchObject({ code: 'NOT_ACTIVE', detail: '10.0.0.2 is the active one.' });
  const order = await admin('POST', '/standby/take-over', { body: { why: 'drill' } });
  expect(order.status).toBe(200);
  expect(orders).toEqual(['drill']);
});
