/** Recycling as the appliance sees it: methods, plans, what is told of each disk, and certificates that openssl checks. */
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { isGenuine, signingKey } from '../../../src/recycle/certificate.ts';
import { openRecycleDesk } from '../../../src/recycle/desk.ts';
import { METHODS, methodsFor } from '../../../src/recycle/methods.ts';
import { type RecycleDetail, recyclePlan, sampled } from '../../../src/recycle/plan.ts';
import { commandLineOf } from '../../support/command-line.ts';
import { createPeople } from '../../support/people.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { A, createWorkWorld } from '../../support/work-world.ts';
import { createWorld } from '../../support/world.ts';

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
  process.exitCode = 0;
});

const DETAIL: RecycleDetail = {
  lines: {},
  requester: 'ann',
  ...{ level: 'clear', samples: 4, full: false, clearTpm: false, clearBootEntries: false },
  expected: ['D1'],
};
const DISK = { name: 'vda', serial: 'D1', sizeBytes: 2 ** 31, interface: 'virtio' };
const ERASED = {
  ...DISK,
  ...{ model: 'virtio', method: 'overwrite', ok: true, detail: '', seconds: 9, samples: 6 },
};

describe('methods', () => {
  it('go from the strongest that the disk has down to the level that is asked for', () => {
    const offers = ['ata-secure', 'ata-secure-enhanced', 'ata-sanitize-crypto'];
    expect(methodsFor(offers, 'clear')).toEqual([
      ...['ata-sanitize-crypto', 'ata-secure-enhanced', 'ata-secure', 'overwrite'],
    ]);
    expect(methodsFor(offers, 'purge')).toEqual(['ata-sanitize-crypto', 'ata-secure-enhanced']);
    expect(methodsFor([], 'purge')).toEqual([]);
    expect(methodsFor(['rm -rf', 'overwrite'], 'clear')).toEqual(['overwrite']);
  });
  it('are listed from purge to clear', () => {
    const levels = Object.values(METHODS).map(({ level }) => level);
    expect(levels.lastIndexOf('purge')).toBeLessThan(levels.indexOf('clear'));
  });
});

describe('a plan', () => {
  const plan = (detail: Partial<RecycleDetail> = {}, disks: object[] = [{ ...DISK, offers: [] }]) =>
    recyclePlan({
      detail: { ...DETAIL, ...detail },
      seen: { bootMode: 'bios', disks: disks as never },
      job: 'j',
      random: () => 0.5,
    });
  it('erases every disk, whatever is on it, and looks at blocks that the appliance chose', () => {
    expect(plan().split('\n')).toEqual([
      'plan\t1',
      `marker\t${Buffer.from('reveille j').toString('base64')}`,
      'step\terase\t2',
      'erase\t/dev/vda\t2147483648\tRDE=\toverwrite\t0,65536,196608,327680,458752,524287\tsample',
      'wait',
      'step\tdone\t100',
      '',
    ]);
    expect(plan({ full: true, clearTpm: true, clearBootEntries: true })).toMatch(
      /\tfull\nwait\nstep\tclear\t96\nboot-entries\ntpm\n/,
    );
    expect(plan({ level: 'purge' })).toMatch(/\tRDE=\t-\t/);
  });
  it('is none when a disk of the last report has gone', () =>
    expect(() => plan({ expected: ['D1', 'D2'] })).toThrow(/D2 of the last report is not there/));
  it('is none when one of two disks has gone that have one serial, or none', () => {
    expect(() => plan({ expected: ['D1', 'D1'] })).toThrow(/D1 of the last report is not there/);
    const nameless = [{ ...DISK, serial: undefined, offers: [] }];
    expect(() => plan({ expected: ['', ''] }, nameless)).toThrow(
      /one without a serial of the last/,
    );
    expect(plan({ expected: [''] }, nameless)).toMatch(/^plan/);
  });
  it('samples the first, the last and each part of a disk of any size', () =>
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 1e9 }),
        fc.integer({ min: 1, max: 300 }),
        (blocks, count) => {
          const chosen = sampled(blocks, count, Math.random);
          expect(chosen[0]).toBe(0);
          expect(chosen.at(-1)).toBe(blocks - 1);
          expect(new Set(chosen).size).toBe(chosen.length);
          for (let part = 0; part < Math.min(count, blocks); part++) {
            const from = Math.floor((blocks * part) / Math.min(count, blocks));
            const to = Math.floor((blocks * (part + 1)) / Math.min(count, blocks));
            expect(chosen.some((block) => block >= from && block < to)).toBe(true);
          }
        },
      ),
    ));
});

async function recycling(detail: Partial<RecycleDetail> = {}) {
  const world = createWorld();
  const key = signingKey(randomBytes(32));
  const desk = openRecycleDesk({
    inventory: world.inventory,
    clock: world.clock,
    key,
    site: 'lab',
  });
  const work = createWorkWorld({ recycle: desk }, world);
  closers.push(() => work.close());
  const machine = await work.register(A, 'SN-0001');
  const job = work.job(machine.name, 'recycle');
  work.put(machine.name, 'recycling');
  work.arm(job, 'recycle', { ...DETAIL, ...detail });
  const token = (await work.next(machine.wait)).line('work') ?? '';
  const tell = (path: string, body: object) => work.post(`/agent/${token}/${path}`, body);
  return { world, work, desk, machine, job, token, tell };
}

const LAST = { ok: true, step: 'done' };

describe('a recycle', () => {
  it('ends with a certificate that names every disk, and is genuine', async () => {
    const { world, desk, job, tell, machine } = await recycling();
    const plan = await tell('plan', { bootMode: 'bios', disks: [DISK] });
    expect(plan.body).toMatch(/^plan\t1\nmarker\t/);
    for (const _ of [1, 2]) expect((await tell('erased', ERASED)).statusCode).toBe(204);
    for (const _ of [1, 2]) expect((await tell('result', LAST)).statusCode).toBe(204);
    const [certificate, ...others] = world.inventory.certificates.list({ count: 9 });
    expect(others).toEqual([]);
    expect(certificate).toMatchObject({
      result: 'sanitized',
      level: 'clear',
      disks: 1,
      job: job.id,
    });
    expect(JSON.parse(certificate?.text ?? '')).toMatchObject({
      ...{
        hardwarename: machine.name,
        serial: 'SN-0001',
        requester: 'ann',
        site: 'lab',
        fault: '',
      },
      disks: [
        {
          ...{ serial: 'D1', method: 'overwrite', level: 'clear', result: 'sanitized' },
          verification: { samples: 6, blockBytes: 4096, everyBlock: false },
        },
      ],
    });
    expect(certificate && isGenuine(certificate, desk.publicKey)).toBe(true);
    const names = world.inventory.events.ofMachine(machine.name, 100).map(({ name }) => name);
    expect(names.filter((name) => /erased|issued|finished|failed/.test(name)).sort()).toEqual([
      ...['agent.finished', 'certificate.issued', 'disk.erased'],
    ]);
  });
  it.each([
    [
      'a disk that could not be erased',
      { ...ERASED, ok: false, method: '', detail: 'overwrite: error' },
      /D1: overwrite: error/,
    ],
    ['a disk whose samples showed nothing', { ...ERASED, samples: 0 }, /D1: it/],
    ['a method that nobody knows', { ...ERASED, method: 'prayer' }, /D1: it did not reach/],
    [
      'another disk than was there',
      { ...ERASED, serial: 'D9' },
      /nothing is known of the disks D1/,
    ],
    ['no disk at all', undefined, /nothing is known of the disks D1/],
  ])('with %s is failed, whatever the agent says in the end', async (_what, erased, fault) => {
    const { world, tell, machine } = await recycling();
    await tell('plan', { bootMode: 'bios', disks: [DISK] });
    if (erased) await tell('erased', erased);
    await tell('result', LAST);
    const [certificate] = world.inventory.certificates.list({ count: 1 });
    expect(certificate?.result).toBe('failed');
    expect(JSON.parse(certificate?.text ?? '').fault).toMatch(fault);
    const events = world.inventory.events.ofMachine(machine.name, 100);
    expect(events.find(({ name }) => name === 'agent.failed')?.data).toMatchObject({
      code: 'DISK_FAILED',
      detail: expect.stringMatching(fault),
    });
    expect(events.some(({ name }) => name === 'agent.finished')).toBe(false);
  });
  it('to purge is not fulfilled by what only clears', async () => {
    const { world, tell } = await recycling({ level: 'purge' });
    await tell('plan', { bootMode: 'bios', disks: [DISK] });
    await tell('erased', ERASED);
    await tell('result', LAST);
    expect(world.inventory.certificates.list({ count: 1 })[0]).toMatchObject({
      ...{ result: 'failed', level: '' },
    });
  });
  it('takes nothing from a token of other work, nor after its end', async () => {
    const { world, work, tell, job } = await recycling();
    await tell('erased', ERASED);
    world.inventory.transaction(() => world.inventory.work.end(job.id, 'called off'));
    expect((await tell('erased', { ...ERASED, name: 'vdb' })).json()).toMatchObject({
      code: 'WORK_ENDED',
    });
    expect((await tell('plan', { bootMode: 'bios', disks: [DISK] })).statusCode).toBe(410);
    expect((await work.post('/agent/x/erased', ERASED)).statusCode).toBe(403);
    expect(world.inventory.certificates.erased(job.id, 1)).toHaveLength(1);
  });
});

describe('the command line', () => {
  it('shows certificates and checks them, with the appliance and without, as openssl does', async () => {
    const { world, desk, tell, machine } = await recycling();
    await tell('plan', { bootMode: 'bios', disks: [DISK] });
    await tell('erased', ERASED);
    await tell('result', LAST);
    const people = await createPeople({ certificateKey: desk.publicKey }, world);
    closers.push(() => people.app.close());
    const { run: line } = await commandLineOf(people, 'viewer');
    const run = (...words: string[]) => line(['certificates', ...words]);
    expect(await run('list')).toMatch(/SN-0001 .* sanitized +clear +1\n/);
    const dir = temporaryFolder('certificate');
    await run('show', machine.name, '--out', dir);
    expect(await run('verify', machine.name)).toBe('genuine: SN-0001 is sanitized\n');
    const at = (name: string) => join(dir, name);
    const check = () =>
      execFileSync('openssl', [
        ...['pkeyutl', '-verify', '-pubin', '-inkey', at('key.pem'), '-rawin'],
        ...['-in', at('certificate.json'), '-sigfile', at('certificate.sig')],
      ]).toString();
    expect(check()).toMatch(/Verified Successfully/);
    await people.app.close();
    expect(await run('verify', dir)).toBe('genuine: SN-0001 is sanitized\n');
    expect(process.exitCode ?? 0).toBe(0);
    execFileSync('sed', ['-i', 's/"D1"/"D2"/', at('certificate.json')]);
    expect(check).toThrow();
    expect(await run('verify', dir)).toMatch(/^NOT GENUINE/);
    expect(process.exitCode).toBe(1);
  });
});
