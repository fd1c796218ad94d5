/**
 * Files of the fleet's images at central: taken from people, sent to appliances, named by their SHA-256.
 *
 * A file has its name once all of it is on disk and has the hash that was said, so what is sent is what was meant; the appliance
 * checks it again. Instances share the folder, as they share the authority: one that lacks a file says so, and the appliance
 * comes again. An appliance goes on by range where it broke off (RFC 9110, section 14).
 */
import { createHash, randomUUID } from 'node:crypto';
import { createReadStream, mkdirSync, readdirSync, rmSync, statfsSync, statSync } from 'node:fs';
import { open, rename } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { AppError } from '../errors.ts';
import { limit } from '../limits.ts';

export interface FleetBlobs {
  /** @returns bytes; undefined when it is not here */
  sizeOf(sha256: string): number | undefined;
  /** @throws AppError IMAGE_MISMATCH when it is another file, STORAGE_FULL, UPLOAD_TOO_LONG */
  take(sha256: string, bytes: AsyncIterable<Uint8Array>): Promise<{ sizeBytes: number }>;
  /** All of it, or from where `Range` says. @throws AppError NOT_FOUND, RATE_LIMITED */
  send(sha256: string, request: IncomingMessage, response: ServerResponse): Promise<void>;
  remove(sha256: string): void;
}

const PART = 'part-';

export function openFleetBlobs(folder: string): FleetBlobs {
  let sending = 0;
  const pathOf = (sha256: string) => join(folder, sha256);
  const sizeOf = (sha256: string): number | undefined => {
    const found = statSync(pathOf(sha256), { throwIfNoEntry: false });
    return found?.isFile() ? found.size : undefined;
  };
  return {
    sizeOf,
    async take(sha256, bytes) {
      mkdirSync(folder, { recursive: true, mode: 0o700 });
      dropOldParts(folder);
      const part = join(folder, `${PART}${randomUUID()}`);
      try {
        const sizeBytes = await keep(part, sha256, bytes);
        await rename(part, pathOf(sha256));
        // Its name is as durable as its bytes: sites are told of it for good.
        const names = await open(folder, 'r');
        await names.sync().finally(() => names.close());
        return { sizeBytes };
      } finally {
        rmSync(part, { force: true });
      }
    },
    async send(sha256, { headers, method }, response) {
      const sizeBytes = sizeOf(sha256);
      if (sizeBytes === undefined) throw new AppError('NOT_FOUND');
      if (sending >= limit('fleetImageStreamsMax')) throw new AppError('RATE_LIMITED');
      const [, from = '0'] = /^bytes=(\d{1,15})-$/.exec(headers.range ?? '') ?? [];
      const start = Number(from) < sizeBytes ? Number(from) : 0;
      response.writeHead(start > 0 ? 206 : 200, {
        'content-type': 'application/octet-stream',
        'content-length': sizeBytes - start,
        ...(start > 0 && { 'content-range': `bytes ${start}-${sizeBytes - 1}/${sizeBytes}` }),
        ...{ etag: `"${sha256}"`, connection: 'close' },
      });
      if (method === 'HEAD') return void response.end();
      sending += 1;
      try {
        await pipeline(createReadStream(pathOf(sha256), { start }), response);
      } finally {
        sending -= 1;
      }
    },
    remove: (sha256) => rmSync(pathOf(sha256), { force: true }),
  };
}

/** What an instance left that ended while it took a file. Nobody goes on with it, and another instance may be at a newer one. */
function dropOldParts(folder: string): void {
  const before = Date.now() - limit('fleetPartKeptMs');
  for (const name of readdirSync(folder)) {
    if (!name.startsWith(PART)) continue;
    const found = statSync(join(folder, name), { throwIfNoEntry: false });
    if (found && found.mtimeMs < before) rmSync(join(folder, name), { force: true });
  }
}

/** @returns its size. @throws AppError as `take` */
async function keep(
  path: string,
  sha256: string,
  bytes: AsyncIterable<Uint8Array>,
): Promise<number> {
  const hash = createHash('sha256');
  const file = await open(path, 'wx', 0o600);
  let sizeBytes = 0;
  try {
    for await (const piece of bytes) {
      sizeBytes += piece.length;
      if (sizeBytes > limit('imageFileBytesMax')) throw new AppError('UPLOAD_TOO_LONG');
      hash.update(piece);
      await file.writeFile(piece);
    }
    const is = hash.digest('hex');
    if (is !== sha256)
      throw new AppError('IMAGE_MISMATCH', { detail: `It is ${is} and not ${sha256}.` });
    await file.sync();
    return sizeBytes;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
    const { bavail, bsize } = statfsSync(path);
    throw new AppError('STORAGE_FULL', { detail: `${bavail * bsize} bytes are free.` });
  } finally {
    await file.close();
  }
}
