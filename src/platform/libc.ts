/**
 * The few C library calls that Node has no way to make, through koffi (prebuilt, no compiler needed): sockets bound to
 * one device, many datagrams in one call, and raw ICMP. Linux on 64 bits only; the constants are those of its ABI.
 */
import { createRequire } from 'node:module';

export const AF_INET = 2;
export const AF_INET6 = 10;
export const AF_PACKET = 17;
export const SOCK_DGRAM = 2;
export const SOCK_RAW = 3;
export const SOCK_NONBLOCK = 0x800;
export const IPPROTO_ICMPV6 = 58;
export const SOL_SOCKET = 1;
export const SO_REUSEADDR = 2;
export const SO_BROADCAST = 6;
export const SO_SNDBUF = 7;
export const SO_RCVBUF = 8;
export const SO_REUSEPORT = 15;
export const SO_RCVTIMEO = 20;
export const SO_SNDTIMEO = 21;
export const SO_BINDTODEVICE = 25;
export const IPPROTO_IPV6 = 41;
export const IPV6_MULTICAST_IF = 17;
export const IPV6_MULTICAST_HOPS = 18;
export const IPV6_V6ONLY = 26;
export const MSG_DONTWAIT = 0x40;
export const MSG_ERRQUEUE = 0x2000;
export const MSG_WAITFORONE = 0x10000;
export const POLLIN = 1;
export const POLLERR = 8;
export const EFD_NONBLOCK = 0x800;
export const ERRNO = {
  ...{ EINTR: 4, EIO: 5, EAGAIN: 11, EINVAL: 22 },
  ...{ EMSGSIZE: 90, ECONNREFUSED: 111 },
} as const;

/** What a call reads or writes: a buffer, or the address of one, which costs less to hand over each time. */
export type Memory = Uint8Array | bigint;

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
  recvmmsg(fd: number, headers: Memory, count: number, flags: number, timeout: null): number;
  sendmmsg(fd: number, headers: Memory, count: number, flags: number): number;
  poll(fds: Memory, count: number, timeoutMs: number): number;
  /** Lets whoever waits for this processor have it first. */
  sched_yield(): number;
  eventfd(value: number, flags: number): number;
  read(fd: number, bytes: Uint8Array, length: number): number;
  write(fd: number, bytes: Uint8Array, length: number): number;
  getsockname(fd: number, address: Uint8Array, length: Uint8Array): number;
  /** Of the requests those that take the address of a record: `struct ifreq` (netdevice(7)). */
  ioctl(fd: number, request: number, record: Uint8Array): number;
  /** The number of a network interface; 0 when there is none of that name. */
  if_nametoindex(name: string): number;
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
  if (!['x64', 'arm64'].includes(process.arch)) return undefined;
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
      poll: lib.func('int poll(void *fds, uint64_t count, int timeout)'),
      sched_yield: lib.func('int sched_yield()'),
      eventfd: lib.func('int eventfd(uint32_t value, int flags)'),
      read: lib.func('int64_t read(int fd, void *bytes, size_t length)'),
      write: lib.func('int64_t write(int fd, const void *bytes, size_t length)'),
      getsockname: lib.func('int getsockname(int fd, void *address, void *length)'),
      ioctl: lib.func('int ioctl(int fd, uint64_t request, void *record)'),
      if_nametoindex: lib.func('unsigned int if_nametoindex(const char *name)'),
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

/** In what state a socket is opened: its options in order, each with the name that a failure is reported by. */
export interface SocketPlan {
  readonly family: number;
  readonly options: readonly (readonly [
    name: string,
    level: number,
    option: number,
    value: Uint8Array,
  ])[];
  /** The address to bind to: a sockaddr_in or sockaddr_in6. */
  readonly name: Uint8Array;
}

/** A bound datagram socket. @throws Error naming the step that failed, and why; nothing stays open then */
export function openDatagramSocket(libc: Libc, { family, options, name }: SocketPlan): number {
  const fd = libc.socket(family, SOCK_DGRAM, 0);
  if (fd < 0) throw new Error(`socket: error ${libc.errno()}`);
  const failed = (step: string): Error => {
    const errno = libc.errno();
    libc.close(fd);
    return new Error(`${step}: ${REASON[errno] ?? `error ${errno}`}`);
  };
  for (const [step, level, option, value] of options) {
    if (libc.setsockopt(fd, level, option, value, value.length) !== 0) throw failed(step);
  }
  if (libc.bind(fd, name, name.length) !== 0) throw failed('bind');
  return fd;
}

const REASON: Record<number, string> = {
  1: 'not permitted',
  13: 'permission denied',
  19: 'no such interface',
  98: 'address already in use',
  99: 'address not available',
};
