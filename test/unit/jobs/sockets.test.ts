/** Jobs of the daemon's own parts on real sockets, a real clock and a database file; and where their secrets are not. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { backupDatabase } from '../../../src/platform/backup.ts';
import { type JobSite, openJobSite } from '../../support/job-site.ts';
import { searchFor } from '../../support/leaks.ts';

/** No other word of these tests, so that finding one means that it leaked. */
const SECRETS = {
  site: 'Zq7-site-Kw2x',
  factory: 'Zq7-fact-Mv9p',
  wrong: 'Zq7-wrong-Rt4s',
  key: 'Zq7-bmckey-Ln5d',
};

let site: JobSite;
beforeAll(async () => {
  site = await openJobSite(
    'jobs: { bmcSetup: { credential: site, factory: [factory], restorePolicy: always-on } }',
  );
  site.credential('site', 'reveille', SECRETS.site);
  site.credential('factory', 'admin', SECRETS.factory);
  site.credential('wrong', 'admin', SECRETS.wrong);
  site.credential('kg', '', SECRETS.key);
});
afterAll(() => site.close());

const users = [{ name: 'admin', password: SECRETS.factory, privilege: 4 }];

describe('jobs on real sockets', () => {
  it('set a BMC up, switch its machine on, light and reset it', async () => {
    const bmc = await site.machine('C0MPUT3', 'factory', { users });
    for (const kind of ['bmc-setup', 'power-on', 'identify', 'reset', 'power-on'])
      expect(await site.run(kind, 'C0MPUT3'), kind).toMatchObject({ status: 'finished', code: '' });
    expect(bmc.state.machine.powerOn()).toBe(true);
    expect(bmc.state.identify).toBe(60);
    expect(bmc.state.restorePolicy).toBe(2);
    const accounts = bmc.state.users.map((user) => user && [user.name, user.enabled]);
    expect(accounts).toContainEqual(['admin', false]);
    expect(accounts).toContainEqual(['reveille', true]);
    const record = site.inventory.machines.record('C0MPUT3' as never);
    expect(record?.bmcCredential).toBe('site');
    // Five jobs of eleven steps took turns with a few sessions, and at most one is kept.
    expect(bmc.sessions()).toBeLessThanOrEqual(1);
    const told = await site.metrics.registry.metrics();
    expect(told).toMatch(/reveille_bmc_sessions\{state="used"\} 0\n/);
    expect(told).toMatch(/reveille_bmc_sessions\{state="kept"\} [01]\n/);
  });

  it('survive lost packets, and name the cause of what nobody can do', async () => {
    const bmc = await site.machine('L0SSY01', 'factory', { users });
    bmc.knobs.dropReplies = 1;
    expect((await site.run('power-on', 'L0SSY01')).status).toBe('finished');
    await site.machine('WR0NG01', 'wrong', {
      users: [{ name: 'root', password: 'x', privilege: 4 }],
    });
    expect(await site.run('power-on', 'WR0NG01')).toMatchObject({
      ...{ status: 'failed', code: 'BMC_USER' },
      detail: expect.stringContaining('wrong (BMC_USER), site (BMC_USER), factory (BMC_USER)'),
    });
  });
});

describe('secrets', () => {
  const { in: leaks, below } = searchFor(Object.values(SECRETS));

  it('are found by this search where they are', () => {
    expect(leaks('here', `x${SECRETS.site}y`)).toEqual(['here']);
    expect(leaks('here', Buffer.from(Buffer.from(SECRETS.key).toString('base64')))).toEqual([
      'here',
    ]);
  });

  it('are in no log line, event, answer or file of the database', async () => {
    expect(site.lines.length).toBeGreaterThan(0);
    const found = leaks('the log', site.lines.join(''));
    await site.get('/api/v1/machines/C0MPUT3/bmc/power');
    await site.get('/api/v1/machines/WR0NG01/bmc/power');
    const ids = site.jobs.store.page({}, 100).map(({ id }) => id);
    expect(ids.length).toBeGreaterThan(6);
    for (const path of [
      ...['machines', 'machines/C0MPUT3', 'machines/C0MPUT3/bmc', 'machines/WR0NG01/bmc', 'bmcs'],
      ...['bmc-profiles', 'credentials', 'events?limit=1000', 'jobs', 'jobs/stats', 'jobs/kinds'],
      ...ids.map((id) => `jobs/${id}`),
    ]) {
      const answer = await site.get(`/api/v1/${path}`);
      expect(answer.length, path).toBeGreaterThan(10);
      found.push(...leaks(path, answer));
    }
    await backupDatabase(site.db.name, {
      ...{ folder: join(site.folder, 'backups'), keep: 1, now: new Date() },
    });
    found.push(...below(site.folder));
    expect(found).toEqual([]);
  });

  it('are in no process list: not of the appliance, not of the command line', async () => {
    const bmc = await site.machine('SL0W001', 'factory', { users });
    const file = join(site.folder, 'password');
    writeFileSync(file, `${SECRETS.factory}\n`);
    // It answers late, so that the process can be looked at while it asks.
    bmc.knobs.delayMs = 150;
    const words = ['bmc', '-U', 'admin', '-f', file, '-p', String(bmc.port), bmc.address];
    const child = spawn(process.execPath, ['src/main.ts', ...words, 'power', 'status']);
    const output: Buffer[] = [];
    child.stdout.on('data', (part: Buffer) => output.push(part));
    const ended = once(child, 'close');
    const seen: string[] = [];
    const look = (pid: number | string) => {
      for (const name of ['cmdline', 'environ'])
        seen.push(...leaks(`${pid} ${name}`, readFileSync(`/proc/${pid}/${name}`)));
    };
    let looks = 0;
    while (child.exitCode === null && bmc.sessions() === 0)
      await new Promise((resolve) => setTimeout(resolve, 5));
    if (child.exitCode === null && child.pid !== undefined) {
      look(child.pid);
      looks += 1;
    }
    look('self');
    const [status] = await ended;
    expect([status, Buffer.concat(output).toString()]).toEqual([0, 'Chassis Power is off\n']);
    expect(looks).toBe(1);
    expect(seen).toEqual([]);
    // A process of its own loads the whole program: seconds, on a busy machine many.
  }, 60_000);
});
