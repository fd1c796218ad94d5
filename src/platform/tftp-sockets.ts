/**
 * The three sockets of TFTP on one network: one for requests, bound to the interface and our address there, and two for
 * transfers, bound to the address. They are opened by the main thread, which reports what is wrong with them, and used by descriptor.
 *
 * Datagrams are sent without the don't-fragment bit (IP_MTU_DISCOVER off): a path with a smaller MTU than the interface then
 * still gets its blocks, and the kernel never refuses one. Errors of the network are asked for (IP_RECVERR), so that a client whose
 * port is closed is known to be gone.
 */
import { networkInterfaces } from 'node:os';
import { AppError } from '../errors.ts';
import { ipv4FromBytes } from '../wire/ipv4.ts';
import {
  AF_INET,
  int32,
  type Libc,
  SO_BINDTODEVICE,
  SO_RCVBUF,
  SO_REUSEADDR,
  SOCK_DGRAM,
  SOL_SOCKET,
} from './libc.ts';

const SO_SNDBUF = 7;
const SO_SNDTIMEO = 21;
const IPPROTO_IP = 0;
const IP_MTU_DISCOVER = 10;
const IP_RECVERR = 11;
/** A hall's worth of requests or of windows; the kernel may cap it at net.core.rmem_max and wmem_max. */
const BUFFER_BYTES = 4 * 1024 * 1024;

export interface TftpNetwork {
  readonly iface: string;
  /** Our address in dotted decimal: transfers come from here. */
  readonly address: string;
  readonly port: number;
}

/** Descriptors: requests, transfers, transfers. */
export type TftpDescriptors = readonly [number, number, number];

/** @throws AppError INTERFACE_MISSING, LISTEN_FAILED */
export function openTftpSockets(libc: Libc, network: TftpNetwork): TftpDescriptors {
  const { iface, address, port } = network;
  if (!(iface in networkInterfaces())) {
    throw new AppError('INTERFACE_MISSING', { detail: `'${iface}' is not there or not up.` });
  }
  const opened: number[] = [];
  try {
    // To our address alone: an interface with two subnets has two networks, and each answers for itself.
    const requests = { address, port, iface };
    for (const target of [requests, { address, port: 0 }, { address, port: 0 }]) {
      opened.push(openSocket(libc, target));
    }
    const [first, second, third] = opened as [number, number, number];
    return [first, second, third];
  } catch (cause) {
    for (const fd of opened) libc.close(fd);
    const detail = `TFTP on UDP ${address}:${port}, ${iface}: ${(cause as Error).message}`;
    throw new AppError('LISTEN_FAILED', { detail, cause });
  }
}

interface Target {
  readonly address: string;
  readonly port: number;
  readonly iface?: string;
}

function openSocket(libc: Libc, { address, port, iface }: Target): number {
  const fd = libc.socket(AF_INET, SOCK_DGRAM, 0);
  if (fd < 0) throw new Error(`socket: error ${libc.errno()}`);
  const name = Buffer.alloc(16);
  name.writeUInt16LE(AF_INET, 0);
  name.writeUInt16BE(port, 2);
  name.writeUInt32BE(ipv4FromBytes(Uint8Array.from(address.split('.').map(Number))), 4);
  const device = Buffer.from(`${iface ?? ''}\0`);
  // struct timeval: a full queue of the link holds a sender up, but not for ever.
  const tenth = new Uint8Array(16);
  new DataView(tenth.buffer).setInt32(8, 100_000, true);
  const option = (level: number, option: number, value: Uint8Array) => () =>
    libc.setsockopt(fd, level, option, value, value.length);
  const steps: readonly (readonly [string, () => number])[] = [
    ['SO_REUSEADDR', option(SOL_SOCKET, SO_REUSEADDR, int32(port === 0 ? 0 : 1))],
    ['SO_RCVBUF', option(SOL_SOCKET, SO_RCVBUF, int32(BUFFER_BYTES))],
    ['SO_SNDBUF', option(SOL_SOCKET, SO_SNDBUF, int32(BUFFER_BYTES))],
    ['SO_SNDTIMEO', option(SOL_SOCKET, SO_SNDTIMEO, tenth)],
    ['IP_MTU_DISCOVER', option(IPPROTO_IP, IP_MTU_DISCOVER, int32(0))],
    ['IP_RECVERR', option(IPPROTO_IP, IP_RECVERR, int32(1))],
    ...(iface ? [['SO_BINDTODEVICE', option(SOL_SOCKET, SO_BINDTODEVICE, device)] as const] : []),
    ['bind', () => libc.bind(fd, name, name.length)],
  ];
  for (const [step, act] of steps) {
    if (act() === 0) continue;
    const errno = libc.errno();
    libc.close(fd);
    const low = step === 'bind' && port > 0 && port < 1024 ? ' (needs CAP_NET_BIND_SERVICE)' : '';
    throw new Error(`${step}: ${REASON[errno] ?? `error ${errno}`}${low}`);
  }
  return fd;
}

const REASON: Record<number, string> = {
  1: 'not permitted',
  13: 'permission denied',
  19: 'no such interface',
  98: 'address already in use',
  99: 'address not available',
};
