/** Requests from the asking to machines in use: replaced, short of capacity, called off, killed at every commit. */
import { describe, expect, it } from 'vitest';
import { AppError } from '../../../src/errors.ts';
import { createKinds } from '../../../src/jobs/definition.ts';
import { installJob } from '../../../src/jobs/kinds/install.ts';
import {
  createProvisionHall,
  type ProvisionHall,
  type ProvisionHallOptions,
} from '../../support/provision-hall.ts';
import { nameOf, TB } from '../../support/provision-machines.ts';

const KEY = `ssh-ed25519 ${'A'.repeat(68)}`;
const TWO_DISKS = [1, 2].map(() => ({ kind: 'nvme' as const, sizeBytes: 2 * TB }));

/** What has to hold at any time; called at the end of each test, and it looks at the whole history. */
function faultsOf(hall: ProvisionHall): string[] {
  const { desk, inventory, jobs, life } = hall.now;
  const faults = life.errors.map((error) => `the engine failed: ${error}`);
  const holders = new Map<string, string>();
  for (const request of desk.store.page({}, 1000)) {
    const fold = desk.store.foldOf(request);
    const claims = desk.store.logOf(request.number).filter(({ entry }) => entry.is === 'claimed');
    if (claims.length > request.count + fold.failed.length) faults.push('more claims than places');
    for (const place of fold.places) {
      if (!('machine' in place)) continue;
      const { machine, job, hostname } = place;
      const other = holders.get(machine);
      if (other) faults.push(`${machine} is in ${other} and in ${request.id}`);
      holders.set(machine, request.id);
      const record = inventory.machines.record(machine);
      if (record?.hostname !== hostname) faults.push(`${machine} is not called ${hostname}`);
      const found = jobs.store.byId(job);
      if (found?.target !== machine || found.kind !== 'install') faults.push(`${job} is another's`);
    }
    if (request.done !== fold.places.filter(({ is }) => is === 'done').length)
      faults.push('the row does not say what the log says');
  }
  const installs = jobs.store.page({ kind: 'install' }, 1000);
  const claimed = desk.store
    .page({}, 1000)
    .flatMap(({ number }) => desk.store.logOf(number))
    .flatMap(({ entry }) => (entry.is === 'claimed' ? [entry.job] : []));
  if (new Set(claimed).size !== claimed.length) faults.push('a job was claimed twice');
  if (installs.length !== claimed.length) faults.push('an install belongs to no request');
  return faults;
}

const codeOf = (run: () => unknown): string => {
  try {
    run();
  } catch (error) {
    if (error instanceof AppError) return `${error.code} ${error.path ?? ''}`.trim();
    throw error;
  }
  return 'nothing was refused';
};

describe('a request', () => {
  it('ends with its machines in use, named, owned and installed as asked', async () => {
    const hall = createProvisionHall({ machine: () => ({ disks: TWO_DISKS }) });
    const { id } = hall.ask({
      count: 3,
      sshKeys: [KEY],
      install: { layout: 'raid1' },
    });
    await hall.settle();
    const request = hall.request(id);
    expect(request).toMatchObject({ status: 'fulfilled', done: 3, failed: 0 });
    const { inventory, desk, jobs } = hall.now;
    const hostnames = desk.store.foldOf(request).places.map(({ hostname }) => hostname);
    expect(hostnames).toEqual(['fancydb-1', 'fancydb-2', 'fancydb-3']);
    for (const hostname of hostnames) {
      const machine = inventory.machines.byHostname(hostname);
      expect(machine).toMatchObject({
        state: 'in-use',
        role: 'fancydb',
        squad: 'music',
        owner: 'negz',
      });
      const [job] = jobs.store.page({ target: machine?.hardwarename as never }, 10);
      expect(job?.params).toEqual({
        ...{ layout: 'raid1', image: 'debian-12@1', hostname, role: 'fancydb' },
        sshKeys: [KEY],
      });
    }
    const told = inventory.events
      .after(0, 5000)
      .map(({ name }) => name)
      .filter((name) => name.startsWith('request.'));
    expect(told).toEqual([
      ...['request.created', 'request.claimed', 'request.claimed', 'request.claimed'],
      ...['request.installed', 'request.installed', 'request.installed', 'request.fulfilled'],
    ]);
    expect(faultsOf(hall)).toEqual([]);
  });

  it('is refused with the place that is wrong', () => {
    const hall = createProvisionHall();
    expect(codeOf(() => hall.ask({ hardware: '2 floppies' }))).toBe('REQUEST_INVALID /hardware');
    expect(codeOf(() => hall.ask({ squad: 'nobody' }))).toBe('REQUEST_INVALID /squad');
    expect(codeOf(() => hall.ask({ image: 'debian-13/stable' }))).toBe('REQUEST_INVALID /image');
    expect(codeOf(() => hall.ask({ sshKeys: ['x'] }))).toBe('REQUEST_INVALID /sshKeys/0');
    expect(codeOf(() => hall.ask({ hostname: undefined }))).toBe('NOT_FOUND');
    const install = (params: Record<string, unknown>, count = 3) =>
      codeOf(() => hall.ask({ count, install: params }));
    expect(install({ layout: 'raid5' })).toBe('REQUEST_INVALID /install/layout');
    expect(install({ disk: 'first disk' })).toBe('REQUEST_INVALID /install/disk');
    // Passed over in silence, or refused by each machine in turn.
    expect(install({ sshKeys: [KEY] })).toBe('REQUEST_INVALID /install/sshKeys');
    expect(install({ verify: 'full' })).toBe('REQUEST_INVALID /install/verify');
    const network = { kind: 'static', address: '10.0.0.5/24' };
    expect(install({ network })).toBe('REQUEST_INVALID /install/network');
    expect(hall.now.desk.store.page({}, 10)).toEqual([]);
  });

  it('takes no machine on whose disks its rule would not decide, says so, and fails none of them', async () => {
    const hall = createProvisionHall({
      machines: 4,
      machine: (index) => (index < 3 ? { disks: TWO_DISKS } : {}),
    });
    const { id, doc } = hall.ask({ count: 2 });
    await hall.until(() => hall.request(id).done === 1);
    expect(hall.request(id)).toMatchObject({
      ...{ status: 'waiting', failed: 0 },
      why: 'capacity: 0 free that fit; of 3 more the rule for disks chooses none',
    });
    expect(hall.now.desk.plan(doc, 1).rejected).toContainEqual(
      expect.objectContaining({
        ...{ why: 'has several disks for the install, and no rule chooses', count: 3 },
      }),
    );
    hall.ask({ count: 1, install: { disks: 'first nvme' } });
    await hall.until(() => hall.state(0) === 'in-use');
    expect(faultsOf(hall)).toEqual([]);
  });

  it('gives a machine whose install was undone back to nobody: its squad has no more of it', async () => {
    const hall = createProvisionHall({
      machines: 1,
      kinds: createKinds([installJob({ bmcPatienceMs: 300_000 })]),
      work: {
        armInstall: () => {
          throw new AppError('IMAGE_INCOMPLETE', { detail: 'made to fail' });
        },
      },
    });
    hall.squad('music', { machines: 1 });
    const { id } = hall.ask({ count: 1 });
    await hall.until(() => hall.request(id).failed > 0, 600_000);
    const nobodys = { state: 'available', hostname: '', role: '', squad: '', owner: '' };
    expect(hall.now.inventory.machines.record(nameOf(0))).toMatchObject(nobodys);
    expect(hall.now.desk.quotas.left('music').left).toBe(1);
  });

  it('replaces machines whose install fails; they are broken, and their names go on', async () => {
    const bad = new Set([nameOf(0), nameOf(1)]);
    const hall = createProvisionHall({
      fails: (machine) => (bad.has(machine) ? 'BMC_UNREACHABLE' : undefined),
      installMs: (machine) => (bad.has(machine) ? 20_000 : 60_000),
    });
    const { id } = hall.ask({ count: 3 });
    await hall.settle();
    expect(hall.request(id)).toMatchObject({ status: 'fulfilled', done: 3, failed: 2 });
    expect([hall.state(0), hall.state(1)]).toEqual(['broken', 'broken']);
    const { inventory, desk } = hall.now;
    expect(inventory.machines.record(nameOf(0))).toMatchObject({
      hostname: '',
      role: '',
      squad: '',
    });
    const { places } = desk.store.foldOf(hall.request(id));
    expect(places.map(({ hostname }) => hostname)).toEqual(['fancydb-1', 'fancydb-2', 'fancydb-3']);
    const replaced = inventory.events
      .after(0, 5000)
      .filter(({ name }) => name === 'request.replacing');
    const told = replaced.map(({ data }) => data as { hostname: string; code: string });
    expect(told.map(({ hostname, code }) => `${hostname} ${code}`).sort()).toEqual([
      'fancydb-1 BMC_UNREACHABLE',
      'fancydb-2 BMC_UNREACHABLE',
    ]);
    expect(faultsOf(hall)).toEqual([]);
  });

  it('takes what there is, says what it waits for, and goes on when there is more', async () => {
    const hall = createProvisionHall({ machines: 2 });
    const { id } = hall.ask({ count: 4 });
    await hall.until(() => hall.request(id).done === 2);
    expect(hall.request(id)).toMatchObject({ status: 'waiting', why: 'capacity: 0 free that fit' });
    hall.add(2, 3);
    await hall.until(() => hall.request(id).done === 3);
    await hall.time.pass(1000);
    expect(hall.request(id)).toMatchObject({ status: 'waiting' });
    hall.add(3, 5);
    await hall.settle();
    expect(hall.request(id)).toMatchObject({ status: 'fulfilled', why: '' });
    expect(hall.state(4)).toBe('available');
    expect(faultsOf(hall)).toEqual([]);
  });

  it('never takes a machine that has failed a short while ago', async () => {
    const settings = { recentFailureHours: 0.5 };
    const hall = createProvisionHall({ machines: 1, settings, fails: () => 'JOB_DEADLINE' });
    const first = hall.ask({ count: 1 });
    await hall.until(() => hall.request(first.id).failed === 1);
    const { inventory } = hall.now;
    const cause = { by: 'operator', why: 'repaired', who: 'ann' } as const;
    inventory.transaction(() => {
      inventory.serverdb.editor.move(nameOf(0), 'held', cause);
      inventory.serverdb.editor.move(nameOf(0), 'available', cause);
    });
    const second = hall.ask({ count: 1 });
    await hall.time.pass(600_000);
    expect(hall.request(second.id).status).toBe('waiting');
    const plan = hall.now.desk.plan(second.doc, 1);
    expect(plan.rejected).toMatchObject([
      { why: 'has failed a short while ago (JOB_DEADLINE)', count: 1 },
    ]);
    await hall.time.pass(1_800_000);
    expect(hall.now.jobs.store.page({ kind: 'install' }, 10).length).toBe(2);
  });

  it('keeps the quota of its squad, and goes on when that is raised', async () => {
    const hall = createProvisionHall();
    hall.squad('music', { machines: 3, types: { 'high-io': 2 } });
    const { id } = hall.ask({ count: 5 });
    await hall.until(() => hall.request(id).done === 2);
    await hall.time.pass(60_000);
    expect(hall.request(id)).toMatchObject({ done: 2, status: 'waiting' });
    hall.squad('music', { machines: 3 });
    await hall.until(() => hall.request(id).done === 3);
    await hall.time.pass(60_000);
    expect(hall.request(id)).toMatchObject({ done: 3, why: "the squad's quota: 0 left" });
    hall.squad('music');
    await hall.settle();
    expect(hall.request(id)).toMatchObject({ done: 5, status: 'fulfilled' });
    expect(faultsOf(hall)).toEqual([]);
  });

  it('called off stops its installs and keeps what is in use', async () => {
    const hall = createProvisionHall({
      installMs: (machine) => (machine === nameOf(0) ? 10_000 : 600_000),
    });
    const { id } = hall.ask({ count: 4 });
    await hall.until(() => hall.request(id).done === 1);
    const { inventory, desk } = hall.now;
    inventory.transaction(() => desk.cancel(id, { who: 'ann', why: 'not needed' }));
    inventory.transaction(() => desk.cancel(id, { who: 'ann', why: 'not needed' }));
    await hall.settle();
    expect(hall.request(id)).toMatchObject({ status: 'cancelled', done: 1 });
    const states = inventory.machines
      .list()
      .map(({ state, hostname }) => `${state} ${hostname}`.trim());
    expect(states.filter((state) => state !== 'available')).toEqual(['in-use fancydb-1']);
    expect(codeOf(() => desk.cancel(id, { who: 'ann', why: 'again' }))).toBe('REQUEST_ENDED');
  });

  it('installs no more at once than it and the site may', async () => {
    const hall = createProvisionHall({ machines: 30, settings: { installsMax: 5 } });
    const one = hall.ask({ count: 10, parallel: 2 });
    const two = hall.ask({ count: 10, role: 'web', priority: 5 });
    let most = 0;
    let mostOfOne = 0;
    await hall.until(() => {
      const running = hall.now.jobs.store.unfinished();
      most = Math.max(most, running.length);
      mostOfOne = Math.max(
        mostOfOne,
        running.filter(({ params }) => params.role === 'fancydb').length,
      );
      return hall.now.desk.store.open().length === 0;
    });
    expect([most, mostOfOne]).toEqual([5, 2]);
    expect([hall.request(one.id).done, hall.request(two.id).done]).toEqual([10, 10]);
    expect(hall.request(two.id).endedAt).toBeLessThan(hall.request(one.id).endedAt);
  });
});

describe('killed at any commit', () => {
  const options: ProvisionHallOptions = {
    machines: 6,
    fails: (machine) => (machine === nameOf(0) ? 'BMC_PASSWORD' : undefined),
    installMs: (machine) => 10_000 + 7000 * Number(machine.slice(-1)),
  };
  const run = async (at: number, when: 'before' | 'after') => {
    const hall = createProvisionHall(options);
    const { id } = hall.ask({ count: 3 });
    hall.cut = { at: hall.now.life.commits + at, when };
    await hall.settle();
    return { hall, id };
  };
  it.each(['before', 'after'] as const)(
    '%s it, a request ends as if nothing had been',
    async (when) => {
      let crashes = 0;
      for (let at = 1; ; at++) {
        const { hall, id } = await run(at, when);
        const faults = faultsOf(hall);
        expect(faults, `killed ${when} commit ${at}`).toEqual([]);
        expect(hall.request(id), `killed ${when} commit ${at}`).toMatchObject({
          ...{ status: 'fulfilled', done: 3, failed: 1 },
        });
        if (hall.crashes === 0) break;
        crashes += 1;
      }
      expect(crashes).toBeGreaterThan(15);
    },
  );
});
