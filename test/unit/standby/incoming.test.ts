/** A database that comes and cannot be written is told once, and nothing of it stays. */
import { existsSync, readFileSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, expect, it, vi } from 'vitest';
import { openIncoming } from '../../../src/daemon/standby-incoming.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

let folder: string;
beforeEach(() => {
  folder = temporaryFolder('incoming');
});

const DATABASE = { kind: 'file', name: 'database', place: { run: 'r', seq: 1 } } as const;

function files(file: string) {
  const ports = { incomingFile: () => file, onDatabase: vi.fn(), onError: vi.fn() };
  return { ...ports, files: openIncoming({}, ports) };
}

it('is on disk when it is told of', async () => {
  const file = join(folder, 'new');
  const { files: incoming, onDatabase } = files(file);
  incoming.begin({ ...DATABASE, sizeBytes: 6 });
  incoming.bytes(Buffer.from('abc'));
  incoming.bytes(Buffer.from('def'));
  await expect.poll(() => onDatabase.mock.calls).toHaveLength(1);
  expect(readFileSync(file, 'utf8')).toBe('abcdef');
});

it.each([
  ['before the last of it has come', 600],
  ['when all of it has come', 200],
])('of a full disk, %s', async (_when, sizeBytes) => {
  const file = join(folder, 'new');
  symlinkSync('/dev/full', file);
  const { files: incoming, onDatabase, onError } = files(file);
  incoming.begin({ ...DATABASE, sizeBytes });
  for (let n = 0; n < 2; n += 1) incoming.bytes(Buffer.alloc(100));
  await expect.poll(() => onError.mock.calls).toHaveLength(1);
  expect(String(onError.mock.calls[0]?.[0])).toContain('ENOSPC');
  incoming.bytes(Buffer.alloc(100));
  expect(onDatabase).not.toHaveBeenCalled();
  expect(onError).toHaveBeenCalledTimes(1);
});

it('whose file cannot be opened', async () => {
  const file = join(folder, 'none', 'new');
  const { files: incoming, onError } = files(file);
  incoming.begin({ ...DATABASE, sizeBytes: 600 });
  await expect.poll(() => onError.mock.calls).toHaveLength(1);
  expect(existsSync(file)).toBe(false);
});
