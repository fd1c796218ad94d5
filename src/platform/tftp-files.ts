/**
 * Files of folders, for TFTP: found by name, read by position, named by version; and texts, which are held for a while.
 *
 * A version's key holds path, inode, size and modification time. Bytes are handed out only while the file still is that
 * version: it is looked at again after each read, so a transfer never mixes two. A file that was replaced (rename, as
 * tools install files) keeps being served from its open descriptor to those who began with it. Reading is
 * asynchronous; finding asks the file system for names and attributes only, and needs nothing that is open.
 */
import { createHash } from 'node:crypto';
import { statSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { resolveInside } from './safe-path.ts';

export interface StoredFile {
  readonly key: string;
  readonly sizeBytes: number;
}

/** What is served: a folder, and the names that stand for another file in it. */
export interface ServedFolder {
  readonly root: string;
  readonly standIns: ReadonlyMap<string, string>;
}

export interface TftpFiles {
  /** A text that is no file, until so many others were held since. */
  hold(text: string): StoredFile;
  /** The bytes in memory of their own, or `undefined` when they cannot be had any more. */
  read(file: StoredFile, at: { offset: number; length: number }): Promise<Uint8Array | undefined>;
  close(): Promise<void>;
}

/** Descriptors kept open; of those that nobody reads from, the one used longest ago is closed. */
const HANDLES_MAX = 64;

interface Opened {
  readonly handle: Promise<FileHandle>;
  readers: number;
}

/** @returns `undefined` when there is no such file in the folder. @throws Error when the file system fails */
export function findStored({ root, standIns }: ServedFolder, name: string): StoredFile | undefined {
  const path = resolveInside(root, standIns.get(name) ?? name);
  if (path === undefined) return undefined;
  const stat = statSync(path, { bigint: true, throwIfNoEntry: false });
  if (!stat?.isFile()) return undefined;
  return { key: keyOf(stat, path), sizeBytes: Number(stat.size) };
}

/** @param textsMax how many texts are held */
export function openTftpFiles({ textsMax }: { readonly textsMax: number }): TftpFiles {
  const handles = new Map<string, Opened>();
  const texts = new Map<string, Uint8Array>();

  const take = (key: string): Opened => {
    const opened = handles.get(key) ?? { handle: open(pathOf(key)), readers: 0 };
    handles.delete(key);
    handles.set(key, opened);
    opened.readers += 1;
    return opened;
  };

  /** Nothing is closed while somebody reads from it: a slow disk may hold one read up while any number of files come and go. */
  const giveBack = async (key: string, opened: Opened): Promise<void> => {
    opened.readers -= 1;
    if (opened.readers === 0 && handles.get(key) !== opened) await closeQuietly(opened);
    for (const [oldKey, old] of handles) {
      if (handles.size <= HANDLES_MAX) return;
      if (old.readers > 0) continue;
      handles.delete(oldKey);
      void closeQuietly(old);
    }
  };

  return {
    hold(text) {
      const bytes = new TextEncoder().encode(text);
      const key = `text ${createHash('sha256').update(bytes).digest('hex')}`;
      texts.delete(key);
      texts.set(key, bytes);
      const [oldest] = texts.size > textsMax ? texts.keys() : [];
      if (oldest !== undefined) texts.delete(oldest);
      return { key, sizeBytes: bytes.length };
    },
    async read({ key }, { offset, length }) {
      // A copy: what is handed out is the reader's, and may be given away to another thread.
      if (key.startsWith('text ')) return texts.get(key)?.slice(offset, offset + length);
      const opened = take(key);
      try {
        const handle = await opened.handle;
        const bytes = new Uint8Array(length);
        let filled = 0;
        while (filled < length) {
          const { bytesRead } = await handle.read(bytes, filled, length - filled, offset + filled);
          if (bytesRead === 0) return undefined;
          filled += bytesRead;
        }
        const stat = await handle.stat({ bigint: true });
        return keyOf(stat, pathOf(key)) === key ? bytes : undefined;
      } catch {
        if (handles.get(key) === opened) handles.delete(key);
        return undefined;
      } finally {
        await giveBack(key, opened);
      }
    },
    async close() {
      const open = [...handles.values()];
      handles.clear();
      await Promise.all(open.map(closeQuietly));
    },
  };
}

interface Attributes {
  readonly ino: bigint;
  readonly size: bigint;
  readonly mtimeNs: bigint;
}

function keyOf({ ino, size, mtimeNs }: Attributes, path: string): string {
  return `${ino.toString(36)}-${size.toString(36)}-${mtimeNs.toString(36)} ${path}`;
}

function pathOf(key: string): string {
  return key.slice(key.indexOf(' ') + 1);
}

async function closeQuietly({ handle }: Opened): Promise<void> {
  try {
    await (await handle).close();
  } catch {
    // It could not be opened, or is closed already: nothing is held.
  }
}
