/**
 * Files of images on a follower: those that the copy knows of and that are not here are fetched from the active one, one after the
 * other, a piece at a time over the line of the pair, no faster than it is told to. What is here after a break, or a restart, is
 * gone on with; a file has its name when its bytes on disk have the hash that the copy says (`images/importing.ts` and the
 * image folder do both, as for every other source). Files that no row names any more go when this one is active.
 */
import { AppError } from '../errors.ts';
import { importAll } from '../images/importing.ts';
import type { OpenSource, Sources } from '../images/ports.ts';
import type { Blob } from '../inventory/image-blobs.ts';
import { limit } from '../limits.ts';
import type { CheckedFile, CheckOptions } from '../platform/image-check.ts';
import type { ImageFolder } from '../platform/image-folder.ts';
import type { Log } from '../platform/log.ts';
import { paced } from './fleet-images.ts';

export interface MissingImages {
  readonly files: number;
  readonly bytes: number;
}

export interface FollowedImages {
  /** The copy has other images than before, or the active one is there again. */
  wake(): void;
  missing(): MissingImages;
  /** Resolves when no file is written any more. */
  stop(): Promise<void>;
}

export interface FollowedImagePorts {
  readonly folder: ImageFolder;
  readonly log: Log;
  readonly bytesPerSecond: number;
  blobs(): readonly Blob[];
  /** May the active one be asked now? */
  isCurrent(): boolean;
  /** @throws AppError IMPORT_MISSING when the active one has it not, IMPORT_FAILED when the line is lost */
  piece(sha256: string, offsetBytes: number): Promise<Piece>;
  check(path: string, options: CheckOptions): Promise<CheckedFile>;
  pause(ms: number, signal: AbortSignal): Promise<void>;
}

export interface Piece {
  readonly sizeBytes: number;
  readonly bytes: Uint8Array;
}

/** What is missing is asked for with every heartbeat, and a look for each file costs a little. */
const COUNTED_MS = 2000;

/** A name in the folder of what is being received. */
const incomingOf = (sha256: string): string => sha256.slice(0, 36);

export function followImages(ports: FollowedImagePorts): FollowedImages {
  const { folder, log } = ports;
  const stopping = new AbortController();
  const { signal } = stopping;
  /** Not tried again before something has changed: the active one has them not, or other ones. */
  const hopeless = new Set<string>();
  let running: Promise<void> | undefined;
  let counted: { at: number; missing: MissingImages } | undefined;
  const lacking = () =>
    ports.blobs().filter(({ sha256, sizeBytes, damaged }) => {
      return damaged === '' && folder.keptBytes(sha256) !== sizeBytes;
    });
  const next = () => lacking().find(({ sha256 }) => !hopeless.has(sha256));
  const run = async (): Promise<void> => {
    for (let blob = next(); blob && ports.isCurrent() && !signal.aborted; blob = next()) {
      try {
        await fetchImage(ports, blob, signal);
        log.info({ sha256: blob.sha256, sizeBytes: blob.sizeBytes }, 'a file of an image is here');
      } catch (err) {
        if (signal.aborted) return;
        hopeless.add(blob.sha256);
        log.warn({ err, sha256: blob.sha256 }, 'a file of an image could not be copied');
      }
    }
  };
  return {
    wake() {
      if (running || signal.aborted || !ports.isCurrent()) return;
      hopeless.clear();
      running = run()
        .catch((err) => log.error({ err }, 'files of images could not be looked for'))
        .finally(() => {
          running = undefined;
        });
    },
    missing() {
      if (counted && performance.now() - counted.at < COUNTED_MS) return counted.missing;
      const left = lacking();
      const there = ({ sha256 }: Blob) => folder.incomingBytes(incomingOf(sha256)) ?? 0;
      const bytes = left.reduce((sum, one) => sum + Math.max(0, one.sizeBytes - there(one)), 0);
      counted = { at: performance.now(), missing: { files: left.length, bytes } };
      return counted.missing;
    },
    async stop() {
      stopping.abort(new Error('it follows no more'));
      await running;
    },
  };
}

async function fetchImage(
  ports: FollowedImagePorts,
  { sha256, sizeBytes, contentBytes }: Blob,
  signal: AbortSignal,
): Promise<void> {
  const { folder, check, pause } = ports;
  const id = incomingOf(sha256);
  const offsetBytes = () => Math.min(folder.incomingBytes(id) ?? 0, sizeBytes);
  if (offsetBytes() < sizeBytes)
    await importAll({
      ...{ source: sha256, hashKnown: true, sources: pieces(ports), signal, offsetBytes, pause },
      onSize(bytes) {
        if (bytes !== sizeBytes) throw new AppError('IMPORT_MISSING', { detail: 'It is another.' });
        if (folder.freeBytes() - (bytes - offsetBytes()) < limit('imageFreeBytesMin'))
          throw new AppError('STORAGE_FULL');
      },
      take: (bytes, from) => write(folder, { id, bytes, from }),
    });
  const found = await check(folder.incomingPath(id), { contentBytesMax: contentBytes, signal });
  if (found.sha256 !== sha256) {
    folder.dropIncoming(id);
    throw new AppError('IMAGE_MISMATCH', { detail: `It is ${found.sha256}.` });
  }
  folder.keep(id, sha256);
  folder.dropIncoming(id);
}

/** @returns how much is on disk, also when the rest did not come */
async function write(
  folder: ImageFolder,
  of: { id: string; bytes: AsyncIterable<Uint8Array>; from: number },
): Promise<number> {
  const file = await folder.openIncoming(of.id, of.from);
  let there = of.from;
  try {
    for await (const part of of.bytes) {
      await file.write(part);
      there += part.length;
    }
  } finally {
    await file.flush();
    await file.close();
  }
  return there;
}

/** @throws the signal's reason, also while the other one does not answer */
async function unless<T>(signal: AbortSignal, ask: () => Promise<T>): Promise<T> {
  signal.throwIfAborted();
  const stopped = Promise.withResolvers<never>();
  const stop = () => stopped.reject(signal.reason);
  signal.addEventListener('abort', stop, { once: true });
  try {
    return await Promise.race([ask(), stopped.promise]);
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

/** The active one as a source: the first piece says how large the whole is. */
function pieces({ piece, bytesPerSecond }: FollowedImagePorts): Sources {
  return {
    async open(sha256, { offsetBytes, signal }): Promise<OpenSource> {
      const ask = (at: number) => unless(signal, () => piece(sha256, at));
      const first = await ask(offsetBytes);
      async function* all(): AsyncGenerator<Uint8Array> {
        let at = offsetBytes;
        for (let next = first; next.bytes.length > 0; next = await ask(at)) {
          yield next.bytes;
          at += next.bytes.length;
          if (at >= next.sizeBytes) return;
        }
      }
      const bytes = paced(all(), bytesPerSecond, signal);
      return { bytes, offsetBytes, sizeBytes: first.sizeBytes, tag: sha256 };
    },
  };
}
