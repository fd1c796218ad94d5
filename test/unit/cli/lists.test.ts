/** What lists show and say, what a change leaves alone, and that every command speaks to programs. */
import { Command } from 'commander';
import { describe, expect, it } from 'vitest';
import { addPeopleCommands } from '../../../src/cli/people/commands.ts';
import { rackSchema } from '../../../src/inventory/record-kinds.ts';
import { appliance, codeOf, commandLine } from '../../support/command-line.ts';

describe('machines', () => {
  it('are listed in the order that is asked for, and it is told when there are more', async () => {
    let told = '';
    const { run, url } = await appliance();
    for (const unit of [3, 1, 2])
      await run(`machines enter serial=SN-${unit} rack=R1 unit=${unit}`);
    const names = async (words: string) =>
      [...(await run(`machines list ${words}`)).matchAll(/^SN-\d/gm)].map(String);
    expect(await names('sort=-unit')).toEqual(['SN-3', 'SN-2', 'SN-1']);
    expect(await names('--sort unit --limit 2')).toEqual(['SN-1', 'SN-2']);
    expect(await names('--limit 5000')).toHaveLength(3);
    const exported = JSON.parse(await run('machines export unit.gte=2 --json'));
    expect(exported.machines).toMatchObject([{ serial: 'SN-2' }, { serial: 'SN-3' }]);
    expect(await run('machines export unit=2')).toMatch(/^hardwarename,.*\r\nSN-2,/);
    expect(await codeOf(run('machines list --limit none'))).toBe('commander.invalidArgument');
    const token = (await run('tokens create reader --role viewer')).trim();
    const listening = commandLine({ REVEILLE_URL: url, REVEILLE_TOKEN: token }, (text) => {
      told += text;
    });
    await listening('machines list --limit 2');
    expect(told).toContain('more than these 2');
    await listening('machines list');
    expect(told.match(/more than/g)).toHaveLength(1);
  });
});

describe('records and access', () => {
  it('a user that is changed stays what nothing is said of', async () => {
    const { run } = await appliance();
    await run('squads put music contact=music@example.org');
    await run('squads put search contact=search@example.org');
    await run('users put negz --role admin --squad music=admin --squad search=viewer');
    await run('users put negz --disabled');
    await run('users put negz --password', 'a long password\n');
    expect(await run('users list')).toMatch(/negz +admin +music=admin search=viewer +disabled/);
    await run('users put negz --enabled --squad search=');
    expect(await run('users list')).toMatch(/negz +admin +music=admin +yes/);
    await run('users put new');
    expect(await run('users list')).toMatch(/new +viewer/);
  });

  it('a webhook is stopped and started', async () => {
    const { run } = await appliance();
    const made = JSON.parse(await run('webhooks add http://127.0.0.1:9/ --json'));
    const { id } = made.webhook;
    expect(await run(`webhooks stop ${id}`)).toContain('is stopped');
    expect(await run('webhooks list')).toContain('stopped');
    await run(`webhooks start ${id}`);
    expect(await run('webhooks list')).not.toContain('stopped');
  });

  it('lists of more than one call holds are whole', async () => {
    const { run, people } = await appliance();
    const { records } = people.world.inventory.serverdb;
    people.world.inventory.transaction(() => {
      for (let n = 0; n < 1001; n++)
        records.put(
          'rack',
          { name: `R${n}`, doc: rackSchema.parse({}) },
          { who: 'test', why: 'x' },
        );
    });
    const { items } = JSON.parse(await run('racks list --json'));
    expect(new Set(items.map(({ name }: { name: string }) => name)).size).toBe(1001);
    expect((await run('racks list')).trim().split('\n')).toHaveLength(1002);
  });
});

describe('every command', () => {
  it('prints JSON for programs, but those whose output is a file', () => {
    const program = new Command('reveille');
    addPeopleCommands(program, {
      environment: {},
      write: () => undefined,
      tell: () => undefined,
      readInput: async () => '',
    });
    const without: string[] = [];
    const visit = (command: Command, words: readonly string[]): void => {
      const has = command.options.some(({ long }) => long === '--json');
      if (command.commands.length === 0 && !has) without.push(words.join(' '));
      for (const child of command.commands) visit(child, [...words, child.name()]);
    };
    visit(program, []);
    expect(without.sort()).toEqual(['completion', 'images manifest']);
  });
});
