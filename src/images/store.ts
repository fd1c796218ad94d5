/**
 * The image store: what is received, checked and kept, and what is removed again.
 *
 * A file takes one way: bytes come in (receiving.ts, importing.ts), it is read back and hashed (one at a time: it is work
 * for a processor that also answers DHCP), and in one step gets its lasting name, its row and its event. Every state is a
 * row, so a daemon that was killed goes on at the next start: an import from where it was, a check from the beginning, an
 * upload when its client comes back. Clients are told by `progress`.
 */
import { AppError, type ErrorCode } from '../errors.ts';
import type { Upload, UploadChange } from '../inventory/image-blobs.ts';
import type { Inventory } from '../inventory/inventory.ts';
import { limit } from '../limits.ts';
import type { OpenBootFile } from '../platform/boot-files.ts';
import type { CheckedFile, CheckOptions } from '../platform/image-check.ts';
import type { ImageFolder } from '../platform/image-folder.ts';
import type { Clock } from '../wire/time.ts';
import { type Collected, collect, reconcile } from './collecting.ts';
import { importAll } from './importing.ts';
import type { Sources, UploadProgress } from './ports.ts';
import { needRoom, receive } from './receiving.ts';

export interface StoreParts {
  readonly inventory: Pick<Inventory, 'blobs' | 'images' | 'events' | 'transaction'>;
  readonly folder: ImageFolder;
  readonly sources: Sources;
  readonly clock: Clock;
  /** How long a file stays that no version is made of. */
  readonly keepUnusedMs: number;
  check(path: string, options: CheckOptions): Promise<CheckedFile>;
  newId(): string;
  pause(ms: number, signal: AbortSignal): Promise<void>;
  onError(error: unknown, upload: string): void;
}

export interface ImageStore {
  /** Announces a file. @throws AppError STORAGE_FULL, UPLOADS_MANY, UPLOAD_TOO_LONG */
  create(upload: { sizeBytes: number; sha256: string; who: string }): UploadProgress;
  /** Begins to fetch one. @throws AppError UPLOADS_MANY */
  importFrom(upload: { source: string; sha256: string; who: string }): UploadProgress;
  /** Takes bytes that begin at this offset, until they end. @throws AppError UPLOAD_OFFSET and others */
  receive(
    id: string,
    part: { offsetBytes: number; bytes: AsyncIterable<Uint8Array> },
  ): Promise<UploadProgress>;
  progress(id: string): UploadProgress | undefined;
  list(): UploadProgress[];
  /** @throws AppError NOT_FOUND, UPLOAD_OVER */
  cancel(id: string, who: string): void;
  /** For sending; `undefined` when it is not there, or is not what it was, which is noted. */
  open(sha256: string): OpenBootFile | undefined;
  collect(now?: { unusedToo: boolean }): Collected;
  freeBytes(): number;
  start(): void;
  /** Resolves when nothing of it runs any more. */
  stop(): Promise<void>;
}

interface Running {
  receivedBytes: number;
  checkedBytes: number;
  readonly abort: AbortController;
}

export function openImageStore(parts: StoreParts): ImageStore {
  return new Store(parts);
}

class Store implements ImageStore {
  private readonly parts: StoreParts;
  private readonly running = new Map<string, Running>();
  /** Background work that has not ended. */
  private readonly work = new Set<Promise<void>>();
  private checks: Promise<void> = Promise.resolve();
  private stopping = false;

  constructor(parts: StoreParts) {
    this.parts = parts;
  }

  private get uploads() {
    return this.parts.inventory.blobs.uploads;
  }

  create({ sizeBytes, sha256, who }: { sizeBytes: number; sha256: string; who: string }) {
    const { inventory, folder, newId } = this.parts;
    this.needSize(sizeBytes);
    const there = sha256 === '' ? undefined : inventory.blobs.get(sha256);
    const isThere = there?.damaged === '' && there.sizeBytes === sizeBytes;
    if (!isThere) this.needPlace(sizeBytes);
    return inventory.transaction(() => {
      const upload = this.uploads.create({ id: newId(), source: '', sha256, sizeBytes, who });
      if (isThere) this.uploads.change(upload.id, { state: 'stored', offsetBytes: sizeBytes });
      else folder.dropIncoming(upload.id);
      return this.need(upload.id);
    });
  }

  importFrom({ source, sha256, who }: { source: string; sha256: string; who: string }) {
    const { inventory, newId } = this.parts;
    this.needPlace(0);
    const { id } = inventory.transaction(() =>
      this.uploads.create({ id: newId(), source, sha256, sizeBytes: 0, who }),
    );
    this.startImport(id);
    return this.need(id);
  }

  async receive(
    id: string,
    { offsetBytes, bytes }: { offsetBytes: number; bytes: AsyncIterable<Uint8Array> },
  ): Promise<UploadProgress> {
    const upload = this.need(id);
    if (upload.state !== 'receiving' || upload.source !== '')
      throw new AppError('UPLOAD_OVER', { detail: `It is ${upload.state}.` });
    if (this.running.has(id)) throw new AppError('UPLOAD_BUSY');
    if (offsetBytes !== upload.offsetBytes) {
      const more = { offsetBytes: upload.offsetBytes };
      throw new AppError('UPLOAD_OFFSET', { detail: `It has ${upload.offsetBytes} bytes.`, more });
    }
    const run = this.begin(id, offsetBytes);
    try {
      await this.take(upload, bytes, run);
    } finally {
      this.running.delete(id);
    }
    if (this.need(id).offsetBytes === upload.sizeBytes) this.startCheck(id);
    return this.need(id);
  }

  progress(id: string): UploadProgress | undefined {
    const upload = this.uploads.get(id);
    return upload && this.view(upload);
  }

  list(): UploadProgress[] {
    return this.uploads.list().map((upload) => this.view(upload));
  }

  cancel(id: string, who: string): void {
    const { state } = this.need(id);
    if (state !== 'receiving' && state !== 'checking')
      throw new AppError('UPLOAD_OVER', { detail: `It is ${state}.` });
    this.running.get(id)?.abort.abort(new AppError('UPLOAD_OVER', { detail: 'It was cancelled.' }));
    this.fail(id, new AppError('UPLOAD_OVER', { detail: `It was cancelled by ${who}.` }));
  }

  open(sha256: string): OpenBootFile | undefined {
    const { inventory, folder } = this.parts;
    const blob = inventory.blobs.get(sha256);
    if (blob?.damaged !== '') return undefined;
    const file = folder.openKept(sha256);
    if (file?.sizeBytes === blob.sizeBytes) return file;
    file?.close();
    inventory.transaction(() => inventory.blobs.setDamaged(sha256, 'its file is not what it was'));
    return undefined;
  }

  collect({ unusedToo } = { unusedToo: false }): Collected {
    const { keepUnusedMs } = this.parts;
    const isRunning = (id: string) => this.running.has(id);
    const abandon = (id: string) => this.fail(id, new AppError('UPLOAD_ABANDONED'));
    return collect(this.parts, {
      ...{ keepUnusedMs: unusedToo ? 0 : keepUnusedMs, isRunning, abandon },
    });
  }

  freeBytes(): number {
    return this.parts.folder.freeBytes();
  }

  start(): void {
    reconcile(this.parts);
    for (const { id, state, source } of this.uploads.list(['receiving', 'checking'])) {
      if (state === 'checking') this.startCheck(id);
      else if (source !== '') this.startImport(id);
    }
  }

  async stop(): Promise<void> {
    this.stopping = true;
    for (const { abort } of this.running.values()) abort.abort(new Error('the daemon stops'));
    await Promise.all(this.work);
  }

  private need(id: string): UploadProgress {
    const upload = this.progress(id);
    if (!upload) throw new AppError('NOT_FOUND', { detail: 'No such upload.' });
    return upload;
  }

  private view(upload: Upload): UploadProgress {
    const run = this.running.get(upload.id);
    const isChecked = upload.state === 'stored';
    return {
      ...upload,
      receivedBytes: Math.max(run?.receivedBytes ?? 0, upload.offsetBytes),
      checkedBytes: isChecked ? upload.sizeBytes : (run?.checkedBytes ?? 0),
    };
  }

  private needSize(sizeBytes: number): void {
    if (sizeBytes > limit('imageFileBytesMax'))
      throw new AppError('UPLOAD_TOO_LONG', { detail: `(${limit('imageFileBytesMax')} bytes)` });
  }

  /** What others have announced and not sent yet is spoken for. */
  private needPlace(sizeBytes: number): void {
    const open = this.uploads.list(['receiving', 'checking']);
    if (open.length >= limit('imageUploadsMax')) throw new AppError('UPLOADS_MANY');
    const spoken = open.reduce((sum, one) => sum + Math.max(0, one.sizeBytes - one.offsetBytes), 0);
    needRoom(this.parts.folder, sizeBytes + spoken);
  }

  private begin(id: string, receivedBytes: number): Running {
    const run = { receivedBytes, checkedBytes: 0, abort: new AbortController() };
    this.running.set(id, run);
    return run;
  }

  /** @returns the bytes that are there */
  private take(upload: Upload, bytes: AsyncIterable<Uint8Array>, run: Running): Promise<number> {
    return receive(upload, bytes, {
      folder: this.parts.folder,
      signal: run.abort.signal,
      onReceived: (count) => {
        run.receivedBytes = count;
      },
      onDurable: (offsetBytes) => this.change(upload.id, { offsetBytes }),
    });
  }

  private change(id: string, change: UploadChange): void {
    this.parts.inventory.transaction(() => this.uploads.change(id, change));
  }

  private inBackground(id: string, run: () => Promise<void>): void {
    const work = run()
      .catch((error: unknown) => {
        // The row says where to go on.
        if (this.stopping) return;
        if (this.uploads.get(id)?.state === 'failed') return;
        this.fail(id, error);
      })
      .catch((error: unknown) => this.parts.onError(error, id))
      .finally(() => this.work.delete(work));
    this.work.add(work);
  }

  private startImport(id: string): void {
    const run = this.begin(id, this.need(id).offsetBytes);
    this.inBackground(id, async () => {
      const { sources, pause } = this.parts;
      const { source, sha256 } = this.need(id);
      try {
        await importAll({
          ...{ source, sources, pause, signal: run.abort.signal, hashKnown: sha256 !== '' },
          offsetBytes: () => this.need(id).offsetBytes,
          onSize: (sizeBytes) => {
            this.needSize(sizeBytes);
            this.change(id, { sizeBytes });
            needRoom(this.parts.folder, sizeBytes - this.need(id).offsetBytes);
          },
          take: (bytes, offsetBytes) => {
            this.change(id, { offsetBytes });
            return this.take({ ...this.need(id), offsetBytes }, bytes, run);
          },
        });
      } finally {
        this.running.delete(id);
      }
      this.change(id, { sizeBytes: this.need(id).offsetBytes });
      this.startCheck(id);
    });
  }

  private startCheck(id: string): void {
    this.change(id, { state: 'checking' });
    const run = this.begin(id, this.need(id).offsetBytes);
    const turn = this.checks.then(() => this.check(id, run));
    this.checks = turn.catch(() => undefined);
    this.inBackground(id, () => turn.finally(() => this.running.delete(id)));
  }

  private async check(id: string, run: Running): Promise<void> {
    const { inventory, folder, check } = this.parts;
    const { source, who, sha256: wanted } = this.need(id);
    const file = await check(folder.incomingPath(id), {
      contentBytesMax: limit('imageContentBytesMax'),
      signal: run.abort.signal,
      onProgress: (readBytes) => {
        run.checkedBytes = readBytes;
      },
    });
    run.abort.signal.throwIfAborted();
    const { sha256, sizeBytes } = file;
    if (wanted !== '' && wanted !== sha256)
      throw new AppError('IMAGE_MISMATCH', { detail: `It is ${sha256} and not ${wanted}.` });
    folder.keep(id, sha256);
    inventory.transaction(() => {
      inventory.blobs.add(file);
      this.uploads.change(id, { state: 'stored', sha256, sizeBytes });
      const data = { upload: id, sha256, sizeBytes, source, who };
      inventory.events.append({ name: 'image.received', data });
    });
    folder.dropIncoming(id);
  }

  private fail(id: string, error: unknown): void {
    const { inventory, folder, onError } = this.parts;
    const upload = this.uploads.get(id);
    if (!upload) return;
    const isKnown = error instanceof AppError;
    if (!isKnown) onError(error, id);
    const code: ErrorCode = isKnown ? error.code : 'INTERNAL';
    const detail = isKnown ? error.message : 'The log has the cause.';
    inventory.transaction(() => {
      this.uploads.change(id, { state: 'failed', code, detail });
      const data = { upload: id, source: upload.source, code, detail, who: upload.who };
      inventory.events.append({ name: 'image.failed', data });
    });
    folder.dropIncoming(id);
  }
}
