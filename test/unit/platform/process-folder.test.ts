import { existsSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import Sqlite from 'better-sqlite3';
import { afterEach, expect, it, vi } from 'vitest';
import {
  makeProcessFolder,
  removeLeftFolders,
  removeProcessFolder,
} from '../../../src/platform/process-folder.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

afterEach(() => void vi.unstubAllEnvs());

/** No process has such a number: pid_max is 2^22 at most. */
const NOBODY = 99_999_999;

it('removes what dead processes left, and nothing of the living, of others or beyond a link', () => {
  const shared = temporaryFolder('shared');
  vi.stubEnv('TMPDIR', shared);
  const mine = basename(makeProcessFolder('mine-', 'x'));
  const [parents, dead] = [`mine-${process.ppid}-x`, `mine-${NOBODY}-x`];
  const others = [`other-${NOBODY}-x`, 'mine-x', `mine-a-${NOBODY}-x`];
  for (const name of [parents, dead, ...others]) mkdirSync(join(shared, name));
  writeFileSync(join(shared, dead, 'file'), '');
  symlinkSync(shared, join(shared, `mine-${NOBODY}-link`));
  const kept = [`mine-${NOBODY}-link`, mine, parents, ...others].sort();
  removeLeftFolders('mine-', { own: false });
  expect(readdirSync(shared).sort()).toEqual(kept);
  removeLeftFolders('mine-', { own: true });
  expect(readdirSync(shared).sort()).toEqual(kept.filter((name) => name !== mine));
});

it('is removed with a database open in it, and once more', () => {
  const folder = makeProcessFolder('reveille-', 'open');
  const db = new Sqlite(join(folder, 'open.db'));
  db.pragma('journal_mode = WAL');
  db.exec('CREATE TABLE facts (fact TEXT)');
  removeProcessFolder(folder);
  expect(existsSync(folder)).toBe(false);
  removeProcessFolder(folder);
  db.close();
});
