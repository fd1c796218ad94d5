/**
 * A boot ROM's TFTP, in lockstep or in windows (RFC 1350, 2347-2349, 7440): one transfer as a pure state machine, and the
 * client that keeps its timer.
 *
 * edk2 asks for the size first and aborts that transfer with error 8, then asks for the file with a window of 4 and blocks
 * of 1468; a BIOS ROM asks once, blocks of 1432. Both send their last packet again after 4 s, six times, then give up.
 */

const TFTP_TIMEOUT_MS = 4000;
const TFTP_TRIES = 6;

export interface Transfer {
  readonly probe: boolean;
  /** What is sent again when nothing comes. */
  last: Uint8Array;
  /** The server's port, once it has answered (its TID); 0 before. */
  serverPort: number;
  window: number;
  blockBytes: number;
  /** Number of the next block in order, not wrapped. */
  next: number;
  inWindow: number;
  received: number;
}

export type Step =
  | { readonly kind: 'send'; readonly bytes: Uint8Array }
  | { readonly kind: 'done'; readonly bytes: Uint8Array; readonly size: number }
  | { readonly kind: 'failed'; readonly why: string }
  /** Something came that moves the transfer along without an answer of ours. */
  | { readonly kind: 'heard' }
  /** Nothing that counts: neither answered nor a reason to start the timer again. */
  | { readonly kind: 'ignored' };

export function beginTransfer(file: string, of: { uefi: boolean; probe: boolean }): Transfer {
  const options = of.uefi
    ? [...(of.probe ? ['tsize', '0'] : []), 'blksize', '1468', 'windowsize', '4']
    : ['blksize', '1432', 'tsize', '0'];
  const words = [file, 'octet', ...options].map((word) => `${word}\0`).join('');
  return {
    probe: of.probe,
    last: Buffer.concat([Buffer.from([0, 1]), Buffer.from(words, 'latin1')]),
    ...{ serverPort: 0, window: 1, blockBytes: 512, next: 1, inWindow: 0, received: 0 },
  };
}

const DATA = 3;
const ERROR = 5;
const OACK = 6;
/** Error 8: "option negotiation failed" (RFC 2347), which is how a size probe says that it has seen enough. */
const ABORT = Buffer.from('\0\x05\0\x08User aborted the transfer\0', 'latin1');

const ack = (block: number): Uint8Array => Uint8Array.of(0, 4, (block >>> 8) & 255, block & 255);

/** Takes one datagram of this transfer. */
export function takeDatagram(transfer: Transfer, bytes: Buffer, port: number): Step {
  if (bytes.length < 4) return { kind: 'ignored' };
  if (transfer.serverPort === 0) transfer.serverPort = port;
  if (transfer.serverPort !== port) return { kind: 'ignored' };
  switch (bytes[1]) {
    case OACK:
      return transfer.next === 1 ? takeOptions(transfer, bytes) : { kind: 'ignored' };
    case DATA:
      return takeBlock(transfer, bytes);
    case ERROR:
      return { kind: 'failed', why: `error ${bytes.readUInt16BE(2)}` };
    default:
      return { kind: 'ignored' };
  }
}

function takeOptions(transfer: Transfer, bytes: Buffer): Step {
  const words = bytes.toString('latin1', 2).split('\0');
  const value = (name: string) => {
    const at = words.findIndex((word) => word.toLowerCase() === name);
    return at < 0 ? undefined : Number(words[at + 1]);
  };
  transfer.blockBytes = value('blksize') ?? 512;
  transfer.window = value('windowsize') ?? 1;
  if (transfer.probe) return { kind: 'done', bytes: ABORT, size: value('tsize') ?? 0 };
  return say(transfer, ack(0));
}

function takeBlock(transfer: Transfer, bytes: Buffer): Step {
  if (transfer.probe) return { kind: 'failed', why: 'data instead of a size' };
  const block = bytes.readUInt16BE(2);
  const behind = (transfer.next - block) & 0xffff;
  if (behind !== 0) {
    // The block before is the server's again because our ACK was lost; a later one means that some are missing.
    const again = behind === 1 || (behind > 0x8000 && transfer.inWindow > 0);
    if (!again) return { kind: 'ignored' };
    transfer.inWindow = 0;
    return say(transfer, ack(transfer.next - 1));
  }
  const size = bytes.length - 4;
  transfer.next += 1;
  transfer.received += size;
  transfer.inWindow += 1;
  if (size < transfer.blockBytes) {
    return { kind: 'done', bytes: ack(block), size: transfer.received };
  }
  if (transfer.inWindow < transfer.window) return { kind: 'heard' };
  transfer.inWindow = 0;
  return say(transfer, ack(block));
}

function say(transfer: Transfer, bytes: Uint8Array): Step {
  transfer.last = bytes;
  return { kind: 'send', bytes };
}

export interface TftpClient {
  /** Fetches a file: its size first, where the firmware does that. */
  fetch(file: string): void;
  onDatagram(datagram: { bytes: Buffer; channel: number; sourcePort: number }): void;
}

const TFTP_PORT = 69;

export function createTftpClient(options: {
  uefi: boolean;
  /** How many channels there are: each transfer uses the next one, as firmware uses a new port. */
  channels: number;
  send(datagram: { channel: number; port: number; bytes: Uint8Array }): void;
  sentAgain(): void;
  onDone(bytes: number): void;
  onGiveUp(where: string): void;
}): TftpClient {
  const { uefi, channels, send, sentAgain, onDone, onGiveUp } = options;
  let current: (Transfer & { tries: number; channel: number; file: string }) | undefined;
  let transfers = 0;
  let timer: NodeJS.Timeout | undefined;
  const onTimeout = (): void => {
    if (!current) return;
    current.tries += 1;
    if (current.tries >= TFTP_TRIES) {
      current = undefined;
      onGiveUp('TFTP');
      return;
    }
    sentAgain();
    const { channel, serverPort, last } = current;
    send({ channel, port: serverPort || TFTP_PORT, bytes: last });
    timer = setTimeout(onTimeout, TFTP_TIMEOUT_MS);
  };
  const begin = (file: string, probe: boolean): void => {
    transfers += 1;
    const channel = transfers % channels;
    current = { ...beginTransfer(file, { uefi, probe }), tries: 0, channel, file };
    send({ channel, port: TFTP_PORT, bytes: current.last });
    timer = setTimeout(onTimeout, TFTP_TIMEOUT_MS);
  };
  const end = (): void => {
    current = undefined;
    clearTimeout(timer);
  };
  return {
    fetch: (file) => begin(file, uefi),
    onDatagram({ bytes, channel, sourcePort }) {
      if (current?.channel !== channel) return;
      const { probe, file } = current;
      const step = takeDatagram(current, bytes, sourcePort);
      if (step.kind === 'ignored') return;
      if (step.kind === 'failed') {
        end();
        onGiveUp(`TFTP ${step.why}`);
        return;
      }
      if (step.kind !== 'heard') send({ channel, port: sourcePort, bytes: step.bytes });
      current.tries = 0;
      timer?.refresh();
      if (step.kind !== 'done') return;
      end();
      if (probe) begin(file, false);
      else onDone(step.size);
    },
  };
}
