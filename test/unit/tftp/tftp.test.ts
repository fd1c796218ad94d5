import { createHash, randomBytes } from 'node:crypto';
import dgram from 'node:dgram';
import { mkdtempSync, symlinkSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { resolveInside } from '../../../src/platform/safe-path.ts';
import { cleanFileName } from '../../../src/tftp/file-name.ts';
import { negotiate } from '../../../src/tftp/negotiate.ts';
import {
  decodeTftp,
  encodeAck,
  encodeData,
  encodeError,
  encodeOack,
  encodeRequest,
  OPCODE,
} from '../../../src/tftp/packet.ts';
import { createTransfer, type Step, type TransferResult } from '../../../src/tftp/transfer.ts';
import { startTftpServer, type TestServer } from '../../support/tftp-server.ts';

const options = (entries: Record<string, string>) => new Map(Object.entries(entries));

describe('packets', () => {
  it('survive the round trip', () => {
    const request = {
      opcode: OPCODE.rrq,
      file: 'a.efi',
      mode: 'octet',
      options: options({ blksize: '1468', tsize: '0' }),
    };
    expect(decodeTftp(encodeRequest(request))).toEqual({ ok: true, value: request });
    expect(decodeTftp(encodeAck(65_537))).toMatchObject({ ok: true, value: { block: 1 } });
    expect(decodeTftp(encodeData(7, Uint8Array.of(1)))).toMatchObject({
      value: { block: 7, bytes: Uint8Array.of(1) },
    });
    expect(decodeTftp(encodeError(1, 'no'))).toMatchObject({ value: { code: 1, message: 'no' } });
    expect(decodeTftp(encodeOack(options({ tsize: '9' })))).toMatchObject({
      value: { options: options({ tsize: '9' }) },
    });
  });

  it.each([
    ['too-short', Buffer.from([0])],
    ['too-short', Buffer.from([0, 4, 0])],
    ['unknown-opcode', Buffer.from([0, 9, 0, 0])],
    ['unterminated', Buffer.from('\0\x01file\0octet')],
    ['no-file', Buffer.from('\0\x01\0octet\0')],
    ['too-long', Buffer.concat([Buffer.from([0, 1]), Buffer.alloc(600, 65), Buffer.from([0])])],
  ])('refuses what is %s', (code, bytes) => {
    expect(decodeTftp(bytes)).toMatchObject({ ok: false, code });
  });

  it('reads option names in any case', () => {
    const bytes = Buffer.from('\0\x01f\0OCTET\0BlkSize\x001024\0', 'latin1');
    expect(decodeTftp(bytes)).toMatchObject({
      value: { mode: 'octet', options: options({ blksize: '1024' }) },
    });
  });
});

describe('negotiation', () => {
  it('answers what was asked, lowers and never raises', () => {
    const terms = negotiate(
      options({ blksize: '65464', windowsize: '64', tsize: '0', timeout: '3', other: 'x' }),
      5000,
    );
    expect(Object.fromEntries(terms.accepted)).toEqual({
      blksize: '1468',
      windowsize: '16',
      tsize: '5000',
      timeout: '3',
    });
    expect(negotiate(options({ blksize: '700' }), 1).blksizeBytes).toBe(700);
  });

  it('leaves out what is not acceptable', () => {
    const terms = negotiate(
      options({ blksize: '4', windowsize: '0', tsize: '7', timeout: '900' }),
      1,
    );
    expect(terms).toMatchObject({ blksizeBytes: 512, windowsize: 1, timeoutMs: 1000 });
    expect(terms.accepted.size).toBe(0);
  });
});

/** Runs a transfer against a receiver (RFC 7440) over a link that loses, repeats and swaps datagrams. */
function receive(
  bytes: Uint8Array,
  asked: Record<string, string>,
  chance: () => number,
): { result: TransferResult | undefined; got: Buffer } {
  const terms = negotiate(options(asked), bytes.length);
  const transfer = createTransfer(bytes, terms);
  const blocks: Uint8Array[] = [];
  let inWindow = 0;
  let result: TransferResult | undefined;
  let toSend: Step = transfer.start();
  for (let round = 0; round < 20_000 && !result; round++) {
    const link = toSend.send.flatMap((datagram) =>
      chance() < 0.05 ? [] : chance() < 0.05 ? [datagram, datagram] : [datagram],
    );
    for (let at = 1; at < link.length; at++) {
      const [before, here] = [link[at - 1], link[at]];
      if (before && here && chance() < 0.05) [link[at - 1], link[at]] = [here, before];
    }
    const acks: number[] = [];
    for (const datagram of link) {
      const packet = decodeTftp(datagram);
      if (!packet.ok) throw new Error(packet.code);
      if (packet.value.opcode === OPCODE.oack) acks.push(0);
      if (packet.value.opcode !== OPCODE.data) continue;
      const expected = (blocks.length + 1) & 0xffff;
      if (packet.value.block === expected) {
        blocks.push(packet.value.bytes);
        inWindow += 1;
        if (inWindow < terms.windowsize && packet.value.bytes.length === terms.blksizeBytes)
          continue;
      }
      inWindow = 0;
      acks.push(blocks.length & 0xffff);
    }
    let next: Step = { send: [] };
    for (const ack of acks) {
      if (chance() < 0.05) continue;
      const step = transfer.onAck(ack);
      if (step.send.length > 0 || step.result) next = step;
    }
    if (next.send.length === 0 && !next.result) next = transfer.onTimeout();
    result = next.result;
    toSend = next;
  }
  return { result, got: Buffer.concat(blocks) };
}

describe('a transfer', () => {
  it.each([1, 4, 16])(
    'arrives whole through loss, repetition and swaps, window %i',
    (windowsize) => {
      fc.assert(
        fc.property(
          fc.integer({ min: 0, max: 40_000 }),
          fc.infiniteStream(fc.double({ min: 0, max: 0.999, noNaN: true })),
          (size, stream) => {
            const bytes = Buffer.alloc(size, 'x');
            for (let at = 0; at + 4 <= size; at += 4) bytes.writeUInt32BE(at, at);
            const { result, got } = receive(
              bytes,
              { blksize: '512', windowsize: String(windowsize) },
              () => stream.next().value ?? 0.5,
            );
            // Six losses of the same datagram in a row end a transfer, as they should; then it must say so.
            if (result?.ok) expect(got.equals(bytes)).toBe(true);
            else expect(result).toMatchObject({ ok: false });
          },
        ),
        { numRuns: 60 },
      );
    },
  );

  it('arrives whole on a clean link, and wraps its block counter to 0', () => {
    const bytes = randomBytes(8 * 70_000);
    const { result, got } = receive(bytes, { blksize: '8', windowsize: '16' }, () => 0.5);
    expect(result).toEqual({ ok: true, retransmits: 0 });
    expect(got.equals(bytes)).toBe(true);
  });

  it('ends with an empty block when the size is a multiple of the block size', () => {
    const transfer = createTransfer(new Uint8Array(1024), negotiate(new Map(), 1024));
    expect(transfer.start().send[0]).toHaveLength(516);
    expect(transfer.onAck(1).send[0]).toHaveLength(516);
    expect(transfer.onAck(2).send[0]).toHaveLength(4);
    expect(transfer.onAck(3).result).toEqual({ ok: true, retransmits: 0 });
  });

  it('sends nothing for a duplicate ACK', () => {
    const transfer = createTransfer(new Uint8Array(5000), negotiate(new Map(), 5000));
    transfer.start();
    expect(transfer.onAck(1).send).toHaveLength(1);
    expect(transfer.onAck(1)).toEqual({ send: [] });
    expect(transfer.onAck(0)).toEqual({ send: [] });
  });

  it('knows the size probe of UEFI firmware from a failure', () => {
    const terms = negotiate(options({ tsize: '0', blksize: '1468' }), 9000);
    const probing = createTransfer(new Uint8Array(9000), terms);
    probing.start();
    expect(probing.onError(8, 'User aborted the transfer').result).toMatchObject({
      ok: false,
      probe: true,
    });
    const failing = createTransfer(new Uint8Array(9000), terms);
    failing.start();
    failing.onAck(0);
    failing.onAck(1);
    expect(failing.onError(3, 'disk full').result).toMatchObject({
      ok: false,
      probe: false,
      block: 1,
    });
  });

  it('is complete when the client leaves with the last block on its way, and broken before', () => {
    const transfer = () => createTransfer(new Uint8Array(1500), negotiate(new Map(), 1500));
    const early = transfer();
    early.start();
    early.onAck(1);
    expect(early.onGone('connection refused').result).toMatchObject({ ok: false, block: 1 });
    const late = transfer();
    late.start();
    late.onAck(1);
    late.onAck(2);
    expect(late.onGone('connection refused').result).toMatchObject({ ok: true });
  });

  it('gives up after its retries, and says where', () => {
    const transfer = createTransfer(new Uint8Array(5000), negotiate(new Map(), 5000));
    transfer.start();
    const waits = Array.from({ length: 6 }, () => transfer.onTimeout());
    expect(waits.slice(0, 5).map((step) => step.waitMs)).toEqual([
      2000, 4000, 8000, 16_000, 32_000,
    ]);
    expect(waits[5]?.result).toMatchObject({ ok: false, block: 0 });
  });
});

describe('names', () => {
  it.each([
    ['/undionly.kpxe', 'undionly.kpxe'],
    ['\\boot\\x.efi', 'boot/x.efi'],
    ['//a///b', 'a/b'],
    ['snponly.efi\xff\xff junk', 'snponly.efi'],
    ['snponly.efi   ', 'snponly.efi'],
    ['../../etc/passwd', undefined],
    ['a/../../x', undefined],
    ['..\\..\\x', undefined],
    ['\xff', undefined],
    ['', undefined],
  ])('%j is %j', (raw, expected) => expect(cleanFileName(raw)).toBe(expected));

  it('never lead out of the root, links included', () => {
    const root = mkdtempSync(join(tmpdir(), 'reveille-test-'));
    writeFileSync(join(root, 'inside'), 'x');
    symlinkSync('/etc/hostname', join(root, 'out'));
    symlinkSync('inside', join(root, 'link'));
    expect(resolveInside(root, 'inside')).toBe(join(root, 'inside'));
    expect(resolveInside(root, 'link')).toBe(join(root, 'inside'));
    for (const name of [
      'out',
      '../etc/passwd',
      '..',
      '.',
      '',
      '/etc/passwd',
      'missing',
      'a\0b',
      `${'../'.repeat(20)}etc/passwd`,
    ]) {
      expect(resolveInside(root, name)).toBeUndefined();
    }
  });
});

describe('the server', () => {
  let server: TestServer | undefined;
  afterEach(async () => {
    await server?.close();
    server = undefined;
  });
  const big = randomBytes(1_000_000);
  const sha = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

  it.each([1, 4, 16])('serves an independent client, window %i', async (windowSize) => {
    server = await startTftpServer({ 'big.bin': big });
    const require = createRequire(import.meta.url);
    const peer = require('tftp') as {
      createClient(options: object): { createGetStream(file: string): NodeJS.ReadableStream };
    };
    const client = peer.createClient({
      host: '127.0.0.1',
      port: server.port,
      windowSize,
      timeout: 200,
    });
    const chunks: Buffer[] = [];
    // This old stream closes without a proper end, so its own events are listened to; the hash is the judge.
    const stream = client.createGetStream('big.bin');
    await new Promise((resolve, reject) => {
      stream.on('data', (chunk: Buffer) => chunks.push(chunk));
      stream.on('error', reject);
      stream.on('close', resolve);
    });
    expect(sha(Buffer.concat(chunks))).toBe(sha(big));
    expect(server.events.map(({ name }) => name)).toContain('tftp.started');
  });

  it.each([
    [
      'a missing file',
      encodeRequest({ opcode: 1, file: 'nothing', mode: 'octet', options: new Map() }),
      1,
    ],
    [
      'a write',
      encodeRequest({ opcode: 2, file: 'big.bin', mode: 'octet', options: new Map() }),
      2,
    ],
    [
      'a path outside',
      encodeRequest({ opcode: 1, file: '../../etc/passwd', mode: 'octet', options: new Map() }),
      2,
    ],
    [
      'netascii',
      encodeRequest({ opcode: 1, file: 'big.bin', mode: 'netascii', options: new Map() }),
      0,
    ],
  ])('refuses %s with an error that says why', async (_what, request, code) => {
    server = await startTftpServer({ 'big.bin': big });
    const answer = await ask(server.port, request);
    expect(decodeTftp(answer)).toMatchObject({ ok: true, value: { opcode: OPCODE.error, code } });
  });

  it('survives random datagrams on both of its ports', async () => {
    server = await startTftpServer({ 'big.bin': big });
    const socket = dgram.createSocket('udp4');
    const transferPort = await new Promise<number>((resolve) => {
      socket.once('message', (_bytes, from) => resolve(from.port));
      socket.send(
        encodeRequest({
          opcode: 1,
          file: 'big.bin',
          mode: 'octet',
          options: options({ blksize: '1000' }),
        }),
        server?.port,
        '127.0.0.1',
      );
    });
    for (let n = 0; n < 300; n++) {
      const port = n % 2 ? transferPort : server.port;
      await new Promise((sent) => socket.send(randomBytes(n % 64), port, '127.0.0.1', sent));
    }
    socket.close();
    const answer = await ask(
      server.port,
      encodeRequest({ opcode: 1, file: 'nothing', mode: 'octet', options: new Map() }),
    );
    expect(decodeTftp(answer)).toMatchObject({ value: { code: 1 } });
    expect(server.errors).toEqual([]);
  });
});

function ask(port: number, request: Uint8Array): Promise<Buffer> {
  const socket = dgram.createSocket('udp4');
  return new Promise((resolve) => {
    socket.once('message', (bytes) => {
      socket.close();
      resolve(bytes);
    });
    socket.send(request, port, '127.0.0.1');
  });
}
