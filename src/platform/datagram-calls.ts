/**
 * Many datagrams in one system call: recvmmsg(2), sendmmsg(2) and UDP segmentation offload, through koffi.
 *
 * Node's dgram makes one call, one event and one buffer of each datagram, which bounds a TFTP server far below the link.
 * Here the kernel's structures live in buffers that are made once; a call costs what it costs the kernel, divided by
 * the datagrams in it. Linux on 64 bits, little-endian: struct layouts are those of that ABI. Where koffi cannot be
 * loaded there is a slower way (`tftp-dgram.ts`), and nothing in here is reached.
 */
import { createRequire } from 'node:module';
import type { Libc } from './libc.ts';

export interface DatagramCalls {
  poll(fds: Uint8Array, count: number, timeoutMs: number): number;
  recvmmsg: Libc['recvmmsg'];
  sendmmsg: Libc['sendmmsg'];
  eventfd(): number;
  read8(fd: number): void;
  write8(fd: number): void;
  /** The local port of a bound socket. */
  localPort(fd: number): number;
  /** Where the bytes are, as a number: user addresses have 47 bits. */
  addressOf(bytes: Uint8Array): number;
  errno(): number;
}

export const MSG_ERRQUEUE = 0x2000;
export const POLLIN = 1;
export const POLLERR = 8;
export const ERRNO = { EINTR: 4, EIO: 5, EINVAL: 22, EMSGSIZE: 90, ECONNREFUSED: 111 } as const;

/** struct msghdr and the length that the kernel writes behind it. */
export const MMSGHDR_BYTES = 64;
export const IOVEC_BYTES = 16;
export const SOCKADDR_IN_BYTES = 16;
const EFD_NONBLOCK = 0x800;

export function loadDatagramCalls(libc: Libc): DatagramCalls | undefined {
  try {
    const koffi = createRequire(import.meta.url)('koffi') as typeof import('koffi');
    const lib = koffi.load('libc.so.6');
    const read = lib.func('int64_t read(int fd, void *bytes, size_t length)');
    const write = lib.func('int64_t write(int fd, const void *bytes, size_t length)');
    const eventfd = lib.func('int eventfd(uint32_t value, int flags)');
    const getsockname = lib.func('int getsockname(int fd, void *address, void *length)');
    const one = Buffer.from([1, 0, 0, 0, 0, 0, 0, 0]);
    const eight = Buffer.alloc(8);
    return {
      poll: lib.func('int poll(void *fds, uint64_t count, int timeout)'),
      recvmmsg: libc.recvmmsg,
      sendmmsg: libc.sendmmsg,
      eventfd: () => eventfd(0, EFD_NONBLOCK),
      read8: (fd) => void read(fd, eight, 8),
      write8: (fd) => void write(fd, one, 8),
      localPort(fd) {
        const address = Buffer.alloc(SOCKADDR_IN_BYTES);
        const length = Buffer.from([SOCKADDR_IN_BYTES, 0, 0, 0]);
        return getsockname(fd, address, length) === 0 ? address.readUInt16BE(2) : 0;
      },
      addressOf: (bytes) => Number(libc.addressOf(bytes)),
      errno: libc.errno,
    };
  } catch {
    return undefined;
  }
}

/** Writes a pointer into a kernel structure. @param at in 32-bit words. */
export function putPointer(words: Uint32Array, at: number, address: number): void {
  words[at] = address % 0x1_0000_0000;
  words[at + 1] = Math.floor(address / 0x1_0000_0000);
}
