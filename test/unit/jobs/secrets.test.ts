/**
 * Passwords of BMCs, searched for wherever jobs of every kind leave something, however they end: over IPMI and Redfish, and
 * in what the serial console records. The kinds are those that the program has.
 */
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { simpleMachine } from '../../../qemu-lab/fake-bmc-state.ts';
import { openDatabase } from '../../../src/platform/sqlite.ts';
import type { Hall } from '../../support/job-hall.ts';
import { hallFor, planOf } from '../../support/job-plans.ts';
import { type JobSite, openJobSite } from '../../support/job-site.ts';
import { KINDS } from '../../support/job-trials.ts';
import { searchFor } from '../../support/leaks.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

const SECRETS = {
  site: 'Xk4-site-Bn7r',
  factory: 'Xk4-fact-Qh2m',
  wrong: 'Xk4-wrong-Ty8e',
  key: 'Xk4-bmckey-Wd3z',
};
const search = searchFor(Object.values(SECRETS));

/** Everything that a person or a program can ask of it about its jobs, and what went wrong inside. */
function told(hall: Hall): string {
  const { desk, inventory, life } = hall.now;
  const jobs = desk.store.page({}, 100);
  const errors = life.errors.map((error) => `${error} ${(error as Error).stack}`);
  return JSON.stringify([
    ...[jobs, jobs.map((job) => [desk.store.logOf(job.number), desk.progress(job)])],
    ...[desk.stats.read(), inventory.events.after(0, 10_000), errors],
  ]);
}

describe.each(KINDS)('%s', (kind) => {
  it.each([
    ['is done', SECRETS.factory, 'finished'],
    // A BMC that refuses the login names it in no error; one whose job needs none is done all the same.
    ['is refused', SECRETS.wrong, 'failed'],
  ])('leaves no password behind when it %s', async (_, password, status) => {
    const folder = temporaryFolder('secrets');
    const db = openDatabase(join(folder, 'reveille.db'));
    // What is in the files is the same, and nobody waits for the disk.
    db.pragma('synchronous = OFF');
    try {
      const hall = hallFor(kind, { db });
      const { inventory } = hall.now;
      const { credentials, records } = inventory.serverdb;
      const put = (name: string, username: string, secret: string) =>
        credentials.put(
          { name, squad: '', username, notes: '', password: secret },
          { who: 'test' },
        );
      inventory.transaction(() => {
        put('factory', 'admin', password);
        put('site', 'reveille', SECRETS.site);
        put('kg', '', SECRETS.key);
        // Written down, and of another machine.
        records.put(
          'bmc',
          { name: 'other', doc: { machines: ['OTHER'], keyCredential: 'kg' } as never },
          { who: 'test', why: 'test' },
        );
      });
      const admin = hall.machine(0).state.users.find((user) => user?.name === 'admin');
      if (!admin) throw new Error('it has no account of the factory');
      admin.password = Buffer.from(SECRETS.factory);
      const { id } = hall.submit(kind, 0, planOf(kind).params ?? {});
      await hall.settle();
      expect(hall.job(id).status).toBe(status);
      const all = told(hall);
      expect(all.length).toBeGreaterThan(500);
      expect(search.in('what it tells', all)).toEqual([]);
      expect(search.below(folder)).toEqual([]);
      db.pragma('wal_checkpoint(TRUNCATE)');
      expect(search.below(folder)).toEqual([]);
      // The search sees what is there.
      expect(searchFor([id]).below(folder)).toContain('reveille.db');
    } finally {
      db.close();
    }
  });
});

describe('over Redfish, and with the console recorded', () => {
  let site: JobSite;
  beforeAll(async () => {
    site = await openJobSite('jobs: { bmcSetup: { credential: site, factory: [factory] } }', {
      consoles: true,
    });
    site.credential('site', 'reveille', SECRETS.site);
    site.credential('factory', 'admin', SECRETS.factory);
    site.credential('wrong', 'admin', SECRETS.wrong);
  });
  afterAll(() => site.close());

  const answersOf = async (paths: readonly string[]): Promise<string[]> => {
    const found: string[] = [];
    for (const path of paths) {
      const answer = await site.get(`/api/v1/${path}`);
      expect(answer.length, path).toBeGreaterThan(10);
      found.push(...search.in(path, answer));
    }
    return found;
  };

  it('jobs leave none in log, events, answers or files', async () => {
    const fake = await site.redfish('REDF1SH', 'factory', SECRETS.factory);
    for (const kind of ['bmc-setup', 'power-on', 'identify', 'reset'])
      expect(await site.run(kind, 'REDF1SH'), kind).toMatchObject({ status: 'finished', code: '' });
    // The passwords were sent: they are what the service was logged in with.
    expect(fake.requests.filter((each) => each.includes('Accounts')).length).toBeGreaterThan(1);
    site.inventory.transaction(() =>
      site.inventory.serverdb.editor.edit(
        'REDF1SH' as never,
        { bmcCredential: 'wrong' },
        { who: 'test', why: 'test' },
      ),
    );
    await site.run('power-off', 'REDF1SH', { graceSeconds: 0 });
    const ids = site.jobs.store.page({}, 100).map(({ id }) => id);
    const found = await answersOf([
      ...['machines/REDF1SH', 'machines/REDF1SH/bmc', 'machines/REDF1SH/bmc/power', 'bmcs'],
      ...['credentials', 'bmc-profiles', 'events?limit=1000', 'jobs', 'jobs/stats'],
      ...ids.map((id) => `jobs/${id}`),
    ]);
    expect(site.lines.length).toBeGreaterThan(0);
    expect([
      ...found,
      ...search.in('log', site.lines.join('')),
      ...search.below(site.folder),
    ]).toEqual([]);
  });

  it('a recording has what the machine printed, and no login of the session that it came through', async () => {
    const handlers: ((bytes: Uint8Array) => void)[] = [];
    const serial = {
      write: () => undefined,
      onData: (handler: (bytes: Uint8Array) => void) => void handlers.push(handler),
    };
    const bmc = await site.machine('C0NSOLE', 'factory', {
      machine: { ...simpleMachine(), serial },
      users: [{ name: 'admin', password: SECRETS.factory, privilege: 4 }],
    });
    expect((await site.run('power-on', 'C0NSOLE')).status).toBe('finished');
    await expect.poll(() => bmc.solActive(), { timeout: 10_000 }).toBe(true);
    for (const handler of handlers) handler(Buffer.from('BIOS says hello\r\n'));
    const last = () => site.get('/api/v1/machines/C0NSOLE/console/last');
    await expect.poll(last, { timeout: 10_000 }).toContain('BIOS says hello');
    const found = await answersOf([
      ...['machines/C0NSOLE/console', 'machines/C0NSOLE/console/last'],
      ...['events?limit=1000', 'machines/C0NSOLE'],
    ]);
    expect(searchFor(['BIOS says hello']).below(site.folder)).not.toEqual([]);
    expect([
      ...found,
      ...search.in('log', site.lines.join('')),
      ...search.below(site.folder),
    ]).toEqual([]);
  });
});
