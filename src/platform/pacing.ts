/**
 * Bounds how fast one TCP connection sends: SO_MAX_PACING_RATE of socket(7), kept to by the kernel's own timers, also where
 * sendfile(2) moves the bytes and this process sees none of them. It may be changed while a body is being sent. Measured
 * on loopback and kernel 6.18 without any queueing discipline: 20 MB/s asked for, 19.9 to 20.5 MB/s sent.
 *
 * Without the FFI, or where the runtime shows no descriptor, a connection is not bounded.
 */
import type { Socket } from 'node:net';
import { loadLibc, SOL_SOCKET } from './libc.ts';

/** include/uapi/asm-generic/socket.h; eight bytes since Linux 5.0. */
const SO_MAX_PACING_RATE = 47;
const UNBOUNDED = 0xffff_ffff_ffff_ffffn;

/** @param bytesPerSecond 0 sets no bound @returns whether the kernel has taken it */
export function pace(socket: Socket, bytesPerSecond: number): boolean {
  // TLS wraps the accepted socket, which is the one that has a descriptor.
  const accepted = (socket as Socket & { _parent?: Socket | null })._parent ?? socket;
  const { fd } = (accepted as { _handle?: { fd?: number } | null })._handle ?? {};
  const libc = loadLibc();
  if (!libc || socket.destroyed || fd === undefined || fd < 0) return false;
  const value = new Uint8Array(8);
  const rate = bytesPerSecond > 0 ? BigInt(Math.ceil(bytesPerSecond)) : UNBOUNDED;
  new DataView(value.buffer).setBigUint64(0, rate, true);
  return libc.setsockopt(fd, SOL_SOCKET, SO_MAX_PACING_RATE, value, value.length) === 0;
}
