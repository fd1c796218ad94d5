/** `reveille console` as people start it, beside an appliance on a real socket. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { afterEach, describe, expect, it } from 'vitest';
import { AppError } from '../../../src/errors.ts';
import type { Role } from '../../../src/inventory/access.ts';
import {
  type ConsoleAppliance,
  createConsoleAppliance,
  CONSOLE_MACHINE as NAME,
} from '../../support/console-appliance.ts';

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});
const appliance = () => createConsoleAppliance(closers);

/** Each of its processes loads the whole program: seconds, on a busy computer ten. */
const PROCESSES_MS = 60_000;

describe('reveille console', { timeout: PROCESSES_MS }, () => {
  /** The command as people start it, beside an appliance on a real socket. */
  function start(here: ConsoleAppliance, words: readonly string[], role: Role = 'technician') {
    const { secret } = here.token(role);
    const environment = { REVEILLE_URL: `http://127.0.0.1:${here.port}`, REVEILLE_TOKEN: secret };
    const child = spawn(process.execPath, ['src/main.ts', 'console', ...words], {
      env: { ...process.env, ...environment },
    });
    closers.push(() => child.kill('SIGKILL'));
    let [out, told, wake] = ['', '', () => undefined as unknown];
    child.stdout.on('data', (text) => {
      out += text;
      wake();
    });
    child.stderr.on('data', (text) => {
      told += text;
      wake();
    });
    const over = once(child, 'close').then(([status]) => status as number);
    const until = async (holds: () => boolean) => {
      while (!holds()) await new Promise((next) => (wake = next as () => unknown));
    };
    return { child, over, until, out: () => out, told: () => told };
  }

  it('types, shows, breaks and leaves', async () => {
    const here = await appliance();
    const { child, over, until, out, told } = start(here, [NAME]);
    await until(() => told().includes('[open]') && told().includes('[you type'));
    const typed = () => here.lines.last().typed();
    child.stdin.write('hello\r~B~~');
    while (!typed().endsWith('~')) await here.lines.settle();
    expect([typed(), here.lines.last().breaks()]).toEqual(['hello\r~', 1]);
    here.lines.last().say('login: ');
    await until(() => out().includes('login: '));
    child.stdin.write('\r~.');
    expect(await over).toBe(0);
    expect(typed()).toBe('hello\r~\r');
  });

  it('says why it may not, or cannot', async () => {
    const here = await appliance();
    const viewer = start(here, [NAME], 'viewer');
    expect(await viewer.over).not.toBe(0);
    expect(viewer.told()).toContain('It takes a site technician');
    here.lines.failures = [new AppError('CONSOLE_TAKEN')];
    const late = start(here, [NAME]);
    expect(await late.over).not.toBe(0);
    expect(late.told()).toContain('ask to take it over');
  });

  it('prints what was recorded', async () => {
    const here = await appliance();
    const { consoles } = here.world.inventory;
    const number = consoles.begin({ hardwarename: NAME, boot: 'B1', why: 'netboot' });
    consoles.append(number, Buffer.from('panic'));
    const [last, boot, list] = [['--last'], ['--boot', 'B1'], ['--list']].map((words) =>
      start(here, [NAME, ...words]),
    );
    for (const one of [last, boot, list]) expect(await one?.over).toBe(0);
    expect([last?.out(), boot?.out()]).toEqual(['panic\n', 'panic\n']);
    expect(list?.out()).toMatch(/B1\s+netboot\s.*goes on/);
  });
});
