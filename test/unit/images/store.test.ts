/** Files on their way into the store: whole, in pieces, broken off, wrong, twice, after a crash at each moment, on a full disk. */
import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { afterEach, describe, expect, it } from 'vitest';
import { AppError } from '../../../src/errors.ts';
import { limit } from '../../../src/limits.ts';
import { checkImageFile } from '../../../src/platform/image-check.ts';
import { createStoreWorld, piecesOf, type StoreWorld, sha256 } from '../../support/image-store.ts';

const opened: StoreWorld[] = [];
const create = (...args: Parameters<typeof createStoreWorld>): StoreWorld => {
  const made = createStoreWorld(...args);
  opened.push(made);
  return made;
};
afterEach(async () => {
  for (const { store, folder, errors } of opened.splice(0)) {
    await store.stop();
    folder.drop(folder.root);
    expect(errors).toEqual([]);
  }
});

const codeOf = async (work: () => unknown): Promise<string> => {
  try {
    await work();
  } catch (error) {
    if (error instanceof AppError) return error.code;
    throw error;
  }
  return 'ok';
};
const content = Buffer.alloc(3_000_000, 'all work and no play. ');

describe('a file', () => {
  it.each([
    ['none', content],
    ['zstd', zstdCompressSync(content)],
    [
      'zstd',
      Buffer.concat([
        zstdCompressSync(content.subarray(0, 9)),
        zstdCompressSync(content.subarray(9)),
      ]),
    ],
    ['gzip', gzipSync(content)],
    ['gzip', Buffer.concat([gzipSync(content.subarray(0, 9)), gzipSync(content.subarray(9))])],
  ])('that is compressed by %s is kept, and what it unpacks to is known', async (how, bytes) => {
    const { put, store, world } = create();
    const hash = await put(bytes, 500_000);
    expect(world.inventory.blobs.get(hash)).toMatchObject({
      ...{ compression: how, sizeBytes: bytes.length, damaged: '' },
      ...{ contentBytes: content.length, contentSha256: sha256(content) },
    });
    const file = store.open(hash);
    expect(readFileSync(file?.fd ?? -1).equals(bytes)).toBe(true);
    file?.close();
  });
  it('is not sent again when it is there', async () => {
    const { put, store } = create();
    const hash = await put(content);
    const again = store.create({ sizeBytes: content.length, sha256: hash, who: 'bob' });
    expect(again).toMatchObject({ state: 'stored', offsetBytes: content.length });
  });
  it.each([
    ['another hash', content, sha256('another'), 'IMAGE_MISMATCH'],
    [
      'a zstd file that is cut off',
      zstdCompressSync(content).subarray(0, -5),
      '',
      'UPLOAD_CORRUPT',
    ],
    ['a gzip file that is cut off', gzipSync(content).subarray(0, -5), '', 'UPLOAD_CORRUPT'],
    [
      'zstd with junk behind',
      Buffer.concat([zstdCompressSync(content), content]),
      '',
      'UPLOAD_CORRUPT',
    ],
  ])('with %s is refused, and nothing of it stays', async (_what, bytes, hash, code) => {
    const { store, until, folder, world } = create();
    const { id } = store.create({ sizeBytes: bytes.length, sha256: hash, who: 'ann' });
    await store.receive(id, { offsetBytes: 0, bytes: piecesOf(bytes) });
    expect(await until(id, 'stored', 'failed')).toMatchObject({ state: 'failed', code });
    await store.stop();
    expect(folder.incomingBytes(id)).toBeUndefined();
    expect(world.inventory.blobs.list()).toEqual([]);
    expect(world.eventNames()).toEqual(['image.failed']);
  });
  it('that unpacks to more than anything may is stopped', async () => {
    const { folder, put } = create();
    const hash = await put(zstdCompressSync(content));
    const check = checkImageFile(folder.keptPath(hash), { contentBytesMax: content.length - 1 });
    await expect(check).rejects.toThrow(/unpacks to more/);
  });
});

describe('an upload', () => {
  it('that broke off goes on from what is on disk', async () => {
    const { store, until, world } = create();
    const hash = sha256(content);
    const { id } = store.create({ sizeBytes: content.length, sha256: hash, who: 'ann' });
    const broken = store.receive(id, { offsetBytes: 0, bytes: piecesOf(content, 65_536, 999_999) });
    await expect(broken).rejects.toThrow(/gone/);
    const at = store.progress(id)?.offsetBytes ?? 0;
    expect(at).toBe(16 * 65_536);
    const rest = content.subarray(at);
    expect(
      await codeOf(() => store.receive(id, { offsetBytes: 0, bytes: piecesOf(content) })),
    ).toBe('UPLOAD_OFFSET');
    await store.receive(id, { offsetBytes: at, bytes: piecesOf(rest) });
    expect(await until(id, 'stored', 'failed')).toMatchObject({ state: 'stored' });
    expect(world.inventory.blobs.get(hash)?.sizeBytes).toBe(content.length);
  });
  it('is sent by one at a time, ends with its last byte, and takes none after that', async () => {
    const { store, until } = create();
    const { id } = store.create({ sizeBytes: 10, sha256: '', who: 'ann' });
    let go: () => void = () => undefined;
    const held = new Promise<void>((resolve) => {
      go = resolve;
    });
    const slow = (async function* () {
      yield Buffer.alloc(5);
      await held;
      yield Buffer.alloc(5);
    })();
    const first = store.receive(id, { offsetBytes: 0, bytes: slow });
    const second = () => store.receive(id, { offsetBytes: 0, bytes: piecesOf(Buffer.alloc(5)) });
    expect(await codeOf(second)).toBe('UPLOAD_BUSY');
    go();
    await first;
    expect(await codeOf(second)).toBe('UPLOAD_OVER');
    await until(id, 'stored');
    const longer = store.create({ sizeBytes: 10, sha256: '', who: 'ann' });
    const many = () =>
      store.receive(longer.id, { offsetBytes: 0, bytes: piecesOf(Buffer.alloc(11)) });
    expect(await codeOf(many)).toBe('UPLOAD_TOO_LONG');
  });
  it('is given up when somebody says so, or when nobody goes on with it', async () => {
    const { store, folder, world } = create();
    const { id } = store.create({ sizeBytes: 10, sha256: '', who: 'ann' });
    await store.receive(id, { offsetBytes: 0, bytes: piecesOf(Buffer.alloc(5)) });
    store.cancel(id, 'bob');
    expect(store.progress(id)).toMatchObject({ state: 'failed', code: 'UPLOAD_OVER' });
    expect(folder.incomingBytes(id)).toBeUndefined();
    expect(await codeOf(() => store.cancel(id, 'bob'))).toBe('UPLOAD_OVER');
    const idle = store.create({ sizeBytes: 10, sha256: '', who: 'ann' });
    world.pass(limit('imageUploadMs') + 1);
    const fresh = store.create({ sizeBytes: 10, sha256: '', who: 'ann' });
    expect(store.collect().uploads).toBe(1);
    expect(store.progress(idle.id)?.code).toBe('UPLOAD_ABANDONED');
    expect(store.progress(fresh.id)?.state).toBe('receiving');
  });
  it('is one of a few', async () => {
    const { store } = create();
    const make = () => store.create({ sizeBytes: 1, sha256: '', who: 'ann' });
    for (let made = 0; made < limit('imageUploadsMax'); made++) make();
    expect(await codeOf(make)).toBe('UPLOADS_MANY');
  });
});

describe('a full disk', () => {
  const withFree = (freeBytes: () => number): StoreWorld => {
    const { folder } = create();
    return create({ folder: { ...folder, freeBytes } });
  };
  it('is known before a byte is sent, counting what others have announced', async () => {
    const { store } = withFree(() => limit('imageFreeBytesMin') + 100);
    store.create({ sizeBytes: 60, sha256: '', who: 'ann' });
    const make = (sizeBytes: number) => () => store.create({ sizeBytes, sha256: '', who: 'ann' });
    expect(await codeOf(make(60))).toBe('STORAGE_FULL');
    expect(await codeOf(make(40))).toBe('ok');
  });
  it('that fills up in the middle says so, keeps what is there, and lets the upload go on later', async () => {
    const base = create();
    let full = true;
    const folder = {
      ...base.folder,
      openIncoming: async (id: string, offsetBytes: number) => {
        const file = await base.folder.openIncoming(id, offsetBytes);
        let written = 0;
        const write = async (bytes: Uint8Array) => {
          if (full && written > 200_000) throw new AppError('STORAGE_FULL');
          written += bytes.length;
          await file.write(bytes);
        };
        return { ...file, write };
      },
    };
    const { store, until } = create({ folder });
    const { id } = store.create({ sizeBytes: content.length, sha256: sha256(content), who: 'ann' });
    const send = (offsetBytes: number) => () =>
      store.receive(id, { offsetBytes, bytes: piecesOf(content.subarray(offsetBytes)) });
    expect(await codeOf(send(0))).toBe('STORAGE_FULL');
    const at = store.progress(id)?.offsetBytes ?? 0;
    expect(at).toBe(4 * 65_536);
    full = false;
    expect(await codeOf(send(at))).toBe('ok');
    expect(await until(id, 'stored', 'failed')).toMatchObject({ state: 'stored' });
  });
});

describe('after a crash', () => {
  it('an upload goes on from its durable offset, whatever lies behind it in the file', async () => {
    const { store, folder, again, until } = create();
    const hash = sha256(content);
    const { id } = store.create({ sizeBytes: content.length, sha256: hash, who: 'ann' });
    await store.receive(id, { offsetBytes: 0, bytes: piecesOf(content.subarray(0, 100_000)) });
    writeFileSync(folder.incomingPath(id), randomBytes(50_000), { flag: 'a' });
    const next = again();
    next.start();
    expect(next.progress(id)).toMatchObject({ offsetBytes: 100_000, receivedBytes: 100_000 });
    const bytes = piecesOf(content.subarray(100_000));
    await next.receive(id, { offsetBytes: 100_000, bytes });
    expect(await until(id, 'stored', 'failed')).toMatchObject({ state: 'stored' });
    await next.stop();
  });
  it('in the check, or with the lasting name made and no row, it is checked again', async () => {
    const crash = new Error('killed');
    for (const moment of ['check', 'row'] as const) {
      const { store, folder, again, until, world, errors } = create({
        check: async (...args) => {
          if (moment === 'check') throw crash;
          return checkImageFile(...args);
        },
      });
      const { inventory } = world;
      const { append } = inventory.events;
      const hash = sha256(content);
      const { id } = store.create({ sizeBytes: content.length, sha256: hash, who: 'ann' });
      // Nothing that a killed process would have written after this moment is written.
      inventory.events.append = () => {
        throw crash;
      };
      await store.receive(id, { offsetBytes: 0, bytes: piecesOf(content) });
      await expect.poll(() => errors).toContain(crash);
      await store.stop();
      inventory.events.append = append;
      errors.splice(0);
      expect(store.progress(id)?.state, moment).toBe('checking');
      expect(existsSync(folder.keptPath(hash))).toBe(moment === 'row');
      const next = again({ check: checkImageFile });
      next.start();
      // A name without a row means nothing: it went before the file was looked at again.
      expect(existsSync(folder.keptPath(hash))).toBe(false);
      expect(await until(id, 'stored', 'failed'), moment).toMatchObject({ state: 'stored' });
      await next.stop();
      expect(readFileSync(folder.keptPath(hash)).equals(content)).toBe(true);
      expect(folder.incomingBytes(id)).toBeUndefined();
    }
  });
  it('files that belong to nothing are gone, and a file that is missing or short is damaged', async () => {
    const { put, folder, again, world } = create();
    const [lost, short, good] = [
      await put(content),
      await put(content.subarray(1)),
      await put(content.subarray(2)),
    ];
    folder.dropKept(lost);
    truncateSync(folder.keptPath(short), 100);
    const stray = [
      join(folder.root, 'incoming', 'stray'),
      join(folder.root, 'files', good.slice(0, 2), `${good}.new`),
    ];
    for (const path of stray) writeFileSync(path, 'x');
    const next = again();
    next.start();
    expect(stray.map((path) => existsSync(path))).toEqual([false, false]);
    const { blobs } = world.inventory;
    expect(blobs.get(lost)?.damaged).toMatch(/is missing/);
    expect(blobs.get(short)?.damaged).toMatch(/100 bytes long and was 2999999/);
    expect(blobs.get(good)?.damaged).toBe('');
    expect(next.open(short)).toBeUndefined();
    // The same bytes once more mend it.
    await put(content);
    expect(blobs.get(lost)?.damaged).toBe('');
  });
});

describe('collecting', () => {
  it('removes what nobody needs once it has been so for long enough', async () => {
    const { put, world, folder, again } = create();
    const [used, unused] = [await put(content), await put(content.subarray(1))];
    world.inventory.transaction(() =>
      world.inventory.images.add(
        {
          ...{ name: 'x', version: '1', kind: 'raw', signedBy: '' },
          doc: { description: '', kernelArguments: '' },
          files: [{ role: 'disk', sha256: used }],
        },
        { who: 'ann', why: '' },
      ),
    );
    const store = again({ keepUnusedMs: 1000 });
    expect(store.collect()).toMatchObject({ files: 0 });
    world.pass(1001);
    expect(store.collect()).toEqual({
      ...{ files: 1, sizeBytes: content.length - 1, orphans: 0, uploads: 0 },
    });
    expect(existsSync(folder.keptPath(unused))).toBe(false);
    expect(existsSync(folder.keptPath(used))).toBe(true);
    expect(store.collect({ unusedToo: true })).toMatchObject({ files: 0 });
  });
});
