/**
 * One watcher of a console behind a WebSocket. Bytes of the line are binary messages both ways; everything else is a text
 * message with one JSON object (docs/console.md).
 *
 * A reader that is slow is not waited for: beyond a limit it is sent nothing, and told how much it missed when it reads
 * again. One that answers no ping is gone. Whoever loses the right to be here while watching is shown out.
 */
import type { WebSocket } from 'ws';
import { z } from 'zod';
import type { ConsoleLine } from '../../console/line.ts';
import type { ConsoleMessage, Watcher } from '../../console/ports.ts';
import { AppError } from '../../errors.ts';
import { limit } from '../../limits.ts';

/** Close codes of RFC 6455, section 7.4; 4000 and above are ours. */
const CLOSE = { wrongData: 1008, refused: 4000, notAllowed: 4003 } as const;

const said = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('write'), force: z.boolean().default(false) }),
  z.strictObject({ type: z.literal('release') }),
  z.strictObject({ type: z.literal('break') }),
]);

export interface ConsoleVisit {
  readonly who: string;
  /** The line of the machine. @throws AppError TOO_MANY_READERS */
  openLine(): ConsoleLine;
  readonly wish: { readonly write: boolean; readonly takeOver: boolean };
  /** Ends it when this principal may no longer be here. @returns the way to stop watching */
  watched(end: () => void): () => void;
  onLeft(visit: { readonly seconds: number; readonly typedBytes: number }): void;
}

/** Serves a socket until either side goes; one for which there is no room is told so and closed. */
export function serveConsole(socket: WebSocket, visit: ConsoleVisit): void {
  const { who, wish } = visit;
  let line: ConsoleLine | undefined;
  const beganMs = performance.now();
  let typedBytes = 0;
  let skipped = 0;
  let answered = true;
  const tell = (message: ConsoleMessage | { type: 'skipped'; bytes: number }): void => {
    if (socket.readyState === socket.OPEN) socket.send(JSON.stringify(message));
  };
  const watcher: Watcher = {
    who,
    data(bytes) {
      if (socket.readyState !== socket.OPEN) return;
      if (socket.bufferedAmount > limit('consoleReaderBytesMax')) {
        skipped += bytes.length;
        return;
      }
      if (skipped > 0) tell({ type: 'skipped', bytes: skipped });
      skipped = 0;
      socket.send(bytes, { binary: true });
    },
    tell(message) {
      tell(message);
      if (message.type === 'closed') socket.close(CLOSE.refused, message.code);
    },
    drained: () => socket.resume(),
  };
  const ping = setInterval(() => {
    if (!answered) return socket.terminate();
    answered = false;
    socket.ping();
  }, limit('consolePingMs')).unref();
  const unwatch = visit.watched(() => {
    line?.leave(watcher);
    line = undefined;
    socket.close(CLOSE.notAllowed, 'FORBIDDEN');
  });
  const left = (): void => {
    clearInterval(ping);
    unwatch();
    line?.leave(watcher);
    visit.onLeft({ seconds: Math.round((performance.now() - beganMs) / 1000), typedBytes });
  };
  socket.once('close', left);
  socket.on('error', () => socket.terminate());
  socket.on('pong', () => {
    answered = true;
  });
  socket.on('message', (data: Buffer, isBinary: boolean) => {
    // What was on its way when it was closed is still delivered.
    if (!line || socket.readyState !== socket.OPEN) return;
    if (!isBinary) return void obey(socket, { line, watcher, text: data.toString('utf8') });
    typedBytes += data.length;
    if (!line.type(watcher, data)) socket.pause();
  });
  try {
    line = visit.openLine();
    line.watch(watcher, wish);
  } catch (error) {
    const code = error instanceof AppError ? error.code : 'INTERNAL';
    watcher.tell({ type: 'closed', code, detail: (error as Error).message });
  }
}

function obey(
  socket: WebSocket,
  { line, watcher, text }: { line: ConsoleLine; watcher: Watcher; text: string },
): void {
  const message = said.safeParse(parsed(text));
  if (!message.success) {
    socket.close(CLOSE.wrongData, 'REQUEST_INVALID');
    return;
  }
  switch (message.data.type) {
    case 'write':
      line.claim(watcher, message.data.force);
      break;
    case 'release':
      line.release(watcher);
      break;
    case 'break':
      line.break(watcher);
      break;
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
