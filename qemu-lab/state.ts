/**
 * What a lab leaves on disk so that another process can find it, and clean up after one that was killed: one folder for
 * each lab with `state.json` in it. A lab is dead when the process that ran it is gone; start time and pid together name
 * a process for good.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
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

export function labDir(id: string): string {
  const dir = join(tmpdir(), `${PREFIX}${id}`);
  mkdirSync(dir, { recursive: true, mode: 0o700 });
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
    .map((name) => join(tmpdir(), name, 'state.json'))
    .filter((file) => existsSync(file))
    .flatMap((file) => {
      try {
        return [JSON.parse(readFileSync(file, 'utf8')) as LabState];
      } catch {
        return [];
      }
    });
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
