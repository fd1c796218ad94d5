/** The agent's work: an order is handed to the boot that asks, its progress and its last word are told once. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { acceptRestored, RESTORED } from '../../../src/inventory/feed-epoch.ts';
import { createStallWatch } from '../../../src/inventory/stall-watch.ts';
import { createJobWork } from '../../../src/jobs/work.ts';
import { limit } from '../../../src/limits.ts';
import { A, B, createWorkWorld, installDetail, type WorkWorld } from '../../support/work-world.ts';

let world: WorkWorld;
beforeEach(() => {
  world = createWorkWorld();
});
afterEach(() => world.close());

const DISK = { name: 'vda', serial: 'D1', sizeBytes: 2 ** 31, interface: 'virtio' };

async function working() {
  const machine = await world.register(A, 'SN-0001');
  const job = world.job(machine.name);
  world.put(machine.name, 'installing');
  const order = world.arm(job);
  const next = await world.next(machine.wait);
  return { ...machine, job, order, work: next.line('work') ?? '', next };
}

describe('work', () => {
  it('goes to the machine that waits, within its question, with a token of its own', async () => {
    const machine = await world.register(A, 'SN-0001');
    const job = world.job(machine.name);
    const { answer } = await world.asking(machine.wait);
    world.put(machine.name, 'installing');
    world.arm(job);
    const next = await answer;
    expect(next.line('instruction')).toBe('install');
    expect(next.line('work')).toMatch(/^[A-Za-z0-9_-]{32}$/);
    expect(next.line('work')).not.toBe(next.line('token'));
    const order = await world.app.inject(`/agent/${next.line('work')}/work`);
    expect(order.body).toContain(`work: install\njob: ${job.id}\nround: 1\n`);
    expect(order.body).toContain('image: debian-12@1\n');
  });

  it('is not taken by a question that nobody waits for any more', async () => {
    const { job, work } = await working();
    // It was answered, and the machine had been switched off meanwhile.
    expect(world.inventory.work.ofJob(job.id)?.takenAt).toBe(0);
    await world.app.inject(`/agent/${work}/work`);
    await world.app.inject(`/agent/${work}/work`);
    const { takenAt, boots } = world.inventory.work.ofJob(job.id) ?? {};
    expect(takenAt).toBeGreaterThan(0);
    expect(boots).toBe(1);
  });

  it('is the same token for the same boot, another for another round', async () => {
    const { wait, work, job } = await working();
    expect((await world.next(wait)).line('work')).toBe(work);
    await world.post(`/agent/${work}/result`, { ok: false, step: 'copy', code: 'IMAGE_CORRUPT' });
    world.arm(job);
    const again = (await world.next(wait)).line('work');
    expect(again).toMatch(/^[A-Za-z0-9_-]{32}$/);
    expect(again).not.toBe(work);
    expect((await world.app.inject(`/agent/${work}/work`)).json()).toMatchObject({
      code: 'WORK_ENDED',
    });
  });

  it('says progress once in a while, and every new step', async () => {
    const { work, name } = await working();
    const say = (step: string, percent: number) =>
      world.post(`/agent/${work}/progress`, { step, percent, bytes: percent * 10, etaSeconds: 9 });
    for (const percent of [1, 2, 3]) expect((await say('copy', percent)).statusCode).toBe(204);
    world.pass(limit('workProgressMs'));
    await say('copy', 50);
    await say('verify', 90);
    const told = world.inventory.events
      .ofMachine(name, 100)
      .flatMap((event) => (event.name === 'agent.progress' ? [event.data] : []));
    expect(told.map(({ phase, percent }) => `${phase} ${percent}`)).toEqual([
      'copy 1',
      'copy 50',
      'verify 90',
    ]);
    expect(told[1]).toMatchObject({ bytes: 500, etaSeconds: 9 });
  });

  it('takes the last word once, however often it is posted', async () => {
    const { work, name, wait } = await working();
    const result = { ok: true, step: 'verify', measurements: { seconds: 30 } };
    for (let time = 0; time < 3; time++)
      expect((await world.post(`/agent/${work}/result`, result)).statusCode).toBe(204);
    const bad = { ok: false, step: 'verify', code: 'AGENT_FAILED' };
    expect((await world.post(`/agent/${work}/result`, bad)).statusCode).toBe(204);
    const names = world.namesOf(name);
    expect(names.filter((each) => /^agent\.(finished|failed)/.test(each))).toEqual([
      'agent.finished',
    ]);
    expect((await world.next(wait)).line('instruction')).toBe('reboot');
    const progress = await world.post(`/agent/${work}/progress`, { step: 'copy' });
    expect(progress.json()).toMatchObject({ code: 'WORK_ENDED' });
  });

  it('keeps a failure with its log, and lets the machine wait', async () => {
    const { work, name, wait } = await working();
    const bad = { ok: false, step: 'copy', code: 'DISK_FAILED', detail: 'vda', log: 'dd: error' };
    await world.post(`/agent/${work}/result`, bad);
    const failed = world.inventory.events
      .ofMachine(name, 100)
      .find((event) => event.name === 'agent.failed');
    expect(failed?.data).toMatchObject({ step: 'copy', code: 'DISK_FAILED', log: 'dd: error' });
    const { answer } = await world.asking(wait);
    world.put(name, 'broken');
    world.put(name, 'in-use');
    expect((await answer).line('instruction')).toBe('reboot');
  });

  it.each([
    [{ step: 'copy', percent: 101 }],
    [{ step: 'COPY' }],
    [{ step: 'copy', extra: 1 }],
    [[]],
  ])('refuses progress that has not the form: %j', async (body) => {
    const { work } = await working();
    const answer = await world.post(`/agent/${work}/progress`, body);
    expect(answer.json()).toMatchObject({ status: 400, code: 'REQUEST_INVALID' });
  });

  it('fails as a loop when boot after boot begins it and none ends it', async () => {
    const { name } = await working();
    const instructions: (string | undefined)[] = [];
    for (let boot = 0; boot < limit('workBootsMax') + 1; boot++) {
      world.pass(limit('bootIdleMs') + 1);
      const { token } = world.booted(A);
      const { line } = await world.next(token);
      instructions.push(line('instruction'));
      if (line('work')) await world.app.inject(`/agent/${line('work')}/work`);
    }
    // Nothing is served any more, whatever the machine does.
    expect(instructions.filter((each) => each === 'install')).toHaveLength(limit('workBootsMax'));
    expect(instructions.at(-1)).toBe('wait');
    expect(world.inventory.work.liveOf(name)).toBeUndefined();
    const failed = world.inventory.events
      .ofMachine(name, 1000)
      .find((event) => event.name === 'agent.failed');
    expect(failed?.data).toMatchObject({ code: 'WORK_LOOP', retry: false });
  });
});

describe('a copy of the database that is put back in the middle of an install', () => {
  it('serves nothing of it any more, and its jobs wait for a person', async () => {
    const { name, work, wait } = await working();
    const lastAt = world.inventory.events.after(0, 1000).at(-1)?.at;
    acceptRestored(world.db);
    expect((await world.app.inject(`/agent/${work}/work`)).statusCode).toBe(410);
    expect(world.inventory.work.liveOf(name)).toBeUndefined();
    const { answer } = await world.asking(wait);
    world.put(name, 'in-use');
    expect((await answer).line('work')).toBeUndefined();
    expect(world.jobs.store.queue()).toMatchObject({
      ...{ pausedAt: lastAt, who: 'restore', why: RESTORED },
    });
    expect(world.jobs.store.unfinishedOf(name)?.endedAt).toBe(0);
  });

  it('leaves a pause as long as it was, and says both reasons', async () => {
    await world.register(A, 'SN-0001');
    const cause = { who: 'ann', why: 'new switches' };
    const { pausedAt } = world.inventory.transaction(() => world.jobs.pause(cause));
    world.pass(5000);
    acceptRestored(world.db);
    expect(world.jobs.store.queue()).toMatchObject({
      ...{ pausedAt, who: 'restore', why: `${RESTORED}; before that: new switches` },
    });
  });

  it('pauses nothing where there is no machine', () => {
    acceptRestored(world.db);
    expect(world.jobs.store.queue().pausedAt).toBe(0);
  });
});

describe('a boot that has taken work', () => {
  it('is not said to have stalled when it goes on to its disk: its job watches it', async () => {
    const { name } = await world.register(A, 'SN-0001');
    const job = world.job(name);
    world.put(name, 'installing');
    world.arm(job);
    world.pass(limit('bootIdleMs') + 1);
    const { token } = world.booted(A);
    await world.app.inject(`/boot/${token}/script.ipxe`);
    const linux = { phase: 'linux', message: 'up', level: 'info' };
    await world.post(`/agent/${token}/progress`, linux);
    const watch = createStallWatch({ ...world.inventory, clock: world.clock, mono: world.clock });
    const { line } = await world.next(token);
    await world.app.inject(`/agent/${line('work')}/work`);
    await world.post(`/agent/${line('work')}/result`, { ok: true, step: 'verify' });
    world.pass(600_000);
    expect(watch()).toEqual([]);
    expect(world.namesOf(name)).not.toContain('boot.stalled');
  });
});

describe('a plan', () => {
  it('marks that the disks are no longer as they were, and is the same when asked for twice', async () => {
    const { work, job } = await working();
    const ask = () => world.post(`/agent/${work}/plan`, { bootMode: 'bios', disks: [DISK] });
    expect(world.inventory.work.ofJob(job.id)?.destroysAt).toBe(0);
    const [first, second] = [await ask(), await ask()];
    expect(first.statusCode).toBe(200);
    expect(second.body).toBe(first.body);
    expect(world.inventory.work.ofJob(job.id)?.destroysAt).toBeGreaterThan(0);
  });

  it('is refused where the rule would have to guess, and nothing has been touched', async () => {
    const { work, job } = await working();
    const disks = [DISK, { ...DISK, name: 'vdb', serial: 'D2' }];
    const answer = await world.post(`/agent/${work}/plan`, { bootMode: 'bios', disks });
    expect(answer.json()).toMatchObject({ status: 409, code: 'DISK_AMBIGUOUS' });
    expect(answer.json().detail).toContain('vdb serial D2');
    expect(world.inventory.work.ofJob(job.id)?.destroysAt).toBe(0);
  });
});

describe('a machine that waits', () => {
  const steps = () => createJobWork(world.inventory, world.clock);

  it('is listening, until it is told to leave or its power goes', async () => {
    const { wait, work, name } = await working();
    expect(steps().isListening(name)).toBe(true);
    await world.app.inject(`/agent/${work}/work`);
    await world.post(`/agent/${work}/result`, { ok: true, step: 'verify' });
    expect((await world.next(wait)).line('instruction')).toBe('reboot');
    expect(steps().isListening(name)).toBe(false);
    // An answer that was lost is asked for again, and given.
    expect((await world.next(wait)).line('instruction')).toBe('reboot');
    const other = await world.register(B, 'SN-0002');
    expect(steps().isListening(other.name)).toBe(true);
    steps().gone(other.name);
    expect(steps().isListening(other.name)).toBe(false);
  });

  it('is told when its work will be over, at its pace so far', async () => {
    const { work, job } = await working();
    const endsIn = () => {
      const at = world.inventory.work.endsAt(job.id);
      return at === undefined ? undefined : at - world.clock();
    };
    expect(endsIn()).toBeUndefined();
    await world.app.inject(`/agent/${work}/work`);
    world.pass(10_000);
    await world.post(`/agent/${work}/progress`, { step: 'partition', percent: 1 });
    expect(endsIn()).toBeUndefined();
    await world.post(`/agent/${work}/progress`, { step: 'copy', percent: 20, etaSeconds: 5 });
    // A fifth in ten seconds: forty more.
    expect(endsIn()).toBe(40_000);
    world.pass(limit('workProgressMs'));
    await world.post(`/agent/${work}/progress`, { step: 'copy', percent: 50, etaSeconds: 900 });
    expect(endsIn()).toBe(900_000);
    await world.post(`/agent/${work}/result`, { ok: true, step: 'verify' });
    expect(endsIn()).toBeUndefined();
  });
});

describe('an installed system', () => {
  it('reads its metadata and calls home once, after its install and not before', async () => {
    const { work, job, name } = await working();
    const token = world.inventory.work.metadataToken(job.id);
    expect((await world.post(`/phone-home/${token}`)).json()).toMatchObject({ code: 'WORK_ENDED' });
    await world.post(`/agent/${work}/result`, { ok: true, step: 'verify' });
    const meta = await world.app.inject(`/metadata/${token}/meta-data`);
    expect(meta.body).toContain(`instance-id: "${job.id}"\nlocal-hostname: "web1.example.org"\n`);
    for (const url of [`/phone-home/${token}`, `/metadata/${token}/phone-home`])
      expect((await world.post(url)).statusCode).toBe(204);
    expect(world.namesOf(name).filter((each) => each === 'os.phoned-home')).toHaveLength(1);
    const events = JSON.stringify(world.inventory.events.after(0, 1000));
    expect(events).not.toContain(token);
    expect(events).not.toContain(work);
  });

  it('is nobody once its job has failed or was called off', async () => {
    const { work, job } = await working();
    const token = world.inventory.work.metadataToken(job.id);
    await world.post(`/agent/${work}/result`, { ok: true, step: 'verify' });
    world.inventory.transaction(() => world.inventory.work.end(job.id, 'test'));
    for (const url of [`/metadata/${token}/user-data`, `/agent/${work}/work`])
      expect((await world.app.inject(url)).json()).toMatchObject({ status: 410 });
  });

  it('gets its own machine’s pages only', async () => {
    const { job } = await working();
    const other = await world.register(B, 'SN-0002');
    world.put(other.name, 'installing');
    const theirs = world.job(other.name);
    world.arm(theirs, 'install', installDetail({ hostname: 'web2.example.org' }));
    const mine = await world.app.inject(
      `/metadata/${world.inventory.work.metadataToken(job.id)}/meta-data`,
    );
    expect(mine.body).toContain('web1.example.org');
    expect(mine.body).not.toContain('web2');
  });
});
