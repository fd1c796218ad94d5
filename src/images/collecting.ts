/**
 * Keeps rows and files in step: what has no row is removed, what has a row and no file is called damaged, what nobody has
 * needed for long enough goes. Rows go first, in a transaction; files after the commit. A crash between the two leaves
 * orphans, which are found by looking, at each start and from time to time.
 */
import type { Inventory } from '../inventory/inventory.ts';
import { limit } from '../limits.ts';
import type { ImageFolder } from '../platform/image-folder.ts';
import type { Clock, Millis } from '../wire/time.ts';

export interface Collected {
  readonly files: number;
  readonly sizeBytes: number;
  /** Files that belonged to nothing: left by a crash, or put there by somebody. */
  readonly orphans: number;
  readonly uploads: number;
}

interface Parts {
  readonly inventory: Pick<Inventory, 'blobs' | 'events' | 'transaction'>;
  readonly folder: ImageFolder;
  readonly clock: Clock;
}

/** After a start: nothing is being received, so every file is known or an orphan. */
export function reconcile({ inventory, folder }: Parts): void {
  const { blobs, transaction } = inventory;
  transaction(() => {
    for (const { sha256, sizeBytes, damaged } of blobs.list()) {
      const found = folder.keptBytes(sha256);
      const why =
        found === undefined
          ? `the file ${sha256} is missing`
          : `the file ${sha256} is ${found} bytes long and was ${sizeBytes}`;
      const now = found === sizeBytes ? '' : why;
      if (now !== damaged) blobs.setDamaged(sha256, now);
    }
    for (const { id, offsetBytes } of blobs.uploads.list(['receiving'])) {
      if ((folder.incomingBytes(id) ?? 0) < offsetBytes)
        blobs.uploads.change(id, { offsetBytes: 0 });
    }
  });
  dropOrphans({ inventory, folder });
}

export function collect(
  parts: Parts,
  options: {
    keepUnusedMs: number;
    isRunning(id: string): boolean;
    abandon(id: string): void;
  },
): Collected {
  const { inventory, folder, clock } = parts;
  const { blobs, transaction, events } = inventory;
  const now = clock();
  const before = (ms: number) => (now - ms) as Millis;
  let uploads = 0;
  for (const { id, updatedAt, source } of blobs.uploads.list(['receiving'])) {
    const idle = source === '' && updatedAt < before(limit('imageUploadMs'));
    if (!idle || options.isRunning(id)) continue;
    options.abandon(id);
    uploads += 1;
  }
  const gone = transaction(() => {
    blobs.uploads.forget(before(limit('imageUploadKeptMs')));
    const unused = blobs.unusedBefore(before(options.keepUnusedMs));
    const removed = unused.filter(({ sha256 }) => blobs.forget(sha256));
    const sizeBytes = removed.reduce((sum, one) => sum + one.sizeBytes, 0);
    if (removed.length > 0)
      events.append({ name: 'image.collected', data: { files: removed.length, sizeBytes } });
    return { removed, sizeBytes };
  });
  for (const { sha256 } of gone.removed) folder.dropKept(sha256);
  const orphans = dropOrphans(parts);
  return { files: gone.removed.length, sizeBytes: gone.sizeBytes, orphans, uploads };
}

function dropOrphans({ inventory: { blobs }, folder }: Pick<Parts, 'inventory' | 'folder'>) {
  const incoming = new Set(blobs.uploads.list(['receiving', 'checking']).map(({ id }) => id));
  const kept = new Set(blobs.list().map(({ sha256 }) => sha256));
  const orphans = folder.orphans({ incoming, kept });
  for (const path of orphans) folder.drop(path);
  return orphans.length;
}
