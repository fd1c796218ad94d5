/** The service on real sockets of the loopback interface, batched and by dgram, against a client that nobody here wrote. */
import { createHash, randomBytes } from 'node:crypto';
import dgram from 'node:dgram';
import { once } from 'node:events';
import {
  mkdirSync,
  readdirSync,
  readlinkSync,
  renameSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import type { Worker } from 'node:worker_threads';
import { afterEach, describe, expect, it } from 'vitest';
import { openTftpFiles } from '../../../src/platform/tftp-files.ts';
import {
  decodeTftp,
  encodeAck,
  encodeRequest,
  OPCODE,
  type TftpPacket,
} from '../../../src/tftp/packet.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { startTftpServer, type TestServer } from '../../support/tftp-server.ts';

const big = randomBytes(1_000_000);
const sha = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');
const request = (file: string, words: Record<string, string> = {}) =>
  encodeRequest({
    ...{ opcode: OPCODE.rrq, file, mode: 'octet', options: new Map(Object.entries(words)) },
  });

/** A client's socket: what it was sent, one packet after the other, with the port that each came from. */
async function openPeer() {
  const socket = dgram.createSocket('udp4');
  const heard: { packet: TftpPacket; port: number }[] = [];
  const waiting: ((one: { packet: TftpPacket; port: number }) => void)[] = [];
  socket.on('message', (bytes, { port }) => {
    const packet = decodeTftp(bytes);
    if (!packet.ok) throw new Error(packet.code);
    const one = { packet: packet.value, port };
    const waiter = waiting.shift();
    if (waiter) waiter(one);
    else heard.push(one);
  });
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve));
  return {
    send: (bytes: Uint8Array, port: number) =>
      new Promise<void>((resolve) => socket.send(bytes, port, '127.0.0.1', () => resolve())),
    next: () =>
      new Promise<{ packet: TftpPacket; port: number }>((resolve) => {
        const one = heard.shift();
        if (one) resolve(one);
        else waiting.push(resolve);
      }),
    close: () => socket.close(),
  };
}

describe.each(['auto', 'dgram'] as const)('the service, io %s', (io) => {
  let server: TestServer | undefined;
  afterEach(async () => {
    await server?.close();
    server = undefined;
  });

  it.each([1, 4, 16])('serves an independent client, window %i', async (windowSize) => {
    server = await startTftpServer({ 'big.bin': big }, io);
    const require = createRequire(import.meta.url);
    const peer = require('tftp') as {
      createClient(options: object): { createGetStream(file: string): NodeJS.ReadableStream };
    };
    const { port } = server;
    const client = peer.createClient({ host: '127.0.0.1', port, windowSize, timeout: 3000 });
    const chunks: Buffer[] = [];
    // This old stream closes without a proper end, so its own events are listened to; the hash is the judge.
    const stream = client.createGetStream('big.bin');
    await new Promise((resolve, reject) => {
      stream.on('data', (chunk: Buffer) => chunks.push(chunk));
      stream.on('error', reject);
      stream.on('close', resolve);
    });
    expect(sha(Buffer.concat(chunks))).toBe(sha(big));
    expect(server.events[0]).toMatchObject({
      name: 'tftp.started',
      data: { sizeBytes: big.length, windowsize: windowSize },
      client: { address: '127.0.0.1' },
    });
    expect(server.errors).toEqual([]);
  });

  it('refuses what is not there', async () => {
    server = await startTftpServer({ 'big.bin': big }, io);
    const peer = await openPeer();
    await peer.send(request('nothing'), server.port);
    expect((await peer.next()).packet).toMatchObject({ opcode: OPCODE.error, code: 1 });
    peer.close();
  });

  it('grants a client no larger block than it bears, from when that is known', async () => {
    server = await startTftpServer({ f: Buffer.alloc(3000, 'x') }, io, {
      blksizeMaxOf: (address) => (address === '127.0.0.1' ? 1024 : undefined),
    });
    const granted = async () => {
      const peer = await openPeer();
      await peer.send(request('f', { blksize: '1468' }), server?.port ?? 0);
      const { packet } = await peer.next();
      peer.close();
      return packet.opcode === OPCODE.oack ? packet.options.get('blksize') : packet;
    };
    expect(await granted()).toBe('1024');
    if (io === 'auto') {
      server.setBlksizeCaps(false);
      expect(await granted()).toBe('1468');
    }
    server.setBlksizeCaps(true);
    expect(await granted()).toBe('1024');
  });

  it('serves another file under the name that stands for it, and tells of the name', async () => {
    const standIns = new Map([['grubx64.efi', 'ipxe.efi']]);
    server = await startTftpServer({ 'ipxe.efi': Buffer.from('iPXE') }, io, { standIns });
    const peer = await openPeer();
    await peer.send(request('grubx64.efi'), server.port);
    const { packet, port } = await peer.next();
    expect(packet).toMatchObject({ opcode: OPCODE.data, bytes: Buffer.from('iPXE') });
    await peer.send(encodeAck(1), port);
    const { events, until } = server;
    await until(() => events.length === 2);
    expect(events.map(({ name, data }) => [name, data.file])).toEqual([
      ['tftp.started', 'grubx64.efi'],
      ['tftp.sent', 'grubx64.efi'],
    ]);
    peer.close();
  });

  it('serves what GRUB asks for first out of the folder, where somebody has his own there', async () => {
    const made = (name: string) => ({ text: `made for ${name}` });
    server = await startTftpServer({ 'big.bin': big }, io, { made });
    const answer = async () => {
      const peer = await openPeer();
      await peer.send(request('grub/grub.cfg'), server?.port ?? 0);
      const { packet } = await peer.next();
      peer.close();
      return packet.opcode === OPCODE.data ? packet.bytes.toString() : packet;
    };
    expect(await answer()).toBe('made for grub/grub.cfg');
    mkdirSync(join(server.root, 'grub'));
    writeFileSync(join(server.root, 'grub', 'grub.cfg'), 'his own');
    expect(await answer()).toBe('his own');
  });

  it('says once a minute that files cannot be looked up, however often they are asked for', async () => {
    const made = () => {
      throw new Error('disk I/O error');
    };
    server = await startTftpServer({ 'big.bin': big }, io, { made });
    for (let n = 0; n < 20; n++) {
      const peer = await openPeer();
      await peer.send(request('grub/grub.cfg'), server.port);
      expect((await peer.next()).packet).toMatchObject({ opcode: OPCODE.error, code: 1 });
      peer.close();
    }
    expect(server.errors).toEqual([expect.stringContaining('could not be looked up')]);
  });

  it('has no file where there is a folder, a link that leads nowhere, or a path through a file', async () => {
    server = await startTftpServer({ 'big.bin': big }, io);
    mkdirSync(join(server.root, 'folder'));
    symlinkSync('loop', join(server.root, 'loop'));
    for (const name of ['folder', 'loop', 'big.bin/x']) {
      const peer = await openPeer();
      await peer.send(request(name), server.port);
      expect((await peer.next()).packet).toMatchObject({ opcode: OPCODE.error, code: 1 });
      peer.close();
    }
    expect(server.errors).toEqual([]);
  });

  it('counts random datagrams on all of its ports, and goes on', async () => {
    server = await startTftpServer({ 'big.bin': big }, io);
    const peer = await openPeer();
    const stranger = await openPeer();
    await peer.send(request('big.bin', { blksize: '1000' }), server.port);
    const { port: transferPort } = await peer.next();
    for (let n = 0; n < 300; n++) {
      const bytes = Buffer.concat([Buffer.from([0, 7 + (n % 90)]), randomBytes(n % 700)]);
      await stranger.send(bytes, n % 2 ? transferPort : server.port);
    }
    const { drops, errors, until } = server;
    await until(() => [...drops.values()].reduce((sum, count) => sum + count, 0) >= 300);
    await peer.send(encodeAck(0), transferPort);
    expect((await peer.next()).packet).toMatchObject({ opcode: OPCODE.data, block: 1 });
    expect(errors).toEqual([]);
    peer.close();
    stranger.close();
  });

  it('counts empty datagrams on each of its ports, and goes on', async () => {
    server = await startTftpServer({ f: Buffer.alloc(1000, 'x') }, io);
    const peer = await openPeer();
    await peer.send(request('f'), server.port);
    const { port } = await peer.next();
    await peer.send(new Uint8Array(), server.port);
    await peer.send(new Uint8Array(), port);
    await peer.send(encodeAck(1), port);
    expect((await peer.next()).packet).toMatchObject({ opcode: OPCODE.data, block: 2 });
    const { drops, until } = server;
    await until(() => drops.get('too-short') === 2);
    peer.close();
  });

  it('serves a file that is replaced to the end, and the new one to the next', async () => {
    server = await startTftpServer({ f: Buffer.alloc(1000, 'old') }, io);
    const peer = await openPeer();
    await peer.send(request('f'), server.port);
    const first = await peer.next();
    writeFileSync(join(server.root, 'new'), Buffer.alloc(1000, 'new'));
    renameSync(join(server.root, 'new'), join(server.root, 'f'));
    await peer.send(encodeAck(1), first.port);
    expect((await peer.next()).packet).toMatchObject({
      bytes: Buffer.alloc(1000, 'old').subarray(512),
    });
    const other = await openPeer();
    await other.send(request('f'), server.port);
    expect((await other.next()).packet).toMatchObject({
      bytes: Buffer.alloc(1000, 'new').subarray(0, 512),
    });
    peer.close();
    other.close();
  });

  it('breaks off when a file is changed under a transfer, instead of mixing two', async () => {
    // The first chunk and the one read ahead are held; the third is read after the change.
    server = await startTftpServer({ f: randomBytes(1_000_000) }, io);
    const peer = await openPeer();
    await peer.send(request('f', { blksize: '1000', windowsize: '1' }), server.port);
    const { port } = await peer.next();
    truncateSync(join(server.root, 'f'), 999_000);
    let packet: TftpPacket | undefined;
    for (let block = 0; block < 1000; block++) {
      await peer.send(encodeAck(block), port);
      packet = (await peer.next()).packet;
      if (packet.opcode === OPCODE.error) break;
    }
    expect(packet).toMatchObject({
      opcode: OPCODE.error,
      message: 'the file was changed or cannot be read',
    });
    peer.close();
  });

  it('tells a running transfer when it stops', async () => {
    server = await startTftpServer({ 'big.bin': big }, io);
    const peer = await openPeer();
    await peer.send(request('big.bin'), server.port);
    await peer.next();
    await server.close();
    server = undefined;
    expect((await peer.next()).packet).toMatchObject({ message: 'the server is stopping' });
    peer.close();
  });
});

describe('batched', () => {
  it('is what runs where koffi is there, and knows when a client has left with the last block', async () => {
    const server = await startTftpServer({ f: Buffer.alloc(100, 'x') });
    expect(server.io).toBe('batched');
    const peer = await openPeer();
    await peer.send(request('f', { blksize: '1000' }), server.port);
    const { port } = await peer.next();
    await peer.send(encodeAck(0), port);
    await peer.next();
    // Gone without the last ACK, as edk2 and iPXE do: the repetition meets a closed port.
    peer.close();
    await server.until(() => server.events.length === 2);
    expect(server.events[1]).toMatchObject({ name: 'tftp.sent', data: { sizeBytes: 100 } });
    await server.close();
  });

  it('asks nobody for what a loader does without, unless the folder has it', async () => {
    const token = randomBytes(24).toString('base64url');
    const asked: string[] = [];
    const made = (name: string) => void asked.push(name);
    const server = await startTftpServer({ 'revocations_sku.efi': big }, 'auto', { made });
    const peer = await openPeer();
    for (const name of ['revocations_sbat.efi', 'revocations_sku.efi']) {
      await peer.send(request(`/boot/${token}/${name}`), server.port);
      expect((await peer.next()).packet).toMatchObject({ opcode: OPCODE.error, code: 1 });
    }
    expect(asked).toEqual([`boot/${token}/revocations_sku.efi`]);
    await server.until(() => server.drops.get('optional-file') === 2);
    expect(server.events).toEqual([]);
    peer.close();
    await server.close();
  });

  it('keeps nobody waiting for a client that is waited for alone', async () => {
    const server = await startTftpServer({ 'big.bin': big, f: Buffer.alloc(100, 'x') });
    const silent = await openPeer();
    await silent.send(request('big.bin'), server.port);
    for (let block = 1; block <= 200; block++) {
      const { packet, port } = await silent.next();
      expect(packet).toMatchObject({ opcode: OPCODE.data, block });
      if (block < 200) await silent.send(encodeAck(block), port);
    }
    for (const other of [await openPeer(), await openPeer()]) {
      await other.send(request('f', { tsize: '0' }), server.port);
      const { packet, port } = await other.next();
      expect(packet).toMatchObject({ opcode: OPCODE.oack });
      await other.send(encodeAck(0), port);
      expect((await other.next()).packet).toMatchObject({ opcode: OPCODE.data, block: 1 });
      other.close();
    }
    silent.close();
    await server.close();
  });

  it('starts its thread again when it dies, and stops no sooner than that one has', async () => {
    const started: Worker[] = [];
    const watch = (worker: Worker) => void started.push(worker);
    process.on('worker', watch);
    const server = await startTftpServer({ f: Buffer.alloc(100, 'x') });
    const peer = await openPeer();
    await peer.send(request('f', { blksize: '1000' }), server.port);
    await peer.next();
    expect([server.alive(), server.lost()]).toEqual([true, 0]);
    await started[0]?.terminate();
    expect([server.alive(), server.lost()]).toEqual([false, 1]);
    while (started.length < 2) await once(process, 'worker');
    process.off('worker', watch);
    let ended = false;
    started[1]?.once('exit', () => {
      ended = true;
    });
    const other = await openPeer();
    await other.send(request('f', { blksize: '1000' }), server.port);
    expect((await other.next()).packet).toMatchObject({ opcode: OPCODE.oack });
    expect([server.alive(), server.lost()]).toEqual([true, 1]);
    peer.close();
    other.close();
    await server.close();
    expect(ended).toBe(true);
  });

  it('ends a thread that hangs, says so, and is not alive as long as the next one hangs too', async () => {
    const thread = new URL('../../support/hanging-thread.ts', import.meta.url);
    const server = await startTftpServer({}, 'auto', { thread, silenceMs: 100 });
    await server.until(() => server.lost() === 1);
    expect(server.alive()).toBe(false);
    expect(server.errors).toMatchObject([expect.stringContaining('the TFTP thread hangs')]);
    await server.until(() => server.lost() === 2);
    expect(server.alive()).toBe(false);
    await server.close();
  });

  it('holds a text, and of too many the newest', async () => {
    const files = openTftpFiles({ textsMax: 2 });
    const held = ['one', 'two', 'three'].map((text) => files.hold(text));
    const read = held.map((file) => files.read(file, { offset: 1, length: file.sizeBytes - 1 }));
    const texts = (await Promise.all(read)).map((bytes) => bytes && Buffer.from(bytes).toString());
    expect(texts).toEqual([undefined, 'wo', 'hree']);
    expect(files.hold('three')).toEqual(held[2]);
    await files.close();
  });

  it('keeps no file open that cannot be read', async () => {
    const root = temporaryFolder('tftp');
    const files = openTftpFiles({ textsMax: 2 });
    // A folder can be opened like a file, and then not be read.
    expect(await files.read({ key: `1-1-1 ${root}`, sizeBytes: 1 }, { offset: 0, length: 1 })).toBe(
      undefined,
    );
    const held = readdirSync('/proc/self/fd').filter((fd) => linkOf(fd) === root);
    expect(held).toEqual([]);
    await files.close();
  });
});

/** What an open descriptor is of; nothing for one that has been closed meanwhile. */
function linkOf(fd: string): string | undefined {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`);
  } catch {
    return undefined;
  }
}
