/**
 * Folders in the system's temporary one that are of use to the process that made them, and to nobody after it. Whoever makes one
 * removes it; what a process left that was killed is removed by a later one, which knows it by the number in its name.
 *
 * Only folders of our own user are touched, because in a folder that everybody writes to anybody could make one.
 */
import { lstatSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Tries again, 100 ms later each: a program that is about to end may still write there. */
const REMOVE_RETRIES = 5;

/**
 * Nobody but us can read it (mkdtemp(3): 0700).
 * @param prefix its kind, ending with a hyphen @param name for who looks at it
 */
export function makeProcessFolder(prefix: string, name = ''): string {
  const words = [process.pid, ...(name === '' ? [] : [name])];
  return mkdtempSync(join(tmpdir(), `${prefix}${words.join('-')}-`));
}

/** Nothing when it is gone already. */
export function removeProcessFolder(folder: string): void {
  rmSync(folder, { recursive: true, force: true, maxRetries: REMOVE_RETRIES });
}

/**
 * Removes what processes left that do not run any more.
 * @param own also folders with this process' number: right where it has made none yet
 */
export function removeLeftFolders(prefix: string, { own }: { readonly own: boolean }): void {
  for (const name of readdirSync(tmpdir())) {
    const pid = Number(new RegExp(`^${prefix}(\\d+)-`).exec(name)?.[1] ?? 0);
    if (pid === 0 || !(pid === process.pid ? own : !isRunning(pid))) continue;
    const folder = join(tmpdir(), name);
    const stat = lstatSync(folder, { throwIfNoEntry: false });
    if (stat?.isDirectory() && stat.uid === process.getuid?.()) removeProcessFolder(folder);
  }
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH';
  }
}
