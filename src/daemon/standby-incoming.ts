/**
 * Files as they come over the line: a database straight to the disk, the small ones when they are whole. Each database has a file of its
 * own until it takes its place: one that is whole may wait for that while another one comes.
 */
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { discard } from '../platform/private-files.ts';
import type { Place, StandbyMessage } from '../standby/protocol.ts';

type FileMessage = Extract<StandbyMessage, { kind: 'file' }>;

interface Incoming extends Pick<FileMessage, 'name' | 'sizeBytes' | 'place'> {
  gotBytes: number;
  readonly parts: Uint8Array[];
  /** Of a database. */
  readonly file: string;
  readonly handle: Promise<FileHandle> | undefined;
  written: Promise<unknown>;
}

/** A whole one, on disk. */
export interface IncomingDatabase {
  readonly file: string;
  readonly place: Place;
}

export interface IncomingFiles {
  begin(message: FileMessage): void;
  bytes(bytes: Uint8Array): void;
  cut(): void;
}

const SMALL_FILE_BYTES_MAX = 1_048_576;

/** @param small where each of the small files goes, by its name */
export function openIncoming(
  small: Readonly<Record<string, string>>,
  ports: {
    /** A name that nothing has, for each. */
    incomingFile(): string;
    onDatabase(database: IncomingDatabase): void;
    onError(error: unknown): void;
  },
): IncomingFiles {
  let incoming: Incoming | undefined;
  const take = async ({ handle, written, place, file }: Incoming): Promise<void> => {
    try {
      const opened = await handle;
      try {
        await written;
        await opened?.sync();
      } finally {
        await opened?.close();
      }
      if (!place) throw new Error('a database without its place');
    } catch (error) {
      discard(file);
      throw error;
    }
    ports.onDatabase({ file, place });
  };
  const cut = (): void => {
    const left = incoming;
    incoming = undefined;
    const gone = () => void (left && discard(left.file));
    const close = async () => (await left?.handle)?.close();
    left?.written.then(close, close).then(gone, gone);
  };
  /** What is left of it is not waited for. One that has come whole says so itself. */
  const failed = (one: Incoming) => (error: unknown) => {
    if (incoming !== one) return;
    cut();
    ports.onError(error);
  };
  return {
    begin({ name, sizeBytes, place }) {
      const isDatabase = name === 'database';
      if (!isDatabase && sizeBytes > SMALL_FILE_BYTES_MAX) throw new Error(`${name} is too large`);
      cut();
      const file = isDatabase ? ports.incomingFile() : '';
      incoming = {
        ...{ name, sizeBytes, place, gotBytes: 0, parts: [], file },
        handle: isDatabase ? open(file, 'w', 0o600) : undefined,
        written: Promise.resolve(),
      };
      incoming.handle?.catch(failed(incoming));
    },
    bytes(bytes) {
      const to = incoming;
      if (!to) return;
      to.gotBytes += bytes.length;
      if (to.gotBytes > to.sizeBytes) throw new Error(`${to.name} is longer than was said`);
      const own = Buffer.from(bytes);
      const { handle } = to;
      if (handle) {
        to.written = to.written.then(async () => (await handle).writeFile(own));
        to.written.catch(failed(to));
      } else to.parts.push(own);
      if (to.gotBytes < to.sizeBytes) return;
      incoming = undefined;
      if (handle) take(to).catch(ports.onError);
      else putWhole(small[to.name], Buffer.concat(to.parts));
    },
    cut,
  };
}

/** One that nobody has asked for goes nowhere. */
function putWhole(to: string | undefined, bytes: Uint8Array): void {
  if (to === undefined || (existsSync(to) && readFileSync(to).equals(bytes))) return;
  mkdirSync(dirname(to), { recursive: true, mode: 0o700 });
  writeFileSync(`${to}.new`, bytes, { mode: 0o600, flush: true });
  renameSync(`${to}.new`, to);
}
