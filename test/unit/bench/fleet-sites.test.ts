/** The sites of the bench of central are sites as far as central can see, and say how long things took. */
import { spawn } from 'node:child_process';
import { join, resolve } from 'node:path';
import { expect, it } from 'vitest';
import { joinFleet } from '../../../src/daemon/join-fleet.ts';
import { createFleet, until } from '../../support/fleet.ts';

const PROGRAM = resolve(import.meta.dirname, '../../../bench/support/fleet-sites.ts');
const MACHINES = 250;

it('are copied whole, and their events each counted once', async () => {
  const fleet = await createFleet();
  const url = `https://127.0.0.1:${fleet.central.appliancesPort}`;
  const sites: { name: string; folder: string }[] = [];
  for (const name of ['one', 'two']) {
    const folder = join(fleet.folder, name);
    await joinFleet(folder, url, (await fleet.call('POST', `/sites/${name}/join-code`)).body.code);
    sites.push({ name, folder });
  }
  const plan = JSON.stringify({ sites, machines: MACHINES });
  const child = spawn(process.execPath, [PROGRAM, plan], { stdio: ['pipe', 'pipe', 'inherit'] });
  const ended = new Promise((next) => child.once('close', next));
  let said = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    said += text;
  });
  const answer = async (word: string) => {
    await until(
      async () => said,
      (text) => new RegExp(`^${word} .*\n`, 'm').test(text),
    );
    return JSON.parse(new RegExp(`^${word} (.*)$`, 'm').exec(said)?.[1] ?? '');
  };
  try {
    const count = async () => {
      const { capacity } = (await fleet.call('GET', '/capacity')).body;
      return capacity.reduce((sum: number, row: { count: number }) => sum + row.count, 0);
    };
    await until(count, (machines) => machines === 2 * MACHINES);
    child.stdin.write('burst 700\n');
    expect(await answer('burst')).toMatchObject({ events: 1400 });
    child.stdin.write('steady 100 1\n');
    const { events, lagP99Ms } = await answer('steady');
    expect(events).toBeGreaterThan(80);
    expect(lagP99Ms).toBeGreaterThan(0);
    expect(await count()).toBe(2 * MACHINES);
    const { body } = await fleet.call('GET', '/events?site=one&limit=500');
    const { id: newest } = body.events[0];
    expect(newest).toBe(1 + 700 + Math.ceil(events / 2));
    const ids = body.events.map(({ id }: { id: number }) => id);
    expect(ids).toEqual(Array.from({ length: 500 }, (_, index) => newest - index));
    const below = `/events?site=one&limit=1&below=${newest}`;
    expect((await fleet.call('GET', below)).body.events).toMatchObject([{ id: newest - 1 }]);
    expect((await fleet.call('GET', '/events?below=5')).status).toBe(400);
  } finally {
    child.kill('SIGTERM');
    await ended;
    await fleet.close();
  }
});
