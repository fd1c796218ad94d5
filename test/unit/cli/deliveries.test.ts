/** Packing lists by the command line: taken in, compared, replaced, forgotten; for people and for scripts. */
import { writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { Command } from 'commander';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { addPeopleCommands } from '../../../src/cli/people/commands.ts';
import { createPeople, type People } from '../../support/people.ts';
import { furnish } from '../../support/portal.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

let people: People;
let first: string;
let run: (...words: string[]) => Promise<string>;

beforeEach(async () => {
  people = await createPeople();
  [first = ''] = furnish(people.world, 3);
  await people.app.listen({ host: '127.0.0.1', port: 0 });
  const { port } = people.app.server.address() as AddressInfo;
  const { access } = people.world.inventory.serverdb;
  const { secret } = people.world.inventory.transaction(() =>
    access.createToken({ name: 'aisle', role: 'technician', squads: {} }, 'test'),
  );
  run = async (...words) => {
    let output = '';
    const program = new Command('reveille').exitOverride();
    addPeopleCommands(program, {
      environment: { REVEILLE_URL: `http://127.0.0.1:${port}`, REVEILLE_TOKEN: secret },
      write: (text) => {
        output += text;
      },
      tell: () => undefined,
      readInput: async () => `serial,rack,unit\n${first},R01,40\n`,
    });
    await program.parseAsync(words, { from: 'user' });
    return output;
  };
});
afterEach(async () => {
  process.exitCode = 0;
  await people.app.close();
});

describe('reveille deliveries', () => {
  it('takes a list in from a file, tells what is missing and wrong, and ends with 1 for scripts', async () => {
    const file = join(temporaryFolder('delivery'), 'list.csv');
    writeFileSync(file, `serial,rack,unit\n${first},R01,1\nNEVERCAME,R03,14\n`);
    expect(
      await run(
        'deliveries',
        'put',
        'PO-1',
        file,
        '--supplier',
        'Dell',
        '--expected-on',
        '2026-11-30',
      ),
    ).toBe('PO-1 is taken in: 2 lines\n');
    expect(await run('deliveries', 'list')).toMatch(/PO-1 +Dell +2026-11-30 +1 +1 +0 +0 +0\n/);
    expect(process.exitCode ?? 0).toBe(0);
    const shown = await run('deliveries', 'show', 'PO-1');
    expect(shown).toMatch(/missing +NEVERCAME +R03 U14/);
    expect(shown).toContain(first);
    expect(process.exitCode).toBe(1);
    expect(await run('deliveries', 'show', 'PO-1', '--status', 'missing')).not.toContain(first);
  });

  it('replaces one only when it is told to, and forgets it', async () => {
    await run('deliveries', 'put', 'PO-1', '-');
    await expect(run('deliveries', 'put', 'PO-1', '-')).rejects.toMatchObject({
      code: 'VERSION_CONFLICT',
    });
    await run('deliveries', 'put', 'PO-1', '-', '--replace', '--why', 'a new sheet');
    const { lines } = JSON.parse(await run('deliveries', 'show', 'PO-1', '--json'));
    expect(lines).toMatchObject([{ status: 'wrong slot', why: 'It is in R01 unit 1.' }]);
    expect(await run('deliveries', 'remove', 'PO-1')).toBe('PO-1 is forgotten\n');
    expect(await run('deliveries', 'list')).toBe('nothing found\n');
  });

  it('says which file it cannot read', async () => {
    await expect(run('deliveries', 'put', 'PO-1', '/no/such/list.csv')).rejects.toMatchObject({
      code: 'CONFIG_UNREADABLE',
    });
  });
});
