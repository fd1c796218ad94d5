/**
 * The TFTP shell: one listening socket for each address, one connected socket for each transfer.
 *
 * The transfer's socket is connected to the client, so that the kernel drops what anybody else sends to it (RFC 1350
 * section 4, transfer identifiers). Timers and limits live here; what to send lives in `transfer.ts`.
 */
import type { EventData } from '../events.ts';
import { limit } from '../limits.ts';
import type { Clock } from '../wire/time.ts';
import { cleanFileName } from './file-name.ts';
import { negotiate } from './negotiate.ts';
import {
  decodeTftp,
  encodeError,
  OPCODE,
  TFTP_ERROR,
  type TftpFault,
  type TftpRequest,
} from './packet.ts';
import { createTransfer, type Step, type TransferResult } from './transfer.ts';

export interface TftpSocket {
  onMessage(handler: (bytes: Uint8Array, source: TftpClient) => void): void;
  send(bytes: Uint8Array, port: number, address: string): void;
}

export interface Conversation {
  send(bytes: Uint8Array): void;
  close(): void;
}

export interface ConversationEvents {
  ready(): void;
  message(bytes: Uint8Array): void;
  error(error: Error): void;
}

export interface TftpClient {
  readonly address: string;
  readonly port: number;
}

export type TftpEvent = {
  [Name in 'tftp.started' | 'tftp.sent' | 'tftp.failed']: { name: Name; data: EventData[Name] };
}['tftp.started' | 'tftp.sent' | 'tftp.failed'];

export type TftpDrop = TftpFault | 'not-a-request' | 'too-many-transfers' | 'failed';

export interface TftpServerOptions {
  readonly socket: TftpSocket;
  /** The address that transfers are sent from. */
  readonly address: string;
  readonly clock: Clock;
  /** Opens the socket of one transfer, connected to its client. */
  connect(from: string, to: TftpClient, on: ConversationEvents): Conversation;
  /** The whole file, or `undefined` when there is none of that name. */
  fileFor(name: string): Uint8Array | undefined;
  onEvent(event: TftpEvent, client: TftpClient): void;
  onDrop(reason: TftpDrop): void;
  onError(error: unknown): void;
}

export interface TftpServer {
  readonly active: number;
  close(): void;
}

export function serveTftp(options: TftpServerOptions): TftpServer {
  const running = new Map<string, Set<string>>();
  const open = new Set<Conversation>();
  options.socket.onMessage((bytes, client) => {
    try {
      const packet = decodeTftp(bytes);
      if (!packet.ok) options.onDrop(packet.code);
      else if (packet.value.opcode === OPCODE.rrq || packet.value.opcode === OPCODE.wrq) {
        onRequest(options, { running, open }, { request: packet.value, client });
      } else options.onDrop('not-a-request');
    } catch (error) {
      options.onDrop('failed');
      options.onError(error);
    }
  });
  return {
    get active() {
      return open.size;
    },
    close() {
      for (const conversation of open) conversation.close();
      open.clear();
    },
  };
}

interface Running {
  /** Client address to the ports that have a transfer. */
  readonly running: Map<string, Set<string>>;
  readonly open: Set<Conversation>;
}

function onRequest(
  options: TftpServerOptions,
  { running, open }: Running,
  { request, client }: { request: TftpRequest; client: TftpClient },
): void {
  const mine = running.get(client.address) ?? new Set();
  // A repeated request of a client that has not seen our first answer: that transfer's own timer repeats it.
  const key = `${client.port} ${request.file}`;
  if (mine.has(key)) return;
  if (open.size >= limit('tftpTransfersMax') || mine.size >= limit('tftpTransfersPerAddressMax')) {
    options.onDrop('too-many-transfers');
    return;
  }
  const found = findFile(options, request);
  if ('why' in found) {
    options.socket.send(encodeError(found.code, found.why), client.port, client.address);
    const data = { file: request.file.slice(0, 128), why: found.why, block: 0, probe: false };
    options.onEvent({ name: 'tftp.failed', data }, client);
    return;
  }
  running.set(client.address, mine.add(key));
  const conversation = runTransfer(options, { request, client, ...found }, () => {
    open.delete(conversation);
    mine.delete(key);
    if (mine.size === 0) running.delete(client.address);
  });
  open.add(conversation);
}

type Found =
  | { readonly name: string; readonly bytes: Uint8Array }
  | { readonly code: number; readonly why: string };

function findFile(options: TftpServerOptions, request: TftpRequest): Found {
  if (request.opcode === OPCODE.wrq)
    return { code: TFTP_ERROR.access, why: 'this server is read-only' };
  if (request.mode !== 'octet') {
    const why = `mode ${request.mode.slice(0, 16)} is not served, use octet`;
    return { code: TFTP_ERROR.undefined, why };
  }
  const name = cleanFileName(request.file);
  if (name === undefined) return { code: TFTP_ERROR.access, why: 'this path is not served' };
  const bytes = options.fileFor(name);
  return bytes ? { name, bytes } : { code: TFTP_ERROR.notFound, why: `there is no file ${name}` };
}

interface Job {
  readonly request: TftpRequest;
  readonly client: TftpClient;
  readonly name: string;
  readonly bytes: Uint8Array;
}

function runTransfer(
  options: TftpServerOptions,
  { request, client, name, bytes }: Job,
  over: () => void,
): Conversation {
  const { clock, onEvent, onDrop } = options;
  const terms = negotiate(request.options, bytes.length);
  const transfer = createTransfer(bytes, terms);
  const startedAt = clock();
  let timer: NodeJS.Timeout | undefined;
  let ended = false;

  const finish = (result: TransferResult) => {
    if (ended) return;
    ended = true;
    clearTimeout(timer);
    conversation.close();
    over();
    const durationMs = clock() - startedAt;
    const { length: sizeBytes } = bytes;
    if (result.ok) {
      const { retransmits } = result;
      onEvent(
        { name: 'tftp.sent', data: { file: name, sizeBytes, durationMs, retransmits } },
        client,
      );
    } else {
      const { why, block, probe } = result;
      onEvent({ name: 'tftp.failed', data: { file: name, why, block, probe } }, client);
    }
  };
  const act = (step: Step) => {
    if (ended) return;
    for (const datagram of step.send) conversation.send(datagram);
    if (step.result) finish(step.result);
    else if (step.waitMs !== undefined) {
      clearTimeout(timer);
      timer = setTimeout(() => act(transfer.onTimeout()), step.waitMs);
    }
  };
  const conversation = options.connect(options.address, client, {
    ready() {
      const { blksizeBytes, windowsize } = terms;
      const data = { file: name, blksizeBytes, windowsize, sizeBytes: bytes.length };
      onEvent({ name: 'tftp.started', data }, client);
      act(transfer.start());
    },
    message(datagram) {
      const packet = decodeTftp(datagram);
      if (!packet.ok) onDrop(packet.code);
      else if (packet.value.opcode === OPCODE.ack) act(transfer.onAck(packet.value.block));
      else if (packet.value.opcode === OPCODE.error) {
        act(transfer.onError(packet.value.code, packet.value.message));
      }
    },
    error: (error) => act(transfer.onGone(error.message)),
  });
  return conversation;
}
