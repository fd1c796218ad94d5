/**
 * The three sockets of TFTP on one network, bound to our address there: one for requests and two for transfers. No interface: one that
 * is made anew while we run, as VLANs are, would leave them deaf; and the address need not be there yet (IP_FREEBIND). They are opened by the main thread, which reports what is wrong with them, and used by descriptor.
 *
 * Datagrams are sent without the don't-fragment bit (IP_MTU_DISCOVER off): a path with a smaller MTU than the interface then
 * still gets its blocks, and the kernel never refuses one. Errors of the network are asked for (IP_RECVERR), so that a client whose
 * port is closed is known to be gone.
 */
import { AppError } from '../errors.ts';
import { socketName } from './datagram-layout.ts';
import {
  AF_INET,
  int32,
  type Libc,
  openDatagramSocket,
  SO_RCVBUF,
  SO_RCVTIMEO,
  SO_REUSEADDR,
  SO_SNDBUF,
  SO_SNDTIMEO,
  SOL_SOCKET,
} from './libc.ts';

const IPPROTO_IP = 0;
const IP_MTU_DISCOVER = 10;
const IP_RECVERR = 11;
const IP_FREEBIND = 15;
/** A hall's worth of requests or of windows; the kernel may cap it at net.core.rmem_max and wmem_max. */
const BUFFER_BYTES = 4 * 1024 * 1024;
/** Who waits for one socket alone has others to look after: the finest step of a retransmission timer. */
const RECEIVE_WAIT_US = 5000;
/** A full queue of the link holds a sender up, but not for ever. */
const SEND_WAIT_US = 100_000;

export interface TftpNetwork {
  /** Our address in dotted decimal: transfers come from here. */
  readonly address: string;
  readonly port: number;
}

/** Descriptors: requests, transfers, transfers. */
export type TftpDescriptors = readonly [number, number, number];

/** @throws AppError LISTEN_FAILED */
export function openTftpSockets(libc: Libc, network: TftpNetwork): TftpDescriptors {
  const { address, port } = network;
  const opened: number[] = [];
  try {
    // To our address alone: an interface with two subnets has two networks, and each answers for itself.
    for (const at of [port, 0, 0]) opened.push(openSocket(libc, address, at));
    const [first, second, third] = opened as [number, number, number];
    return [first, second, third];
  } catch (cause) {
    for (const fd of opened) libc.close(fd);
    const detail = `TFTP on UDP ${address}:${port}: ${(cause as Error).message}${port < 1024 ? ' (ports below 1024 need CAP_NET_BIND_SERVICE)' : ''}`;
    throw new AppError('LISTEN_FAILED', { detail, cause });
  }
}

function openSocket(libc: Libc, address: string, port: number): number {
  return openDatagramSocket(libc, {
    family: AF_INET,
    options: [
      ['SO_REUSEADDR', SOL_SOCKET, SO_REUSEADDR, int32(port === 0 ? 0 : 1)],
      ['SO_RCVBUF', SOL_SOCKET, SO_RCVBUF, int32(BUFFER_BYTES)],
      ['SO_SNDBUF', SOL_SOCKET, SO_SNDBUF, int32(BUFFER_BYTES)],
      ['SO_RCVTIMEO', SOL_SOCKET, SO_RCVTIMEO, microseconds(RECEIVE_WAIT_US)],
      ['SO_SNDTIMEO', SOL_SOCKET, SO_SNDTIMEO, microseconds(SEND_WAIT_US)],
      ['IP_MTU_DISCOVER', IPPROTO_IP, IP_MTU_DISCOVER, int32(0)],
      ['IP_RECVERR', IPPROTO_IP, IP_RECVERR, int32(1)],
      ['IP_FREEBIND', IPPROTO_IP, IP_FREEBIND, int32(1)],
    ],
    name: socketName(address, port),
  });
}

/** A struct timeval of less than a second. */
function microseconds(value: number): Uint8Array {
  const time = new Uint8Array(16);
  new DataView(time.buffer).setInt32(8, value, true);
  return time;
}
