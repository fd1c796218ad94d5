/** The commands that people use, at central as at an appliance: what they print of several sites, and what they are refused. */
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { codeOf, commandLine } from '../../support/command-line.ts';
import { createFleet, type TestFleet, until } from '../../support/fleet.ts';
import { current, type FleetHall, hallAt } from '../../support/fleet-halls.ts';

let fleet: TestFleet;
let [lon, sto]: FleetHall[] = [];
let run: ReturnType<typeof commandLine>;
let told = '';

beforeAll(async () => {
  fleet = await createFleet();
  lon = await hallAt(fleet, 'lon', { from: 0, count: 6 });
  sto = await hallAt(fleet, 'sto', { from: 100, count: 6 });
  lon.site.connect();
  sto.site.connect();
  await current(fleet, 'lon', 'sto');
  const url = `http://127.0.0.1:${fleet.central.peoplePort}`;
  run = commandLine({ REVEILLE_URL: url, REVEILLE_TOKEN: fleet.token }, (text) => {
    told += text;
  });
});
afterAll(async () => {
  process.exitCode = 0;
  await fleet?.close();
});

/** Sites answer in their own time. */
const printed = (line: string, what: RegExp) =>
  until(
    () => run(line),
    (text) => what.test(text),
  );

describe('the command line at central', () => {
  it('finds machines of all sites, and says of which each is', async () => {
    expect(await run('machines list')).toMatch(
      /^HARDWARENAME +SITE +STATE .*\nSN00000 +lon +available/,
    );
    expect((await run('machines list site=sto state=available')).split('\n')).toHaveLength(8);
    expect((await run('machines list --all --limit 2')).split('\n')).toHaveLength(14);
    expect(await run('machines search sn00101')).toMatch(/SN00101 +sto/);
    expect(await run('machines show SN00101')).toMatch(
      /\nsite +sto\n[\s\S]*\nfreshness +current\n/,
    );
    expect(await codeOf(run('machines list hall=H1'))).toBe('REQUEST_INVALID');
  });

  it('counts what is free, with a sign for what cannot be known here', async () => {
    expect(await run('capacity')).toMatch(/\nlon +high-io +6 +6 +\? +\? +available 6\n/);
    expect(await run('capacity --site sto')).not.toContain('lon');
  });

  it('tells what every site keeps, and what came of it there', async () => {
    await run(['squads', 'put', 'music', 'quota={machines: 9}']);
    await run('policies put default holdOnLost=[nic]');
    await run('users put ann --role operator --password', 'a long enough password');
    expect(await run('squads list')).toMatch(/^NAME .*\nmusic /);
    await printed('policies show default', /site=lon status=done, site=sto status=done/);
    expect(await run('users put ann --squad music=admin')).toBe('ann: operator music=admin\n');
    expect(await run('users list')).toMatch(/\nann +operator +music=admin +yes\n/);
    await run('policies delete default');
    expect(await run('policies list')).toBe('nothing found\n');
  });

  it('brings an image in, points to it, and says which site has it', async () => {
    const file = join(mkdtempSync(join(tmpdir(), 'image-')), 'disk.raw');
    writeFileSync(file, 'the bytes of an image');
    const added = await run(
      `images add debian-12@1 --disk ${file} --channel stable --why ${'first'}`,
    );
    expect(added).toBe('debian-12@1 is there, and debian-12/stable points to it\n');
    // These stand-ins keep no images, and say so.
    await printed('images list', /stable .*lon \(refused: NOT_FOUND\), sto \(refused/);
    expect(await run('images show debian-12@1')).toMatch(/channels +stable\n/);
    expect(await run('images point debian-12/beta 1 --why try')).toBe('debian-12/beta is 1\n');
    expect(await run('images show debian-12/beta')).toMatch(/^debian-12\/beta is 1\n/);
    expect(await run('images unpoint debian-12/beta')).toContain('is removed');
    expect(await codeOf(run('images show debian-12/beta'))).toBe('NOT_FOUND');
  });

  it('rehearses a request, asks for it, follows it and lists it', async () => {
    const wish =
      'request create --role web --image debian-12/stable --count 4 --even-sites --hostname {role}-{site}-{n}';
    expect(await run(`${wish} --dry-run`)).toMatch(/^SITE +MACHINES\nlon +2\nsto +2\n/);
    expect(await run(`${wish} --sites sto --dry-run`)).toMatch(/\nsto +4\n/);
    expect(await run(`${wish} --per-site 1 --dry-run`)).toContain('2 missing');
    const made = JSON.parse(await run(`${wish} --json`));
    await printed('request list', new RegExp(`${made.id} +web +lon, sto +working`));
    const watched = run(`request watch ${made.id}`);
    await until(
      async () =>
        Promise.all([lon?.hall.settle(), sto?.hall.settle()]).then(() => run('request list')),
      (text) => text.includes('fulfilled'),
    );
    expect(await watched).toContain('ended');
    expect(await run(`request show ${made.id}`)).toMatch(
      /\nSITE +STATUS +DONE +WHY\nlon +fulfilled +2\/2/,
    );
    const more = JSON.parse(await run(`${wish} --sites lon --json`));
    expect(await run(`request cancel ${more.id} --why enough`)).toContain('is cancelling');
  });

  it('reads the feeds of all sites behind one cursor, and misses none', async () => {
    const all = (await run('events --json'))
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(new Set(all.map(({ site }) => site))).toEqual(new Set(['lon', 'sto']));
    const first = (await fleet.call('GET', '/events?after=0&limit=5')).body;
    expect(first).toMatchObject({ more: true });
    const rest = await run(['events', '--after', first.cursor, '--json']);
    expect(rest.trim().split('\n')).toHaveLength(all.length - 5);
    expect(await run('events --names request.')).toMatch(/^(lon|sto) \d+ {2}.* request\.claimed/m);
    expect(await run('events --names machine.state --machine SN00101')).not.toContain('lon');
    expect(await codeOf(run('events --after lon.x'))).toBe('REQUEST_INVALID');
    expect(await codeOf(run('events --names no.such'))).toBe('REQUEST_INVALID');
  });

  it('refuses plainly what a site alone can do', async () => {
    const refused = ['breakers list', 'jobs stats', 'machines states', 'dns zones'];
    for (const line of refused)
      expect([line, await codeOf(run(line))]).toEqual([line, 'SITE_ONLY']);
    const problem = await run('breakers list').catch((error: Error) => error.message);
    expect(problem).toContain('sites: lon, sto');
  });

  it('says of what is old how old it is', async () => {
    const hour = 3_600_000;
    await fleet.forge(
      `UPDATE sites SET line = 'gone', heard_at = heard_at - ${hour} WHERE name = 'sto'`,
    );
    for (const line of ['machines list', 'capacity', 'request list', 'machines show SN00101']) {
      told = '';
      await run(line);
      expect(told).toMatch(/sto is away: what is shown of it is of \d{4}-/);
      expect(told).not.toContain('lon');
    }
  });
});
