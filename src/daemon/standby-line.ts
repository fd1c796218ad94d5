/** One connection between the two appliances of a pair: messages and files as frames, and silence noticed. */
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import type { TLSSocket } from 'node:tls';
import {
  createFrames,
  encodeFrame,
  type Place,
  parseStandby,
  type StandbyMessage,
} from '../standby/protocol.ts';

export interface Line {
  send(message: StandbyMessage): void;
  sendBytes(name: string, bytes: Uint8Array): void;
  /** Of what was announced by a message of its own. */
  sendRaw(bytes: Uint8Array): void;
  /** Resolves when the last byte of it is in the socket. */
  sendFile(name: string, file: string, place: Place): Promise<void>;
  close(): void;
}

export interface LineUser {
  /** The other one may be silent for so long. */
  readonly silenceMs: number;
  heard(message: StandbyMessage): void;
  /** Of the file that was announced last. */
  bytes(bytes: Uint8Array): void;
  closed(why: string): void;
}

const CHUNK_BYTES = 256 * 1024;

export function openLine(socket: TLSSocket, user: LineUser): Line {
  const frames = createFrames();
  let heardAt = performance.now();
  let why = 'it was closed';
  const end = (reason: string): void => {
    why = reason;
    socket.destroy();
  };
  const watch = setInterval(() => {
    if (performance.now() - heardAt > user.silenceMs) end('the other one is silent');
  }, user.silenceMs / 8);
  socket.setNoDelay(true);
  socket.on('data', (data: Buffer) => {
    heardAt = performance.now();
    try {
      for (const frame of frames.push(data)) {
        if (frame.kind === 'bytes') user.bytes(frame.bytes);
        else user.heard(parseStandby(frame.text));
      }
    } catch (error) {
      end((error as Error).message);
    }
  });
  socket.on('error', (error) => {
    why = error.message;
  });
  socket.once('close', () => {
    clearInterval(watch);
    user.closed(why);
  });
  const write = (content: string | Uint8Array): boolean =>
    socket.destroyed || socket.write(encodeFrame(content));
  const send = (message: StandbyMessage) => void write(JSON.stringify(message));
  return {
    send,
    sendRaw: (bytes) => void write(bytes),
    sendBytes(name, bytes) {
      send({ kind: 'file', name, sizeBytes: bytes.length });
      write(bytes);
    },
    async sendFile(name, file, place) {
      const { size: sizeBytes } = await stat(file);
      send({ kind: 'file', name, sizeBytes, place });
      for await (const chunk of createReadStream(file, { highWaterMark: CHUNK_BYTES })) {
        if (socket.destroyed) throw new Error(why);
        if (write(chunk)) continue;
        await new Promise<void>((resolve) => {
          const go = () => {
            socket.off('drain', go).off('close', go);
            resolve();
          };
          socket.once('drain', go).once('close', go);
        });
      }
      if (socket.destroyed) throw new Error(why);
    },
    close: () => end('it is closed here'),
  };
}
