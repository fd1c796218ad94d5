/** What the TFTP engine needs of its surroundings, and what it tells them. */
import type { EventData } from '../events.ts';
import type { Ipv4 } from '../wire/ipv4.ts';
import type { FileVersion } from './chunk-cache.ts';
import type { TftpFault } from './packet.ts';

/** A client's address and port: with the port of ours it talks to, the transfer's identifier (RFC 1350 section 4). */
export interface Endpoint {
  readonly ip: Ipv4;
  readonly port: number;
}

/** Address and port as one number, which is exact: 48 bits. */
export function keyOf({ ip, port }: Endpoint): number {
  return ip * 65_536 + port;
}

/**
 * Which of our sockets: 0 takes requests, 1 and 2 carry transfers. Transfers share sockets, so that one system call can
 * serve many of them; a client's port that comes back is given the other one, so that what is still on its way from
 * the last transfer can never be taken for the new one's.
 */
export type Via = 0 | 1 | 2;

/** Blocks of one file to be sent to one client, as places in memory: nothing is copied before a socket wants it. */
export interface BlockRun {
  /** Full number of the first block. */
  readonly first: number;
  readonly count: number;
  readonly blksizeBytes: number;
  readonly rollover: 0 | 1;
  readonly sizeBytes: number;
  /** The chunk with the first byte of the run, where in the file it begins, and the next one if the run reaches it. */
  readonly chunk: Uint8Array;
  readonly chunkOffset: number;
  readonly next: Uint8Array | undefined;
}

export interface TftpSender {
  /** A packet that is whole: OACK or ERROR. */
  packet(to: Endpoint, via: Via, bytes: Uint8Array): void;
  blocks(to: Endpoint, via: Via, run: BlockRun): void;
}

/** Answers once, at once or later. */
export type FindFile = (
  name: string,
  done: (file: FileVersion | undefined) => void,
  client: Endpoint,
) => void;

export type TftpEvent = {
  [Name in 'tftp.started' | 'tftp.sent' | 'tftp.failed']: { name: Name; data: EventData[Name] };
}['tftp.started' | 'tftp.sent' | 'tftp.failed'];

/** Every reason why a datagram was not answered, or a request not served; the metric has one count for each. */
export const TFTP_DROP_REASONS = [
  'too-short',
  'unknown-opcode',
  'too-long',
  'unterminated',
  'no-file',
  'odd-options',
  /** From port 0, which says that no answer can be had (RFC 768). */
  'no-port',
  /** Something else than a request came to the request port. */
  'not-a-request',
  /** Something else than ACK or ERROR came to a transfer's port. */
  'not-an-answer',
  /** An ACK from an endpoint that has no transfer here: answered with ERROR 5. */
  'unknown-transfer',
  /** The same, but the endpoint had one a moment ago: what was still on its way. */
  'late',
  'duplicate-request',
  'duplicate-ack',
  /** An ACK of a block that was never sent. */
  'stray-ack',
  /** All transfers are taken by clients that are alive: the request waits for its turn. */
  'queued',
  /** Its turn did not come in time; the client's own repetition asks again. */
  'queue-expired',
  /** A file that its loader asks for in case it is there: it was told that it is not, and nobody else is. */
  'optional-file',
  /** It was refused with an ERROR, and left no event: there were too many of them. */
  'refusals-untold',
  /** More refusals on one network than any hall asks for: it is not answered. */
  'refusals-limited',
  /** One address asked for more in this second than any client does. */
  'begun-too-often',
  /** The handler failed; the log says how. */
  'failed',
] as const satisfies readonly (TftpFault | string)[];
export type TftpDrop = (typeof TFTP_DROP_REASONS)[number];

export interface TftpPorts {
  readonly sender: TftpSender;
  readonly find: FindFile;
  onEvent(event: TftpEvent, client: Endpoint): void;
  onDrop(reason: TftpDrop): void;
  onError(error: unknown): void;
}
