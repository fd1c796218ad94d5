/**
 * Files of the fleet's images, fetched from central over this appliance's own certificate: a source of the image store beside
 * URLs and local files. It goes on by range where it broke off, and reads no faster than it is told to, which holds the sender
 * back by TCP; what has come is judged by the store, by its hash.
 */
import { existsSync, readFileSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { AppError } from '../errors.ts';
import type { OpenSource, Sources } from '../images/ports.ts';
import { limit } from '../limits.ts';
import { FLEET_FILES, type Membership } from './membership.ts';

export interface FleetSourceOptions {
  /** Of the membership. */
  readonly folder: string;
  /** 0 sets no bound. */
  readonly bytesPerSecond: number;
}

type From = Parameters<Sources['open']>[1];

export const withFleetSource = (others: Sources, options: FleetSourceOptions): Sources => ({
  open: (source, from) =>
    source.startsWith('central:')
      ? openFleetFile(source.slice('central:'.length), from, options)
      : others.open(source, from),
});

/** @throws AppError IMPORT_REFUSED outside of a fleet, IMPORT_MISSING, IMPORT_FAILED */
async function openFleetFile(
  sha256: string,
  from: From,
  { folder, bytesPerSecond }: FleetSourceOptions,
): Promise<OpenSource> {
  if (!existsSync(join(folder, FLEET_FILES.membership)))
    throw new AppError('IMPORT_REFUSED', { detail: 'This appliance is of no fleet.' });
  const text = readFileSync(join(folder, FLEET_FILES.membership), 'utf8');
  const { url, authority } = JSON.parse(text) as Membership;
  const identity = readFileSync(join(folder, FLEET_FILES.identity), 'utf8');
  const answer = await new Promise<IncomingMessage>((resolve, reject) => {
    const asked = httpsRequest(new URL(`/blobs/${sha256}`, url), {
      ...{ ca: authority, key: identity, cert: identity, minVersion: 'TLSv1.3', agent: false },
      ...{ timeout: limit('imageImportIdleMs'), signal: from.signal },
      headers: from.offsetBytes > 0 ? { range: `bytes=${from.offsetBytes}-` } : {},
    });
    asked.once('response', resolve);
    asked.on('timeout', () => asked.destroy(new Error('central sends nothing')));
    asked.once('error', reject);
    asked.end();
  });
  const { statusCode = 0, headers } = answer;
  if (statusCode !== 200 && statusCode !== 206) {
    answer.destroy();
    const code = statusCode === 404 || statusCode === 403 ? 'IMPORT_MISSING' : 'IMPORT_FAILED';
    throw new AppError(code, { detail: `(central, ${sha256}: HTTP ${statusCode})` });
  }
  const offsetBytes = statusCode === 206 ? from.offsetBytes : 0;
  return {
    bytes: paced(answer, bytesPerSecond, from.signal),
    offsetBytes,
    sizeBytes: offsetBytes + Number(headers['content-length']),
    tag: sha256,
  };
}

const BURST_MS = 200;

/** No more than so many bytes a second, but for a short burst. @throws AbortError when the signal ends it in a pause */
export async function* paced(
  bytes: AsyncIterable<Uint8Array>,
  bytesPerSecond: number,
  signal?: AbortSignal,
): AsyncGenerator<Uint8Array> {
  let freeAt = performance.now();
  for await (const chunk of bytes) {
    yield chunk;
    if (bytesPerSecond === 0) continue;
    freeAt =
      Math.max(freeAt, performance.now() - BURST_MS) + (chunk.length * 1000) / bytesPerSecond;
    const waitMs = freeAt - performance.now();
    if (waitMs > 1) await pause(waitMs, undefined, { signal });
  }
}
