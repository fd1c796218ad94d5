/** The image store over a real folder and a database in memory, with sources and a disk that tests rule. */
import { createHash, randomUUID } from 'node:crypto';
import { type AdmissionSettings, createAdmission } from '../../src/images/admission.ts';
import { type ImageDesk, openImageDesk } from '../../src/images/desk.ts';
import type { Sources } from '../../src/images/ports.ts';
import type { TrustedKey } from '../../src/images/signature.ts';
import { type ImageStore, openImageStore, type StoreParts } from '../../src/images/store.ts';
import { checkImageFile } from '../../src/platform/image-check.ts';
import { type ImageFolder, openImageFolder } from '../../src/platform/image-folder.ts';
import { temporaryFolder } from './temporary-folder.ts';
import { createWorld, type World } from './world.ts';

export const sha256 = (bytes: Uint8Array | string): string =>
  createHash('sha256').update(bytes).digest('hex');

export const ADMISSION: AdmissionSettings = {
  ...{ streamsMax: 2, bytesPerSecond: 0, keepMs: 15_000, goneMs: 30_000 },
  ...{ soonMs: 1000, laterMs: 5000 },
};

export interface StoreWorld {
  readonly world: World;
  readonly folder: ImageFolder;
  readonly store: ImageStore;
  readonly errors: unknown[];
  /** As after a crash: a new store over the same rows and files, not started. */
  again(parts?: Partial<StoreParts>): ImageStore;
  /** Sends all bytes in pieces, and resolves when the check is over. */
  put(bytes: Uint8Array, pieceBytes?: number): Promise<string>;
  /** Resolves with the upload once it is in one of these states. */
  until(id: string, ...states: string[]): Promise<{ state: string; code: string; detail: string }>;
  desk(options?: { keys?: TrustedKey[]; requireSignature?: boolean }): ImageDesk;
}

const noSources: Sources = {
  open: () => Promise.reject(new Error('this test has no sources')),
};

export function createStoreWorld(
  given: Partial<StoreParts> = {},
  world: World = createWorld(),
): StoreWorld {
  const folder = given.folder ?? openImageFolder(temporaryFolder('images'));
  const errors: unknown[] = [];
  const again = (parts: Partial<StoreParts> = {}): ImageStore =>
    openImageStore({
      inventory: world.inventory,
      clock: world.clock,
      folder,
      sources: noSources,
      keepUnusedMs: 0,
      check: checkImageFile,
      newId: randomUUID,
      pause: async () => undefined,
      onError: (error) => void errors.push(error),
      ...given,
      ...parts,
    });
  const store = again();
  const until = async (id: string, ...states: string[]) => {
    for (;;) {
      const upload = world.inventory.blobs.uploads.get(id);
      if (upload && states.includes(upload.state)) return upload;
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  };
  return {
    ...{ world, folder, store, errors, again, until },
    async put(bytes, pieceBytes = bytes.length) {
      const hash = sha256(bytes);
      const { id } = store.create({ sizeBytes: bytes.length, sha256: hash, who: 'ann' });
      for (let at = 0; at < bytes.length; at += pieceBytes) {
        const piece = bytes.subarray(at, at + pieceBytes);
        await store.receive(id, { offsetBytes: at, bytes: piecesOf(piece) });
      }
      await until(id, 'stored', 'failed');
      return hash;
    },
    desk: ({ keys = [], requireSignature = false } = {}) =>
      openImageDesk({
        ...{ images: world.inventory.images, store, keys, requireSignature },
        admission: createAdmission(ADMISSION),
      }),
  };
}

/** As a connection gives them. */
export async function* piecesOf(bytes: Uint8Array, pieceBytes = 65_536, breakAt = Infinity) {
  for (let at = 0; at < bytes.length; at += pieceBytes) {
    if (at >= breakAt) throw new Error('the connection is gone');
    yield bytes.subarray(at, at + pieceBytes);
  }
}
