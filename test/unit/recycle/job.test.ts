/** The job that takes a machine back: from in use to capacity by proof only, and to broken by anything else. */
import { randomBytes } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { AppError } from '../../../src/errors.ts';
import type { Actor, MachineState } from '../../../src/inventory/states.ts';
import { recycleJob } from '../../../src/jobs/kinds/recycle.ts';
import type { RecycleParams } from '../../../src/jobs/kinds/recycle-params.ts';
import type { Job } from '../../../src/jobs/store.ts';
import { createJobWork } from '../../../src/jobs/work.ts';
import { signingKey } from '../../../src/recycle/certificate.ts';
import { openRecycleDesk } from '../../../src/recycle/desk.ts';
import { parseRecycleDetail } from '../../../src/recycle/plan.ts';
import type { Hardwarename } from '../../../src/wire/ids.ts';
import { A, createWorkWorld, type WorkWorld } from '../../support/work-world.ts';
import { createWorld } from '../../support/world.ts';

let world: WorkWorld;
beforeEach(() => {
  const base = createWorld();
  const key = signingKey(randomBytes(32));
  const { inventory, clock } = base;
  world = createWorkWorld(
    { recycle: openRecycleDesk({ inventory, clock, key, site: 'lab' }) },
    base,
  );
});
afterEach(() => world.close());

const PARAMS: RecycleParams = {
  ...{ level: 'clear' as const, samples: 16, verify: 'sample' as const },
  ...{ clearTpm: true, clearBootEntries: true, bmcUsers: 'keep' as const },
};
const codeOf = (change: () => unknown): string => {
  try {
    world.inventory.transaction(change);
  } catch (error) {
    if (error instanceof AppError) return error.code;
    throw error;
  }
  return 'ok';
};

async function released() {
  const { machines, serverdb } = world.inventory;
  const machine = await world.register(A, 'SN-0001');
  world.inventory.transaction(() =>
    serverdb.editor.edit(
      machine.name,
      { hostname: 'web1.example.org', role: 'web', owner: 'ann' },
      { who: 'ann', why: 'test' },
    ),
  );
  world.put(machine.name, 'in-use');
  const ask = (release?: string): Job =>
    world.inventory.transaction(() =>
      world.jobs.create({
        ...{ action: 'recycle', target: machine.name, requester: 'ann', params: {} },
        ...(release === undefined ? {} : { release: release as never }),
      }),
    );
  return { ...machine, ask, record: () => machines.record(machine.name) };
}

describe('asking for it', () => {
  it('takes the word of the owner, and moves the machine with the job', async () => {
    const { ask, record, name } = await released();
    expect(codeOf(() => ask())).toBe('RELEASE_NEEDED');
    expect(record()?.state).toBe('in-use');
    expect(ask(name).params).toEqual(PARAMS_OF_A_NEW_JOB);
    expect(record()?.state).toBe('recycling');
  });
  it('takes a machine that was released by hand as it is', async () => {
    const { ask, name } = await released();
    world.put(name, 'recycling');
    expect(ask().target).toBe(name);
  });
  it('is refused for capacity, which nobody has to hand back', async () => {
    const { ask, name } = await released();
    world.put(name, 'available');
    expect(codeOf(() => ask(name))).toBe('JOB_STATE');
  });
});

const PARAMS_OF_A_NEW_JOB = { ...PARAMS, samples: 200 };

describe('a machine that may hold data', () => {
  const move = (name: Hardwarename, to: MachineState) => () =>
    world.inventory.serverdb.editor.move(name, to, { by: 'operator', why: 'test', who: 'ann' });
  const hand = (name: Hardwarename, to: MachineState, by: Actor = 'owner') =>
    codeOf(() => world.inventory.machines.transition(name, to, { by, why: 'test' }));

  it('is one from the moment that somebody uses it, and a first ingestion is none', async () => {
    const { name } = await world.register(A, 'SN-0001');
    const { machines } = world.inventory;
    expect(machines.record(name)?.mayHoldData).toBe(false);
    expect(codeOf(move(name, 'held'))).toBe('ok');
    expect(codeOf(move(name, 'available'))).toBe('ok');
    expect(hand(name, 'installing', 'job')).toBe('ok');
    // An install that was called off before it touched a disk.
    expect(hand(name, 'available', 'job')).toBe('ok');
    expect(hand(name, 'installing', 'job')).toBe('ok');
    expect(hand(name, 'in-use', 'job')).toBe('ok');
    expect(machines.record(name)?.mayHoldData).toBe(true);
  });
  it('does not become capacity by repair, hold or retirement, but by a recycle', async () => {
    const { ask, name, record } = await released();
    world.inventory.machines.write(name, { mayHoldData: true });
    expect(hand(name, 'broken')).toBe('ok');
    expect(codeOf(move(name, 'held'))).toBe('ok');
    expect(codeOf(move(name, 'available'))).toBe('DISKS_NOT_CLEAN');
    expect(codeOf(move(name, 'retired'))).toBe('ok');
    expect(codeOf(move(name, 'held'))).toBe('ok');
    expect(codeOf(move(name, 'available'))).toBe('DISKS_NOT_CLEAN');
    ask();
    expect(record()?.state).toBe('recycling');
    // The job's own last step is no exception: without its certificate the mark stands.
    expect(hand(name, 'available', 'job')).toBe('DISKS_NOT_CLEAN');
  });
});

describe('the level of a site', () => {
  it('is what a job asks for that does not say another', () => {
    const recycle = recycleJob({ level: 'purge' });
    expect(recycle.params.parse({})).toMatchObject({ level: 'purge' });
    expect(recycle.params.parse({ level: 'clear' })).toMatchObject({ level: 'clear' });
  });
});

describe('its work', () => {
  it("names every disk of the last report, and the machine is nobody's once they are proven clean", async () => {
    const { ask, name, wait, record } = await released();
    const job = ask(name);
    const work = createJobWork(world.inventory, world.clock);
    const { inventory } = world;
    const { requester } = job;
    inventory.transaction(() =>
      work.armRecycle({ job: job.id, machine: name, params: PARAMS, requester }),
    );
    const order = inventory.work.ofJob(job.id);
    const disks = inventory.machines.byHardwarename(name)?.hardware.disks ?? [];
    expect(disks.length).toBeGreaterThan(0);
    expect(parseRecycleDetail(order?.detail).expected).toEqual(disks.map(({ serial }) => serial));
    expect(codeOf(() => work.takeBack(job.id, name))).toBe('DISK_FAILED');
    const token = (await world.next(wait)).line('work') ?? '';
    const seen = disks.map(({ name: disk, serial, sizeBytes }) => ({
      name: disk,
      serial,
      sizeBytes,
    }));
    const plan = await world.post(`/agent/${token}/plan`, { bootMode: 'bios', disks: seen });
    expect(plan.body.match(/^erase\t/gm)).toHaveLength(disks.length);
    for (const disk of seen)
      await world.post(`/agent/${token}/erased`, {
        ...{ ...disk, method: 'overwrite', ok: true, seconds: 1, samples: 18 },
      });
    await world.post(`/agent/${token}/result`, { ok: true, step: 'done' });
    expect(codeOf(() => work.takeBack(job.id, name))).toBe('ok');
    expect(record()).toMatchObject({ hostname: '', role: '', squad: '', owner: '' });
    expect(record()?.mayHoldData).toBe(false);
    const [proof] = inventory.certificates.list({ hardwarename: name, count: 1 });
    expect(JSON.parse(proof?.text ?? '{}')).toMatchObject({
      requester: 'ann',
      result: 'sanitized',
    });
  });
});

describe('its end', () => {
  const rest = (status: 'finished' | 'failed' | 'cancelled', destroyed: boolean) =>
    world.jobs.kinds.newest('recycle')?.rest?.({
      ...{ status, destroyed, code: 'DISK_FAILED', detail: 'not clean: sda', failures: 0 },
      outputs: {},
    });
  it('is broken for whatever is not proven, and what it was where nothing was touched', () => {
    expect(rest('finished', true)).toBeUndefined();
    expect(rest('failed', true)).toEqual({
      ...{ to: 'broken', why: 'It could not be proven clean: not clean: sda' },
    });
    expect(rest('failed', false)?.to).toBe('broken');
    expect(rest('cancelled', true)?.to).toBe('broken');
    expect(rest('cancelled', false)).toBeUndefined();
    expect(world.jobs.kinds.newest('recycle')?.onFinish?.to).toBe('available');
  });
});

describe('a site that burns in what it has recycled', () => {
  const kind = recycleJob({ level: 'clear', burnIn: true });
  const cut = { status: 'failed', detail: 'round 1: a bit', destroyed: true, failures: 0 } as const;
  const end = { ...cut, outputs: { settle: {} } };

  it('does so between the proof and the capacity, and only there', () => {
    const names = kind.steps.map(({ name }) => name);
    expect(names.slice(-3)).toEqual(['settle', 'arm-burn-in', 'tested']);
    expect(recycleJob({ level: 'clear' }).steps.map(({ name }) => name)).toEqual(
      names.slice(0, -2),
    );
    expect(kind.onFinish?.to).toBe('available');
    expect(kind.rest?.({ ...end, code: 'MEMORY_FAILED' })).toMatchObject({
      ...{ to: 'broken', why: 'Its burn-in found a fault: round 1: a bit' },
    });
    expect(kind.rest?.({ ...end, code: 'JOB_NO_EVENT' })).toMatchObject({
      ...{
        to: 'broken',
        why: 'Every disk is proven clean; it could not be proven sound: round 1: a bit',
      },
    });
    expect(kind.rest?.({ ...end, status: 'cancelled', code: '' })).toMatchObject({
      ...{ to: 'held', why: 'Every disk is proven clean; its burn-in was called off.' },
    });
    expect(kind.rest?.({ ...end, code: 'DISK_FAILED', outputs: {} })?.why).toContain(
      'proven clean:',
    );
  });

  it('by the same job, with an order of its own: the token that erases opens nothing any more', async () => {
    const { ask, name } = await released();
    const { work, boots } = world.inventory;
    const { id } = ask(name);
    const order = world.arm({ ...world.jobs.get(id) }, 'recycle');
    const boot = boots.latest(A)?.id;
    const token = boot && work.take(order, { boot, mac: A });
    if (!token) throw new Error('nothing was taken');
    expect(work.standing(name).work).toBe('recycle');
    world.inventory.transaction(() => work.concluded(token, { ok: true, step: 'verify' }));
    expect(work.standing(name).work).toBeUndefined();
    world.arm({ ...world.jobs.get(id) }, 'burn-in');
    expect(work.standing(name).work).toBe('burn-in');
    expect(codeOf(() => work.find(token.token))).toBe('WORK_ENDED');
    const { line } = await world.next((await world.booted(A)).token);
    expect([line('instruction'), line('work') === token.token]).toEqual(['burn-in', false]);
  });
});
