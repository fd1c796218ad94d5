/** Pools kept at their size, what has failed replaced unless it has something in common, and rolling resets. */
import { describe, expect, it } from 'vitest';
import { nextResetAction, type ResetFacts } from '../../../src/provisioning/pool.ts';
import type { Hardwarename } from '../../../src/wire/ids.ts';
import type { Millis } from '../../../src/wire/time.ts';
import { createProvisionHall, type ProvisionHall } from '../../support/provision-hall.ts';
import { addImage, nameOf } from '../../support/provision-machines.ts';

const record = (hall: ProvisionHall, name: string) =>
  hall.now.inventory.machines.record(name as Hardwarename);
const states = (hall: ProvisionHall) => {
  const counts: Record<string, number> = {};
  for (const { state, count } of hall.now.inventory.machines.countByState()) counts[state] = count;
  return counts;
};

describe('a pool', () => {
  it('fills itself with machines under random names, grows, and shrinks through recycling', async () => {
    const hall = createProvisionHall();
    hall.pool('web', { count: 3 });
    await hall.until(() => hall.members('web').length === 3);
    const [first = ''] = hall.members('web');
    expect(record(hall, first)?.hostname).toMatch(/^web-[a-z0-9]{5}$/);
    hall.pool('web', { count: 5 });
    await hall.until(() => hall.members('web').length === 5);
    hall.pool('web', { count: 2 });
    await hall.until(() => states(hall).available === 8);
    expect(hall.members('web').length).toBe(2);
    const recycled = hall.now.jobs.store.page({ kind: 'recycle' }, 10);
    expect(recycled.map(({ status }) => status)).toEqual(['finished', 'finished', 'finished']);
    expect(hall.now.desk.store.page({ pool: 'web' }, 10).map(({ count }) => count)).toEqual([2, 3]);
    expect(hall.now.life.errors).toEqual([]);
  });

  it('reads no record of those that are well: a site has thousands, and is looked at five times a second', async () => {
    const hall = createProvisionHall();
    hall.pool('web', {
      count: 5,
      health: { url: 'http://{address}:80/', everySeconds: 3600, graceSeconds: 0 },
    });
    await hall.until(() => hall.members('web').length === 5);
    await hall.time.pass(60_000);
    const { machines, events, transaction } = hall.now.inventory;
    let reads = 0;
    const { record: read } = machines;
    Object.assign(machines, {
      record: (name: Hardwarename) => {
        reads += 1;
        return read(name);
      },
    });
    for (let passes = 0; passes < 5; passes++) {
      transaction(() => events.append({ name: 'jobs.paused', data: { who: 'x', why: 'x' } }));
      await hall.time.pass(1000);
    }
    expect(reads).toBe(0);
    expect(hall.now.life.errors).toEqual([]);
  });

  it('keeps the image that its next machine would get, and the one that a reset brings', () => {
    const hall = createProvisionHall({ machines: 2 });
    const { images } = hall.now.inventory;
    for (const version of ['2', '3'])
      hall.now.inventory.transaction(() => addImage(hall.now.inventory, version));
    const remove = (version: string) => () =>
      hall.now.inventory.transaction(() =>
        images.remove({ name: 'debian-12', version }, { who: 'ann', why: 'old' }),
      );
    hall.pool('web', { count: 0, image: 'debian-12@1' });
    expect(remove('1')).toThrow('debian-12@1: pool web is made of it.');
    hall.now.pools.store.join('web', nameOf(0));
    const { id } = hall.reset('web', { image: 'debian-12@2' });
    expect(remove('2')).toThrow(`debian-12@2: reset ${id} has not ended.`);
    const cause = { who: 'ann', why: 'test' };
    hall.now.inventory.transaction(() => {
      hall.now.pools.store.turnReset(id, 'aborted', cause);
      hall.now.pools.remove('web', cause);
    });
    expect(remove('1')).not.toThrow();
    expect(remove('2')).not.toThrow();
  });

  it('keeps the channel that it, its resets and requests are made of, and says who they are', async () => {
    const hall = createProvisionHall({ machines: 0 });
    const { images } = hall.now.inventory;
    const cause = { who: 'ann', why: 'test' };
    const unpoint = () => {
      hall.now.inventory.transaction(() =>
        images.removeChannel({ name: 'debian-12', channel: 'stable' }, cause),
      );
    };
    hall.pool('web', { count: 0 });
    const { id } = hall.ask({ count: 1, role: 'db' });
    expect(unpoint).toThrow(
      `debian-12/stable: request ${id} (db) has not ended; pool web is made of it.`,
    );
    hall.pool('web', { count: 0, image: 'debian-12@1' });
    hall.now.inventory.transaction(() => hall.now.desk.cancel(id, cause));
    await hall.until(() => hall.now.desk.get(id).endedAt > 0);
    hall.now.pools.store.join('web', nameOf(0));
    const reset = hall.reset('web', { image: 'debian-12/stable' });
    expect(unpoint).toThrow(`debian-12/stable: reset ${reset.id} has not ended.`);
    hall.now.inventory.transaction(() =>
      hall.now.pools.store.turnReset(reset.id, 'aborted', cause),
    );
    expect(unpoint).not.toThrow();
    expect(images.at('debian-12', 'stable')).toBeUndefined();
  });

  it('asks for no more than it lacks, and calls off what it no longer wants', async () => {
    const hall = createProvisionHall({ machines: 2 });
    hall.pool('web', { count: 6 });
    await hall.until(() => hall.members('web').length === 2);
    await hall.time.pass(60_000);
    expect(hall.now.desk.store.page({ pool: 'web' }, 10)).toMatchObject([
      { count: 6, done: 2, status: 'waiting' },
    ]);
    expect(hall.now.pools.get('web').why).toBe('capacity: 0 free that fit');
    hall.pool('web', { count: 2 });
    await hall.settle();
    await hall.time.pass(60_000);
    expect(hall.members('web').length).toBe(2);
    expect(states(hall)).toEqual({ 'in-use': 2 });
    expect(hall.now.pools.get('web').why).toBe('');
  });

  it('replaces a machine that does not answer its check; one answer in between is enough to stay', async () => {
    const hall = createProvisionHall();
    hall.pool('web', { count: 3 });
    await hall.until(() => hall.members('web').length === 3);
    await hall.time.pass(60_000);
    const [one = '', two = ''] = hall.members('web');
    hall.dead.add(two);
    await hall.time.pass(15_000);
    hall.dead.delete(two);
    await hall.time.pass(120_000);
    expect(hall.members('web')).toContain(two);
    hall.dead.add(one);
    await hall.until(() => hall.members('web').length === 3 && !hall.members('web').includes(one));
    expect(record(hall, one)).toMatchObject({
      state: 'broken',
      hostname: '',
      role: '',
      stateWhy: 'Its check has failed 3 times in a row: ECONNREFUSED.',
    });
    const told = hall.now.inventory.events
      .ofMachine(one as Hardwarename, 1000)
      .map(({ name }) => name);
    expect(told.filter((name) => name.startsWith('pool.'))).toEqual([
      ...['pool.joined', 'pool.unhealthy', 'pool.left'],
    ]);
    expect(hall.now.life.errors).toEqual([]);
  });

  it('does not replace a rack that has gone dark: the breaker names it, and who comes back stays', async () => {
    const hall = createProvisionHall({ machines: 60 });
    hall.pool('web', {
      count: 30,
      spread: { even: true, perRackMax: 10 },
      racks: ['R0', 'R1', 'R2', 'R3'],
    });
    await hall.until(() => hall.members('web').length === 30);
    const dark = hall.members('web').filter((name) => record(hall, name)?.rack === 'R0');
    expect(dark.length).toBeGreaterThan(6);
    for (const name of dark) hall.dead.add(name);
    await hall.time.pass(1_800_000);
    const [breaker] = hall.now.desk.breakers.open();
    expect(breaker).toMatchObject({ source: 'work', factor: 'rack', value: 'lon/R0' });
    const gone = dark.filter((name) => !hall.members('web').includes(name));
    expect(gone.length).toBeLessThan(dark.length);
    expect(states(hall).broken).toBe(gone.length);
    expect(hall.now.pools.get('web').why).toMatch(/held by a breaker/);
    hall.dead.clear();
    await hall.time.pass(300_000);
    expect(hall.now.pools.store.members('web').filter(({ held }) => held)).toEqual([]);
    expect(states(hall).broken).toBe(gone.length);
  });

  it('says what keeps it from asking for machines, and asks when that is mended', async () => {
    const hall = createProvisionHall();
    hall.pool('web', { count: 2 });
    await hall.until(() => hall.members('web').length === 2);
    const { blobs } = hall.now.inventory;
    const damaged = (why: string) => blobs.setDamaged('a'.repeat(64), why);
    damaged('its SHA-256 is another');
    hall.dead.add(hall.members('web')[0] ?? '');
    await hall.until(() => hall.now.pools.get('web').why !== '', 3_600_000);
    expect(hall.now.pools.get('web').why).toMatch(/There is no sound image debian-12/);
    damaged('');
    await hall.until(() => hall.members('web').length === 2, 3_600_000);
    await hall.time.pass(60_000);
    expect(hall.now.pools.get('web').why).toBe('');
    expect(hall.now.life.errors).toEqual([]);
  });

  it('lets go of a machine that somebody has taken out, and fills the place', async () => {
    const hall = createProvisionHall();
    hall.pool('web', { count: 2 });
    await hall.until(() => hall.members('web').length === 2);
    const [one = ''] = hall.members('web');
    const { inventory } = hall.now;
    const cause = { by: 'owner', why: 'a fan', who: 'ann', release: one } as const;
    inventory.transaction(() =>
      inventory.serverdb.editor.move(one as Hardwarename, 'broken', cause),
    );
    await hall.until(() => hall.members('web').length === 2 && !hall.members('web').includes(one));
    expect(states(hall)).toMatchObject({ broken: 1, 'in-use': 2 });
  });
});

describe('a rolling reset', () => {
  const filled = async (options: Parameters<typeof createProvisionHall>[0] = {}) => {
    const hall = createProvisionHall(options);
    hall.pool('web', { count: 4 });
    await hall.until(() => hall.members('web').length === 4);
    return hall;
  };
  const busy = (hall: ProvisionHall) =>
    hall.now.jobs.store.unfinished().filter(({ kind }) => kind === 'reinstall').length;

  it('installs each machine anew, never more away at once than it may', async () => {
    const hall = await filled();
    const before = hall.members('web');
    const { id } = hall.reset('web', { atOnceMax: 2 });
    let most = 0;
    await hall.until(() => {
      most = Math.max(most, busy(hall));
      return hall.now.pools.store.reset(id).endedAt > 0;
    });
    expect(most).toBe(2);
    expect(hall.now.pools.store.reset(id)).toMatchObject({ status: 'finished' });
    expect(hall.now.pools.store.resetMachines(id).map(({ status }) => status)).toEqual(
      Array.from({ length: 4 }, () => 'done'),
    );
    expect(hall.members('web')).toEqual(before);
    const jobs = hall.now.jobs.store.page({ kind: 'reinstall' }, 10);
    expect(jobs.map(({ params }) => params.hostname)).toEqual(
      jobs.map(({ target }) => record(hall, target)?.hostname),
    );
  });

  it('stops on failures, pauses, resumes, and is aborted', async () => {
    let failing = false;
    const hall = await filled({ fails: () => (failing ? 'BMC_PASSWORD' : undefined) });
    const store = () => hall.now.pools.store;
    const turn = (id: number, status: 'paused' | 'running' | 'aborted') =>
      hall.now.inventory.transaction(() => store().turnReset(id, status, { who: 'ann', why: 'x' }));
    const statuses = (id: number) =>
      store()
        .resetMachines(id)
        .map(({ status }) => status)
        .sort();
    failing = true;
    const first = hall.reset('web', { atOnceMax: 1 });
    expect(() => hall.reset('web')).toThrow(`Reset ${first.id} is running`);
    await hall.until(() => store().reset(first.id).endedAt > 0);
    expect(store().reset(first.id)).toMatchObject({
      status: 'stopped',
      why: '1 machines have failed',
    });
    expect(statuses(first.id)).toEqual(['failed', 'to-do', 'to-do', 'to-do']);
    failing = false;
    const second = hall.reset('web', { atOnceMax: 1 });
    await hall.until(() => statuses(second.id).includes('done'));
    turn(second.id, 'paused');
    await hall.time.pass(600_000);
    expect(busy(hall)).toBe(0);
    const paused = statuses(second.id).filter((status) => status === 'to-do').length;
    expect(paused).toBeGreaterThan(0);
    turn(second.id, 'running');
    await hall.until(
      () => statuses(second.id).filter((status) => status === 'to-do').length < paused,
    );
    turn(second.id, 'aborted');
    await hall.time.pass(600_000);
    expect(store().reset(second.id).status).toBe('aborted');
    expect(busy(hall)).toBe(0);
    expect(() => turn(second.id, 'running')).toThrow('aborted');
  });

  it('begins nothing while the pool is short of machines, and nothing when its time is over', async () => {
    const hall = await filled({ machines: 4 });
    const [one = ''] = hall.members('web');
    hall.dead.add(one);
    await hall.until(() => !hall.members('web').includes(one));
    const { id } = hall.reset('web', { withinHours: 0.5 });
    await hall.until(() => hall.now.pools.store.reset(id).endedAt > 0);
    expect(hall.now.jobs.store.page({ kind: 'reinstall' }, 10)).toEqual([]);
    expect(hall.now.pools.store.reset(id)).toMatchObject({
      ...{ status: 'stopped', why: 'its time is over, 3 are left' },
    });
  });

  it('goes on where it was when the appliance is killed', async () => {
    const hall = await filled();
    const { id } = hall.reset('web', { atOnceMax: 1 });
    for (let crash = 0; crash < 6; crash++) {
      hall.cut = { at: hall.now.life.commits + 2, when: crash % 2 ? 'before' : 'after' };
      await hall.until(() => hall.crashes > crash || hall.now.pools.store.reset(id).endedAt > 0);
      expect(busy(hall)).toBeLessThanOrEqual(1);
    }
    await hall.until(() => hall.now.pools.store.reset(id).endedAt > 0);
    expect(hall.now.pools.store.reset(id).status).toBe('finished');
    expect(hall.now.jobs.store.page({ kind: 'reinstall' }, 100).length).toBe(4);
    expect(hall.crashes).toBeGreaterThan(2);
  });
});

describe('what a reset does next', () => {
  const facts = (statuses: string, change: Partial<ResetFacts> = {}): ResetFacts => ({
    ...{ now: 0 as Millis, deadlineAt: 10 as Millis, atOnceMax: 2, failuresMax: 0, away: 0 },
    machines: [...statuses].map((letter, index) => ({
      hardwarename: nameOf(index),
      status:
        ({ t: 'to-do', r: 'running', d: 'done', f: 'failed', g: 'gone' } as const)[letter] ??
        'gone',
    })),
    ...change,
  });
  it.each<[string, Partial<ResetFacts>, string]>([
    ['tttt', {}, 'begin 2'],
    ['rttt', { away: 1 }, 'begin 1'],
    ['rttt', { away: 2 }, 'nothing'],
    ['rrtt', {}, 'nothing'],
    ['dddd', {}, 'end finished'],
    ['ddgr', {}, 'nothing'],
    ['fttt', {}, 'end stopped'],
    ['fttt', { failuresMax: 1 }, 'begin 2'],
    ['frtt', {}, 'nothing'],
    ['dttt', { now: 10 as Millis }, 'end stopped'],
    ['drtt', { now: 10 as Millis }, 'nothing'],
  ])('%s %j: %s', (statuses, change, expected) => {
    const action = nextResetAction(facts(statuses, change));
    const more =
      action.do === 'begin'
        ? ` ${action.machines.length}`
        : action.do === 'end'
          ? ` ${action.status}`
          : '';
    expect(`${action.do}${more}`).toBe(expected);
  });
});
