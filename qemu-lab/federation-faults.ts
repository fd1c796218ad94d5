/** What can be done to a fleet of the lab: a way cut in both directions or in one, a power cut, a full disk, a clock that jumps. */
import { execFileSync } from 'node:child_process';
import { closeSync, openSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { ip } from '../bench/support/network.ts';
import type { Program } from '../bench/support/process.ts';
import type { Scope } from '../bench/support/scope.ts';

export interface Way {
  /** Packets between a site and central are lost from now on: all of them, or those that the site sends, or is sent. */
  cut(which?: 'both' | 'up' | 'down'): void;
  mend(): void;
}

interface WayEnd {
  readonly namespace: string;
  readonly hook: string;
  readonly address: string;
}

/** One direction is cut by a neighbour entry that names nobody's MAC: its frames reach no socket. */
export function wayBetween(site: WayEnd, central: WayEnd): Way {
  const nobody = ['lladdr', '02:00:00:00:00:01', 'nud', 'permanent', 'dev'];
  const up = [central.address, ...nobody, site.hook];
  const down = [site.address, ...nobody, central.hook];
  let mend = (): void => undefined;
  return {
    cut(which = 'both') {
      mend();
      if (which === 'both') ip('-n', site.namespace, 'link', 'set', site.hook, 'down');
      else if (which === 'up') ip('-n', site.namespace, 'neigh', 'replace', ...up);
      else ip('-n', central.namespace, 'neigh', 'replace', ...down);
      mend = () => {
        if (which === 'both') ip('-n', site.namespace, 'link', 'set', site.hook, 'up');
        else if (which === 'up') ip('-n', site.namespace, 'neigh', 'del', ...up);
        else ip('-n', central.namespace, 'neigh', 'del', ...down);
        mend = () => undefined;
      };
    },
    mend: () => mend(),
  };
}

export interface Restartable {
  /** As a power cut ends it. Twice is as once. */
  kill(): Promise<void>;
  /** Over what it has left, unless it runs. */
  start(): Promise<void>;
}

export async function restartable(run: () => Promise<Program>): Promise<Restartable> {
  let program: Program | undefined;
  const begin = async (): Promise<void> => {
    if (program) return;
    const mine = await run();
    program = mine;
    void mine.ended.then(() => {
      if (program === mine) program = undefined;
    });
  };
  await begin();
  return {
    async kill() {
      if (!program) return;
      process.kill(program.pid, 'SIGKILL');
      await program.ended;
      program = undefined;
    },
    start: begin,
  };
}

/** A disk of its own, which can be filled without harm to anybody else. */
export function mountSmall(scope: Scope, folder: string, size: string): void {
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', folder]);
  scope.defer(() => execFileSync('umount', [folder]));
}

export function clockOf(dir: string, name: string): string[] {
  const file = join(dir, `${name}.clock`);
  writeFileSync(file, '0');
  const module = pathToFileURL(join(import.meta.dirname, 'jumping-clock.ts'));
  module.searchParams.set('file', file);
  return ['--import', module.href];
}

/** The time of day of a program that was started with `clockOf`, from within 50 ms on. */
export const jump = (dir: string, name: string, aheadMs: number): void =>
  writeFileSync(join(dir, `${name}.clock`), String(aheadMs));

const BALLAST_BYTES = 1_048_576;

/** Until not a byte is free. @returns frees it again */
export function fillDisk(folder: string): () => void {
  const file = join(folder, 'ballast');
  const fd = openSync(file, 'w');
  const piece = Buffer.alloc(BALLAST_BYTES);
  try {
    for (let bytes = BALLAST_BYTES; bytes >= 512; ) {
      try {
        if (writeSync(fd, piece, 0, bytes) < bytes) bytes = Math.floor(bytes / 2);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
        bytes = Math.floor(bytes / 2);
      }
    }
  } finally {
    closeSync(fd);
  }
  return () => rmSync(file, { force: true });
}
