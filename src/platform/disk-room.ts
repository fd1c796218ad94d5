/** How much room a file system has: what is free for us, without what is reserved for root, and its size. */
import { statfsSync } from 'node:fs';

export interface DiskRoom {
  readonly freeBytes: number;
  readonly sizeBytes: number;
}

/** @throws the system's error when there is no such folder */
export function diskRoomOf(folder: string): DiskRoom {
  const { bavail, blocks, bsize } = statfsSync(folder, { bigint: true });
  return { freeBytes: Number(bavail * bsize), sizeBytes: Number(blocks * bsize) };
}
