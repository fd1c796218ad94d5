/** The portal bench without a browser: the site that it looks at, and what it makes of what the browser tells. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { allOf, growthPercent } from '../../../bench/portal.ts';
import { worstOf } from '../../../bench/portal-page.ts';
import type { Answer, Command } from '../../../bench/portal-site.ts';

const MACHINES = 30;

describe('the site', () => {
  const child = fork('bench/portal-site.ts', [String(MACHINES)]);
  const next = async () => (await once(child, 'message'))[0] as Answer;
  const ask = (command: Command) => {
    const answer = next();
    child.send(command);
    return answer;
  };
  let ready: Answer;
  beforeAll(async () => {
    ready = await next();
  });
  afterAll(() => void child.kill());

  it('has every machine on record, with the boot that it came by', async () => {
    if (ready.is !== 'ready') throw new Error(JSON.stringify(ready));
    expect(ready.names).toHaveLength(MACHINES);
    const board = await (await fetch(`${ready.url}/api/v1/board`)).json();
    const done = board.rows.filter(
      ({ timeline }: { timeline: { state: string } }) => timeline.state === 'done',
    );
    expect(board.rows).toHaveLength(MACHINES);
    expect(done.length).toBeGreaterThan(0);
  });

  it('makes events at the rate that was asked for, and no more', async () => {
    const first = await ask({ do: 'count' });
    child.send({ do: 'start', perSecond: 200 } satisfies Command);
    let last = first;
    const countOf = (answer: Answer) => (answer.is === 'count' ? answer : { events: 0, at: 0 });
    while (countOf(last).events < countOf(first).events + 150) last = await ask({ do: 'count' });
    const seconds = (countOf(last).at - countOf(first).at) / 1000;
    const perSecond = (countOf(last).events - countOf(first).events) / seconds;
    // A step may make two or three events, and each burst is bounded: never much more than was asked for.
    expect(perSecond).toBeLessThan(300);
  });

  it('puts a machine on hold and lets it go', async () => {
    if (ready.is !== 'ready') throw new Error(JSON.stringify(ready));
    const [name = ''] = ready.names;
    const stateOf = async () => {
      const { url } = ready as Extract<Answer, { is: 'ready' }>;
      return (await (await fetch(`${url}/api/v1/machines/${name}`)).json()).machine.state;
    };
    expect((await ask({ do: 'hold', name })).is).toBe('moved');
    expect(await stateOf()).toBe('held');
    expect((await ask({ do: 'release', name })).is).toBe('moved');
    expect(await stateOf()).toBe('available');
  });
});

describe('its figures', () => {
  it('count the worst event of an interaction, and inputs that were too quick to be told of', () => {
    const told = worstOf([
      { id: 7, delayMs: 2, paintMs: 40 },
      { id: 7, delayMs: 9, paintMs: 24 },
      { id: 8, delayMs: 1, paintMs: 16 },
    ]);
    expect(told).toEqual([
      { delayMs: 9, paintMs: 40 },
      { delayMs: 1, paintMs: 16 },
    ]);
    expect(allOf(4, told, 'delayMs')).toEqual([9, 1, 16, 16]);
    expect(allOf(1, told, 'paintMs')).toEqual([40, 16]);
  });

  it('call a heap flat that fills up once, and one that climbs what it is', () => {
    expect(growthPercent([10, 20, 30, 30, 30, 30, 30, 30])).toBe(0);
    expect(growthPercent([10, 20, 30, 30, 30, 30, 36, 36])).toBeCloseTo(20, 5);
    expect(growthPercent([10, 20, 20, 40, 60, 70, 80, 80])).toBeCloseTo(166.67, 1);
    expect(growthPercent([10, 20])).toBe(0);
  });
});
