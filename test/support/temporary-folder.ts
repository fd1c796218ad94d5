/**
 * Folders for tests, benches and the lab, none of which outlives its use: a test's goes when all of its file have run, passed or
 * failed and with whatever is still open in it, and every other one with its process. Those of a process that was killed go when
 * the next one begins.
 *
 * The end of a file of tests is told by `end-of-file.ts`, the end of a process by itself.
 */
import { realpathSync } from 'node:fs';
import {
  makeProcessFolder,
  removeLeftFolders,
  removeProcessFolder,
} from '../../src/platform/process-folder.ts';

/** Short: a path that a socket is bound to has 107 characters (unix(7)). A number follows it, unlike in the daemon's own folders. */
const PREFIX = 'reveille-';

const made = new Set<string>();
let begun = false;

/** @param name of what it is for, for who looks at it while it is there @returns its path, without links */
export function temporaryFolder(name: string): string {
  if (!begun) {
    begun = true;
    process.once('exit', removeFolders);
    // Another copy of this module may have made some in this process.
    removeLeftFolders(PREFIX, { own: false });
  }
  const folder = realpathSync(makeProcessFolder(PREFIX, name));
  made.add(folder);
  return folder;
}

/** Before its time: for what is large, or made over and over. */
export function removeFolder(folder: string): void {
  made.delete(folder);
  removeProcessFolder(folder);
}

/** All that are there still. */
export function removeFolders(): void {
  for (const folder of made) removeFolder(folder);
}
