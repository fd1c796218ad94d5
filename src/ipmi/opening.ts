/**
 * What the handshakes of IPMI 2.0 and 1.5 have in common: what goes in, what comes out, and how one fails.
 */
import type { ErrorCode } from '../errors.ts';
import type { Channel } from './channel.ts';
import type { ChannelAuth } from './commands/channel-auth.ts';
import type { SessionOptions } from './options.ts';
import type { RmcpPacket } from './rmcp.ts';

export interface Fault {
  readonly code: ErrorCode;
  readonly detail: string;
}

/** How a session is protected: the number of its cipher suite, or IPMI 1.5 with MD5. */
export type Protection = number | 'md5';

export interface Opened {
  readonly channel: Channel;
  readonly protection: Protection;
  /** What it answered to discovery; absent when that was not asked. */
  readonly auth?: ChannelAuth | undefined;
}

export interface HandshakeStep {
  readonly send?: Uint8Array;
  /** In the caller's milliseconds; absent at the end. */
  readonly wakeAtMs?: number;
  readonly opened?: Opened;
  readonly fault?: Fault;
}

export interface Handshake {
  start(nowMs: number): HandshakeStep;
  /** `undefined` for a packet that is none of its business: the deadline stands. */
  onPacket(packet: RmcpPacket, nowMs: number): HandshakeStep | undefined;
  onDeadline(nowMs: number): HandshakeStep;
}

export interface HandshakeInput {
  readonly options: SessionOptions;
  readonly random: (count: number) => Uint8Array;
}

export function fault(code: ErrorCode, detail: string): HandshakeStep & { fault: Fault } {
  return { fault: { code, detail } };
}
