/**
 * What a lab leaves on disk so that another process can find it, and clean up after one that was killed: one folder for
 * each lab with `state.json` in it. A lab is dead when the process that ran it is gone; start time and pid together name
 * a process for good.
 *
 * Everybody may write to the folder above, and a lab runs as root: what is removed and ended is told by the folder's owner and
 * name, and by nothing that somebody else could have written into it.
 */
import { lstatSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { destroyNetwork, type LabNetwork } from './network.ts';

export interface LabState {
  readonly id: string;
  readonly pid: number;
  /** Field 22 of /proc/PID/stat: clock ticks since the system started. */
  readonly startTicks: string;
  readonly network: LabNetwork;
  readonly dir: string;
  readonly url: string;
}

const PREFIX = 'reveille-lab-';

/** @throws Error when there is such a folder: it may be anybody's */
export function labDir(id: string): string {
  const dir = join(tmpdir(), `${PREFIX}${id}`);
  mkdirSync(dir, { mode: 0o700 });
  return dir;
}

export function startTicks(pid: number): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /s, '')
      .split(' ')[19];
  } catch {
    return undefined;
  }
}

export function isAlive({ pid, startTicks: ticks }: Pick<LabState, 'pid' | 'startTicks'>): boolean {
  return startTicks(pid) === ticks;
}

export function saveState(state: LabState): void {
  writeFileSync(join(state.dir, 'state.json'), JSON.stringify(state, null, 2));
}

export function listLabs(): LabState[] {
  return readdirSync(tmpdir())
    .filter((name) => name.startsWith(PREFIX))
    .filter((name) => isOurs(join(tmpdir(), name)))
    .flatMap((name) => {
      const dir = join(tmpdir(), name);
      try {
        const state = JSON.parse(readFileSync(join(dir, 'state.json'), 'utf8')) as LabState;
        return [{ ...state, dir }];
      } catch {
        // A lab that begins has not written it yet.
        return [];
      }
    });
}

/** Neither a link to elsewhere nor a folder of another user. */
function isOurs(dir: string): boolean {
  const stat = lstatSync(dir, { throwIfNoEntry: false });
  return stat?.isDirectory() === true && stat.uid === process.getuid?.();
}

/** Removes what dead labs have left behind; returns their ids. */
export function reapDeadLabs(): string[] {
  return listLabs()
    .filter((lab) => !isAlive(lab))
    .map((lab) => {
      destroyNetwork(lab.network);
      rmSync(lab.dir, { recursive: true, force: true });
      return lab.id;
    });
}
