/** Words of the command line that are no number, no file or no JSON: told before anybody is asked. */
import { generateKeyPairSync } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { commandLine } from '../../support/command-line.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

/** Nobody listens there: whatever asks ends with UNREACHABLE. */
const run = commandLine({ REVEILLE_URL: 'http://127.0.0.1:9', REVEILLE_TOKEN: 'x' });
const failure = async (line: string | readonly string[], input = '') =>
  run(line, input).then(
    () => ({ code: 'ok', message: '' }),
    (error: { code: string; message: string }) => error,
  );

it.each([
  ['request create --count ten --role web --image a/b', '--count <COUNT>', 'a whole number.'],
  ['request create --count 1.5 --role web --image a/b', '--count <COUNT>', 'a whole number'],
  ['events --limit=-1', '--limit <COUNT>', 'a whole number'],
  ['machines import a.csv --confirm many', '--confirm <COUNT>', 'a whole number'],
  ['pool reset web --why x --within soon', '--within <HOURS>', 'a number of hours'],
  [
    'pool put web --count 1 --role web --image a/b --check-every 1m',
    '--check-every',
    'a whole number of',
  ],
  ['jobs create install C0 --priority high', '--priority <NUMBER>', 'a whole number'],
])('no number: %s', async (line, option, says) => {
  const { code, message } = await failure(line);
  expect(code).toBe('commander.invalidArgument');
  expect(message).toContain(option);
  expect(message).toContain(`It has to be ${says}`);
});

it('takes what is one', async () => {
  const lines = [
    'events --limit 5',
    'pool reset web --why x --within 0.5 --at-once 2 --failures 0',
    'jobs create install C0 --priority -5',
  ];
  for (const line of lines) expect((await failure(line)).code, line).toBe('UNREACHABLE');
});

it.each([
  ['unit=top', "'unit=top' is no whole number"],
  ['protected=maybe', "'protected=maybe' is neither yes nor no"],
])('no field: %s', async (word, says) => {
  const { code, message } = await failure(['machines', 'enter', 'serial=X', word]);
  expect(code).toBe('REQUEST_INVALID');
  expect(message).toContain(says);
});

it('names a file that cannot be read, and a text that is no JSON', async () => {
  const folder = temporaryFolder('words');
  writeFileSync(join(folder, 'certificate.json'), '{}');
  writeFileSync(join(folder, 'certificate.sig'), '');
  for (const line of [
    'machines import /nowhere/file',
    'deliveries put box /nowhere/file',
    `certificates verify ${folder} --key /nowhere/file`,
  ]) {
    const { code, message } = await failure(line);
    expect(code, line).toBe('CONFIG_UNREADABLE');
    expect(message, line).toContain('(/nowhere/file: ENOENT');
  }
  const quirks = await failure('quirks import', 'hello');
  expect(quirks.code).toBe('REQUEST_INVALID');
  expect(quirks.message).toContain('standard input is no JSON');
});

describe('certificates verify', () => {
  const folderOf = (files: Readonly<Record<string, string>>) => {
    const folder = temporaryFolder('words');
    for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
    return folder;
  };
  const { publicKey } = generateKeyPairSync('ed25519');
  const pem = publicKey.export({ type: 'spki', format: 'pem' }).toString();

  it('says of a folder without a signature how to write it again', async () => {
    const folder = folderOf({ 'certificate.json': '{}', 'key.pem': pem });
    const { code, message } = await failure(['certificates', 'verify', folder]);
    expect(code).toBe('CONFIG_UNREADABLE');
    expect(message).toContain(`${join(folder, 'certificate.sig')} is missing`);
    expect(message).toContain('reveille certificates show ID --out FOLDER');
  });

  it.each([
    ['a key that is none', { 'key.pem': 'x' }, 'is no public key in PEM'],
    ['a certificate that is none', { 'certificate.json': 'x' }, 'the certificate is no JSON'],
  ])('names %s', async (_what, files, says) => {
    const whole = { 'certificate.json': '{}', 'certificate.sig': 'x', 'key.pem': pem };
    const folder = folderOf({ ...whole, ...files });
    const { code, message } = await failure(['certificates', 'verify', folder]);
    expect(code).toBe('REQUEST_INVALID');
    expect(message).toContain(says);
  });
});
