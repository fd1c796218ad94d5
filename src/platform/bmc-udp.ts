/**
 * The UDP socket that all IPMI sessions share, the clock and the random numbers they use.
 *
 * One socket serves a whole hall: replies are told apart by the address they come from, and a session that does not
 * recognise a packet drops it. So neither descriptors nor ports grow with the number of BMCs.
 */
import { randomFillSync } from 'node:crypto';
import dgram from 'node:dgram';
import { lookup } from 'node:dns/promises';
import { AppError } from '../errors.ts';

/** Replies of a thousand BMCs that are asked in the same moment; the kernel may cap this at net.core.rmem_max. */
const RECEIVE_BUFFER_BYTES = 4 * 1024 * 1024;

type Handler = (bytes: Uint8Array) => void;

export interface BmcPorts {
  readonly datagrams: {
    send(bytes: Uint8Array, to: { address: string; port: number }): void;
    listen(from: { address: string; port: number }, handler: Handler): () => void;
  };
  readonly timers: {
    nowMs(): number;
    at(timeMs: number, callback: () => void): () => void;
  };
  readonly random: (count: number) => Uint8Array;
  close(): Promise<void>;
}

/** @throws AppError LISTEN_FAILED */
export async function openBmcPorts(options: { readonly from?: string } = {}): Promise<BmcPorts> {
  const socket = dgram.createSocket({ type: 'udp4', recvBufferSize: RECEIVE_BUFFER_BYTES });
  const handlers = new Map<string, Set<Handler>>();
  try {
    await new Promise<void>((resolve, reject) => {
      socket.once('error', reject);
      socket.bind(0, options.from, () => {
        socket.off('error', reject);
        resolve();
      });
    });
  } catch (cause) {
    socket.close();
    const detail = `UDP socket for BMCs: ${(cause as Error).message}`;
    throw new AppError('LISTEN_FAILED', { detail, cause });
  }
  // An ICMP error is no answer: the session's own deadline deals with a BMC that is not there.
  socket.on('error', () => undefined);
  socket.on('message', (bytes, { address, port }) => {
    for (const handler of handlers.get(`${address}:${port}`) ?? []) handler(bytes);
  });
  let closed = false;
  return {
    datagrams: {
      send(bytes, { address, port }) {
        // A session that outlives its socket still has timers: what it has to say then is lost, as on a network.
        if (!closed) socket.send(bytes, port, address, () => undefined);
      },
      listen: ({ address, port }, handler) => listen(handlers, `${address}:${port}`, handler),
    },
    timers: { nowMs, at },
    random: createRandom(),
    close() {
      closed = true;
      return new Promise((resolve) => socket.close(() => resolve()));
    },
  };
}

/** Draws from the system's generator a page at a time; every byte is given out once. */
function createRandom(): (count: number) => Uint8Array {
  const page = new Uint8Array(4096);
  let used = page.length;
  return (count) => {
    if (count > page.length) return randomFillSync(new Uint8Array(count));
    if (used + count > page.length) {
      randomFillSync(page);
      used = 0;
    }
    used += count;
    return page.slice(used - count, used);
  };
}

function listen(handlers: Map<string, Set<Handler>>, key: string, handler: Handler): () => void {
  const set = handlers.get(key) ?? new Set<Handler>();
  handlers.set(key, set.add(handler));
  return () => {
    set.delete(handler);
    if (set.size === 0 && handlers.get(key) === set) handlers.delete(key);
  };
}

/** Monotonic: a step of the wall clock is no reason to give a BMC up. */
function nowMs(): number {
  return performance.now();
}

function at(timeMs: number, callback: () => void): () => void {
  const timer = setTimeout(callback, Math.max(0, Math.ceil(timeMs - nowMs())));
  return () => clearTimeout(timer);
}

/** The IPv4 address of a BMC's name. @throws AppError BMC_UNREACHABLE */
export async function resolveBmc(name: string): Promise<string> {
  try {
    return (await lookup(name, { family: 4 })).address;
  } catch (cause) {
    throw new AppError('BMC_UNREACHABLE', { detail: `'${name}' has no IPv4 address.`, cause });
  }
}
