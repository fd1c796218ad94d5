import { randomBytes } from 'node:crypto';
import { symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { resolveInside } from '../../../src/platform/safe-path.ts';
import { cleanFileName } from '../../../src/tftp/file-name.ts';
import { negotiate } from '../../../src/tftp/negotiate.ts';
import {
  ackedBlock,
  decodeTftp,
  encodeAck,
  encodeData,
  encodeError,
  encodeOack,
  encodeRequest,
  OPCODE,
} from '../../../src/tftp/packet.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

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

describe('the block of an ACK', () => {
  it('is read of the same packets, and to the same number, as by the decoder', () => {
    for (let n = 0; n < 20_000; n++) {
      const bytes = randomBytes(n % 8);
      if (bytes.length > 1) bytes.set([0, n % 7]);
      const packet = decodeTftp(bytes);
      const isAck = packet.ok && packet.value.opcode === OPCODE.ack;
      expect(ackedBlock(bytes)).toBe(isAck ? packet.value.block : undefined);
    }
    expect(ackedBlock(encodeAck(65_535))).toBe(65_535);
    expect(ackedBlock(Uint8Array.of(1, 4, 0, 1))).toBe(undefined);
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
      windowsize: '32',
      tsize: '5000',
      timeout: '3',
    });
    expect(negotiate(options({ blksize: '700' }), 1).blksizeBytes).toBe(700);
    expect(negotiate(options({ windowsize: '4' }), 1).windowsize).toBe(4);
    expect(negotiate(options({ timeout: '3' }), 1).timeoutMs).toBe(3000);
    expect(negotiate(options({ rollover: '1' }), 1).rollover).toBe(1);
    expect(negotiate(new Map(), 1).rollover).toBe(0);
  });

  it('sends who asked for no size the blocks of RFC 1350, whatever it bears', () => {
    expect(negotiate(options({ tsize: '0' }), 1, 256).blksizeBytes).toBe(512);
    expect(negotiate(options({ blksize: '1468' }), 1, 256).blksizeBytes).toBe(256);
  });

  it('leaves out what is not acceptable', () => {
    const terms = negotiate(
      options({ blksize: '4', windowsize: '0', tsize: '7', timeout: '900', rollover: '2' }),
      1,
    );
    expect(terms).toMatchObject({ blksizeBytes: 512, windowsize: 1, timeoutMs: 4000 });
    expect(terms.accepted.size).toBe(0);
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
    const root = temporaryFolder('test');
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
