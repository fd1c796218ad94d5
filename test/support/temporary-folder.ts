/** One temporary folder for a whole run, gone with it: what a test leaves in it fills nobody's disk. */
import { mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Before the workers start: they inherit the environment. */
export function setup(): () => void {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'reveille-tests-')));
  const before = process.env.TMPDIR;
  process.env.TMPDIR = folder;
  return () => {
    if (before === undefined) delete process.env.TMPDIR;
    else process.env.TMPDIR = before;
    rmSync(folder, { recursive: true, force: true });
  };
}
