/**
 * Accepts connections at a rate, however long the turns of the event loop are.
 *
 * libuv accepts one in each turn (since 1.45). That is well while turns are short: machines that wait to be accepted lose
 * nothing, those that wait for DHCP ask again. But with turns of 100 ms ten machines in a second are let in, and the
 * kernel's queue fills. So when one has come, those behind it are taken, too, for the time that has passed since the last.
 *
 * Without the FFI, or where the runtime shows no descriptor, it stays at one in each turn.
 */
import { createRequire } from 'node:module';
import { type Server, Socket } from 'node:net';

/** include/linux/net.h */
const SOCK_NONBLOCK = 0x800;
const SOCK_CLOEXEC = 0x80000;

interface Calls {
  accept4(fd: number, address: null, length: null, flags: number): number;
}

function loadCalls(): Calls | undefined {
  try {
    const koffi = createRequire(import.meta.url)('koffi') as typeof import('koffi');
    const lib = koffi.load('libc.so.6');
    return {
      accept4: lib.func('int accept4(int fd, void *address, void *length, int flags)'),
    };
  } catch {
    return undefined;
  }
}

export interface AcceptPace {
  /** One for so much time that has passed. */
  readonly everyMs: number;
  /** At once, the one that Node accepts by itself among them. */
  readonly atOnceMax: number;
}

export function keepAccepting(server: Server, { everyMs, atOnceMax }: AcceptPace): void {
  const calls = loadCalls();
  if (!calls) return;
  /** The server does not count these: it neither waits for them when it closes, nor ends them. */
  const taken = new Set<Socket>();
  let acceptedAt = performance.now();
  const take = (fd: number): void => {
    const { allowHalfOpen = false } = server as { allowHalfOpen?: boolean };
    const socket = new Socket({ fd, allowHalfOpen, readable: true, writable: true });
    // As Node sets it for those of an HTTP server.
    socket.setNoDelay(true);
    taken.add(socket);
    socket.once('close', () => taken.delete(socket));
    server.emit('connection', socket);
  };
  server.on('connection', (socket) => {
    if (taken.has(socket)) return;
    const now = performance.now();
    const due = Math.min((now - acceptedAt) / everyMs, atOnceMax);
    acceptedAt = now;
    const { fd = -1 } = (server as { _handle?: { fd?: number } | null })._handle ?? {};
    for (let count = 1; count < due && fd >= 0; count++) {
      const accepted = calls.accept4(fd, null, null, SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (accepted < 0) return;
      take(accepted);
    }
  });
  server.on('close', () => {
    for (const socket of taken) socket.destroy();
  });
}
