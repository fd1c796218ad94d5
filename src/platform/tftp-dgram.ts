/**
 * TFTP's sockets by Node's dgram: the way without koffi. The same engine behind it gives the same answers; it costs a
 * system call and a copy for each datagram, requests are heard on every address, and a client that is gone is known by
 * its silence only.
 */
import dgram from 'node:dgram';
import { AppError } from '../errors.ts';
import { blockNumber } from '../wire/block-number.ts';
import { formatIpv4, type Ipv4, parseIpv4 } from '../wire/ipv4.ts';
import type { Blocks, Destination } from './datagram-sender.ts';
import type { TftpNetwork } from './tftp-sockets.ts';

export interface DgramTftp {
  readonly port: number;
  packet(to: Destination, via: number, bytes: Uint8Array): void;
  blocks(to: Destination, via: number, run: Blocks): void;
  onMessage(
    handler: (via: number, bytes: Uint8Array, from: { ip: Ipv4; port: number }) => void,
  ): void;
  close(): Promise<void>;
}

/** @throws AppError LISTEN_FAILED */
export async function openDgramTftp(
  network: TftpNetwork,
  onUnsent: (count: number) => void,
): Promise<DgramTftp> {
  const sockets: dgram.Socket[] = [];
  const closeAll = async () => {
    await Promise.all(
      sockets.map((socket) => new Promise<void>((resolve) => socket.close(() => resolve()))),
    );
  };
  try {
    for (const [address, port] of [
      ['0.0.0.0', network.port],
      [network.address, 0],
      [network.address, 0],
    ] as const) {
      sockets.push(await bound(address, port));
    }
  } catch (cause) {
    await closeAll();
    const detail = `TFTP on UDP ${network.address}:${network.port}: ${(cause as Error).message}`;
    throw new AppError('LISTEN_FAILED', { detail, cause });
  }
  let leaving = 0;
  let allLeft = () => {};
  const send = (to: Destination, via: number, bytes: Uint8Array) => {
    leaving += 1;
    // What cannot be sent is lost, like what the network loses: the transfer's timer repeats it.
    sockets[via]?.send(bytes, to.port, formatIpv4(to.ip as Ipv4), (error) => {
      if (error) onUnsent(1);
      leaving -= 1;
      if (leaving === 0) allLeft();
    });
  };
  return {
    port: sockets[0]?.address().port ?? 0,
    packet: send,
    blocks(to, via, run) {
      for (let index = run.first; index < run.first + run.count; index++) {
        send(to, via, dataPacket(run, index));
      }
    },
    onMessage(handler) {
      for (const [via, socket] of sockets.entries()) {
        socket.on('message', (bytes, source) => {
          const ip = parseIpv4(source.address);
          if (ip !== undefined) handler(via, bytes, { ip, port: source.port });
        });
      }
    },
    async close() {
      // Closing a socket of Node's drops what it has not sent yet.
      if (leaving > 0) await new Promise<void>((resolve) => (allLeft = resolve));
      await closeAll();
    },
  };
}

function bound(address: string, port: number): Promise<dgram.Socket> {
  const socket = dgram.createSocket('udp4');
  return new Promise((resolve, reject) => {
    socket.once('error', reject);
    socket.bind(port, address, () => {
      socket.off('error', reject);
      // A refused datagram is not an event of ours.
      socket.on('error', () => {});
      resolve(socket);
    });
  });
}

/** DATA (RFC 1350 section 5): the block's bytes may lie on both sides of a chunk's end. */
function dataPacket(run: Blocks, index: number): Uint8Array {
  const start = (index - 1) * run.blksizeBytes;
  const end = Math.min(start + run.blksizeBytes, run.sizeBytes);
  const packet = new Uint8Array(4 + Math.max(end - start, 0));
  const number = blockNumber(index, run.rollover);
  packet.set([0, 3, number >>> 8, number & 0xff]);
  const head = run.chunk.subarray(start - run.chunkOffset, end - run.chunkOffset);
  packet.set(head, 4);
  const seam = run.chunkOffset + run.chunk.length;
  if (run.next && end > seam) {
    const from = Math.max(start, seam);
    packet.set(run.next.subarray(from - seam, end - seam), 4 + from - start);
  }
  return packet;
}
