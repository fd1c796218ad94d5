/**
 * Sends a part of an open file to a writer, chunk by chunk, from buffers that all transfers share.
 *
 * Node has no sendfile(2). Measured on two cores against nginx with sendfile (docs/http-boot.md): reads of 256 KiB reach
 * 0.8 of its rate for one client, reads of 1 MiB reach or pass it, and calling sendfile(2) on the socket's descriptor
 * through the FFI gained nothing more that would pay for a descriptor taken behind the runtime's back. So: large reads
 * by the thread pool (a cold file stops no DHCP reply), one write at a time, and the next read only when the kernel has
 * taken the last. The buffers lie outside the JavaScript heap and are used again, so memory is flat.
 *
 * What a client gets is one version of the file: the descriptor is the one whose entity tag was sent, so a file that is
 * replaced by rename goes on to its old end; one that is overwritten in place breaks the transfer off, which the client
 * sees as a body shorter than promised.
 */
import { read } from 'node:fs';
import { type OpenBootFile, unchanged } from './boot-files.ts';

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
  { offsetBytes, lengthBytes }: Slice,
  { sink, pool, chunkMs }: SendOptions & { readonly sink: FileSink },
): Promise<{ end: SendEnd; sentBytes: number }> {
  let sentBytes = 0;
  while (sentBytes < lengthBytes) {
    const leftBytes = lengthBytes - sentBytes;
    const buffer = pool.take(leftBytes);
    const read = await readAt(file.fd, buffer.subarray(0, leftBytes), offsetBytes + sentBytes);
    const failed = whyNot({ sink, read, file });
    if (failed !== undefined) {
      pool.give(buffer);
      return { end: failed, sentBytes };
    }
    const end = await writeChunk(sink, buffer.subarray(0, read), chunkMs);
    if (end !== 'complete') {
      pool.forget(buffer);
      return { end, sentBytes };
    }
    pool.give(buffer);
    sentBytes += read;
  }
  return { end: 'complete', sentBytes };
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
