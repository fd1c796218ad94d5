/**
 * The few C library calls that Node has no way to make, through koffi (prebuilt, no compiler needed): sockets bound to
 * one device, many datagrams in one call, and raw ICMPv6. Linux on 64 bits only; the constants are those of its ABI.
 */
import { createRequire } from 'node:module';

export const AF_INET = 2;
export const AF_INET6 = 10;
export const SOCK_DGRAM = 2;
export const SOCK_RAW = 3;
export const IPPROTO_ICMPV6 = 58;
export const SOL_SOCKET = 1;
export const SO_REUSEADDR = 2;
export const SO_BROADCAST = 6;
export const SO_RCVBUF = 8;
export const SO_BINDTODEVICE = 25;
export const IPPROTO_IPV6 = 41;
export const IPV6_MULTICAST_IF = 17;
export const IPV6_MULTICAST_HOPS = 18;
export const MSG_DONTWAIT = 0x40;

export interface Libc {
  socket(domain: number, type: number, protocol: number): number;
  setsockopt(fd: number, level: number, option: number, value: Uint8Array, length: number): number;
  bind(fd: number, address: Uint8Array, length: number): number;
  sendto(
    fd: number,
    bytes: Uint8Array,
    length: number,
    flags: number,
    address: Uint8Array,
    addressLength: number,
  ): number;
  close(fd: number): number;
  /** Both take `count` mmsghdr records at `headers` and return how many datagrams moved, or -1. */
  recvmmsg(fd: number, headers: Uint8Array, count: number, flags: number, timeout: null): number;
  sendmmsg(fd: number, headers: Uint8Array, count: number, flags: number): number;
  /** Where a buffer lies in memory; it must have been made by `Buffer.allocUnsafeSlow` and be kept referenced. */
  addressOf(bytes: Uint8Array): bigint;
  /** The error number of the last call that returned -1. */
  errno(): number;
}

let loaded: Libc | undefined | 'absent';

/** `undefined` where koffi cannot be loaded: callers have a documented way without it. */
export function loadLibc(): Libc | undefined {
  if (loaded === undefined) loaded = tryLoad() ?? 'absent';
  return loaded === 'absent' ? undefined : loaded;
}

function tryLoad(): Libc | undefined {
  try {
    const koffi = createRequire(import.meta.url)('koffi') as typeof import('koffi');
    const lib = koffi.load('libc.so.6');
    return {
      socket: lib.func('int socket(int domain, int type, int protocol)'),
      setsockopt: lib.func(
        'int setsockopt(int fd, int level, int name, const void *value, uint32_t length)',
      ),
      bind: lib.func('int bind(int fd, const void *address, uint32_t length)'),
      sendto: lib.func(
        'int64_t sendto(int fd, const void *bytes, size_t length, int flags, const void *address, uint32_t address_length)',
      ),
      close: lib.func('int close(int fd)'),
      recvmmsg: lib.func(
        'int recvmmsg(int fd, void *headers, unsigned int count, int flags, void *timeout)',
      ),
      sendmmsg: lib.func('int sendmmsg(int fd, void *headers, unsigned int count, int flags)'),
      addressOf: (bytes) => BigInt(koffi.address(bytes)),
      errno: () => koffi.errno(),
    };
  } catch {
    return undefined;
  }
}

/** An `int` as setsockopt takes it (little-endian machine). */
export function int32(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setInt32(0, value, true);
  return bytes;
}
