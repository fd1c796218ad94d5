/**
 * Tells the service manager how far we are (sd_notify(3)): one datagram of `NAME=VALUE` lines to the socket that it names in
 * NOTIFY_SOCKET. So `systemctl start` returns when machines are served, and not before. Without a manager nothing is told and
 * nothing is lost; one that waits and cannot be told ends us when its patience is over, so the reason is for the log.
 */
import { loadLibc, SOCK_DGRAM } from './libc.ts';

const AF_UNIX = 1;
/** `sun_path` of unix(7). */
const PATH_BYTES_MAX = 108;

export interface ServiceNotice {
  /** It serves (READY=1), or it has begun to end (STOPPING=1). */
  readonly state: 'ready' | 'stopping';
  /** What `systemctl status` shows beside it. */
  readonly status: string;
}

/**
 * @param socket NOTIFY_SOCKET: a path, or `@` and a name that is in no file system
 * @returns why a manager that waits could not be told; undefined when it was told, or when there is none
 */
export function notifyService(
  socket: string | undefined,
  notice: ServiceNotice,
): string | undefined {
  if (!socket) return undefined;
  const address = addressOf(socket);
  if (!address) return `NOTIFY_SOCKET is no address of a socket: ${socket}`;
  const libc = loadLibc();
  if (!libc) return 'koffi or libc.so.6 cannot be loaded';
  const fd = libc.socket(AF_UNIX, SOCK_DGRAM, 0);
  if (fd < 0) return `socket: errno ${libc.errno()}`;
  const word = { ready: 'READY=1', stopping: 'STOPPING=1' }[notice.state];
  const text = Buffer.from(`${word}\nSTATUS=${notice.status.replaceAll('\n', ' ')}\n`);
  try {
    const sent = libc.sendto(fd, text, text.length, 0, address, address.length);
    return sent < 0 ? `sendto ${socket}: errno ${libc.errno()}` : undefined;
  } finally {
    libc.close(fd);
  }
}

/** `sockaddr_un` of unix(7); undefined for what is none. */
export function addressOf(socket: string): Uint8Array | undefined {
  if (!/^[/@]./.test(socket)) return undefined;
  const path = Buffer.from(socket.replace(/^@/, '\0'));
  if (path.length >= PATH_BYTES_MAX) return undefined;
  const family = Buffer.alloc(2);
  family.writeUInt16LE(AF_UNIX);
  // The name of an abstract socket ends where the address does; a path ends with a zero.
  return Buffer.concat([family, path, socket.startsWith('@') ? Buffer.alloc(0) : Buffer.alloc(1)]);
}
