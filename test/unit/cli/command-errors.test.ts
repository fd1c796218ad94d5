/** What a person reads who mistyped, and the exit status that a script sees. */
import { spawnSync } from 'node:child_process';
import { expect, it } from 'vitest';
import { parseConfig } from '../../../src/config.ts';

/** Nobody listens at this port. */
const NOWHERE = 'http://127.0.0.1:9';

function reveille(...words: readonly string[]): { status: number | null; said: string } {
  const { status, stderr } = spawnSync(process.execPath, ['src/main.ts', ...words], {
    encoding: 'utf8',
    env: { ...process.env, REVEILLE_URL: NOWHERE },
  });
  return { status, said: stderr };
}

it('a command that there is none of is answered by the likely one, and each error by the help of its command', () => {
  const unknown = reveille('machins');
  expect(unknown.status).toBe(64);
  expect(unknown.said).toMatch(/Did you mean machines\?\)\s+\(reveille --help says more\)/);
  const lacking = reveille('jobs', 'create');
  expect(lacking.status).toBe(64);
  expect(lacking.said).toContain('(reveille jobs create --help says more)');
  expect(reveille('--version').status).toBe(0);
});

it('what cannot be done says what to do, and which file is meant', () => {
  const away = reveille('racks', 'list');
  expect(away.status).toBe(70);
  expect(away.said).toMatch(/\[UNREACHABLE\]\n.*REVEILLE_URL/);
  const file = reveille('racks', 'list', '--token-file', '/nowhere/token');
  expect(file.status).toBe(78);
  expect(file.said).toContain('(/nowhere/token: ENOENT: no such file or directory)');
});

it.each([
  ['Shells are bash and zsh.', ['completion', 'tcsh']],
  ['Roles are viewer', ['central', 'token', 'x', '--role', 'nobody']],
  ["'nowhere' is no URL", ['racks', 'list', '--url', 'nowhere']],
  ["'http://a' is no https URL", ['federation', 'join', 'http://a']],
])('a word that means nothing is an error of the command line: %s', (says, words) => {
  const { status, said } = reveille(...words);
  expect(said).toContain(says);
  expect(status).toBe(64);
});

it.each([
  ['tftp: { port: "69" }', 'tftp.port: has to be a number, without quotes'],
  ['tftp: { port: 70000 }', 'tftp.port: has to be at most 65535'],
  ['dhcp:\n  # all of it is a comment\n', 'dhcp: has no value: leave the key out for its default'],
  ['dhcp: { segments: { name: a } }', 'dhcp.segments: has to be a list'],
  ['peopleHttp: { tls: { cert: a.pem } }', 'peopleHttp.tls.key: is missing'],
  ['log: { level: warning }', "log.level: 'warning' is none of trace, debug, info, warn, error"],
  ['site: ""', 'site: has to be of a length of at least 1'],
  ['log: { level: {} }', 'log.level: has to be one of trace, debug, info, warn, error'],
  ['boot: { localBoot: [1] }', 'boot.localBoot: has to be one of '],
  // There is one, elsewhere.
  ['dns: { zones: [] }', /dns: unknown key 'zones'$/],
  ['lg: {}', "the top level: unknown key 'lg' (did you mean 'log'?)"],
  ['hello', 'the top level: has to be a group of keys'],
])('a configuration of %j is told what is wrong in words of the file', (text, says) => {
  expect(() => parseConfig(text)).toThrow(says);
});
