/** What a client gets of a file: preconditions, ranges, and one version only. */
import { createHash, randomBytes } from 'node:crypto';
import { renameSync, truncateSync, utimesSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { FastifyInstance } from 'fastify';
import pino from 'pino';
import { afterEach, describe, expect, it } from 'vitest';
import { createMachineApp, type MachineAppOptions } from '../../../src/http/machine/app.ts';
import { judge, parseHttpDate } from '../../../src/http/machine/preconditions.ts';
import { foldTimeline } from '../../../src/inventory/timeline.ts';
import { openBootFile, unchanged } from '../../../src/platform/boot-files.ts';
import {
  CHUNK_BYTES_MIN,
  createBufferPool,
  type FileSink,
  type SendEnd,
  sendSlice,
} from '../../../src/platform/file-sender.ts';
import { formatIpv4 } from '../../../src/wire/ipv4.ts';
import { closed, dial as dialTo } from '../../support/dial.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { createWorld, dhcpPacket, mac, type World } from '../../support/world.ts';

const A = mac('52:54:00:00:00:0a');
const log = pino({ level: 'silent' });
const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

const folder = (): string => temporaryFolder('files');

function dial(port: number) {
  const socket = dialTo(port);
  closers.push(() => socket.destroy());
  return socket;
}

async function listening(
  world: World,
  dir: string,
  options: Pick<MachineAppOptions, 'onDownload'> = {},
) {
  const app: FastifyInstance = createMachineApp({
    ...{ ...world, log, assets: dir, pxeimage: dir },
    ...options,
  });
  closers.push(() => app.close());
  await app.listen({ host: '127.0.0.1', port: 0 });
  world.dhcp(dhcpPacket({ mac: A, type: 1, client: 'ipxe' }));
  const boot = world.inventory.boots.latest(A);
  if (!boot) throw new Error('no boot');
  const { token } = world.inventory.tokens.mint(boot.id, A, 'boot');
  const { port } = app.server.address() as AddressInfo;
  return { app, port, boot: boot.id, token };
}

describe('preconditions, in the order of RFC 9110 13.2.2', () => {
  const modifiedMs = Date.parse('2026-03-01T12:00:00.750Z');
  const file = { etag: '"a-b"', sizeBytes: 10, modifiedMs };
  const [before, same, after] = [-60_000, 0, 60_000].map((ms) =>
    new Date(modifiedMs + ms).toUTCString(),
  );
  const of = (headers: Record<string, string | undefined>, method = 'GET') => {
    const given = Object.entries(headers).filter(([, value]) => value !== undefined);
    const verdict = judge(
      { method, headers: Object.fromEntries(given), now: modifiedMs + 3_600_000 },
      file,
    );
    return verdict.kind === 'part' ? `${verdict.first}-${verdict.last}` : verdict.kind;
  };
  const failed = 'precondition-failed';

  it.each([
    [{}, 'whole'],
    [{ 'if-match': '"a-b"' }, 'whole'],
    [{ 'if-match': '"x", "a-b"' }, 'whole'],
    [{ 'if-match': '*' }, 'whole'],
    [{ 'if-match': 'W/"a-b"' }, failed],
    [{ 'if-match': '"x"' }, failed],
    [{ 'if-match': 'a-b' }, failed],
    [{ 'if-match': '"a-b"', 'if-unmodified-since': before }, 'whole'],
    [{ 'if-unmodified-since': before }, failed],
    [{ 'if-unmodified-since': same }, 'whole'],
    [{ 'if-unmodified-since': 'yesterday' }, 'whole'],
    [{ 'if-none-match': '"a-b"' }, 'not-modified'],
    [{ 'if-none-match': 'W/"a-b"' }, 'not-modified'],
    [{ 'if-none-match': '"x,y", "a-b"' }, 'not-modified'],
    [{ 'if-none-match': '"x"', 'if-modified-since': after }, 'whole'],
    [{ 'if-modified-since': same }, 'not-modified'],
    [{ 'if-modified-since': before }, 'whole'],
    [{ 'if-modified-since': 'never' }, 'whole'],
    [{ 'if-match': '"x"', 'if-none-match': '"a-b"' }, failed],
    [{ range: 'bytes=2-3' }, '2-3'],
    [{ range: 'bytes=-3' }, '7-9'],
    [{ range: 'BYTES=8-' }, '8-9'],
    [{ range: 'bytes=10-' }, 'unsatisfiable'],
    [{ range: `bytes=${'9'.repeat(25)}-` }, 'unsatisfiable'],
    [{ range: 'bytes=0-1,4-5' }, 'whole'],
    [{ range: 'bytes=2-3', 'if-range': '"a-b"' }, '2-3'],
    [{ range: 'bytes=2-3', 'if-range': 'W/"a-b"' }, 'whole'],
    [{ range: 'bytes=2-3', 'if-range': '"old"' }, 'whole'],
    [{ range: 'bytes=2-3', 'if-range': same }, '2-3'],
    [{ range: 'bytes=2-3', 'if-range': after }, 'whole'],
    [{ range: 'bytes=10-', 'if-range': '"old"' }, 'whole'],
    [{ range: 'bytes=2-3', 'if-match': '"x"' }, failed],
    [{ range: 'bytes=2-3', 'if-none-match': '"a-b"' }, 'not-modified'],
  ])('%j -> %s', (headers, verdict) => expect(of(headers)).toBe(verdict));

  it('ignores a range of HEAD', () => expect(of({ range: 'bytes=2-3' }, 'HEAD')).toBe('whole'));

  it('trusts no date of a file that is younger than two seconds', () =>
    expect(
      judge(
        {
          method: 'GET',
          headers: { range: 'bytes=2-3', 'if-range': same ?? '' },
          now: modifiedMs + 500,
        },
        file,
      ),
    ).toEqual({ kind: 'whole' }));

  it('finds no part in an empty file', () =>
    expect(
      judge({ method: 'GET', headers: { range: 'bytes=-1' }, now: 0 }, { ...file, sizeBytes: 0 }),
    ).toEqual({ kind: 'unsatisfiable' }));

  it.each([
    'Sun, 06 Nov 1994 08:49:37 GMT',
    'Sunday, 06-Nov-94 08:49:37 GMT',
    'Sun Nov  6 08:49:37 1994',
  ])('reads the date %s', (text) => expect(parseHttpDate(text)).toBe(784_111_777_000));
  it.each(['', '1994-11-06', 'Sun, 06 Nov 1994 08:49:37 +0100', 'Sun, 99 Nov 1994 08:49:37 GMT'])(
    'takes %s for no date',
    (text) => expect(parseHttpDate(text)).toBeUndefined(),
  );
});

describe('answers on the wire', () => {
  it.each([
    ['loader.efi', 'application/efi'],
    ['rescue.iso', 'application/vnd.efi-iso'],
    ['rescue.IMG', 'application/vnd.efi-img'],
  ])('says what UEFI HTTP Boot is to do with %s', async (name, type) => {
    const dir = folder();
    writeFileSync(join(dir, name), 'x');
    const { port } = await listening(createWorld(), dir);
    const { headers } = await fetch(`http://127.0.0.1:${port}/boot/ipxe/${name}`);
    expect(headers.get('content-type')).toBe(type);
  });

  it('serves UEFI HTTP Boot: HEAD and GET on one connection, no port in Host, never chunked', async () => {
    const dir = folder();
    writeFileSync(join(dir, 'snponly.efi'), 'e'.repeat(200_000));
    const { port } = await listening(createWorld(), dir);
    const socket = dial(port);
    const ask = (method: string) =>
      `${method} /boot/ipxe/snponly.efi HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: */*\r\nUser-Agent: UefiHttpBoot/1.0\r\n\r\n`;
    socket.write(ask('HEAD'));
    const head = await socket.until((text) => text.endsWith('\r\n\r\n'));
    socket.write(ask('GET'));
    const got = await socket.until((text) => text.length >= 200_000 + head.length);
    for (const answer of [head, got]) {
      expect(answer).toMatch(/^HTTP\/1.1 200 OK\r\n/);
      expect(answer).toMatch(/\r\ncontent-length: 200000\r\n/i);
      expect(answer).toMatch(/\r\ncontent-type: application\/efi\r\n/i);
      expect(answer).not.toMatch(/transfer-encoding|location:|\r\n[a-z-]+: *\r\n/i);
    }
    expect(got.split('\r\n\r\n')[1]).toBe('e'.repeat(200_000));
    expect(socket.closed).toBe(false);
  });

  it('closes after an answer to HTTP/1.0, with the length all the same', async () => {
    const dir = folder();
    writeFileSync(join(dir, 'snponly.efi'), 'efi');
    const { port } = await listening(createWorld(), dir);
    const socket = dial(port);
    socket.write('GET /boot/ipxe/snponly.efi HTTP/1.0\r\n\r\n');
    await closed(socket);
    const text = await socket.until(() => true);
    expect(text).toMatch(/\r\ncontent-length: 3\r\n/i);
    expect(text).toMatch(/\r\nconnection: close\r\n/i);
    expect(text).toMatch(/\r\n\r\nefi$/);
  });

  it('answers pipelined requests in their order', async () => {
    const dir = folder();
    writeFileSync(join(dir, 'snponly.efi'), 'abcdef');
    const { port } = await listening(createWorld(), dir);
    const socket = dial(port);
    const ask = (range: string) =>
      `GET /boot/ipxe/snponly.efi HTTP/1.1\r\nHost: x\r\nRange: bytes=${range}\r\n\r\n`;
    socket.write(ask('0-1') + ask('2-3') + ask('4-5'));
    const all = await socket.until((text) => text.endsWith('ef'));
    const ranges = [...all.matchAll(/content-range: bytes (\S+)/gi)].map((match) => match[1]);
    expect(ranges).toEqual(['0-1/6', '2-3/6', '4-5/6']);
    expect(all.match(/\r\n\r\n(?:ab|cd|ef)/g)).toEqual(['\r\n\r\nab', '\r\n\r\ncd', '\r\n\r\nef']);
  });

  it('sends 8 MiB whole to several at once, from memory within the budget', async () => {
    const dir = folder();
    const bytes = randomBytes(8_388_608);
    writeFileSync(join(dir, 'vmlinuz'), bytes);
    const ends: SendEnd[] = [];
    const world = createWorld();
    const { port, token } = await listening(world, dir, {
      onDownload: (_, end) => void ends.push(end),
    });
    const digests = await Promise.all(
      Array.from({ length: 8 }, async () => {
        const answer = await fetch(`http://127.0.0.1:${port}/boot/${token}/vmlinuz`);
        return createHash('sha256')
          .update(Buffer.from(await answer.arrayBuffer()))
          .digest('hex');
      }),
    );
    expect(new Set(digests)).toEqual(new Set([createHash('sha256').update(bytes).digest('hex')]));
    expect(ends).toEqual(Array(8).fill('complete'));
  });

  it('notes the loader that UEFI HTTP Boot fetches on the boot of who holds the address', async () => {
    const dir = folder();
    writeFileSync(join(dir, 'snponly.efi'), 'efi');
    const world = createWorld();
    const { app, boot } = await listening(world, dir);
    const outcome = world.dhcp(dhcpPacket({ mac: A, type: 1, client: 'ipxe' }));
    if (outcome.kind !== 'reply') throw new Error('no offer');
    const from = (remoteAddress: string) =>
      app.inject({ url: '/boot/ipxe/snponly.efi', remoteAddress });
    const http = () => world.eventNames().filter((name) => name.startsWith('http.'));
    await from('192.0.2.1');
    expect(http()).toEqual([]);
    await from(formatIpv4(outcome.reply.yiaddr));
    expect(http()).toEqual(['http.started', 'http.sent']);
    expect(world.inventory.boots.byId(boot)?.binariesServed).toBe(1);
    const events = world.inventory.events.ofBoot(boot);
    const found = world.inventory.boots.byId(boot);
    if (!found) throw new Error('no boot');
    expect(foldTimeline(found, events, world.clock()).steps).toContainEqual(
      expect.objectContaining({ name: 'tftp', state: 'done', detail: 'snponly.efi by HTTP, 1 KB' }),
    );
  });

  it('notes on the timeline how far a machine got that went away', async () => {
    const dir = folder();
    writeFileSync(join(dir, 'vmlinuz'), randomBytes(16_777_216));
    const world = createWorld();
    const ended = Promise.withResolvers<[number, SendEnd]>();
    const { port, token, boot } = await listening(world, dir, {
      onDownload: (...end) => ended.resolve(end),
    });
    const socket = dial(port);
    socket.write(`GET /boot/${token}/vmlinuz HTTP/1.1\r\nHost: x\r\n\r\n`);
    await new Promise((resolve) => socket.once('data', resolve));
    socket.destroy();
    const [sentBytes, end] = await ended.promise;
    expect(end).toBe('gone');
    expect(sentBytes).toBeLessThan(16_777_216);
    expect(world.inventory.events.ofBoot(boot).slice(-2)).toMatchObject([
      { name: 'http.started', data: { file: 'vmlinuz', sizeBytes: 16_777_216, offsetBytes: 0 } },
      { name: 'http.aborted', data: { file: 'vmlinuz', sentBytes, sizeBytes: 16_777_216 } },
    ]);
  });

  it.each([
    ['a head larger than the limit', `GET / HTTP/1.1\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`, '431'],
    ['a NUL in the path', 'GET /boot/ipxe/a\0b HTTP/1.1\r\nHost: x\r\n\r\n', '400'],
    ['an encoded NUL', 'GET /boot/ipxe/a%00b HTTP/1.1\r\nHost: x\r\n\r\n', '404'],
    ['broken encoding', 'GET /boot/ipxe/%zz HTTP/1.1\r\nHost: x\r\n\r\n', '400'],
    ['doubly encoded dots', 'GET /boot/ipxe/%252e%252e%252fx HTTP/1.1\r\nHost: x\r\n\r\n', '404'],
    ['encoded dots', 'GET /boot/ipxe/..%2f..%2fetc%2fpasswd HTTP/1.1\r\nHost: x\r\n\r\n', '404'],
    ['plain dots', 'GET /boot/ipxe/../../etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n', '404'],
    ['a backslash', 'GET /boot/ipxe/..\\..\\etc HTTP/1.1\r\nHost: x\r\n\r\n', '404'],
    ['two lengths', 'GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n', '400'],
  ])('refuses %s', async (_, request, status) => {
    const dir = folder();
    writeFileSync(join(dir, 'passwd'), 'secret');
    const { port } = await listening(createWorld(), dir);
    const socket = dial(port);
    socket.write(request, 'latin1');
    const answer = await socket.until((text) => text.includes('\r\n\r\n'));
    expect(answer.split(' ')[1]).toBe(status);
  });
});

describe('one version of a file', () => {
  const slowSink = (onFirst: () => void) => {
    const parts: Buffer[] = [];
    const sink: FileSink = {
      write(bytes, done) {
        parts.push(Buffer.from(bytes));
        if (parts.length === 1) onFirst();
        setImmediate(done);
      },
      gone: () => false,
      onGone: () => () => undefined,
    };
    return { sink, parts };
  };
  const send = {
    pool: createBufferPool({ budgetBytes: 1_048_576, chunkBytesMax: CHUNK_BYTES_MIN }),
    chunkMs: 5000,
  };
  const size = CHUNK_BYTES_MIN * 4;
  const opened = (dir: string) => {
    const file = openBootFile(dir, 'image');
    if (!file) throw new Error('no file');
    closers.push(() => file.close());
    return file;
  };

  it('goes on with the old bytes when the name is given to another file', async () => {
    const dir = folder();
    writeFileSync(join(dir, 'image'), Buffer.alloc(size, 'a'));
    writeFileSync(join(dir, 'next'), Buffer.alloc(size, 'b'));
    const file = opened(dir);
    const { sink, parts } = slowSink(() => renameSync(join(dir, 'next'), join(dir, 'image')));
    const sent = await sendSlice(file, { offsetBytes: 0, lengthBytes: size }, { ...send, sink });
    expect(sent).toEqual({ end: 'complete', sentBytes: size });
    expect(Buffer.concat(parts).equals(Buffer.alloc(size, 'a'))).toBe(true);
    expect(openBootFile(dir, 'image')?.etag).not.toBe(file.etag);
  });

  it.each([
    ['overwritten', (path: string) => writeFileSync(path, Buffer.alloc(size, 'b'))],
    ['cut', (path: string) => truncateSync(path, 10)],
    ['touched', (path: string) => utimesSync(path, 1, 1)],
  ])('breaks off when the file is %s', async (_, change) => {
    const dir = folder();
    const path = join(dir, 'image');
    writeFileSync(path, Buffer.alloc(size, 'a'));
    utimesSync(path, 1000, 1000);
    const file = opened(dir);
    expect(unchanged(file)).toBe(true);
    const { sink, parts } = slowSink(() => change(path));
    const sent = await sendSlice(file, { offsetBytes: 0, lengthBytes: size }, { ...send, sink });
    expect(sent).toEqual({ end: 'file-changed', sentBytes: CHUNK_BYTES_MIN });
    expect(parts).toHaveLength(1);
  });

  it('gives up on a client that takes nothing', async () => {
    const dir = folder();
    writeFileSync(join(dir, 'image'), 'abc');
    const sink = { write: () => undefined, gone: () => false, onGone: () => () => undefined };
    const slice = { offsetBytes: 0, lengthBytes: 3 };
    const sent = await sendSlice(opened(dir), slice, { ...send, sink, chunkMs: 10 });
    expect(sent).toEqual({ end: 'too-slow', sentBytes: 0 });
    expect(send.pool.usage().lentBytes).toBe(0);
  });

  it('opens neither a folder nor what lies outside', () => {
    const dir = folder();
    expect(openBootFile(dir, '.')).toBeUndefined();
    expect(openBootFile(dir, '../..')).toBeUndefined();
    expect(openBootFile('/dev', 'zero')).toBeUndefined();
  });
});
