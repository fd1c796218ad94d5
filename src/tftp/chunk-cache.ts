/**
 * What many machines ask for at the same moment is read once and held once.
 *
 * A file is read by position in chunks, so a large one is never held whole, and every transfer of the same version of a
 * file shares its chunks. The bytes held are bounded; the chunk that was used longest ago goes first. A version is named
 * by its `key`, which changes with the file (path, inode, size, modification time): a changed file is another version,
 * and the chunks of the old one age out. Reading is the caller's business: it is asked for a chunk and answers when it
 * can, so a slow disk delays only those who wait for that chunk.
 */
import { limit } from '../limits.ts';

/** One version of a file. */
export interface FileVersion {
  readonly key: string;
  readonly sizeBytes: number;
  /** The largest block that its client bears, where that is less than it asks for. */
  readonly blksizeBytesMax?: number | undefined;
}

/** Answers once, at once or later; `undefined` when the chunk cannot be had (read error, or the file has changed). */
export type ReadChunk = (
  file: FileVersion,
  at: { readonly offset: number; readonly length: number },
  done: (bytes: Uint8Array | undefined) => void,
) => void;

export interface ChunkCache {
  readonly chunkBytes: number;
  /** Bytes that are held now. */
  readonly heldBytes: number;
  /** The chunk if it is held. */
  get(file: FileVersion, index: number): Uint8Array | undefined;
  /** Reads a chunk unless it is held or on its way. Everybody who asked hears of it together. */
  load(file: FileVersion, index: number, done: (ok: boolean) => void): void;
}

interface Chunk {
  readonly bytes: Uint8Array;
  usedAt: number;
}

export function createChunkCache(
  read: ReadChunk,
  bounds = {
    capacityBytes: limit('tftpCacheBytes'),
    chunkBytes: limit('tftpChunkBytes'),
    readsMax: limit('tftpReadsMax'),
  },
): ChunkCache {
  const files = new Map<string, Map<number, Chunk>>();
  const waiting = new Map<string, ((ok: boolean) => void)[]>();
  const queue: (() => void)[] = [];
  let held = 0;
  let count = 0;
  let uses = 0;
  let reading = 0;
  // Many small files must not turn the search for the oldest chunk into work.
  const countMax = Math.ceil((4 * bounds.capacityBytes) / bounds.chunkBytes);

  const find = (file: FileVersion, index: number) => files.get(file.key)?.get(index);

  const evict = (): void => {
    let oldest: { key: string; index: number; chunk: Chunk } | undefined;
    for (const [key, chunks] of files) {
      for (const [index, chunk] of chunks) {
        if (!oldest || chunk.usedAt < oldest.chunk.usedAt) oldest = { key, index, chunk };
      }
    }
    if (!oldest) return;
    held -= oldest.chunk.bytes.length;
    count -= 1;
    const chunks = files.get(oldest.key);
    chunks?.delete(oldest.index);
    if (chunks?.size === 0) files.delete(oldest.key);
  };

  const keep = (file: FileVersion, index: number, bytes: Uint8Array): void => {
    while (count > 0 && (held + bytes.length > bounds.capacityBytes || count >= countMax)) evict();
    const chunks = files.get(file.key) ?? new Map<number, Chunk>();
    files.set(file.key, chunks.set(index, { bytes, usedAt: ++uses }));
    held += bytes.length;
    count += 1;
  };

  const start = (file: FileVersion, index: number, ticket: string): void => {
    reading += 1;
    const offset = index * bounds.chunkBytes;
    const length = Math.min(bounds.chunkBytes, file.sizeBytes - offset);
    read(file, { offset, length }, (bytes) => {
      reading -= 1;
      const whole = bytes?.length === length;
      if (whole) keep(file, index, bytes);
      const listeners = waiting.get(ticket) ?? [];
      waiting.delete(ticket);
      for (const listener of listeners) listener(whole);
      if (reading < bounds.readsMax) queue.shift()?.();
    });
  };

  return {
    chunkBytes: bounds.chunkBytes,
    get heldBytes() {
      return held;
    },
    get(file, index) {
      const chunk = find(file, index);
      if (!chunk) return undefined;
      chunk.usedAt = ++uses;
      return chunk.bytes;
    },
    load(file, index, done) {
      if (find(file, index)) return done(true);
      const ticket = `${index} ${file.key}`;
      const others = waiting.get(ticket);
      if (others) return void others.push(done);
      waiting.set(ticket, [done]);
      if (reading < bounds.readsMax) start(file, index, ticket);
      else queue.push(() => start(file, index, ticket));
    },
  };
}
