/** More files at once than descriptors are kept for. */
import { readdirSync, readlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { findStored, openTftpFiles, type StoredFile } from '../../../src/platform/tftp-files.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

const root = temporaryFolder('tftp');

function stored(count: number): StoredFile[] {
  return Array.from({ length: count }, (_, index) => {
    writeFileSync(join(root, `${index}`), `file ${index}`);
    const file = findStored({ root, standIns: new Map() }, `${index}`);
    if (!file) throw new Error('not found');
    return file;
  });
}

/** Descriptors of files in the folder. */
function held(): number {
  return readdirSync('/proc/self/fd').filter((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`).startsWith(root);
    } catch {
      return false;
    }
  }).length;
}

describe('open files', () => {
  it('are read to the end however many others are opened meanwhile, and kept in bounds', async () => {
    const files = openTftpFiles({ textsMax: 1 });
    const all = stored(200);
    const whole = (file: StoredFile) => files.read(file, { offset: 0, length: file.sizeBytes });
    const read = await Promise.all([...all, ...all].map(whole));
    const texts = read.map((bytes) => bytes && Buffer.from(bytes).toString());
    const names = all.map((_, index) => `file ${index}`);
    expect(texts).toEqual([...names, ...names]);
    await expect.poll(held).toBe(64);
    await files.close();
    expect(held()).toBe(0);
  });

  it('of which one cannot be read fail alone, and the next try opens it again', async () => {
    const files = openTftpFiles({ textsMax: 1 });
    const [file = { key: '', sizeBytes: 0 }] = stored(1);
    const at = { offset: 0, length: file.sizeBytes };
    const beyond = { offset: file.sizeBytes, length: 1 };
    const folder = { key: `1-1-1 ${root}`, sizeBytes: 1 };
    const [ok, short, none] = await Promise.all([
      files.read(file, at),
      files.read(file, beyond),
      files.read(folder, { offset: 0, length: 1 }),
    ]);
    expect([ok?.length, short, none]).toEqual([file.sizeBytes, undefined, undefined]);
    expect(await files.read(file, at)).toEqual(ok);
    expect(held()).toBe(1);
    await files.close();
  });
});
