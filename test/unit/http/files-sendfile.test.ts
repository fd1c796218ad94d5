/** Files that leave by sendfile(2) on threads of their own: every byte, nothing left behind, and a way out of each failure. */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readdirSync, utimesSync, writeFileSync } from 'node:fs';
import { type AddressInfo, connect, createServer, Socket } from 'node:net';
import { join } from 'node:path';
import { TLSSocket } from 'node:tls';
import type { Worker } from 'node:worker_threads';
import koffi from 'koffi';
import { afterEach, expect, it } from 'vitest';
import { type OpenBootFile, openBootFile } from '../../../src/platform/boot-files.ts';
import {
  CHUNK_BYTES_MIN,
  createBufferPool,
  type FileSink,
  sendSlice,
} from '../../../src/platform/file-sender.ts';
import { openSendThreads } from '../../../src/platform/sendfile.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

const SIZE = 33_554_432;
const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

function image() {
  const dir = temporaryFolder('sendfile');
  const bytes = randomBytes(SIZE);
  const path = join(dir, 'image');
  writeFileSync(path, bytes);
  const file = openBootFile(dir, 'image');
  if (!file) throw new Error('no file');
  closers.push(() => file.close());
  return { bytes, file, path };
}

function threads(idleMs = 5000) {
  const failures: Error[] = [];
  const opened = openSendThreads({ threads: 2, idleMs, onError: (error) => failures.push(error) });
  closers.push(async () => {
    await opened.close();
    expect(failures).toEqual([]);
  });
  return opened;
}

/** A listener that sends a part of the file to its one client. */
async function sending(
  file: OpenBootFile,
  part: { offsetBytes: number; lengthBytes: number },
  { idleMs = 5000, chunkMs = 5000, meanwhile = () => undefined as unknown } = {},
) {
  const pool = createBufferPool({ budgetBytes: 1_048_576, chunkBytesMax: CHUNK_BYTES_MIN });
  const opened = threads(idleMs);
  const sent = { direct: 0 };
  const server = createServer();
  closers.push(() => server.close());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const ended = once(server, 'connection').then(([socket]: Socket[]) => {
    if (!socket) throw new Error('no socket');
    socket.setTimeout(77_000);
    socket.on('error', () => undefined);
    const sink: FileSink = {
      write: (chunk, done) => void socket.write(chunk, done),
      gone: () => socket.destroyed,
      onGone(tell) {
        socket.once('close', tell);
        return () => socket.off('close', tell);
      },
      direct() {
        const sender = opened.open(socket);
        if (!sender) return undefined;
        return {
          ...sender,
          async send(job) {
            const sending = sender.send(job);
            meanwhile();
            const moved = await sending;
            sent.direct += moved ?? 0;
            return moved;
          },
        };
      },
    };
    return sendSlice(file, part, { sink, pool, chunkMs }).then((end) => {
      const timeout = socket.timeout;
      socket.destroySoon();
      return { ...end, timeout };
    });
  });
  return { ended, sent, server, port: (server.address() as AddressInfo).port };
}

it('moves every byte of a part, and gives back the descriptor and the time-out', async () => {
  const { bytes, file } = image();
  const part = { offsetBytes: 1_000_001, lengthBytes: 30_000_007 };
  const { ended, sent, port } = await sending(file, part);
  const got: Buffer[] = [];
  for await (const chunk of connect(port, '127.0.0.1')) got.push(chunk as Buffer);
  expect(await ended).toEqual({ end: 'complete', sentBytes: 30_000_007, timeout: 77_000 });
  expect(Buffer.concat(got).equals(bytes.subarray(1_000_001, 31_000_008))).toBe(true);
  // All but the first and the last chunk.
  expect(sent.direct).toBe(30_000_007 - 2 * CHUNK_BYTES_MIN);
});

it('ends when the client hangs up', async () => {
  const { file } = image();
  const { ended, sent, port } = await sending(file, { offsetBytes: 0, lengthBytes: SIZE });
  const client = connect(port, '127.0.0.1');
  await once(client, 'data');
  client.pause();
  client.resetAndDestroy();
  const { end, sentBytes } = await ended;
  expect(end).toBe('gone');
  expect(sentBytes).toBeLessThan(SIZE);
  expect(sent.direct).toBeLessThan(SIZE);
});

it('gives up a client that takes nothing', async () => {
  const { file } = image();
  const part = { offsetBytes: 0, lengthBytes: SIZE };
  const { ended, port } = await sending(file, part, { idleMs: 100, chunkMs: 100 });
  const client = connect(port, '127.0.0.1');
  closers.push(() => client.destroy());
  client.on('error', () => undefined);
  expect((await ended).end).toBe('too-slow');
});

it('sends no last byte of a file that was written into meanwhile', async () => {
  const { file, path } = image();
  const part = { offsetBytes: 0, lengthBytes: SIZE };
  const meanwhile = () => utimesSync(path, 1, 1);
  const { ended, port } = await sending(file, part, { meanwhile });
  let got = 0;
  for await (const chunk of connect(port, '127.0.0.1')) got += (chunk as Buffer).length;
  expect(await ended).toMatchObject({ end: 'file-changed', sentBytes: SIZE - CHUNK_BYTES_MIN });
  expect(got).toBe(SIZE - CHUNK_BYTES_MIN);
});

it('is not for TLS, nor for a socket that is closed', () => {
  const opened = threads();
  expect(opened.open(new Socket())).toBeUndefined();
  expect(opened.open(new TLSSocket(new Socket()))).toBeUndefined();
});

/** include/uapi/linux/tcp.h */
const [IPPROTO_TCP, TCP_CORK] = [6, 3];
const getsockopt = koffi
  .load('libc.so.6')
  .func('int getsockopt(int, int, int, _Out_ void *, _Inout_ uint32_t *)');

function corked(socket: Socket): boolean {
  const { fd } = (socket as unknown as { _handle: { fd: number } })._handle;
  const value = Buffer.alloc(4);
  expect(getsockopt(fd, IPPROTO_TCP, TCP_CORK, value, [value.length])).toBe(0);
  return value.readInt32LE() !== 0;
}

it('lets only full segments go while it is lent a connection, and everything at once afterwards', async () => {
  const opened = threads();
  const seen: boolean[] = [];
  const server = createServer((socket) => {
    seen.push(corked(socket));
    const sender = opened.open(socket);
    seen.push(corked(socket));
    sender?.close();
    seen.push(corked(socket));
    socket.end();
  });
  closers.push(() => server.close());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  await once(connect((server.address() as AddressInfo).port, '127.0.0.1').resume(), 'close');
  expect(seen).toEqual([false, true, false]);
});

it('leaves no descriptor behind', async () => {
  const before = readdirSync('/proc/self/fd').length;
  const opened = openSendThreads({ threads: 1, idleMs: 1000, onError: () => undefined });
  const server = createServer((socket) => {
    const sender = opened.open(socket);
    sender?.close();
    socket.end(sender ? 'lent' : 'refused');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const client = connect((server.address() as AddressInfo).port, '127.0.0.1');
  const [chunk] = await once(client, 'data');
  expect(String(chunk)).toBe('lent');
  await once(client, 'close');
  await new Promise((resolve) => server.close(resolve));
  await opened.close();
  expect(readdirSync('/proc/self/fd')).toHaveLength(before);
});

it('cuts off what a thread was sending that dies, tells of it, and starts another one', async () => {
  const { file } = image();
  const started: Worker[] = [];
  const watch = (worker: Worker) => void started.push(worker);
  process.on('worker', watch);
  closers.push(() => process.off('worker', watch));
  let lost = 0;
  const opened = openSendThreads({
    ...{ threads: 1, idleMs: 5000, onError: () => undefined, replaceMs: 0 },
    onLost: () => {
      lost += 1;
    },
  });
  closers.push(opened.close);
  const server = createServer();
  closers.push(() => server.close());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const send = async (meanwhile: () => unknown) => {
    const client = connect((server.address() as AddressInfo).port, '127.0.0.1');
    closers.push(() => client.destroy());
    const [socket] = (await once(server, 'connection')) as Socket[];
    closers.push(() => socket?.destroy());
    const sender = socket && opened.open(socket);
    const sending = sender?.send({ fileFd: file.fd, offsetBytes: 0, lengthBytes: SIZE });
    // A client that reads nothing: so the thread is not done before it dies.
    if (lost === 0) client.pause();
    else client.resume();
    await meanwhile();
    const moved = await sending;
    sender?.close();
    return moved;
  };
  const kill = async () => {
    if (started.length === 0) await once(process, 'worker');
    await started[0]?.terminate();
  };
  expect(await send(kill)).toBeUndefined();
  expect(lost).toBe(1);
  expect(await send(() => undefined)).toBe(SIZE);
  expect([started.length, lost]).toEqual([2, 1]);
});
