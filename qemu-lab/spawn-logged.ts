/** A program whose output goes to a file. */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';

export function spawnLogged(
  [program = '', ...words]: readonly string[],
  file: string,
): ChildProcess {
  const log = openSync(file, 'a');
  const child = spawn(program, words, { stdio: ['ignore', log, log] });
  closeSync(log);
  return child;
}
