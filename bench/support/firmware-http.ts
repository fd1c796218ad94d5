/** A machine's HTTP: one connection from its own address, requests one after the other, bodies counted and not kept. */
import { connect, type Socket } from 'node:net';

export interface HttpAnswer {
  readonly status: number;
  readonly bodyBytes: number;
  /** Of a body that was asked for as text; else empty. */
  readonly text: string;
}

export interface HttpClient {
  /** @throws Error when the connection breaks, or nothing comes for `timeoutMs` */
  get(path: string, want: { range?: number; text?: boolean }): Promise<HttpAnswer>;
  close(): void;
}

export function openHttp(options: {
  localAddress: string;
  host: string;
  port: number;
  timeoutMs: number;
}): HttpClient {
  const { localAddress, host, port, timeoutMs } = options;
  const socket = connect({ host, port, localAddress });
  socket.setNoDelay(true);
  socket.setTimeout(timeoutMs, () => socket.destroy(new Error('timed out')));
  let failure: Error | undefined;
  let reject: ((error: Error) => void) | undefined;
  const fail = (error: Error) => {
    failure = error;
    reject?.(error);
  };
  socket.on('error', fail);
  socket.on('close', () => fail(new Error('closed')));
  return {
    async get(path, { range, text = false }) {
      if (failure) throw failure;
      const lines = [
        ...[`GET ${path} HTTP/1.1`, `Host: ${host}:${port}`, 'Connection: keep-alive'],
        ...['User-Agent: iPXE/1.0.0+git-20190125.36a4c85-5.1', ...rangeLine(range), '', ''],
      ];
      const answer = new Promise<HttpAnswer>((resolve, fails) => {
        reject = fails;
        readAnswer(socket, text, resolve);
      });
      socket.write(lines.join('\r\n'));
      return answer;
    },
    close: () => socket.destroy(),
  };
}

function rangeLine(range: number | undefined): string[] {
  return range === undefined ? [] : [`Range: bytes=0-${range - 1}`];
}

function readAnswer(socket: Socket, text: boolean, done: (answer: HttpAnswer) => void): void {
  let head = '';
  let status = 0;
  let expected = -1;
  let bodyBytes = 0;
  let body = '';
  const take = (bytes: Buffer) => {
    bodyBytes += bytes.length;
    if (text) body += bytes.toString('latin1');
  };
  const onData = (chunk: Buffer) => {
    if (expected >= 0) take(chunk);
    else {
      head += chunk.toString('latin1');
      const end = head.indexOf('\r\n\r\n');
      if (end < 0) return;
      status = Number(/^HTTP\/1\.[01] (\d{3})/.exec(head)?.[1] ?? 0);
      expected = Number(/\r\ncontent-length: *(\d+)/i.exec(head)?.[1] ?? 0);
      take(Buffer.from(head.slice(end + 4), 'latin1'));
    }
    if (bodyBytes < expected) return;
    socket.off('data', onData);
    done({ status, bodyBytes, text: body });
  };
  socket.on('data', onData);
}
