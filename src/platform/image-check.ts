/**
 * Reads a file of the image store back and says what it is: its SHA-256, whether it is compressed, and what comes out.
 *
 * On a thread of its own, because it is hashing and unpacking for seconds to minutes; the event loop, which answers DHCP,
 * is told now and then how far it is. What is checked is the file as the disk has it, not the bytes as they came.
 */
import { Worker } from 'node:worker_threads';
import { AppError } from '../errors.ts';

export interface CheckedFile {
  readonly sha256: string;
  readonly sizeBytes: number;
  readonly compression: 'zstd' | 'gzip' | 'none';
  readonly contentSha256: string;
  readonly contentBytes: number;
}

export interface CheckOptions {
  readonly contentBytesMax: number;
  onProgress?(readBytes: number): void;
  readonly signal?: AbortSignal;
}

export interface CheckWork {
  readonly path: string;
  readonly contentBytesMax: number;
}

export type CheckNews =
  | { readonly kind: 'progress'; readonly readBytes: number }
  | { readonly kind: 'done'; readonly file: CheckedFile }
  | { readonly kind: 'corrupt'; readonly why: string };

/** @throws AppError UPLOAD_CORRUPT when what is compressed cannot be unpacked; the signal's reason when it is aborted */
export function checkImageFile(
  path: string,
  { contentBytesMax, onProgress, signal }: CheckOptions,
): Promise<CheckedFile> {
  signal?.throwIfAborted();
  const work: CheckWork = { path, contentBytesMax };
  const worker = new Worker(new URL('./image-check-worker.ts', import.meta.url), {
    workerData: work,
  });
  return new Promise<CheckedFile>((resolve, reject) => {
    const abort = () => {
      reject(signal?.reason);
      void worker.terminate();
    };
    signal?.addEventListener('abort', abort, { once: true });
    worker.on('message', (news: CheckNews) => {
      if (news.kind === 'progress') onProgress?.(news.readBytes);
      else if (news.kind === 'done') resolve(news.file);
      else reject(new AppError('UPLOAD_CORRUPT', { detail: news.why }));
    });
    worker.once('error', reject);
    worker.once('exit', () => {
      signal?.removeEventListener('abort', abort);
      reject(new Error('the thread that checks a file has ended without an answer'));
    });
  });
}
