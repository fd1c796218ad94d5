/**
 * QEMU's machine protocol over its socket: lines of JSON, commands one way, events the other (docs/interop/qmp-spec).
 * Only what a supervisor needs: a greeting, commands without answers that matter, and events.
 */
import { createConnection, type Socket } from 'node:net';

export interface QmpEvent {
  readonly event: string;
  readonly data?: { readonly reason?: string };
}

export interface Qmp {
  /** Sent once QEMU has greeted; a QEMU that is gone takes nothing any more. */
  execute(command: string): void;
  close(): void;
}

/** @param path where QEMU listens; it may take a moment until it does */
export function connectQmp(
  path: string,
  { onEvent, alive }: { onEvent: (event: QmpEvent) => void; alive: () => boolean },
): Qmp {
  const RETRY_MS = 20;
  const waiting: string[] = [];
  let socket: Socket | undefined;
  let ready = false;
  let closed = false;
  const say = (command: string) => socket?.write(`${JSON.stringify({ execute: command })}\n`);

  const dial = () => {
    if (closed || !alive()) return;
    let text = '';
    const dialled = createConnection(path);
    dialled.setEncoding('utf8');
    dialled.once('connect', () => {
      socket = dialled;
      say('qmp_capabilities');
      ready = true;
      for (const command of waiting.splice(0)) say(command);
    });
    dialled.on('data', (chunk: string) => {
      const lines = (text + chunk).split('\n');
      text = lines.pop() ?? '';
      for (const line of lines) {
        const message = JSON.parse(line) as Partial<QmpEvent>;
        if (message.event !== undefined) onEvent(message as QmpEvent);
      }
    });
    dialled.on('error', () => {
      dialled.destroy();
      if (!ready) setTimeout(dial, RETRY_MS);
    });
  };
  dial();
  return {
    execute(command) {
      if (ready) say(command);
      else waiting.push(command);
    },
    close() {
      closed = true;
      socket?.destroy();
    },
  };
}
