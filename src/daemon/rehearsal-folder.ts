/**
 * The folder that a comparison of the fleet (fleet-diff.ts) makes its copies in: what the last installs were told is in them, and so
 * none may outlive its comparison. Whoever made it removes it; what a process left that was killed is removed by the next one.
 *
 * A folder has its process' number in its name: it was left where no such process runs, or where that number is ours and we have
 * only begun. Only folders of our own user are touched, because in a folder that everybody writes to anybody could make one.
 */
import { lstatSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const PREFIX = 'reveille-rehearsal-';

/** Nobody but us can read it (mkdtemp(3): 0700). */
export function makeRehearsalFolder(): string {
  return mkdtempSync(join(tmpdir(), `${PREFIX}${process.pid}-`));
}

export function removeRehearsalFolder(folder: string): void {
  rmSync(folder, { recursive: true, force: true });
}

/** To be called before this process makes its first. */
export function removeLeftRehearsals(): void {
  for (const name of readdirSync(tmpdir())) {
    const pid = Number(new RegExp(`^${PREFIX}(\\d+)-`).exec(name)?.[1] ?? 0);
    if (pid === 0 || (pid !== process.pid && isRunning(pid))) continue;
    const folder = join(tmpdir(), name);
    const stat = lstatSync(folder, { throwIfNoEntry: false });
    if (stat?.isDirectory() && stat.uid === process.getuid?.()) removeRehearsalFolder(folder);
  }
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH';
  }
}
