/** Work in pxeimage that stands still: silent, or speaking and not moving; named within 90 seconds, once, and taken back. */
import { describe, expect, it } from 'vitest';
import { limit } from '../../../src/limits.ts';
import { record } from '../../support/recording.ts';
import { A, createWorkWorld } from '../../support/work-world.ts';

/** A machine that waited in pxeimage has taken an install; the agent tells what `said` says. */
async function atWork(purpose: 'install' | 'recycle' | 'burn-in' = 'install') {
  const world = record();
  const work = createWorkWorld({}, world as never);
  const { name, wait } = await work.register(A, 'SN-0001');
  work.put(name, purpose === 'install' ? 'installing' : 'recycling');
  work.arm(work.job(name, purpose), purpose);
  const answer = await work.next(wait);
  const token = answer.line('work') ?? '';
  const take = await work.app.inject(`/agent/${token}/work`);
  expect([answer.line('instruction'), take.statusCode]).toEqual([purpose, 200]);
  const say = async (progress: object) => {
    const { statusCode } = await work.post(`/agent/${token}/progress`, progress);
    expect(statusCode).toBe(204);
  };
  /** The agent's words every ten seconds, as long as nothing is said of it. @returns seconds until something is */
  const until = async (seconds: number, words?: (second: number) => object) => {
    for (let second = 1; second <= seconds; second++) {
      world.step();
      if (words && second % 10 === 0) await say(words(second));
      if (world.diagnosed().length > 0) return second;
    }
    return undefined;
  };
  const open = () => world.recorder.store.list({ open: true, limit: 9 }).map((one) => one.name);
  return { ...work, world, say, until, open, token };
}

describe('an installer that hangs', () => {
  it('is named 90 seconds after its last word, where it waited and had reported', async () => {
    const { say, until, world, open } = await atWork();
    await say({ step: 'copy', percent: 40, bytes: 1000, activity: 7 });
    const seconds = await until(200);
    expect(world.diagnosed()).toEqual(['agent-stuck']);
    expect(seconds).toBeLessThanOrEqual(90);
    for (let second = 0; second < 300; second++) world.step();
    expect(world.diagnosed()).toEqual(['agent-stuck']);
    expect(open()).toEqual(['agent-stuck']);
    await say({ step: 'copy', percent: 50, bytes: 2000, activity: 8 });
    world.step();
    expect(open()).toEqual([]);
  });

  it('is named when its agent speaks on and nothing moves, and no more when it moves again', async () => {
    const { say, until, world, open } = await atWork();
    await say({ step: 'copy', percent: 40, bytes: 1000, activity: 7 });
    const seconds = await until(200, () => ({
      step: 'copy',
      percent: 40,
      bytes: 1000,
      activity: 7,
    }));
    expect(world.diagnosed()).toEqual(['work-stands-still']);
    expect(seconds).toBeLessThanOrEqual(90);
    const [kept] = world.recorder.store.list({ limit: 1 });
    expect(kept?.evidence[0]).toMatch(/^step "copy" has moved nothing for .*1000 bytes$/);
    world.step(3000);
    await say({ step: 'copy', percent: 40, bytes: 1001, activity: 8 });
    world.step();
    expect(open()).toEqual([]);
    expect(world.diagnosed()).toHaveLength(1);
  });

  it.each([
    ['works at a step for long', (second: number) => ({ step: 'initramfs', activity: second })],
    ['waits for its turn', () => ({ step: 'copy', activity: 1, note: 'waiting for bandwidth' })],
    ['is an agent that does not tell what it does', () => ({ step: 'initramfs', percent: 80 })],
  ])('is not suspected when it %s', async (_what, words) => {
    const { say, until, world } = await atWork();
    await say(words(0));
    expect(await until(400, words)).toBeUndefined();
    expect(world.diagnosed()).toEqual([]);
  });
});

it('a drive that erases itself for hours is not suspected', async () => {
  const { say, until, world } = await atWork('recycle');
  const words = () => ({ step: 'erase', percent: 3, activity: 1 });
  await say(words());
  expect(await until(400, words)).toBeUndefined();
  expect(world.diagnosed()).toEqual([]);
});

it('a boot with thousands of the agent’s words is judged by its beginning and its end', async () => {
  const { world, say, until, open } = await atWork();
  const { events } = world.inventory;
  const boot = world.bootId();
  const data = { phase: 'copy', message: '', level: 'info' as const, job: 'j', bytes: 1 };
  world.inventory.transaction(() => {
    for (let n = 0; n < 5000; n++)
      events.append({ name: 'agent.progress', mac: A, boot, data: { ...data, bytes: n } });
  });
  const max = limit('stallEventsMax');
  const some = events.ofBoot(boot, max);
  const all = events.ofBoot(boot);
  expect(some).toHaveLength(max);
  expect([some[0]?.id, some.at(-1)?.id]).toEqual([all[0]?.id, all.at(-1)?.id]);
  expect(events.ofBoot(boot, 1e6)).toEqual(all);
  await say({ step: 'copy', bytes: 6000, activity: 1 });
  await until(90);
  expect(open()).toEqual(['agent-stuck']);
});
