/** Who is sent an image, who waits and for how long, and what each may take of the uplink. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type AdmissionSettings, createAdmission } from '../../../src/images/admission.ts';
import { ADMISSION } from '../../support/image-store.ts';

function admission(settings: Partial<AdmissionSettings> = {}) {
  const made = createAdmission({ ...ADMISSION, ...settings });
  let now = 0;
  return {
    ...made,
    pass(ms: number) {
      now += ms;
    },
    ask: (name: string, squad = 'web', uplink = 'u', leftBytes = 1000) =>
      made.ask({ key: name, hardwarename: name, uplink, squad, leftBytes }, now),
    ended: (name: string, sentBytes = 1000, complete = true) =>
      made.ended(name, { complete, sentBytes }, now),
    rates: (uplink = 'u') => Object.fromEntries(made.rates(uplink, now)),
    ends: () => Object.fromEntries(made.list(now).map(({ key, endsInMs }) => [key, endsInMs])),
    list: () => made.list(now).map(({ key, state, position }) => `${key} ${state} ${position}`),
  };
}

describe('a place', () => {
  it('is for so many; the others are told theirs, and get it in that order', () => {
    const { ask, ended, list } = admission();
    expect([ask('a'), ask('b')]).toEqual([{ admitted: true }, { admitted: true }]);
    expect(ask('c')).toEqual({ admitted: false, position: 1, retryMs: 1000, waitMs: undefined });
    expect(ask('d')).toMatchObject({ position: 2 });
    expect(ask('e')).toMatchObject({ position: 3, retryMs: 5000 });
    ended('a');
    // It is kept for the one whose turn it is.
    expect(ask('d')).toMatchObject({ admitted: false, position: 2 });
    expect(ask('c')).toEqual({ admitted: true });
    expect(list()).toEqual(['b sending 0', 'c sending 0', 'd waiting 1', 'e waiting 2']);
  });
  it('goes to the squad that has the fewest, and within it to whoever has waited longest', () => {
    const { ask, ended, list, pass } = admission({ streamsMax: 4 });
    for (const name of ['w1', 'w2', 'w3', 'w4']) ask(name);
    for (const name of ['w5', 'w6']) ask(name);
    pass(10);
    ask('d1', 'db');
    ask('d2', 'db');
    expect(list().slice(4)).toEqual([
      'd1 waiting 1',
      'd2 waiting 2',
      'w5 waiting 3',
      'w6 waiting 4',
    ]);
    ended('w1');
    expect(ask('w5')).toMatchObject({ admitted: false });
    expect(ask('d1', 'db')).toEqual({ admitted: true });
  });
  it('is one of its uplink: another network has its own', () => {
    const { ask } = admission();
    for (const name of ['a', 'b']) ask(name, 'web', 'one');
    expect(ask('c', 'web', 'one')).toMatchObject({ admitted: false });
    expect(ask('d', 'web', 'two')).toEqual({ admitted: true });
  });
  it('is kept for a connection that broke, and for no longer than a while', () => {
    const { ask, ended, pass, list } = admission();
    for (const name of ['a', 'b', 'c']) ask(name);
    ended('a', 400, false);
    expect(ask('c')).toMatchObject({ admitted: false });
    pass(14_000);
    expect(ask('a', 'web', 'u', 600)).toEqual({ admitted: true });
    ended('a', 100, false);
    pass(15_001);
    expect(ask('c')).toEqual({ admitted: true });
    expect(list()).toEqual(['b sending 0', 'c sending 0']);
  });
  it('is not kept for a machine that waits and has gone', () => {
    const { ask, ended, pass } = admission({ streamsMax: 1 });
    for (const name of ['a', 'gone', 'b']) ask(name);
    pass(29_000);
    ask('b');
    pass(2000);
    ended('a');
    expect(ask('b')).toEqual({ admitted: true });
  });
  it('comes in about as long as is said', () => {
    const { ask } = admission({ streamsMax: 1, bytesPerSecond: 100 });
    ask('a', 'web', 'u', 500);
    expect(ask('b', 'web', 'u', 700)).toMatchObject({ waitMs: 5000 });
    expect(ask('c', 'web', 'u', 700)).toMatchObject({ waitMs: 12_000 });
  });
  it('comes when the first of those that share the uplink is done, and not when a part of it is', () => {
    const { ask, ends, pass } = admission({ streamsMax: 2, bytesPerSecond: 100 });
    ask('a', 'web', 'u', 500);
    ask('b', 'web', 'u', 500);
    expect(ask('c', 'web', 'u', 300)).toMatchObject({ waitMs: 10_000 });
    expect(ask('d', 'web', 'u', 500)).toMatchObject({ waitMs: 10_000 });
    expect(ask('e', 'web', 'u', 100)).toMatchObject({ waitMs: 16_000 });
    expect(ends()).toEqual({ a: 10_000, b: 10_000, c: 16_000, d: 19_000, e: 18_000 });
    pass(4000);
    expect(ends()).toMatchObject({ a: 6000, b: 6000, c: 12_000 });
  });
  it('and its end are told from what the uplink has carried where no bound is set', () => {
    const { ask, ended, ends, pass } = admission({ streamsMax: 1 });
    ask('a', 'web', 'u', 1000);
    pass(10_000);
    ended('a', 1000);
    ask('b', 'web', 'u', 1000);
    expect(ask('c')).toMatchObject({ waitMs: 10_000 });
    expect(ends()).toEqual({ b: 10_000, c: 20_000 });
  });
  it('has no end that is told before anything was carried', () => {
    const { ask, ends } = admission();
    ask('a');
    expect(ends()).toEqual({ a: undefined });
  });
});

describe('the uplink', () => {
  it('is divided evenly among squads, and in a squad among its machines', () => {
    const { ask, ended, rates } = admission({ streamsMax: 9, bytesPerSecond: 1200 });
    for (const name of ['w1', 'w2', 'w3']) ask(name);
    expect(rates()).toEqual({ w1: 400, w2: 400, w3: 400 });
    ask('d1', 'db');
    expect(rates()).toEqual({ w1: 200, w2: 200, w3: 200, d1: 600 });
    ended('w1', 10, false);
    expect(rates()).toEqual({ w2: 300, w3: 300, d1: 600 });
    ended('w2');
    ended('d1');
    expect(rates()).toEqual({ w3: 1200 });
  });
  it('without a bound bounds nobody', () => {
    const { ask, rates } = admission();
    ask('a');
    expect(rates()).toEqual({ a: 0 });
  });
});

describe('whatever machines do', () => {
  const name = fc.integer({ min: 0, max: 9 }).map((index) => `m${index}`);
  const action = fc.oneof(
    fc.record({ does: fc.constant('ask' as const), name }),
    fc.record({ does: fc.constant('ended' as const), name, complete: fc.boolean() }),
    fc.record({ does: fc.constant('pass' as const), ms: fc.integer({ min: 0, max: 40_000 }) }),
  );
  it('never more are served than may be, and rates never add up to more than the uplink', () =>
    fc.assert(
      fc.property(fc.array(action, { maxLength: 80, size: 'max' }), (actions) => {
        const made = createAdmission({ ...ADMISSION, streamsMax: 3, bytesPerSecond: 1000 });
        let now = 0;
        const sending = new Set<string>();
        for (const step of actions) {
          if (step.does === 'pass') now += step.ms;
          else if (step.does === 'ended') {
            // Only a connection that was let in has an end.
            if (!sending.has(step.name)) continue;
            made.ended(step.name, { complete: step.complete, sentBytes: 10 }, now);
            sending.delete(step.name);
          } else {
            const squad = Number(step.name.slice(1)) % 3 === 0 ? 'a' : 'b';
            const asking = { key: step.name, hardwarename: step.name, uplink: 'u', squad };
            if (made.ask({ ...asking, leftBytes: 100 }, now).admitted) sending.add(step.name);
          }
          expect(sending.size).toBeLessThanOrEqual(3);
          const rates = made.rates('u', now);
          expect([...rates.keys()].sort()).toEqual([...sending].sort());
          const sum = [...rates.values()].reduce((total, rate) => total + rate, 0);
          expect(sum).toBeLessThanOrEqual(1000);
        }
      }),
    ));
  it('everybody has a turn, however many of another squad there are', () => {
    const made = createAdmission({ ...ADMISSION, streamsMax: 2 });
    const served: string[] = [];
    const machines = Array.from({ length: 40 }, (_, index) => `w${index}`).concat('lonely');
    const waiting = new Set(machines);
    let running: string[] = [];
    for (let now = 0; waiting.size > 0 && now < 1_000_000; now += 1000) {
      for (const key of running) made.ended(key, { complete: true, sentBytes: 1 }, now);
      running = [];
      for (const key of waiting) {
        const squad = key === 'lonely' ? 'db' : 'web';
        const asking = { key, hardwarename: key, uplink: 'u', squad, leftBytes: 1 };
        if (made.ask(asking, now).admitted) running.push(key);
      }
      for (const key of running) waiting.delete(key);
      served.push(...running);
    }
    expect(served.length).toBe(41);
    expect(served.indexOf('lonely')).toBeLessThan(4);
  });
});
