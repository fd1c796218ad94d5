/** A boot is exported, read again without its appliance, and made a case of the corpus: the way that docs/diagnoses.md describes. */
import { readFileSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { Command } from 'commander';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { judgeCase } from '../../../src/cli/diagnose-file.ts';
import { addFlightCommands } from '../../../src/cli/people/flights.ts';
import { createPeople, type People } from '../../support/people.ts';
import { record } from '../../support/recording.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { ipv4 } from '../../support/world.ts';

const NAME = 'boot-file-not-asked';
/** A question for `a.`, as a resolver sends it (RFC 1035, section 4.1). */
const QUESTION = Uint8Array.of(0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, 97, 0, 0, 1, 0, 1);
/** The same with the bits of an answer, and code 3: there is no such name. */
const NXDOMAIN = QUESTION.with(2, 0x81).with(3, 3);

let people: People;
let folder = '';
let boot = '';
let run: (...words: string[]) => Promise<string>;
const at = (name: string) => join(folder, name);
const json = (name: string) => JSON.parse(readFileSync(at(name), 'utf8'));

beforeAll(async () => {
  folder = temporaryFolder('boot-files');
  const world = record();
  world.lease('uefi');
  world.step();
  world.recorder.asked({
    ...{ at: world.time.now, address: ipv4('10.77.0.100'), port: 4242 },
    ...{ question: QUESTION, reply: NXDOMAIN },
  });
  for (let second = 0; second < 40; second++) world.step();
  expect(world.diagnosed()).toEqual([NAME]);
  boot = world.bootId();
  people = await createPeople({ recorder: world.recorder }, world as never);
  await people.app.listen({ host: '127.0.0.1', port: 0 });
  const { port } = people.app.server.address() as AddressInfo;
  const { secret } = world.inventory.transaction(() =>
    world.inventory.serverdb.access.createToken(
      { name: 'ada', role: 'admin', squads: {} } as never,
      'test',
    ),
  );
  run = async (...words) => {
    let output = '';
    const program = new Command('reveille').exitOverride();
    addFlightCommands(program, {
      environment: { REVEILLE_URL: `http://127.0.0.1:${port}`, REVEILLE_TOKEN: secret },
      write: (text) => {
        output += text;
      },
      tell: () => undefined,
      readInput: async () => '',
    });
    await program.parseAsync(words, { from: 'user' });
    return output;
  };
  await run('boot', 'export', boot, '--to', at('it'));
});
afterAll(async () => {
  await people.app.close();
});

describe('an exported boot', () => {
  it('is called the same without its appliance, by its record and by its packets', async () => {
    expect(await run('diagnose', at('it.json'))).toContain(`(${NAME}, possible)`);
    expect(await run('diagnose', at('it.pcapng'), '--final')).toContain(`(${NAME}, possible)`);
  });

  it('is shown as the appliance shows it', async () => {
    const shown = await run('boot', 'show', boot);
    expect(shown.split('\n').filter((line) => / dhcp /.test(line))).toHaveLength(4);
    expect(shown).toMatch(/ dns +name=a\. type=A answer=NXDOMAIN\n/);
    expect(await run('boot', 'show', at('it.json'))).toBe(shown);
    expect(await run('boot', 'show', at('it.pcapng'))).toContain(' dhcp ');
  });
});

describe('a case of the corpus', () => {
  it('is written by the export, and read with what it expects', async () => {
    const words = ['boot', 'export', boot, '--to', at('case'), '--about', 'the plug was pulled'];
    await run(...words, '--expect', NAME);
    expect(json('case.json')).toMatchObject({ about: 'the plug was pulled', expect: NAME });
    expect(await judgeCase(at('case.json'))).toEqual({ expect: NAME, found: NAME });
    expect(await run('diagnose', at('case.json'))).toMatch(
      new RegExp(`\\(${NAME}, [^]*expected: ${NAME}\n$`),
    );
    await run(...words, '--expect', 'healthy');
    expect(await judgeCase(at('case.json'))).toEqual({ expect: null, found: NAME });
  });

  it('may be a capture beside it', async () => {
    const one = { about: 'by tcpdump', expect: NAME, final: true, capture: 'it.pcapng' };
    writeFileSync(at('captured.json'), JSON.stringify(one));
    expect(await judgeCase(at('captured.json'))).toEqual({ expect: NAME, found: NAME });
  });

  it('is refused with a name that there is not, a misspelled key, or no record', async () => {
    await expect(run('boot', 'export', boot, '--expect', 'gremlins')).rejects.toThrow(
      /--about: .*--expect: no diagnosis has this name/,
    );
    const wrong = async (change: object) => {
      const { flight, ...rest } = json('case.json');
      writeFileSync(at('wrong.json'), JSON.stringify({ ...rest, ...change }));
      expect(flight).toBeDefined();
      return judgeCase(at('wrong.json'));
    };
    await expect(wrong({})).rejects.toThrow(/a case has a flight or a capture/);
    await expect(wrong({ capture: '../it.pcapng' })).rejects.toThrow(/a file beside it/);
    await expect(wrong({ capture: 'it.pcapng', finale: true })).rejects.toThrow(/finale/);
  });
});
