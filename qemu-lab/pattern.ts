/**
 * A pattern on the disks of the lab's machines, as their last owner might have left it: written and looked for by the lab, in the files
 * that the disks are, and not by anything that runs in the machines.
 */
import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import type { Lab, LabVm } from './lab.ts';

const PATTERN = Buffer.from('PATTERN-OF-THE-LAST-OWNER. ', 'latin1');

export const diskFilesOf = ({ dir }: Pick<Lab, 'dir'>, { machine }: LabVm): string[] =>
  machine.disks.map((_, index) => join(dir, machine.name, `disk${index}.img`));

export async function writePattern(file: string, at: number, length: number): Promise<void> {
  const handle = await open(file, 'r+');
  await handle.write(Buffer.alloc(length, PATTERN), 0, length, at);
  await handle.close();
}

/** How often the pattern is in a file, across the borders of what is read at once. */
export async function countPattern(file: string): Promise<number> {
  let count = 0;
  let kept: Buffer = Buffer.alloc(0);
  for await (const piece of createReadStream(file, { highWaterMark: 2 ** 20 })) {
    const text = Buffer.concat([kept, piece as Buffer]);
    for (let at = text.indexOf(PATTERN); at >= 0; at = text.indexOf(PATTERN, at + PATTERN.length))
      count += 1;
    kept = text.subarray(Math.max(0, text.length - PATTERN.length + 1));
  }
  return count;
}
