/** Speaks HTTP by hand, byte by byte: what firmware does, and what a hostile client does. */
import { connect, type Socket } from 'node:net';

export interface Conversation {
  /** Resolves with everything received since the last call, once `done` holds of it. @throws Error when closed before */
  until(done: (text: string) => boolean): Promise<string>;
}

export function dial(port: number): Socket & Conversation {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => undefined);
  return converse(socket);
}

export function converse<Of extends Socket>(socket: Of): Of & Conversation {
  let text = '';
  socket.setEncoding('latin1').on('data', (chunk) => {
    text += chunk;
  });
  return Object.assign(socket, {
    until: (done: (text: string) => boolean) =>
      new Promise<string>((resolve, reject) => {
        const check = () => {
          if (!done(text)) return;
          socket.off('data', check).off('close', fail);
          const all = text;
          text = '';
          resolve(all);
        };
        const fail = () => (done(text) ? check() : reject(new Error(`closed after: ${text}`)));
        socket.on('data', check).on('close', fail);
        check();
      }),
  });
}

export function closed(socket: Socket): Promise<void> {
  return new Promise((resolve) => (socket.closed ? resolve() : socket.once('close', resolve)));
}
