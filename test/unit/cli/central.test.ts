/** `reveille central …` without a running central. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Command } from 'commander';
import { describe, expect, it } from 'vitest';
import { openFleetAccess } from '../../../src/central/access.ts';
import { openFleetDatabase } from '../../../src/central/sql.ts';
import { addFleetCommands } from '../../../src/cli/central.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

const NOW = 1_700_000_000_000 as never;

async function run(...words: string[]): Promise<string> {
  let output = '';
  const program = new Command('reveille').exitOverride();
  addFleetCommands(program, {
    write: (text) => {
      output += text;
    },
    tell: () => undefined,
    readInput: async () => '',
    run: () => undefined,
  });
  await program.parseAsync(words, { from: 'user' });
  return output;
}

describe('central token', () => {
  it('prints a token that works, and nothing else; with --json what it is of, too', async () => {
    const dir = temporaryFolder('central');
    const database = `sqlite:${join(dir, 'fleet.db')}`;
    const config = join(dir, 'central.yaml');
    writeFileSync(config, `database: ${database}\nfolder: ${dir}\n`);
    const plain = (await run('central', 'token', 'ops', '--role', 'admin', '-c', config)).trim();
    const words = ['central', 'token', 'music', '--squad', 'music', '--json', '-c', config];
    const document = JSON.parse(await run(...words));
    expect(document).toEqual({
      ...{ name: 'music', role: 'viewer', squads: ['music'] },
      token: expect.stringMatching(/^\S{20,}$/),
    });
    const db = openFleetDatabase(database);
    const access = openFleetAccess(db, () => NOW);
    expect(await access.principal(`Bearer ${plain}`)).toMatchObject({ role: 'admin' });
    expect(await access.principal(`Bearer ${document.token}`)).toMatchObject({
      squads: { music: 'viewer' },
    });
    await db.close();
  });

  it.each([
    ['database: [', 'CONFIG_INVALID', '\n  the file: is no YAML: '],
    [
      'peple: {}',
      'CONFIG_INVALID',
      "\n  the top level: unknown key 'peple' (did you mean 'people'?)",
    ],
    [
      'people: { port: "1" }',
      'CONFIG_INVALID',
      '\n  people.port: has to be a number, without quotes',
    ],
    ['database: mysql://x/y', 'CONFIG_INVALID', '\n  database: begins with postgresql: or sqlite:'],
    ['database: sqlite:/nowhere/fleet.db', 'DATABASE_FAILED', '(sqlite:/nowhere/fleet.db: '],
    [
      'database: postgresql://me:secret@127.0.0.1:9/fleet',
      ...(['DATABASE_FAILED', '(postgresql://…@127.0.0.1:9/fleet: connect ECONNREFUSED'] as const),
    ],
  ])('says what is wrong with a file of %j', async (text, code, says) => {
    const config = join(temporaryFolder('central'), 'central.yaml');
    writeFileSync(config, text);
    const made = run('central', 'token', 'ops', '-c', config);
    await expect(made).rejects.toMatchObject({ code, message: expect.stringContaining(says) });
  });

  it('is of a role that there is', async () => {
    await expect(run('central', 'token', 'ops', '--role', 'king')).rejects.toThrow('Roles are');
  });
});
