/** One temporary folder for a whole run, gone with it: what the programs that a test starts leave in it fills nobody's disk. */
import { removeFolder, temporaryFolder } from './temporary-folder.ts';

/** Before the workers start: they inherit the environment. */
export function setup(): () => void {
  const before = process.env.TMPDIR;
  const folder = temporaryFolder('run');
  process.env.TMPDIR = folder;
  return () => {
    if (before === undefined) delete process.env.TMPDIR;
    else process.env.TMPDIR = before;
    removeFolder(folder);
  };
}
