/**
 * A PostgreSQL of which a test says how each statement ends: the server's side of its protocol (version 3.0, messages of chapter 55 of its
 * manual), as far as pg speaks it. It has no tables: an answer has no rows. As the server does, it takes nothing but the end of
 * a transaction after an error in it.
 */
import { createServer, type Socket } from 'node:net';
import { onTestFinished } from 'vitest';

/** `ok`; never an answer; or the SQLSTATE that it is refused with. */
export type Ending = 'ok' | 'silent' | (string & {});

export interface FakePostgres {
  readonly url: string;
  /** Every statement, in the order in which they came. */
  readonly heard: string[];
  /** Connections that are open. */
  readonly open: () => number;
}

export interface FakeKnobs {
  /** @param text of a statement */
  answer(text: string): Ending;
  /** Whether a connection is greeted; else it is taken and nothing is said. */
  isGreeting?(): boolean;
}

const message = (type: string, body = Buffer.alloc(0)): Buffer => {
  const head = Buffer.alloc(5);
  head.write(type);
  head.writeUInt32BE(body.length + 4, 1);
  return Buffer.concat([head, body]);
};

const text = (...words: string[]) => Buffer.from(words.map((word) => `${word}\0`).join(''));

const refusal = (state: string): Buffer =>
  message('E', Buffer.concat([text('SERROR', `C${state}`, `Mfake ${state}`), Buffer.alloc(1)]));

export async function fakePostgres(knobs: FakeKnobs): Promise<FakePostgres> {
  const heard: string[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.setNoDelay(true);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => undefined);
    serve(socket, knobs, heard);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const { port } = server.address() as { port: number };
  const url = `postgresql://fake@127.0.0.1:${port}/fleet?sslmode=disable`;
  return { url, heard, open: () => sockets.size };
}

function serve(socket: Socket, { answer, isGreeting }: FakeKnobs, heard: string[]): void {
  let waiting = Buffer.alloc(0);
  let isGreeted = false;
  let status = 'I';
  let isSilent = false;
  const carryOut = (statement: string): void => {
    heard.push(statement);
    const isEnd = /^(COMMIT|ROLLBACK)/.test(statement);
    const ending = status === 'E' && !isEnd ? '25P02' : answer(statement);
    if (ending === 'silent') {
      isSilent = true;
      return;
    }
    if (ending !== 'ok') {
      if (status === 'T') status = 'E';
      socket.write(refusal(ending));
      return;
    }
    if (statement.startsWith('BEGIN')) status = 'T';
    if (isEnd) status = 'I';
    socket.write(message('C', text('SELECT 0')));
  };
  const ready = () => socket.write(message('Z', Buffer.from(status)));
  socket.on('data', (bytes) => {
    waiting = Buffer.concat([waiting, bytes]);
    for (;;) {
      // The first message has no type.
      const at = isGreeted ? 1 : 0;
      if (isSilent || waiting.length < at + 4) return;
      const length = at + waiting.readUInt32BE(at);
      if (waiting.length < length) return;
      const type = isGreeted ? String.fromCharCode(waiting[0] ?? 0) : 'startup';
      const body = waiting.subarray(at + 4, length);
      waiting = waiting.subarray(length);
      if (type === 'startup') {
        if (isGreeting?.() === false) {
          isSilent = true;
          return;
        }
        isGreeted = true;
        socket.write(message('R', Buffer.alloc(4)));
        ready();
      }
      if (type === 'Q') {
        carryOut(String(body.subarray(0, -1)));
        if (!isSilent) ready();
      }
      // A statement with values: its name, its text.
      if (type === 'P') carryOut(String(body).split('\0')[1] ?? '');
      if (type === 'S') ready();
      if (type === 'X') socket.end();
    }
  });
}
