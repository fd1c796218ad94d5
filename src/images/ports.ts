/** What the image store needs from the machine it runs on. src/platform has the real ones; tests have others. */
import type { Upload } from '../inventory/image-blobs.ts';

/** Where an import comes from, opened at an offset. */
export interface OpenSource {
  readonly bytes: AsyncIterable<Uint8Array>;
  /** Where the bytes begin: 0 when the source cannot go on, or is not what it was. */
  readonly offsetBytes: number;
  /** Of the whole; undefined when the source does not say. */
  readonly sizeBytes: number | undefined;
  /** Names this version of the source; '' when it has no name for it. */
  readonly tag: string;
}

export interface Sources {
  /** @param from `tag` is that of the bytes that are there already. @throws AppError IMPORT_FAILED */
  open(
    source: string,
    from: { offsetBytes: number; tag: string; signal: AbortSignal },
  ): Promise<OpenSource>;
}

/** An upload with what only memory knows: bytes that are not on disk yet, and how far the check is. */
export interface UploadProgress extends Upload {
  readonly receivedBytes: number;
  readonly checkedBytes: number;
}
