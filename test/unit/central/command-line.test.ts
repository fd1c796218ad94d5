/** The commands that people use, at central as at an appliance: what they print of several sites, and what they are refused. */
import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { codeOf, commandLine } from '../../support/command-line.ts';
import { createFleet, type TestFleet, until } from '../../support/fleet.ts';
import { current, type FleetHall, hallAt } from '../../support/fleet-halls.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

let fleet: TestFleet;
let [lon, sto]: FleetHall[] = [];
let run: ReturnType<typeof commandLine>;
let told = '';
/** Where images come from. */
let serving: { readonly server: Server; readonly port: number };

beforeAll(async () => {
  const server = createServer((_request, response) => response.end('other bytes of an image'));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  serving = { server, port: (server.address() as AddressInfo).port };
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
  serving.server.close();
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
    // Who changes it sends the version back that was read.
    await run(['squads', 'put', 'music', 'notes=ours']);
    expect(await run('squads show music')).toMatch(/\nquota +machines=9\n/);
    const blind = await fleet.call('PUT', '/squads/music', {}, { 'if-match': '"1"' });
    expect(blind.body.code).toBe('VERSION_CONFLICT');
    expect(await run('squads list')).toMatch(/^NAME .*\nmusic /);
    await printed(
      'policies show default',
      /site=lon status=done freshness=current .*site=sto status=done freshness=current/,
    );
    expect(await run('users put ann --squad music=admin')).toBe('ann: operator music=admin\n');
    expect(await run('users list')).toMatch(/\nann +operator +music=admin +yes\n/);
    await run('policies delete default');
    expect(await run('policies list')).toBe('nothing found\n');
  });

  it('follows jobs that it has asked for on several machines to their ends', async () => {
    const asked = run('jobs create power-off SN00000 SN00100 --watch');
    await until(
      () => Promise.all([lon?.hall.settle(), sto?.hall.settle()]).then(() => run('jobs list')),
      (text) => text.split('\n').filter((line) => /finished/.test(line)).length === 2,
    );
    expect(await asked).toMatch(/SN00000 +power-off +finished/);
    expect(await asked).toMatch(/SN00100 +power-off +finished/);
    expect(await run('jobs list --follow')).toBe('');
  });

  it('brings an image in, points to it, and says which site has it', async () => {
    const file = join(temporaryFolder('image'), 'disk.raw');
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
    // Where it has pointed is kept, and it goes back there.
    const url = `http://127.0.0.1:${serving.port}/disk.raw`;
    const second = await run(`images add debian-12@2 --disk ${url} --channel beta --why newer`);
    expect(second).toContain('debian-12/beta points to it');
    expect(await run('images rollback debian-12/beta --why worse')).toBe('debian-12/beta is 1\n');
    const moves = await run('images show debian-12/beta');
    expect(moves).toMatch(/ 2 +1 +token:first-start +worse\n.* 1 +2 +token:first-start +newer\n/);
    const wrong = `images upload ${url} --sha256 ${'0'.repeat(64)}`;
    expect(await codeOf(run(wrong))).toBe('IMAGE_MISMATCH');
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

  it('keeps a pool over both sites, sizes it and resets it', async () => {
    const wish = ['pool', 'put', 'web', '--role', 'web', '--image', 'debian-12/stable'];
    expect(await codeOf(run([...wish, '--count', '2']))).toBe('REQUEST_INVALID');
    expect(await codeOf(run(wish))).toBe('REQUEST_INVALID');
    const made = await run([...wish, '--sites', 'lon=2,sto=1']);
    expect(made).toBe('pool web is to have 3 machines\n');
    await printed('pool show web', /\nlon +done +0\/2 +0/);
    await lon?.hall.until(() => lon?.hall.members('web').length === 2);
    await sto?.hall.until(() => sto?.hall.members('web').length === 1);
    await printed('pool list', /\nweb +web +lon, sto +3\/3 +debian-12\/stable/);
    const shown = await run('pool show web');
    expect(shown).toMatch(
      /\nSITE +ASKED +HEALTHY +THERE +WHY\nlon +done +2\/2 +2\nsto +done +1\/1/,
    );
    expect(shown).toMatch(/\nMACHINE +SITE +HOSTNAME .*\nSN0000\d +lon +web-/);
    expect(await codeOf(run('pool size web --site lon --count 1'))).toBe('CONFIRMATION_NEEDED');
    const sized = await run('pool size web --site lon --count 1 --confirm 1');
    expect(sized).toBe('pool web is to have 2 machines\n');
    const reset = await run('pool reset web --site sto --why kernel');
    const [, id = ''] = /^reset (\S+) of web at sto runs\n$/.exec(reset) ?? [];
    await printed('pool resets', new RegExp(`${id} +web +running +sto: running`));
    expect(await run(`pool abort-reset ${id} --why enough`)).toBe(`reset ${id} is aborted\n`);
    expect(await run('pool remove web')).toBe('pool web is forgotten\n');
    expect(await run('pool list')).toBe('nothing found\n');
  });

  it('reads the feeds of all sites behind one cursor, and misses none', async () => {
    const lines = (text: string) =>
      text
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line));
    const numbers = (events: { site: string; id: number }[]) =>
      events.map(({ site, id }) => `${site} ${id}`);
    const all = lines(await run('events --json'));
    expect(new Set(all.map(({ site }) => site))).toEqual(new Set(['lon', 'sto']));
    const first = (await fleet.call('GET', '/events?after=0&limit=5')).body;
    expect(first).toMatchObject({ more: true });
    expect(first.events).toHaveLength(5);
    const rest = lines(await run(['events', '--after', first.cursor, '--json']));
    // The sites go on telling while this asks: what is there by now is all of before, each once, and perhaps more.
    const read = numbers([...first.events, ...rest]);
    expect(new Set(read).size).toBe(read.length);
    expect(read).toEqual(expect.arrayContaining(numbers(all)));
    expect(await run('events --names request.')).toMatch(/^(lon|sto) \d+ {2}.* request\.claimed/m);
    expect(await run('events --names machine.state --machine SN00101')).not.toContain('lon');
    expect(await codeOf(run('events --after lon.x'))).toBe('REQUEST_INVALID');
    expect(await codeOf(run('events --names no.such'))).toBe('REQUEST_INVALID');
  });

  it('follows the feeds of all sites in a process of its own', async () => {
    const url = `http://127.0.0.1:${fleet.central.peoplePort}`;
    const words = 'src/main.ts events --follow --names machine.edited'.split(' ');
    const child = spawn(process.execPath, words, {
      env: { ...process.env, REVEILLE_URL: url, REVEILLE_TOKEN: fleet.token },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let output = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
    const seen = async (name: string) => {
      // Until it has begun to follow, what happens is not told: it goes on happening.
      for (let n = 0; !new RegExp(`machine.edited +${name}`).test(output); n++) {
        await fleet.call('PATCH', `/machines/${name}`, { notes: `${n}` }, { 'if-match': '*' });
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    };
    await seen('SN00001');
    await seen('SN00101');
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGINT');
    await ended;
    const numbers = output
      .trim()
      .split('\n')
      .map((line) => line.split('  ')[0]);
    expect(new Set(numbers).size).toBe(numbers.length);
    expect(output).toMatch(/^lon \d+ {2}/m);
    expect(output).toMatch(/^sto \d+ {2}/m);
  });

  it('asks for a job on a machine of any site, and tells how far it is', async () => {
    const made = JSON.parse(await run('jobs create release SN00103 --json'));
    expect(made).toMatchObject({ site: 'sto', status: 'queued', target: 'hardwarename=SN00103' });
    // What the site's own rules say is what became of it.
    await printed('jobs list', new RegExp(`${made.id} +sto +release +SN00103 +failed`));
    expect(await run(`jobs show ${made.id}`)).toMatch(/\ncode +[A-Z_]+\n/);
    const { body } = await fleet.call('GET', '/machines?role=web&limit=1');
    const [{ hardwarename, site }] = body.machines;
    const hall = site === 'lon' ? lon?.hall : sto?.hall;
    const given = ['image=debian-12/stable', 'hostname=web-9', 'role=web', 'sshKeys=[]'];
    const params = given.map((word) => `--param ${word}`).join(' ');
    const job = `jobs create reinstall ${hardwarename} --release ${params}`;
    const { id } = JSON.parse(await run(`${job} --json`));
    await until(
      () => run(`jobs show ${id} --json`).then((text) => JSON.parse(text).job),
      (one) => one.siteJob !== '',
    );
    await hall?.settle();
    await printed(`jobs show ${id}`, /\nstatus +finished\n[\s\S]*finished/);
    expect(await run(`jobs list --status finished --machine ${hardwarename}`)).toContain(id);
    expect(await run('jobs list --action no-such')).toBe('nothing found\n');
    expect(await codeOf(run('jobs create recon NO-SUCH'))).toBe('MACHINE_UNKNOWN');
    expect(await codeOf(run(`jobs cancel ${id}`))).toBe('JOB_ENDED');
  });

  it('refuses plainly what a site alone can do', async () => {
    const refused = ['breakers list', 'jobs stats', 'dns zones'];
    for (const line of refused)
      expect([line, await codeOf(run(line))]).toEqual([line, 'SITE_ONLY']);
    const problem = await run('breakers list').catch((error: Error) => error.message);
    expect(problem).toContain('Ask the appliance of lon or sto.');
  });

  it('says of what is old how old it is', async () => {
    const hour = 3_600_000;
    await fleet.forge(
      `UPDATE sites SET line = 'gone', heard_at = heard_at - ${hour} WHERE name = 'sto'`,
    );
    const lines = [
      ...['machines list', 'machines states', 'capacity', 'request list', 'pool resets'],
      ...[
        'squads list',
        'squads show music',
        'images list',
        'images show debian-12@1',
        'jobs list',
      ],
    ];
    for (const line of lines) {
      told = '';
      await run(line);
      expect(told).toMatch(/sto is away: what is shown of it is of \d{4}-/);
      expect(told).not.toContain('lon');
    }
    expect(await run('machines export')).toMatch(/\nSN00100,.*,away,\d+\r\n/);
    // Which machines are late, sites know.
    expect(await run('machines states')).toMatch(/\navailable +\d+ +\? /);
    const { body } = await fleet.call('GET', '/machines/count');
    expect(body.sites).toMatchObject([{ freshness: 'current' }, { freshness: 'away' }]);
  });
});
