/** Installs on simulated machines: warm and cold, wrong, silent and looping ones, called off at any moment; trials.test.ts has the rest. */
import { describe, expect, it } from 'vitest';
import { limit } from '../../../src/limits.ts';
import type { Mac } from '../../../src/wire/mac.ts';
import type { Hall } from '../../support/job-hall.ts';
import { EPOCH, nameOf } from '../../support/job-hall.ts';
import { machineFaults } from '../../support/job-plans.ts';
import { faultsOf } from '../../support/job-trials.ts';
import { type AgentKnobs, createInstallHall } from '../../support/sim-agent.ts';

const PARAMS = { image: 'debian-12/stable', hostname: 'web1', role: 'web' };
const machine = nameOf(0);
const begin = (hall: Hall, params: object = PARAMS) => hall.submit('install', 0, params).id;
const stateOf = (hall: Hall) => hall.now.inventory.machines.record(machine);
const liveOf = (hall: Hall) => hall.now.inventory.work.liveOf(machine);

async function installed(knobs: AgentKnobs = {}, params: object = PARAMS) {
  const hall = createInstallHall(knobs);
  const id = begin(hall, params);
  await hall.settle();
  return { hall, job: hall.job(id), record: stateOf(hall), id };
}

describe('an install', () => {
  it('goes from available to in use, by one network boot', async () => {
    const { hall, job, record, id } = await installed();
    expect(job).toMatchObject({ status: 'finished', code: '' });
    expect(record).toMatchObject({ state: 'in-use', hostname: 'web1', role: 'web' });
    expect([...faultsOf(hall, id), ...machineFaults(hall)]).toEqual([]);
    expect(hall.machine(0).netboots()).toBe(1);
    expect(job.result).toMatchObject({ prepare: { image: 'debian-12@1' }, call: { warm: false } });
  });

  it('does not switch a machine off that waits in pxeimage, and needs no BMC for it', async () => {
    const hall = createInstallHall();
    hall.machine(0).switch(true);
    const { inventory } = hall.now;
    const mac = '52:54:00:00:00:01' as Mac;
    inventory.transaction(() => {
      inventory.machines.write(machine, { bmcAddress: '' });
      inventory.machines.setNics(machine, [{ mac, name: 'eth0' }]);
      const boot = inventory.boots.sight({ mac, client: 'ipxe', arch: 'x', hardwarename: machine });
      if (boot) inventory.tokens.mint(boot.boot.id, mac, 'wait');
    });
    const unfollow = inventory.events.followOne(machine, () => {
      const order = inventory.work.liveOf(machine);
      if (!order) return;
      unfollow();
      hall.time.at(hall.time.now() + 100, () => hall.wakeAgent(machine));
    });
    const id = begin(hall);
    await hall.settle();
    expect(hall.job(id)).toMatchObject({ status: 'finished', result: { call: { warm: true } } });
    expect(hall.machine(0).actions).toEqual([]);
    // Whoever judges its boot must not read that its BMC was told what to boot.
    const steps = hall.now.inventory.events
      .ofMachine(machine, 500)
      .flatMap((event) => (event.name === 'job.step' ? [event.data] : []))
      .filter(({ step, phase }) => /^(pxe-once|power-on)$/.test(step) && phase !== 'started');
    expect(steps.map(({ phase }) => phase)).toEqual(['skipped', 'skipped']);
    expect(stateOf(hall)?.state).toBe('in-use');
  });

  it('gives a cold machine without a BMC up, and says why', async () => {
    const hall = createInstallHall();
    hall.now.inventory.transaction(() =>
      hall.now.inventory.machines.write(machine, { bmcAddress: '' }),
    );
    const id = begin(hall);
    await hall.settle();
    expect(hall.job(id)).toMatchObject({ status: 'failed', code: 'BMC_MISSING' });
    expect(machineFaults(hall)).toEqual([]);
  });

  it.each([
    ['for as long as the site says, and no longer', 300_000, 5 * 60_000, 0],
    ['but not for one that comes back in that time', 120_000, 120_000, 1],
  ])('waits for a silent BMC %s', async (_what, silentMs, aboutMs, netboots) => {
    const hall = createInstallHall();
    hall.machine(0).silentUntil = netboots === 0 ? Number.POSITIVE_INFINITY : silentMs;
    const id = begin(hall);
    await hall.settle();
    const { inventory, desk } = hall.now;
    const job = hall.job(id);
    const looked = desk.store.logOf(job.number).filter(({ entry }) => entry.is === 'failed');
    const lastAt = (looked.at(-1)?.at ?? 0) - EPOCH;
    expect(looked.length).toBeGreaterThanOrEqual(3);
    expect(lastAt).toBeLessThanOrEqual(aboutMs + 30_000);
    expect(hall.machine(0).netboots()).toBe(netboots);
    if (netboots > 0) return expect(job.status).toBe('finished');
    expect(lastAt).toBeGreaterThan(aboutMs / 3);
    expect(job.code).toMatch(/^BMC_(UNREACHABLE|TIMEOUT)$/);
    expect(inventory.machines.record(machine)).toMatchObject({ state: 'broken', hostname: '' });
    expect(hall.machine(0).actions).toEqual([]);
    expect(machineFaults(hall)).toEqual([]);
  });

  it.each([
    ['a comparison that its image does not have', { verify: 'full' }, /no raw disk/],
    ['a disk that its report does not have', { disks: 'serial=NOBODY' }, /0 fit the rule/],
  ])('leaves the machine as it was when it is asked for %s', async (_what, more, says) => {
    const { hall, job, record } = await installed({}, { ...PARAMS, ...more });
    expect(job).toMatchObject({ status: 'failed', code: 'REQUEST_INVALID' });
    expect(job.detail).toMatch(says);
    expect(record).toMatchObject({ state: 'available', hostname: '', role: '' });
    expect(hall.machine(0).actions).toEqual([]);
  });

  it('is done again when the agent says that this may help', async () => {
    const { hall, job, record, id } = await installed({ rounds: ['retry', 'ok'] });
    expect(job.status).toBe('finished');
    expect(record?.state).toBe('in-use');
    expect(hall.now.inventory.work.ofJob(id)?.round).toBe(2);
  });

  it.each(['no-order', 'absent'] as const)(
    'arms work and boot device anew when its machine did not take the work (%s)',
    async (first) => {
      const { hall, job, record, id } = await installed({ rounds: [first, 'ok'] });
      expect(job).toMatchObject({ status: 'finished', code: '' });
      expect(record?.state).toBe('in-use');
      expect(hall.now.inventory.work.ofJob(id)?.round).toBe(2);
      expect(hall.machine(0).netboots()).toBe(2);
      const { store } = hall.now.desk;
      const begun = store
        .logOf(job.number)
        .flatMap(({ entry }) => (entry.is === 'started' ? [entry.step] : []));
      const twice = ['arm', 'call', 'look', 'power-off', 'discharge', 'pxe-once', 'power-on'];
      expect(begun.filter((step, index) => step !== begun[index - 1])).toEqual([
        ...['prepare', ...twice, ...twice],
      ]);
    },
  );

  it('ends in `broken`, with the true cause and the evidence, when a disk fails', async () => {
    const { hall, job, record, id } = await installed({ rounds: ['disk'] });
    expect(job).toMatchObject({ status: 'failed', code: 'DISK_FAILED' });
    expect(record).toMatchObject({ state: 'broken', hostname: '', role: '' });
    expect(record?.stateWhy).toContain('vda broke');
    expect([...faultsOf(hall, id), ...machineFaults(hall)]).toEqual([]);
  });

  it('ends in `broken` when the agent falls silent, after another round', async () => {
    const { hall, job, record, id } = await installed({ rounds: ['silent'] });
    expect(job).toMatchObject({ status: 'failed', code: 'JOB_NO_EVENT' });
    expect(record?.state).toBe('broken');
    expect(hall.now.inventory.work.ofJob(id)?.round).toBe(2);
    expect(hall.machine(0).netboots()).toBe(2);
  });

  it('ends in `broken` when the installed system never calls', async () => {
    const { hall, job, record } = await installed({ mute: true });
    expect(job.detail).toContain('has not called home');
    expect(record?.state).toBe('broken');
    expect(machineFaults(hall)).toEqual([]);
  });

  it('puts a machine on hold that comes back into the installer over and over', async () => {
    const { hall, job, record, id } = await installed({ rounds: ['reboots'] });
    expect(job).toMatchObject({ status: 'failed', code: 'WORK_LOOP' });
    expect(record?.state).toBe('held');
    expect(hall.now.inventory.work.ofJob(id)?.boots).toBe(limit('workBootsMax'));
  });

  it('counts what has failed before, across what lay between', async () => {
    const hall = createInstallHall({ rounds: ['disk'] });
    for (let time = 1; time <= 3; time++) {
      begin(hall);
      await hall.settle();
      const why = stateOf(hall)?.stateWhy ?? '';
      expect(why.includes(`${time} installs in a row`)).toBe(time > 1);
      hall.now.inventory.transaction(() => {
        const { machines } = hall.now.inventory;
        machines.transition(machine, 'held', { by: 'operator', why: 'repaired' });
        machines.transition(machine, 'available', { by: 'operator', why: 'repaired' });
      });
    }
  });

  it.each([
    ['an image that is not there', { ...PARAMS, image: 'debian-12/testing' }, 'NOT_FOUND'],
    ['a rule that fits two disks', { ...PARAMS, disks: 'only disk' }, 'DISK_AMBIGUOUS'],
  ])('leaves the machine as it was for %s', async (_what, params, code) => {
    const hall = createInstallHall();
    const two = { name: 'vdb', serial: 'DISK-2', sizeBytes: 2 ** 31, interface: 'virtio' };
    hall
      .database()
      .prepare(
        "UPDATE machine_hardware SET hardware = json_insert(hardware, '$.disks[#]', json(?))",
      )
      .run(JSON.stringify(two));
    const id = begin(hall, params);
    await hall.settle();
    expect(hall.job(id)).toMatchObject({ status: 'failed', code });
    expect(stateOf(hall)).toMatchObject({ state: 'available', hostname: '' });
    expect(hall.machine(0).actions).toEqual([]);
  });
});

describe('a reinstall', () => {
  it('asks for the release of its owner, and keeps name and role', async () => {
    const { hall } = await installed();
    const params = { image: 'debian-12@1' };
    const ask = (release?: string) =>
      hall.now.inventory.transaction(() =>
        hall.now.desk.create({
          ...{ action: 'reinstall', target: machine, params, requester: 'test' },
          ...(release === undefined ? {} : { release }),
        }),
      );
    expect(() => ask()).toThrow(/in use/);
    expect(stateOf(hall)?.state).toBe('in-use');
    const { id } = ask(machine);
    await hall.settle();
    expect(hall.job(id).status).toBe('finished');
    expect(stateOf(hall)).toMatchObject({ state: 'in-use', hostname: 'web1', role: 'web' });
  });
});

describe('an install that is called off', () => {
  it('may be so at any moment: nothing is served from that commit on', async () => {
    const whole = createInstallHall();
    begin(whole);
    const beganAt = whole.time.now();
    await whole.settle();
    const tookMs = whole.time.now() - beganAt;
    const rests = new Set<string>();
    for (let share = 0; share < 24; share++) {
      const hall = createInstallHall();
      const id = begin(hall);
      await hall.time.pass((tookMs * share) / 24);
      if (hall.job(id).endedAt > 0) break;
      const { inventory, desk } = hall.now;
      inventory.transaction(() => desk.cancel(id, { who: 'x', why: 'test' }));
      expect(liveOf(hall)).toBeUndefined();
      const touched = (inventory.work.ofJob(id)?.destroysAt ?? 0) > 0;
      await hall.settle();
      await hall.time.pass(300_000);
      const { status } = hall.job(id);
      const { state } = stateOf(hall) ?? {};
      rests.add(`${status} ${state}`);
      expect(status).toBe('cancelled');
      expect(state).toBe(touched ? 'held' : 'available');
      expect([...faultsOf(hall, id), ...machineFaults(hall)]).toEqual([]);
    }
    expect([...rests].sort()).toEqual(['cancelled available', 'cancelled held']);
  });
});
