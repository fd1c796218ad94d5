/**
 * What a thread that serves datagrams asks of the kernel: to wait, to move many datagrams in one call, to be woken.
 *
 * Node's dgram makes one call, one event and one buffer of each datagram, which bounds a TFTP server far below the link.
 * Where koffi cannot be loaded there is a slower way (`tftp-dgram.ts`), and nothing in here is reached. A narrow port of
 * `libc.ts`, so that a test can be the kernel.
 */
import { SOCKADDR_IN_BYTES } from './datagram-layout.ts';
import { EFD_NONBLOCK, type Libc } from './libc.ts';

export interface DatagramCalls
  extends Pick<Libc, 'poll' | 'sched_yield' | 'recvmmsg' | 'sendmmsg' | 'addressOf' | 'errno'> {
  /** Takes back what was written to an eventfd. */
  read8(fd: number): void;
  /** The local port of a bound socket. */
  localPort(fd: number): number;
}

export function loadDatagramCalls(libc: Libc): DatagramCalls {
  const eight = Buffer.alloc(8);
  return {
    poll: libc.poll,
    sched_yield: libc.sched_yield,
    recvmmsg: libc.recvmmsg,
    sendmmsg: libc.sendmmsg,
    addressOf: libc.addressOf,
    errno: libc.errno,
    read8: (fd) => void libc.read(fd, eight, eight.length),
    localPort(fd) {
      const address = Buffer.alloc(SOCKADDR_IN_BYTES);
      const length = Buffer.from([SOCKADDR_IN_BYTES, 0, 0, 0]);
      return libc.getsockname(fd, address, length) === 0 ? address.readUInt16BE(2) : 0;
    },
  };
}

/** An eventfd(2) by which one thread wakes another out of poll(2). */
export interface Waker {
  readonly fd: number;
  /** Does nothing once closed: by then the number may be that of a file, which must not get these bytes. */
  wake(): void;
  close(): void;
}

/** @throws Error when the process has no descriptor left */
export function openWaker(libc: Libc): Waker {
  const fd = libc.eventfd(0, EFD_NONBLOCK);
  if (fd < 0) throw new Error(`eventfd: error ${libc.errno()}`);
  // What eventfd(2) adds up: eight bytes, little-endian as this machine is.
  const one = Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0);
  let open = true;
  return {
    fd,
    wake() {
      if (open) libc.write(fd, one, one.length);
    },
    close() {
      if (open) libc.close(fd);
      open = false;
    },
  };
}
