/**
 * sendfile(2) for a TCP connection of Node's: the kernel moves pages of the file to the socket, and no byte passes through
 * this process. Node has no call for it, so this goes through the FFI, on a thread of the pool: a cold file waits for its
 * disk there and not in the event loop.
 *
 * The socket belongs to the runtime, which may close it at any moment, after which the number of its descriptor names
 * another connection. So the call is made on a duplicate that is closed only when no call is running. The socket is
 * non-blocking: the call takes what fits into its buffer and returns. Waiting for room is left to the runtime: the sender
 * (file-sender.ts) writes a small piece in the ordinary way and goes on when that has been taken.
 *
 * There is none for TLS, whose bytes are made here; nor without the FFI; nor where the runtime shows no descriptor.
 */
import { createRequire } from 'node:module';
import type { Socket } from 'node:net';

export interface DirectSender {
  /** @returns the bytes that the kernel took; 0 or less when there was no room, or an error, which the next write meets */
  send(fileFd: number, bytes: number): Promise<number>;
  /** Not while a call is running. */
  close(): void;
}

/** include/uapi/linux/fcntl.h */
const F_DUPFD_CLOEXEC = 1030;

type Async<Words extends unknown[]> = {
  async(...words: [...Words, (error: Error | null, result: number) => void]): void;
};
interface Calls {
  fcntl(fd: number, command: number, type: 'int', value: number): number;
  close(fd: number): number;
  lseek(fd: number, offset: number, whence: number): number;
  readonly sendfile: Async<[out: number, from: number, offset: null, count: number]>;
}

let loaded: Calls | 'absent' | undefined;

function calls(): Calls | undefined {
  loaded ??= load() ?? 'absent';
  return loaded === 'absent' ? undefined : loaded;
}

function load(): Calls | undefined {
  try {
    const koffi = createRequire(import.meta.url)('koffi') as typeof import('koffi');
    const lib = koffi.load('libc.so.6');
    return {
      fcntl: lib.func('int fcntl(int fd, int command, ...)'),
      close: lib.func('int close(int fd)'),
      lseek: lib.func('int64_t lseek(int fd, int64_t offset, int whence)'),
      // No pointer goes to the other thread: the file's own position is used, and nobody else has the descriptor.
      sendfile: lib.func('int64_t sendfile(int out, int in, void *offset, size_t count)'),
    } as unknown as Calls;
  } catch {
    return undefined;
  }
}

/** Puts the position of a file descriptor that only this transfer holds. */
export function seek(fileFd: number, offsetBytes: number): void {
  calls()?.lseek(fileFd, offsetBytes, 0);
}

/** `undefined` where it cannot be had: the caller then writes the file in the ordinary way. */
export function openDirectSender(socket: Socket): DirectSender | undefined {
  const libc = calls();
  const { fd } = (socket as { _handle?: { fd?: number } | null })._handle ?? {};
  if (!libc || 'encrypted' in socket || fd === undefined || fd < 0) return undefined;
  const own = libc.fcntl(fd, F_DUPFD_CLOEXEC, 'int', 0);
  if (own < 0) return undefined;
  return {
    send: (fileFd, bytes) =>
      new Promise((resolve) => {
        libc.sendfile.async(own, fileFd, null, bytes, (error, count) =>
          resolve(error ? -1 : Number(count)),
        );
      }),
    close: () => void libc.close(own),
  };
}
