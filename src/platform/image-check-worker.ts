/**
 * The thread of image-check.ts: one pass over one file, hashing what is read and what comes out of the decompressor.
 *
 * Compression is told by the first bytes (RFC 8878 section 3.1; RFC 1952 section 2.3.1), never by a name. A gzip file may
 * have several members, a zstd file several frames; all of them are one content.
 */
import { createHash } from 'node:crypto';
import { createReadStream, fstatSync, openSync, readSync } from 'node:fs';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { parentPort, workerData } from 'node:worker_threads';
import { createGunzip, createZstdDecompress } from 'node:zlib';
import { findFrames, looksLikeZstd } from '../wire/zstd-frames.ts';
import type { CheckedFile, CheckNews, CheckWork } from './image-check.ts';

const CHUNK_BYTES = 1_048_576;
const PROGRESS_BYTES = 16 * CHUNK_BYTES;

const tell = (news: CheckNews): void => parentPort?.postMessage(news);

function read(fd: number, offset: number, count: number): Uint8Array {
  const bytes = Buffer.alloc(count);
  return bytes.subarray(0, readSync(fd, bytes, 0, count, offset));
}

function compressionOf(fd: number): CheckedFile['compression'] {
  const head = read(fd, 0, 4);
  if (head.length === 4 && looksLikeZstd(head)) return 'zstd';
  return head[0] === 0x1f && head[1] === 0x8b ? 'gzip' : 'none';
}

function digest(onBytes: (total: number) => void) {
  const hash = createHash('sha256');
  let total = 0;
  return {
    add(chunk: Uint8Array) {
      hash.update(chunk);
      total += chunk.length;
      onBytes(total);
    },
    result: () => ({ sha256: hash.digest('hex'), bytes: total }),
  };
}
type Digest = ReturnType<typeof digest>;

function progress(): (readBytes: number) => void {
  let toldBytes = 0;
  return (readBytes) => {
    if (readBytes - toldBytes < PROGRESS_BYTES) return;
    toldBytes = readBytes;
    tell({ kind: 'progress', readBytes });
  };
}

/** Hashes the bytes of a part of the file, and what the decompressor makes of them. */
async function unpack(
  path: string,
  part: { start?: number; end?: number },
  {
    compression,
    stored,
    content,
  }: { compression: 'zstd' | 'gzip'; stored: Digest; content: Digest },
): Promise<void> {
  const tap = new Transform({
    transform(chunk: Uint8Array, _encoding, done) {
      stored.add(chunk);
      done(null, chunk);
    },
  });
  const options = { chunkSize: CHUNK_BYTES };
  const unpacker = compression === 'zstd' ? createZstdDecompress(options) : createGunzip(options);
  const source = createReadStream(path, { ...part, highWaterMark: CHUNK_BYTES });
  await pipeline(source, tap, unpacker, async (bytes: AsyncIterable<Uint8Array>) => {
    for await (const chunk of bytes) content.add(chunk);
  });
}

/** Every byte of the file is hashed once, in order; skippable frames too, which no decompressor sees. */
async function unpackZstd(path: string, fd: number, to: { stored: Digest; content: Digest }) {
  const sizeBytes = fstatSync(fd).size;
  const frames = findFrames({ sizeBytes, read: (offset, count) => read(fd, offset, count) });
  let at = 0;
  for (const { first, last } of frames) {
    await hashOnly(path, { start: at, end: first - 1 }, to.stored);
    await unpack(path, { start: first, end: last }, { ...to, compression: 'zstd' });
    at = last + 1;
  }
  await hashOnly(path, { start: at, end: sizeBytes - 1 }, to.stored);
}

async function hashOnly(path: string, part: { start: number; end: number }, stored: Digest) {
  if (part.end < part.start) return;
  const source = createReadStream(path, { ...part, highWaterMark: CHUNK_BYTES });
  for await (const chunk of source) stored.add(chunk as Uint8Array);
}

async function check({ path, contentBytesMax }: CheckWork): Promise<void> {
  const fd = openSync(path, 'r');
  const compression = compressionOf(fd);
  const stored = digest(progress());
  const content = digest((bytes) => {
    if (bytes > contentBytesMax) throw new Error('it unpacks to more than an image may hold');
  });
  try {
    if (compression === 'none') {
      await hashOnly(path, { start: 0, end: fstatSync(fd).size - 1 }, stored);
    } else if (compression === 'gzip') {
      await unpack(path, {}, { compression, stored, content });
    } else {
      await unpackZstd(path, fd, { stored, content });
    }
  } catch (error) {
    tell({ kind: 'corrupt', why: `${compression}: ${(error as Error).message}` });
    return;
  }
  const whole = stored.result();
  const inside = compression === 'none' ? whole : content.result();
  const file = {
    ...{ sha256: whole.sha256, sizeBytes: whole.bytes, compression },
    ...{ contentSha256: inside.sha256, contentBytes: inside.bytes },
  };
  tell({ kind: 'done', file });
}

await check(workerData as CheckWork);
