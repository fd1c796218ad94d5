/**
 * What the kernel knows of a TCP connection (TCP_INFO): how much the other end has acknowledged, and how much had to be sent
 * again. Node counts what the kernel took, which says nothing about what arrived: a socket's buffer holds megabytes.
 *
 * Absent for TLS, whose bytes are not the file's; without the FFI; and where the runtime shows no descriptor.
 */
import { createRequire } from 'node:module';
import type { Socket } from 'node:net';

export interface TcpInfo {
  readonly ackedBytes: number;
  readonly segments: number;
  readonly retransmits: number;
  readonly mssBytes: number;
  readonly rttMs: number;
  readonly quietMs: number;
}

/** include/uapi/linux/tcp.h */
const SOL_TCP = 6;
const TCP_INFO = 11;
const AT = {
  mss: 16,
  lastAckReceived: 56,
  rtt: 68,
  totalRetransmits: 100,
  bytesAcked: 120,
  segmentsOut: 136,
} as const;
const STRUCT_BYTES = 144;

export type ReadTcpInfo = (socket: Socket) => TcpInfo | undefined;

export function loadTcpInfo(): ReadTcpInfo {
  try {
    const koffi = createRequire(import.meta.url)('koffi') as typeof import('koffi');
    const getsockopt = koffi
      .load('libc.so.6')
      .func(
        'int getsockopt(int fd, int level, int option, _Out_ void *value, _Inout_ uint32_t *length)',
      ) as (fd: number, level: number, option: number, value: Buffer, length: number[]) => number;
    return (socket) => {
      const fd = (socket as { _handle?: { fd?: number } })._handle?.fd;
      if (fd === undefined || fd < 0 || 'encrypted' in socket) return undefined;
      const info = Buffer.alloc(STRUCT_BYTES);
      const length = [STRUCT_BYTES];
      if (getsockopt(fd, SOL_TCP, TCP_INFO, info, length) !== 0) return undefined;
      return (length[0] ?? 0) < STRUCT_BYTES ? undefined : read(info);
    };
  } catch {
    return () => undefined;
  }
}

function read(info: Buffer): TcpInfo {
  return {
    ackedBytes: Number(info.readBigUInt64LE(AT.bytesAcked)),
    segments: info.readUInt32LE(AT.segmentsOut),
    retransmits: info.readUInt32LE(AT.totalRetransmits),
    mssBytes: info.readUInt32LE(AT.mss),
    rttMs: Math.round(info.readUInt32LE(AT.rtt) / 1000),
    quietMs: info.readUInt32LE(AT.lastAckReceived),
  };
}
