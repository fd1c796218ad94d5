import { describe, expect, it } from 'vitest';
import { LIMITS } from '../../../src/limits.ts';
import { negotiate } from '../../../src/tftp/negotiate.ts';
import { createRetransmitTimer } from '../../../src/tftp/rtt.ts';
import { createTransfer } from '../../../src/tftp/transfer.ts';
import { blockNumber } from '../../../src/wire/block-number.ts';
import { createTftpWorld, endpoint, fetchFile } from '../../support/tftp-world.ts';

const begin = (size: number, words: Record<string, string> = {}) => {
  const transfer = createTransfer(size, negotiate(new Map(Object.entries(words)), size));
  expect(transfer.start(0)).toMatchObject({ kind: 'send' });
  transfer.sent(0);
  return transfer;
};

describe('a transfer', () => {
  it('ends with an empty block when the size is a multiple of the block size', () => {
    const transfer = begin(1024);
    expect(transfer.blocks).toBe(3);
    expect(transfer.onAck(1, 1)).toEqual({ kind: 'send', first: 2, last: 2 });
    expect(transfer.onAck(2, 2)).toEqual({ kind: 'send', first: 3, last: 3 });
    expect(transfer.onAck(3, 3)).toEqual({ kind: 'end', result: { ok: true, retransmits: 0 } });
  });

  it('of an empty file is one empty block', () => {
    const transfer = begin(0);
    expect(transfer.onAck(1, 1)).toMatchObject({ kind: 'end', result: { ok: true } });
  });

  it('sends nothing for a duplicate ACK, nor for one of a block that was never sent', () => {
    const transfer = begin(5000);
    expect(transfer.onAck(1, 1)).toMatchObject({ kind: 'send' });
    transfer.sent(1);
    for (const low of [1, 0]) {
      expect(transfer.onAck(low, 500)).toEqual({ kind: 'nothing', why: 'duplicate' });
    }
    expect(transfer.onAck(7, 500)).toEqual({ kind: 'nothing', why: 'stray' });
  });

  it('starts again where an ACK inside the window says that a block is missing', () => {
    const transfer = begin(50_000, { windowsize: '8' });
    expect(transfer.onAck(0, 1)).toEqual({ kind: 'send', first: 1, last: 8 });
    expect(transfer.onAck(3, 2)).toEqual({ kind: 'send', first: 4, last: 11 });
  });

  it('believes a duplicate ACK of a window once, and not at once', () => {
    const transfer = begin(500_000, { windowsize: '8' });
    transfer.onAck(0, 10);
    transfer.sent(10);
    transfer.onAck(8, 20);
    transfer.sent(20);
    expect(transfer.onAck(8, 21)).toEqual({ kind: 'nothing', why: 'duplicate' });
    expect(transfer.onAck(8, 30)).toEqual({ kind: 'send', first: 9, last: 16 });
    transfer.sent(30);
    expect(transfer.onAck(8, 45)).toEqual({ kind: 'nothing', why: 'duplicate' });
    transfer.onAck(16, 46);
    transfer.sent(46);
    // The answer to the repeated window comes a second time: that must not start another round.
    expect(transfer.onAck(16, 60)).toEqual({ kind: 'nothing', why: 'duplicate' });
  });

  it('takes an ACK that may be of a repeated block for no loss, until two round trips are over', () => {
    const transfer = begin(500_000, { windowsize: '8' });
    transfer.onAck(0, 1);
    transfer.sent(1);
    transfer.onAck(8, 2);
    transfer.sent(2);
    // Block 16 is lost. Each block of the repeated window is answered with 15.
    expect(transfer.onTimeout(52)).toEqual({ kind: 'send', first: 9, last: 16 });
    transfer.sent(52);
    expect(transfer.onAck(15, 53)).toEqual({ kind: 'send', first: 17, last: 23 });
    transfer.sent(53);
    expect(transfer.dueAt).toBe(53 + LIMITS.tftpHoldShortestMs.value);
    expect(transfer.onAck(15, 54)).toEqual({ kind: 'nothing', why: 'duplicate' });
    expect(transfer.dueAt).toBe(54 + LIMITS.tftpHoldShortestMs.value);
    expect(transfer.onTimeout(56)).toEqual({ kind: 'send', first: 16, last: 23 });
    transfer.sent(56);
    expect(transfer.onAck(23, 57)).toEqual({ kind: 'send', first: 24, last: 31 });
    transfer.sent(57);
    // Beyond all that was repeated: a loss.
    expect(transfer.onAck(26, 58)).toEqual({ kind: 'send', first: 27, last: 34 });
  });

  it.each([
    [8, 'User aborted the transfer'],
    [0, 'TFTP Aborted'],
  ])('knows the size probe of firmware (error %i) from a failure', (code, message) => {
    const probing = begin(9000, { tsize: '0', blksize: '1468' });
    expect(probing.onError(code, message)).toMatchObject({ result: { ok: false, probe: true } });
    const failing = begin(9000, { tsize: '0', blksize: '1468' });
    failing.onAck(0, 1);
    failing.onAck(1, 2);
    expect(failing.onError(code, 'disk full')).toMatchObject({
      result: { ok: false, probe: false, block: 1, why: 'the client aborted: disk full' },
    });
  });

  it('is complete when the client leaves with the last block on its way, and broken before', () => {
    const early = begin(1500);
    early.onAck(1, 1);
    expect(early.onGone('gone')).toMatchObject({ result: { ok: false, block: 1, why: 'gone' } });
    const late = begin(1500);
    late.onAck(1, 1);
    late.onAck(2, 2);
    late.sent(2);
    expect(late.onGone('gone')).toMatchObject({ result: { ok: true } });
    const unsent = begin(1500);
    unsent.onAck(1, 1);
    unsent.onAck(2, 2);
    expect(unsent.onGone('gone')).toMatchObject({ result: { ok: false, block: 2 } });
    const negotiating = begin(100, { tsize: '0' });
    expect(negotiating.onGone('gone')).toMatchObject({ result: { ok: false } });
  });

  it.each([
    ['the options were never acknowledged', { tsize: '0' }, []],
    ['the client stopped answering', {}, [1]],
    ['the last block was never acknowledged', {}, [1, 2, 3, 4, 5, 6, 7, 8, 9]],
  ])('gives up after the silence that its table allows: %s', (why, words, acks) => {
    const transfer = begin(5000, words as Record<string, string>);
    for (const low of acks) transfer.onAck(low, 1), transfer.sent(1);
    let step = transfer.onTimeout(transfer.dueAt);
    let waits = 0;
    for (; step.kind === 'send' && waits < 100; waits++) {
      const now = transfer.dueAt;
      transfer.sent(now);
      step = transfer.onTimeout(transfer.dueAt);
    }
    expect(step).toMatchObject({ kind: 'end', result: { ok: false, why } });
    expect(waits).toBeLessThan(20);
    expect(transfer.onAck(1, 1)).toEqual({ kind: 'nothing', why: 'ended' });
  });
});

describe('block numbers', () => {
  it.each([
    [0, '0'],
    [1, '1'],
  ] as const)('go on at %i after 65,535, through the whole transfer', (rollover, word) => {
    expect(blockNumber(65_535, rollover)).toBe(65_535);
    expect(blockNumber(65_536, rollover)).toBe(rollover);
    const bytes = Buffer.alloc(8 * 66_000, 'reveille');
    bytes.writeUInt32BE(0xcafe, 8 * 65_600);
    const world = createTftpWorld({ f: bytes });
    const words = { blksize: '8', windowsize: '32', ...(rollover ? { rollover: word } : {}) };
    const fetch = fetchFile(world, endpoint(), 'f', words);
    world.run(600_000, () => fetch.outcome() !== 'running' && world.engine.active === 0);
    expect(fetch.got().equals(bytes)).toBe(true);
    expect(world.events.at(-1)).toMatchObject({ name: 'tftp.sent', data: { retransmits: 0 } });
  });
});

describe('the wait', () => {
  it('follows what was measured, doubles, and stays below the ceiling', () => {
    const timer = createRetransmitTimer(3000);
    expect([0, 1, 2, 3].map((tries) => timer.waitMs(tries))).toEqual([1000, 2000, 3000, 3000]);
    for (let n = 0; n < 20; n++) timer.sample(100);
    expect(timer.waitMs(0)).toBeGreaterThanOrEqual(100);
    expect(timer.waitMs(0)).toBeLessThan(150);
    for (let n = 0; n < 50; n++) timer.sample(0.2);
    expect(timer.waitMs(0)).toBe(LIMITS.tftpShortestWaitMs.value);
    expect(timer.waitMs(30)).toBe(3000);
  });

  it('a window fits into one chunk, so a run never spans three', () => {
    const { tftpWindowsizeMax, tftpBlksizeBytesMax, tftpChunkBytes } = LIMITS;
    expect(tftpWindowsizeMax.value * tftpBlksizeBytesMax.value).toBeLessThan(tftpChunkBytes.value);
  });
});
