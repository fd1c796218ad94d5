/**
 * Opens what an image is imported from: a URL of HTTP, or a file below the one folder that the configuration names.
 *
 * A source is asked for the rest of the version that we have a part of (`If-Range`, RFC 9110 section 13.1.5); if it has
 * another by now, it sends that one from its beginning. No coding is accepted: an image is the bytes that lie there.
 */
import { createReadStream } from 'node:fs';
import { AppError } from '../errors.ts';
import { openBootFile } from './boot-files.ts';

export interface SourceOptions {
  /** Folder of local files; '' allows none. */
  readonly folder: string;
  /** A source that sends nothing for so long has gone. */
  readonly idleMs: number;
}

interface From {
  readonly offsetBytes: number;
  readonly tag: string;
  readonly signal: AbortSignal;
}

interface Opened {
  readonly bytes: AsyncIterable<Uint8Array>;
  readonly offsetBytes: number;
  readonly sizeBytes: number | undefined;
  readonly tag: string;
}

const CHUNK_BYTES = 1_048_576;

export function openSources(options: SourceOptions) {
  return {
    open: async (source: string, from: From): Promise<Opened> =>
      /^[a-z][a-z0-9+.-]*:/i.test(source)
        ? openUrl(source, from, options.idleMs)
        : openLocal(source, from, options.folder),
  };
}

/** Links and dots lead nowhere outside of the folder (safe-path.ts). */
function openLocal(name: string, { offsetBytes, tag, signal }: From, folder: string): Opened {
  if (folder === '')
    throw new AppError('IMPORT_REFUSED', { detail: 'The configuration names no folder for it.' });
  const file = openBootFile(folder, name);
  if (!file) throw new AppError('IMPORT_MISSING', { detail: `(${name} in ${folder})` });
  const start = file.etag === tag || tag === '' ? Math.min(offsetBytes, file.sizeBytes) : 0;
  // The stream closes the descriptor.
  const bytes = createReadStream('', { fd: file.fd, start, signal, highWaterMark: CHUNK_BYTES });
  return { bytes, offsetBytes: start, sizeBytes: file.sizeBytes, tag: file.etag };
}

async function openUrl(url: string, from: From, idleMs: number): Promise<Opened> {
  if (!/^https?:\/\//i.test(url) || !URL.canParse(url))
    throw new AppError('IMPORT_REFUSED', { detail: `'${url.slice(0, 100)}' is no URL of HTTP.` });
  const idle = new AbortController();
  const timer = setTimeout(() => idle.abort(new Error('the source sends nothing')), idleMs);
  try {
    const resumes = from.offsetBytes > 0;
    const answer = await fetch(url, {
      signal: AbortSignal.any([from.signal, idle.signal]),
      headers: {
        'accept-encoding': 'identity',
        ...(resumes ? { range: `bytes=${from.offsetBytes}-` } : {}),
        ...(resumes && from.tag !== '' ? { 'if-range': from.tag } : {}),
      },
    });
    return await opened(url, answer, timer);
  } catch (error) {
    clearTimeout(timer);
    throw error;
  }
}

async function opened(url: string, answer: Response, timer: NodeJS.Timeout): Promise<Opened> {
  const { status, headers, body } = answer;
  if (!answer.ok || !body) {
    await body?.cancel();
    // Too busy, or trouble of its own: it may have it later.
    const passes = status === 408 || status === 429 || status >= 500;
    throw new AppError(passes ? 'IMPORT_FAILED' : 'IMPORT_MISSING', {
      detail: `(${url}: HTTP ${status})`,
    });
  }
  const range = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(headers.get('content-range') ?? '');
  if (status === 206 && !range) {
    await body.cancel();
    throw new AppError('IMPORT_FAILED', { detail: `(${url}: a part that does not say which)` });
  }
  const total = range ? range[2] : (headers.get('content-length') ?? '*');
  const etag = headers.get('etag') ?? '';
  return {
    bytes: watched(body, timer),
    offsetBytes: range ? Number(range[1]) : 0,
    sizeBytes: total === '*' ? undefined : Number(total),
    // A weak tag promises no equal bytes (RFC 9110 section 8.8.3).
    tag: etag.startsWith('"') ? etag : '',
  };
}

async function* watched(body: AsyncIterable<Uint8Array>, timer: NodeJS.Timeout) {
  try {
    for await (const chunk of body) {
      timer.refresh();
      yield chunk;
    }
  } finally {
    clearTimeout(timer);
  }
}
