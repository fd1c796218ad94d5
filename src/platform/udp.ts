/**
 * UDP sockets that know which interface a datagram came in by.
 *
 * Node tells no arrival interface, and a limited broadcast leaves by the default route. One socket for each interface,
 * bound to it with SO_BINDTODEVICE, answers both questions: what it receives came in there, what it sends leaves there.
 * The descriptor is made through libc and adopted by `dgram`. Without koffi a single interface can still be served,
 * by a plain socket.
 */
import dgram from 'node:dgram';
import { AppError } from '../errors.ts';
import { socketName } from './datagram-layout.ts';
import { requireUp } from './interfaces.ts';
import {
  AF_INET,
  int32,
  type Libc,
  loadLibc,
  openDatagramSocket,
  SO_BINDTODEVICE,
  SO_BROADCAST,
  SO_RCVBUF,
  SO_REUSEADDR,
  SOL_SOCKET,
} from './libc.ts';
import type { Log } from './log.ts';
import { createReceiveTurns, type ReceiveTurns, watchOf } from './receive-turns.ts';
import {
  type DatagramHandler,
  type Outgoing,
  openUdpBatch,
  RECEIVE_SLOTS,
  type UdpBatch,
} from './udp-batch.ts';

export interface UdpSocket {
  readonly iface: string;
  readonly port: number;
  /** The bytes are valid during the call only: what is kept is copied. */
  onMessage(handler: DatagramHandler): void;
  /** Fire and forget: what the kernel refuses is counted (`onUnsent`), never thrown. */
  send(bytes: Uint8Array, port: number, address: string): void;
  /** The same for many, in as few system calls as the platform allows. */
  sendMany(datagrams: readonly Outgoing[]): void;
  close(): Promise<void>;
}

/** A storm of a thousand DISCOVERs is about 600 KB; the kernel may cap this at net.core.rmem_max. */
const RECEIVE_BUFFER_BYTES = 4 * 1024 * 1024;

/** @throws AppError INTERFACE_MISSING, LISTEN_FAILED */
export async function openUdp(options: {
  iface: string;
  port: number;
  log: Log;
  /** Datagrams for one place may be handed to the kernel as one message (`udp-batch.ts`). */
  runs: boolean;
  /** The kernel refused a datagram: no route, no such port, a full queue. */
  onUnsent?(): void;
}): Promise<UdpSocket> {
  const { iface, port, log } = options;
  requireUp(iface);
  const libc = loadLibc();
  if (!libc)
    log.warn({ iface }, 'koffi is not available: listening without binding to the interface');
  const socket = dgram.createSocket({ type: 'udp4', reuseAddr: true });
  const failed = (cause: unknown) =>
    new AppError('LISTEN_FAILED', {
      detail: `UDP port ${port} on ${iface}: ${(cause as Error).message}${port < 1024 ? ' (ports below 1024 need CAP_NET_BIND_SERVICE)' : ''}`,
      cause,
    });
  let batch: UdpBatch | undefined;
  let fd: number | undefined;
  try {
    fd = libc && openDescriptor(libc, iface, port);
    batch = libc && fd !== undefined ? openUdpBatch(libc, fd, { runs: options.runs }) : undefined;
    const target = fd !== undefined ? { fd } : { port, exclusive: true };
    await new Promise<void>((resolve, reject) => {
      socket.once('error', reject);
      socket.bind(target, () => {
        socket.off('error', reject);
        resolve();
      });
    });
  } catch (cause) {
    socket.close();
    if (libc && fd !== undefined) libc.close(fd);
    throw failed(cause);
  }
  socket.setBroadcast(true);
  socket.on('error', (err) => log.warn({ err, iface, port }, 'socket error'));
  const unsent = ({ address, port: to }: Outgoing, err?: Error): void => {
    options.onUnsent?.();
    log.debug({ err, address, port: to }, 'datagram not sent');
  };
  return wrap(socket, { iface, unsent, batch });
}

/** More than this is left for the next turn of the event loop, so that a flood cannot keep timers and HTTP waiting. */
const RECEIVES_PER_WAKE = 16;

/**
 * `dgram` says when there is something to read and hands over the first datagram; where batches are possible, the rest
 * is then taken straight from the descriptor, and while they come one upon the other, all of them in turns.
 */
function wrap(
  socket: dgram.Socket,
  {
    iface,
    unsent,
    batch,
  }: {
    iface: string;
    unsent: (datagram: Outgoing, err?: Error) => void;
    batch: UdpBatch | undefined;
  },
): UdpSocket {
  const send = (datagram: Outgoing): void => {
    // To answer whoever asked from port 0: `dgram` throws where the kernel refuses.
    if (datagram.port === 0) unsent(datagram);
    else
      socket.send(datagram.bytes, datagram.port, datagram.address, (err) => {
        if (err) unsent(datagram, err);
      });
  };
  let open = true;
  let turns: ReceiveTurns | undefined;
  /** @returns how many datagrams were handed over */
  const take = (handler: DatagramHandler): number => {
    let taken = 0;
    for (let turn = 0; batch && open && turn < RECEIVES_PER_WAKE; turn++) {
      const count = batch.receive(handler);
      taken += count;
      if (count < RECEIVE_SLOTS) break;
    }
    return taken;
  };
  return {
    iface,
    port: socket.address().port,
    onMessage(handler) {
      const watch = batch ? watchOf(socket) : undefined;
      if (watch) turns = createReceiveTurns({ watch, take: () => take(handler) });
      socket.on('message', (bytes, source) => {
        handler(bytes, source);
        take(handler);
        turns?.woken();
      });
    },
    send: (bytes, port, address) => send({ bytes, port, address }),
    sendMany(datagrams) {
      // `dgram` queues what the kernel has no room for.
      if (!open) return;
      for (const rest of batch ? batch.send(datagrams, unsent) : datagrams) send(rest);
    },
    // The descriptor's number may belong to another socket from here on.
    close() {
      open = false;
      turns?.close();
      return new Promise((resolve) => socket.close(() => resolve()));
    },
  };
}

function openDescriptor(libc: Libc, iface: string, port: number): number {
  return openDatagramSocket(libc, {
    family: AF_INET,
    options: [
      ['SO_REUSEADDR', SOL_SOCKET, SO_REUSEADDR, int32(1)],
      ['SO_BROADCAST', SOL_SOCKET, SO_BROADCAST, int32(1)],
      ['SO_RCVBUF', SOL_SOCKET, SO_RCVBUF, int32(RECEIVE_BUFFER_BYTES)],
      ['SO_BINDTODEVICE', SOL_SOCKET, SO_BINDTODEVICE, Buffer.from(`${iface}\0`)],
    ],
    name: socketName('0.0.0.0', port),
  });
}
