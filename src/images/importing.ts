/**
 * Brings a file into the store from a URL or a local file, in the background, however often the connection breaks.
 *
 * After a break it goes on where it stopped if that is safe: the source names its version (an entity tag) and it is the
 * same one, or the hash of the whole was given, so that a mixture of two versions would be found out. Otherwise it begins
 * again. It gives up when connection after connection brings nothing.
 */
import { AppError, type ErrorCode } from '../errors.ts';
import { limit } from '../limits.ts';
import type { OpenSource, Sources } from './ports.ts';

export interface Importing {
  readonly source: string;
  /** The hash of the whole was given. */
  readonly hashKnown: boolean;
  readonly sources: Sources;
  readonly signal: AbortSignal;
  /** Bytes that are on disk. */
  offsetBytes(): number;
  /** The size of the whole, told before any byte of it is taken. @throws AppError STORAGE_FULL, UPLOAD_TOO_LONG */
  onSize(sizeBytes: number): void;
  /** Puts the bytes at this offset and whatever was behind it away. @returns bytes that are there then */
  take(bytes: AsyncIterable<Uint8Array>, offsetBytes: number): Promise<number>;
  pause(ms: number, signal: AbortSignal): Promise<void>;
}

/** Trying again would end the same way. */
const FINAL: readonly ErrorCode[] = [
  'STORAGE_FULL',
  'UPLOAD_TOO_LONG',
  'IMPORT_REFUSED',
  'IMPORT_MISSING',
];

/** @throws AppError IMPORT_FAILED with the last cause, or one of FINAL; the signal's reason */
export async function importAll(work: Importing): Promise<void> {
  let tag = '';
  let tries = 0;
  for (;;) {
    work.signal.throwIfAborted();
    const before = work.offsetBytes();
    try {
      const offsetBytes = tag !== '' || work.hashKnown ? before : 0;
      const opened = await work.sources.open(work.source, {
        ...{ offsetBytes, tag, signal: work.signal },
      });
      tag = opened.tag;
      if (await takeOne(work, opened)) return;
      throw new AppError('IMPORT_FAILED', { detail: 'The source ended too early.' });
    } catch (cause) {
      work.signal.throwIfAborted();
      if (cause instanceof AppError && FINAL.includes(cause.code)) throw cause;
      tries = work.offsetBytes() > before ? 1 : tries + 1;
      if (tries >= limit('imageImportTriesMax')) throw failed(work.source, cause);
      await work.pause(limit('imageImportPauseMs'), work.signal);
    }
  }
}

/** @returns whether all of it is there */
async function takeOne(
  work: Importing,
  { bytes, offsetBytes, sizeBytes }: OpenSource,
): Promise<boolean> {
  if (sizeBytes !== undefined) work.onSize(sizeBytes);
  const there = await work.take(bytes, offsetBytes);
  return sizeBytes === undefined || there === sizeBytes;
}

function failed(source: string, cause: unknown): AppError {
  const why = cause instanceof Error ? cause.message : String(cause);
  return new AppError('IMPORT_FAILED', { detail: `(${source}) ${why}`, cause });
}
