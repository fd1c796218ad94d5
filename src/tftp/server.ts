/**
 * The TFTP shell: one listening socket for each address, one connected socket for each transfer.
 *
 * The transfer's socket is connected to the client, so that the kernel drops what anybody else sends to it (RFC 1350
 * section 4, transfer identifiers). Timers, sockets and limits live here; what to send lives in `transfer.ts`.
 */
import dgram from 'node:dgram';
import type { EventData } from '../events.ts';
import { limit } from '../limits.ts';
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
  const open = new Set<dgram.Socket>();
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
      for (const socket of open) socket.close();
      open.clear();
    },
  };
}

interface Running {
  /** Client address to the ports that have a transfer. */
  readonly running: Map<string, Set<string>>;
  readonly open: Set<dgram.Socket>;
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
  const socket = dgram.createSocket('udp4');
  open.add(socket);
  runTransfer(options, socket, { request, client, ...found }, () => {
    open.delete(socket);
    mine.delete(key);
    if (mine.size === 0) running.delete(client.address);
  });
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
  socket: dgram.Socket,
  { request, client, name, bytes }: Job,
  over: () => void,
): void {
  const terms = negotiate(request.options, bytes.length);
  const transfer = createTransfer(bytes, terms);
  const startedAt = performance.now();
  let timer: NodeJS.Timeout | undefined;
  let ended = false;

  const finish = (result: TransferResult) => {
    if (ended) return;
    ended = true;
    clearTimeout(timer);
    socket.close();
    over();
    const durationMs = Math.round(performance.now() - startedAt);
    options.onEvent(
      result.ok
        ? {
            name: 'tftp.sent',
            data: {
              file: name,
              sizeBytes: bytes.length,
              durationMs,
              retransmits: result.retransmits,
            },
          }
        : {
            name: 'tftp.failed',
            data: { file: name, why: result.why, block: result.block, probe: result.probe },
          },
      client,
    );
  };
  const broken = (error: Error) =>
    finish({ ok: false, why: error.message, block: 0, probe: false });
  const act = (step: Step) => {
    if (ended) return;
    for (const datagram of step.send) socket.send(datagram);
    if (step.result) finish(step.result);
    else if (step.waitMs !== undefined) {
      clearTimeout(timer);
      timer = setTimeout(() => act(transfer.onTimeout()), step.waitMs);
    }
  };

  socket.on('error', broken);
  socket.on('message', (datagram) => {
    const packet = decodeTftp(datagram);
    if (!packet.ok) options.onDrop(packet.code);
    else if (packet.value.opcode === OPCODE.ack) act(transfer.onAck(packet.value.block));
    else if (packet.value.opcode === OPCODE.error) {
      act(transfer.onError(packet.value.code, packet.value.message));
    }
  });
  socket.bind(0, options.address, () => {
    if (ended) return;
    socket.connect(client.port, client.address, () => {
      if (ended) return;
      const { blksizeBytes, windowsize } = terms;
      const data = { file: name, blksizeBytes, windowsize, sizeBytes: bytes.length };
      options.onEvent({ name: 'tftp.started', data }, client);
      act(transfer.start());
    });
  });
}
