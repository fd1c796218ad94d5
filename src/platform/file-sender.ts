/**
 * Sends a part of an open file to a client: by sendfile(2) where the connection allows it, else in large reads.
 *
 * Measured on two cores against nginx (docs/http-boot.md): reads of 1 MiB written one after the other reach 0.4 to 0.8 of
 * its rate at twice its CPU time; sendfile(2) on a thread of the pool stands beside it. TLS has no sendfile, so both ways
 * are here, in one loop: read a chunk, write it in the ordinary way, and when the kernel has taken it, let sendfile fill
 * what room there is. The write also is how room is waited for. Buffers lie outside the JavaScript heap, are shared by
 * all transfers and used again, so memory is flat.
 *
 * What a client gets is one version of the file: the descriptor is the one whose entity tag was sent, so a file that is
 * replaced by rename goes on to its old end; one that is overwritten in place breaks the transfer off. The last chunk is
 * always read and checked, never sent by sendfile: a client that has a whole body has one whose file was the same to
 * the end.
 */
import { read } from 'node:fs';
import { type OpenBootFile, unchanged } from './boot-files.ts';
import { type DirectSender, seek } from './sendfile.ts';

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
}

export type SendEnd = 'complete' | 'gone' | 'too-slow' | 'file-changed' | 'unreadable';

/**
 * @returns how it ended, and the bytes that the kernel took. The caller owns the descriptor and what follows in the
 * connection; after anything but `complete` it has to be cut, because the promised length was not sent.
 */
export async function sendSlice(
  file: OpenBootFile,
  slice: Slice,
  options: SendOptions & { readonly sink: FileSink },
): Promise<{ end: SendEnd; sentBytes: number }> {
  let direct: DirectSender | undefined;
  let fruitless = 0;
  let sentBytes = 0;
  try {
    while (sentBytes < slice.lengthBytes) {
      const leftBytes = slice.lengthBytes - sentBytes;
      const wantBytes = direct ? Math.min(leftBytes, CHUNK_BYTES_MIN) : leftBytes;
      const at = slice.offsetBytes + sentBytes;
      const { end, bytes } = await sendChunk(file, { at, wantBytes }, options);
      if (end !== 'complete') return { end, sentBytes };
      sentBytes += bytes;
      // Not before the first chunk is taken: only then is it this answer's turn on the connection.
      if (fruitless < FRUITLESS_MAX) direct ??= options.sink.direct?.();
      if (!direct) continue;
      const moved = await fillRoom(file, direct, {
        offsetBytes: slice.offsetBytes + sentBytes,
        lengthBytes: slice.lengthBytes - sentBytes - CHUNK_BYTES_MIN,
      });
      sentBytes += moved;
      fruitless = moved > 0 ? 0 : fruitless + 1;
      if (fruitless === FRUITLESS_MAX) {
        direct.close();
        direct = undefined;
      }
    }
    return { end: 'complete', sentBytes };
  } finally {
    direct?.close();
  }
}

/** After so many calls in a row that moved nothing, a file system or socket is taken to know no sendfile. */
const FRUITLESS_MAX = 16;
const DIRECT_BYTES_MAX = 4_194_304;

/** Lets the kernel take all that there is room for, up to the slice. @returns the bytes it took */
async function fillRoom(file: OpenBootFile, direct: DirectSender, slice: Slice): Promise<number> {
  let moved = 0;
  seek(file.fd, slice.offsetBytes);
  while (moved < slice.lengthBytes && unchanged(file)) {
    const wantBytes = Math.min(slice.lengthBytes - moved, DIRECT_BYTES_MAX);
    const count = await direct.send(file.fd, wantBytes);
    moved += Math.max(0, count);
    if (count < wantBytes) break;
  }
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
  if (of.read < 0) return 'unreadable';
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
