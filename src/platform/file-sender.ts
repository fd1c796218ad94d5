/**
 * Sends a part of an open file to a client: by sendfile(2) where the connection allows it, else in large reads.
 *
 * Measured on two cores against nginx (docs/http-boot.md): reads of 1 MiB written one after the other reach 0.4 to 0.8 of
 * its rate at twice its CPU time; sendfile(2) on a thread of its own stands beside it. TLS has no sendfile, so both ways
 * are here: the first chunk goes out by an ordinary write, behind the head of the answer; the thread takes over for all
 * but the last chunk; ordinary writes send what then is left. Their buffers lie outside the JavaScript heap, are shared by
 * all transfers and used again, so memory is flat.
 *
 * What a client gets is one version of the file: the descriptor is the one whose entity tag was sent, so a file that is
 * replaced by rename goes on to its old end; one that is overwritten in place breaks the transfer off. The last chunk is
 * always read and checked, never sent by sendfile: a client that has a whole body has one whose file was the same to
 * the end.
 */
import { read } from 'node:fs';
import { type OpenBootFile, unchanged } from './boot-files.ts';
import type { DirectSender, SendThreads } from './sendfile.ts';

/** Buffers of one size each; every transfer takes one for a read and gives it back after the write. */
export interface BufferPool {
  take(wantedBytes: number): Buffer;
  give(buffer: Buffer): void;
  /** For a write that was cut off: the runtime may still hold the bytes, so nobody else gets this buffer. */
  forget(buffer: Buffer): void;
  /** What is lent and what is kept, in bytes. */
  usage(): { lentBytes: number; keptBytes: number };
}

export interface PoolLimits {
  /** Lent up to this, in the largest chunks; beyond it every transfer still gets the smallest. */
  readonly budgetBytes: number;
  readonly chunkBytesMax: number;
}

export const CHUNK_BYTES_MIN = 65_536;

/**
 * Hands out power-of-two buffers between 64 KiB and the largest chunk: large ones while few ask, smaller ones as the
 * budget fills, so that readers which do not read cannot take the memory of those which do.
 */
export function createBufferPool({ budgetBytes, chunkBytesMax }: PoolLimits): BufferPool {
  const kept = new Map<number, Buffer[]>();
  let lentBytes = 0;
  let keptBytes = 0;
  const sizeFor = (wantedBytes: number): number => {
    const share = Math.min(wantedBytes, chunkBytesMax, (budgetBytes - lentBytes) / 4);
    let size = CHUNK_BYTES_MIN;
    while (size < share && size * 2 <= chunkBytesMax && size * 2 <= budgetBytes - lentBytes) {
      size *= 2;
    }
    return size;
  };
  /** Sizes that are not asked for any more make way for the one that is: after a storm, small for large. */
  const makeRoom = (size: number): void => {
    for (const [other, buffers] of kept) {
      while (other !== size && lentBytes + keptBytes + size > budgetBytes && buffers.pop()) {
        keptBytes -= other;
      }
    }
  };
  return {
    take(wantedBytes) {
      const size = sizeFor(wantedBytes);
      const again = kept.get(size)?.pop();
      if (again) keptBytes -= size;
      lentBytes += size;
      return again ?? Buffer.allocUnsafeSlow(size);
    },
    give(buffer) {
      lentBytes -= buffer.length;
      makeRoom(buffer.length);
      if (lentBytes + keptBytes + buffer.length > budgetBytes) return;
      keptBytes += buffer.length;
      const same = kept.get(buffer.length);
      if (same) same.push(buffer);
      else kept.set(buffer.length, [buffer]);
    },
    forget(buffer) {
      lentBytes -= buffer.length;
    },
    usage: () => ({ lentBytes, keptBytes }),
  };
}

export interface FileSink {
  /** Calls back when the kernel has taken the bytes, or with an error. */
  write(bytes: Uint8Array, done: (error?: Error | null) => void): void;
  gone(): boolean;
  /** Tells when the client goes away. @returns ends the telling */
  onGone(tell: () => void): () => void;
  /** A way past this process, for a connection whose writes so far have all been taken. */
  direct?(): DirectSender | undefined;
}

export interface Slice {
  readonly offsetBytes: number;
  readonly lengthBytes: number;
}

export interface SendOptions {
  readonly pool: BufferPool;
  /** A chunk that the client has not taken after this long ends the transfer. */
  readonly chunkMs: number;
  /** Without them, everything is sent by ordinary writes. */
  readonly threads?: SendThreads;
}

export const SEND_ENDS = ['complete', 'gone', 'too-slow', 'file-changed', 'failed'] as const;
export type SendEnd = (typeof SEND_ENDS)[number];

/**
 * @returns how it ended, and the bytes that the kernel took. The caller owns the descriptor and what follows in the
 * connection; after anything but `complete` it has to be cut, because the promised length was not sent.
 */
export async function sendSlice(
  file: OpenBootFile,
  slice: Slice,
  options: SendOptions & { readonly sink: FileSink },
): Promise<{ end: SendEnd; sentBytes: number }> {
  const { sink } = options;
  let sentBytes = 0;
  while (sentBytes < slice.lengthBytes) {
    const leftBytes = slice.lengthBytes - sentBytes;
    const wantBytes = sentBytes === 0 ? Math.min(leftBytes, CHUNK_BYTES_MIN) : leftBytes;
    const at = slice.offsetBytes + sentBytes;
    const { end, bytes } = await sendChunk(file, { at, wantBytes }, options);
    if (end !== 'complete') return { end, sentBytes };
    const first = sentBytes === 0;
    sentBytes += bytes;
    // Not before the first chunk is taken: only then is it this answer's turn on the connection.
    const directBytes = slice.lengthBytes - sentBytes - CHUNK_BYTES_MIN;
    if (!first || directBytes < DIRECT_BYTES_MIN || sink.gone()) continue;
    const offsetBytes = slice.offsetBytes + sentBytes;
    const moved = await sendDirect(file, { offsetBytes, lengthBytes: directBytes }, sink);
    if (moved === undefined) return { end: 'failed', sentBytes };
    sentBytes += moved;
  }
  return { end: 'complete', sentBytes };
}

/** Below this, handing over to another thread costs more than it saves. */
const DIRECT_BYTES_MIN = 262_144;

/** Sends what it can without this process; ordinary writes go on where it stops, and find out why. */
async function sendDirect(
  file: OpenBootFile,
  { offsetBytes, lengthBytes }: Slice,
  sink: FileSink,
): Promise<number | undefined> {
  const direct = sink.direct?.();
  if (!direct) return 0;
  const unfollow = sink.onGone(direct.cancel);
  const moved = await direct.send({ fileFd: file.fd, offsetBytes, lengthBytes });
  unfollow();
  direct.close();
  return moved;
}

async function sendChunk(
  file: OpenBootFile,
  { at, wantBytes }: { at: number; wantBytes: number },
  { sink, pool, chunkMs }: SendOptions & { readonly sink: FileSink },
): Promise<{ end: SendEnd; bytes: number }> {
  const buffer = pool.take(wantBytes);
  const count = await readAt(file.fd, buffer.subarray(0, wantBytes), at);
  const failed = whyNot({ sink, read: count, file });
  if (failed !== undefined) {
    pool.give(buffer);
    return { end: failed, bytes: 0 };
  }
  const end = await writeChunk(sink, buffer.subarray(0, count), chunkMs);
  if (end === 'complete') pool.give(buffer);
  else pool.forget(buffer);
  return { end, bytes: count };
}

/** The version is checked after the read and before the write: no byte of another version follows those of this one. */
function whyNot(of: { sink: FileSink; read: number; file: OpenBootFile }): SendEnd | undefined {
  if (of.sink.gone()) return 'gone';
  if (of.read < 0) return 'failed';
  return of.read === 0 || !unchanged(of.file) ? 'file-changed' : undefined;
}

function writeChunk(sink: FileSink, bytes: Uint8Array, chunkMs: number): Promise<SendEnd> {
  return new Promise((resolve) => {
    const settle = (end: SendEnd) => {
      clearTimeout(timer);
      unfollow();
      resolve(end);
    };
    const timer = setTimeout(() => settle('too-slow'), chunkMs);
    const unfollow = sink.onGone(() => settle('gone'));
    sink.write(bytes, (error) => settle(error ? 'gone' : 'complete'));
  });
}

/** @returns the bytes read, 0 at the end of the file, -1 when it cannot be read */
function readAt(fd: number, into: Buffer, position: number): Promise<number> {
  return new Promise((resolve) => {
    read(fd, into, 0, into.length, position, (error, count) => resolve(error ? -1 : count));
  });
}
