/**
 * Takes the bytes of one upload onto the disk, from whoever sends them, and remembers how many are safe there.
 *
 * Bytes go from the connection to the file in the pieces in which they come; nothing is gathered, so memory is the same
 * for a megabyte and for a terabyte. The offset that a client may rely on is what a sync has made durable: it is written
 * every so many bytes and when the sender stops, whatever made it stop. What came after it is cut off when it goes on.
 */
import { AppError } from '../errors.ts';
import type { Upload } from '../inventory/image-blobs.ts';
import { limit } from '../limits.ts';
import type { ImageFolder } from '../platform/image-folder.ts';

export interface Receiving {
  readonly folder: ImageFolder;
  /** Told often, for whoever watches. */
  onReceived(bytes: number): void;
  /** Told when so many are on disk. */
  onDurable(bytes: number): void;
  readonly signal: AbortSignal;
}

/**
 * @param upload its `sizeBytes` is 0 when nobody knows how many there are
 * @returns the bytes that are there, and on disk
 * @throws AppError STORAGE_FULL, UPLOAD_TOO_LONG; whatever made the source end early
 */
export async function receive(
  upload: Pick<Upload, 'id' | 'sizeBytes' | 'offsetBytes'>,
  source: AsyncIterable<Uint8Array>,
  { folder, onReceived, onDurable, signal }: Receiving,
): Promise<number> {
  const mayHoldBytes = upload.sizeBytes || limit('imageFileBytesMax');
  const file = await folder.openIncoming(upload.id, upload.offsetBytes);
  let at = upload.offsetBytes;
  let durable = at;
  const flush = async () => {
    await file.flush();
    durable = at;
    onDurable(durable);
  };
  try {
    for await (const bytes of source) {
      signal.throwIfAborted();
      if (at + bytes.length > mayHoldBytes)
        throw new AppError('UPLOAD_TOO_LONG', { detail: `(${mayHoldBytes} bytes)` });
      await file.write(bytes);
      at += bytes.length;
      onReceived(at);
      if (at - durable < limit('imageFlushBytes')) continue;
      needRoom(folder, 0);
      await flush();
    }
  } finally {
    try {
      await flush();
    } finally {
      await file.close();
    }
  }
  return at;
}

/** @throws AppError STORAGE_FULL that says how much there is and how much is wanted */
export function needRoom(folder: ImageFolder, wantedBytes: number): void {
  const freeBytes = folder.freeBytes();
  const keptFree = limit('imageFreeBytesMin');
  if (freeBytes - wantedBytes >= keptFree) return;
  const detail = `${wantedBytes} bytes are wanted and ${keptFree} must stay free, but only ${freeBytes} are free in ${folder.root}.`;
  throw new AppError('STORAGE_FULL', { detail, more: { freeBytes, wantedBytes } });
}
