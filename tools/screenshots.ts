/**
 * Takes the pictures of the portal that the documents show: runs the browser tests, which photograph every page, and keeps what
 * a document refers to in docs/images. A picture that no test takes is an error.
 */
import '../src/platform/require-node.ts';
import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { SHOTS } from '../test/support/browser.ts';

const TESTS = [
  ...['board-pages', 'portal-tasks', 'portal-provisioning', 'portal-console'],
  'portal-offline',
];

/** Pictures of the portal that documents show: `images/portal-NAME.png`. */
export function shownPictures(): readonly string[] {
  const texts = ['README.md', ...readdirSync('docs').map((name) => join('docs', name))]
    .filter((file) => file.endsWith('.md'))
    .map((file) => readFileSync(file, 'utf8'));
  const found = texts.flatMap((text) => [...text.matchAll(/images\/(portal-[\w-]+\.png)/g)]);
  return [...new Set(found.map(([, name = '']) => name))].sort();
}

function main(): number {
  const files = TESTS.map((name) => `test/e2e/${name}.test.ts`);
  const { status } = spawnSync('vitest', ['run', '--project', 'e2e', ...files], {
    stdio: 'inherit',
  });
  if (status !== 0) return status ?? 1;
  const missing = shownPictures().filter((name) => !existsSync(join(SHOTS, name)));
  for (const name of shownPictures())
    if (!missing.includes(name)) copyFileSync(join(SHOTS, name), join('docs/images', name));
  for (const name of missing) console.error(`no test takes ${name}`);
  return missing.length > 0 ? 1 : 0;
}

if (import.meta.main) process.exitCode = main();
