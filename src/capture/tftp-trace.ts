/**
 * Follows TFTP transfers through a capture: a request to port 69 opens one, and everything between its client's port and
 * its server's address belongs to it until the client's port asks again.
 *
 * Only counts are kept of the data, so a capture of a large image costs no more than one of a small file.
 */
import { limit } from '../limits.ts';
import { decodeTftp, OPCODE, type TftpPacket } from '../tftp/packet.ts';
import type { Datagram } from './frame.ts';
import type { TftpTransfer } from './model.ts';

const TFTP_PORT = 69;
const BLKSIZE_DEFAULT = 512;

export interface TftpTracker {
  /** The transfer that this datagram opens or belongs to; `undefined` when it is no TFTP. */
  take(
    datagram: Datagram,
  ): { readonly transfer: TftpTransfer; readonly opened: boolean } | undefined;
}

export function createTftpTracker(): TftpTracker {
  const open = new Map<string, TftpTransfer>();
  return {
    take(datagram) {
      const fromClient = clientKey(datagram);
      if (datagram.destinationPort === TFTP_PORT) return request(open, fromClient, datagram);
      const transfer = open.get(fromClient) ?? open.get(serverKey(datagram));
      if (!transfer) return undefined;
      const packet = decodeTftp(datagram.payload);
      if (!packet.ok) return undefined;
      advance(transfer, packet.value, datagram, open.has(fromClient) ? 'client' : 'server');
      return { transfer, opened: false };
    },
  };
}

function clientKey({ source, sourcePort, destination }: Datagram): string {
  return `${source}:${sourcePort}>${destination}`;
}

function serverKey({ source, destination, destinationPort }: Datagram): string {
  return `${destination}:${destinationPort}>${source}`;
}

function request(
  open: Map<string, TftpTransfer>,
  key: string,
  datagram: Datagram,
): { transfer: TftpTransfer; opened: boolean } | undefined {
  const packet = decodeTftp(datagram.payload);
  if (!packet.ok) return undefined;
  if (packet.value.opcode !== OPCODE.rrq && packet.value.opcode !== OPCODE.wrq) return undefined;
  const { file, options, opcode } = packet.value;
  const earlier = open.get(key);
  if (earlier && earlier.block === 0 && !earlier.error && earlier.file === file) {
    earlier.requests += 1;
    earlier.endUs = datagram.atUs;
    return { transfer: earlier, opened: false };
  }
  const transfer: TftpTransfer = {
    kind: 'tftp',
    ...{ frame: datagram.frame, atUs: datagram.atUs, vlans: datagram.vlans },
    from: { mac: datagram.sourceMac, address: datagram.source, port: datagram.sourcePort },
    to: { mac: datagram.destinationMac, address: datagram.destination, port: TFTP_PORT },
    ...{ file, write: opcode === OPCODE.wrq, asked: options, granted: undefined },
    ...{ serverPort: undefined, requests: 1, block: 0, bytes: 0, retransmits: 0 },
    ...{
      last: false,
      acknowledged: false,
      acked: -1,
      fragmented: datagram.fragmented,
      error: undefined,
    },
    endUs: datagram.atUs,
  };
  open.delete(key);
  open.set(key, transfer);
  if (open.size > limit('captureTransfersMax')) {
    const oldest = open.keys().next().value;
    if (oldest !== undefined) open.delete(oldest);
  }
  return { transfer, opened: true };
}

function advance(
  transfer: TftpTransfer,
  packet: TftpPacket,
  datagram: Datagram,
  by: 'client' | 'server',
): void {
  if (by === 'server') {
    transfer.serverPort ??= datagram.sourcePort;
    // A request that was sent twice is answered twice; the client follows one of the answers.
    if (transfer.serverPort !== datagram.sourcePort) return;
  }
  transfer.endUs = datagram.atUs;
  transfer.fragmented ||= datagram.fragmented;
  switch (packet.opcode) {
    case OPCODE.oack:
      transfer.granted ??= packet.options;
      return;
    case OPCODE.data:
      blocks(transfer, packet.block, datagram.payloadBytes);
      return;
    case OPCODE.ack:
      transfer.acked = Math.max(
        transfer.acked,
        transfer.block - ((transfer.block - packet.block) & 0xffff),
      );
      if (transfer.last && packet.block === (transfer.block & 0xffff)) transfer.acknowledged = true;
      return;
    case OPCODE.error:
      transfer.error ??= { by, code: packet.code, message: packet.message };
      return;
    default:
      return;
  }
}

/**
 * A sender that leaves the cutting to its card (UDP segmentation offload) has several packets as one in a capture of its own
 * interface: each with its header, all but the last of full size.
 */
function blocks(transfer: TftpTransfer, number: number, payloadBytes: number): void {
  const packetBytes = 4 + blksizeOf(transfer);
  let left = payloadBytes;
  for (let index = 0; left >= 4 || index === 0; index++) {
    data(transfer, (number + index) & 0xffff, Math.min(left, packetBytes) - 4);
    left -= packetBytes;
  }
}

/** Block numbers wrap at 65535 to 0; the distance from the newest one says whether a block is new or a repeat. */
function data(transfer: TftpTransfer, number: number, bytes: number): void {
  const ahead = (number - (transfer.block & 0xffff)) & 0xffff;
  if (ahead === 0 || ahead > 0x8000) {
    transfer.retransmits += 1;
    return;
  }
  transfer.block += ahead;
  transfer.bytes += bytes;
  if (bytes < blksizeOf(transfer)) transfer.last = true;
}

/** What the server granted; without an OACK, 512 (RFC 1350). */
function blksizeOf({ granted }: TftpTransfer): number {
  return Number(granted?.get('blksize') ?? BLKSIZE_DEFAULT);
}

export type TransferEnd =
  | 'complete'
  | 'probe'
  | 'aborted'
  | 'refused'
  | 'unfinished'
  | 'unanswered';

/** How it ended. `probe`: UEFI firmware asks for the size and aborts on purpose with error 8 before any data. */
export function endOf(transfer: TftpTransfer): TransferEnd {
  const { error, last, block, granted } = transfer;
  if (last) return 'complete';
  if (error?.by === 'server') return 'refused';
  if (error) return block === 0 && transfer.asked.get('tsize') === '0' ? 'probe' : 'aborted';
  return block === 0 && !granted ? 'unanswered' : 'unfinished';
}
