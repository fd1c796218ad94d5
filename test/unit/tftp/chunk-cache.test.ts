import { describe, expect, it } from 'vitest';
import { createChunkCache, type ReadChunk } from '../../../src/tftp/chunk-cache.ts';
import { createTftpWorld, endpoint, fetchFile } from '../../support/tftp-world.ts';

const bounds = { capacityBytes: 4000, chunkBytes: 1000, readsMax: 2 };

function slowReader() {
  const asked: { name: string; answer: (ok?: boolean) => void }[] = [];
  const read: ReadChunk = (file, { offset, length }, done) => {
    const answer = (ok = true) => done(ok ? new Uint8Array(length).fill(offset / 1000) : undefined);
    asked.push({ name: `${file.key}@${offset}+${length}`, answer });
  };
  return { asked, read };
}

describe('the storm cache', () => {
  it('reads once what many ask for at the same moment', () => {
    const { asked, read } = slowReader();
    const cache = createChunkCache(read, bounds);
    const file = { key: 'f', sizeBytes: 1500 };
    const heard: boolean[] = [];
    for (let n = 0; n < 100; n++) cache.load(file, 1, (ok) => heard.push(ok));
    expect(asked.map(({ name }) => name)).toEqual(['f@1000+500']);
    asked[0]?.answer();
    expect(heard).toEqual(Array(100).fill(true));
    cache.load(file, 1, (ok) => heard.push(ok));
    expect(asked).toHaveLength(1);
    expect(cache.get(file, 1)).toEqual(new Uint8Array(500).fill(1));
  });

  it('holds no more than it may, and lets go of what was used longest ago', () => {
    const cache = createChunkCache(
      (_file, { length }, done) => done(new Uint8Array(length)),
      bounds,
    );
    const file = { key: 'f', sizeBytes: 100_000 };
    for (let index = 0; index < 4; index++) cache.load(file, index, () => {});
    expect(cache.get(file, 0)).toBeDefined();
    cache.load(file, 4, () => {});
    expect(cache.heldBytes).toBe(4000);
    expect([0, 1, 2, 3, 4].filter((index) => cache.get(file, index))).toEqual([0, 2, 3, 4]);
    for (let index = 5; index < 90; index++) cache.load(file, index, () => {});
    expect(cache.heldBytes).toBeLessThanOrEqual(4000);
  });

  it('holds a bounded number of chunks, however small the files are', () => {
    const cache = createChunkCache(
      (_file, { length }, done) => done(new Uint8Array(length)),
      bounds,
    );
    const files = Array.from({ length: 100 }, (_, n) => ({ key: `f${n}`, sizeBytes: 1 }));
    for (const file of files) cache.load(file, 0, () => {});
    expect(files.filter((file) => cache.get(file, 0))).toHaveLength(16);
  });

  it('keeps so many reads under way, and the rest in order', () => {
    const { asked, read } = slowReader();
    const cache = createChunkCache(read, bounds);
    const file = { key: 'f', sizeBytes: 9000 };
    for (let index = 0; index < 5; index++) cache.load(file, index, () => {});
    expect(asked).toHaveLength(2);
    asked[0]?.answer();
    asked[1]?.answer();
    expect(asked.map(({ name }) => name)).toEqual(
      [0, 1000, 2000, 3000].map((at) => `f@${at}+1000`),
    );
  });

  it('tells all who wait when a chunk cannot be had, and tries again for the next', () => {
    const { asked, read } = slowReader();
    const cache = createChunkCache(read, bounds);
    const file = { key: 'f', sizeBytes: 500 };
    const heard: boolean[] = [];
    cache.load(file, 0, (ok) => heard.push(ok));
    cache.load(file, 0, (ok) => heard.push(ok));
    asked[0]?.answer(false);
    expect(heard).toEqual([false, false]);
    cache.load(file, 0, (ok) => heard.push(ok));
    asked[1]?.answer();
    expect(heard).toEqual([false, false, true]);
  });

  it('serves a file larger than itself, whole, and reads ahead', () => {
    const bytes = Buffer.alloc(500_000);
    for (let at = 0; at < bytes.length; at += 4) bytes.writeUInt32LE(at, at);
    const world = createTftpWorld({ f: bytes }, { cacheBytes: 60_000, chunkBytes: 24_000 });
    const fetches = [1, 2, 3].map((n) =>
      fetchFile(world, endpoint(`10.77.0.${n}`, 2000 + n), 'f', { windowsize: '16' }),
    );
    world.run(60_000, () => fetches.every((fetch) => fetch.outcome() !== 'running'));
    for (const fetch of fetches) expect(fetch.got().equals(bytes)).toBe(true);
    expect(world.cache.heldBytes).toBeLessThanOrEqual(60_000);
    // In step, they share what is read: 21 chunks, a few of them twice.
    expect(world.reads.length).toBeLessThan(2 * 21);
  });
});
