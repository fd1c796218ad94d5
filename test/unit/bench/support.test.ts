import { describe, expect, it } from 'vitest';
import { readTrace } from '../../../bench/dhcp-durability.ts';
import { parseReport } from '../../../bench/support/perfdhcp.ts';
import { cpuSeconds, memoryOf, start, treeOf } from '../../../bench/support/process.ts';
import { withScope } from '../../../bench/support/scope.ts';
import { createSearch } from '../../../bench/support/search.ts';
import { median, percentile } from '../../../bench/support/stats.ts';
import { MESSAGE } from '../../../src/dhcp/options.ts';
import { encodePacket } from '../../../src/dhcp/packet.ts';
import { dhcpPacket, mac } from '../../support/world.ts';

describe('statistics', () => {
  it('takes the middle, of an even number the mean of the two', () => {
    expect(median([9, 1, 5])).toBe(5);
    expect(median([4, 1, 3, 2])).toBe(2.5);
    expect(() => median([])).toThrow('no values');
  });
  it('takes percentiles by nearest rank', () => {
    const values = Array.from({ length: 100 }, (_, index) => 100 - index);
    expect([0, 0.5, 0.99, 1].map((share) => percentile(values, share))).toEqual([1, 50, 99, 100]);
  });
});

describe('the search for a rate', () => {
  const find = (capacity: number, from: number, max = 100_000) => {
    const search = createSearch({ from, precision: 1.05, max });
    let runs = 0;
    for (let rate = search.next(); rate !== undefined; rate = search.next()) {
      search.record(rate, rate <= capacity);
      runs += 1;
    }
    return { best: search.best(), runs };
  };
  it.each([
    [1000, 1000],
    [7777, 500],
    [190, 4000],
    [11, 4000],
  ])('finds %d from %d to within 5 %%, never above it', (capacity, from) => {
    const { best, runs } = find(capacity, from);
    expect(best).toBeLessThanOrEqual(capacity);
    expect(best).toBeGreaterThanOrEqual(capacity / 1.06);
    expect(runs).toBeLessThan(16);
  });
  it('stops at the bounds', () => {
    expect(find(1e9, 100, 5000).best).toBe(5000);
    expect(find(0, 100).best).toBe(0);
  });
});

describe("perfdhcp's report", () => {
  const section = (name: string, sent: number, received: number, delay: string) =>
    `***Statistics for: ${name}***\nsent packets: ${sent}\nreceived packets: ${received}\n` +
    `drops: ${sent - received}\nmin delay: 0.1 ms\navg delay: ${delay} ms\n`;
  it('becomes figures of whole exchanges', () => {
    const text = `Rate: 416 4-way\n${section('DISCOVER-OFFER', 1000, 990, '0.25')}${section('REQUEST-ACK', 990, 950, '0.5')}`;
    expect(parseReport(text, 5)).toEqual({
      ...{ sentPerSecond: 200, completed: 950, meanDelayMs: 0.75 },
      lost: expect.closeTo(0.05, 9),
    });
  });
  it('of a server that never answered is a loss of everything', () => {
    const text = section('DISCOVER-OFFER', 10, 0, 'n/a') + section('REQUEST-ACK', 0, 0, '-nan');
    expect(parseReport(text, 1)).toMatchObject({ completed: 0, lost: 1, meanDelayMs: 0 });
  });
  it('that is none is refused', () => {
    expect(() => parseReport('usage: perfdhcp', 1)).toThrow('not a report');
  });
});

describe('the trace of a DHCP server', () => {
  const call = (name: string, type: number, xid: number, thread = 7) => {
    const packet = { ...dhcpPacket({ mac: mac('02:00:00:00:00:01'), type }), xid };
    const bytes = [...encodePacket(packet, 1472)].map((byte) => byte.toString(16).padStart(2, '0'));
    return `${thread} ${name}(5, {msg_iov=[{iov_base="\\x${bytes.join('\\x')}", iov_len=300}]}, 0) = 300`;
  };
  const request = (xid: number) => call('recvmsg', MESSAGE.request, xid);
  const ack = (xid: number) => call('sendmmsg', MESSAGE.ack, xid);
  it('shows which ACKs left after a sync that began after their REQUEST', () => {
    const [begins, returns] = ['8 fsync(9 <unfinished ...>', '8 <... fsync resumed>) = 0'];
    const trace = [
      ...[call('recvmsg', MESSAGE.discover, 1), call('sendmsg', MESSAGE.offer, 1)],
      ...[request(1), '7 fdatasync(9) = 0', request(2), ack(1)],
      // 3 came when the sync for 2 was under way: it may not have been written yet.
      ...[begins, request(3), returns, ack(2), ack(3)],
      ...[request(4), begins, ack(4), returns],
    ].join('\n');
    expect(readTrace(trace)).toEqual({ fsyncs: 3, ackAfterSync: 0.5 });
  });
  it('without an ACK says nothing, so it is refused', () => {
    expect(() => readTrace(request(1))).toThrow('no ACK');
  });
});

describe('a scope', () => {
  it('closes in reverse order, also when the work fails, and goes on after a close that fails', async () => {
    const closed: string[] = [];
    const work = withScope(async (scope) => {
      scope.defer(() => closed.push('first'));
      scope.defer(() => Promise.reject(new Error('a close that fails, on purpose')));
      scope.defer(() => closed.push('last'));
      throw new Error('work');
    });
    await expect(work).rejects.toThrow('work');
    expect(closed).toEqual(['last', 'first']);
  });
});

describe('a program', () => {
  it('is waited for by its output, measured, and ended with its scope', async () => {
    const { program, seconds, tree, bytes } = await withScope(async (scope) => {
      const busy = "console.log('up'); const end = Date.now() + 60_000; while (Date.now() < end);";
      const program = start({ scope, command: [process.execPath, '-e', busy] });
      expect(await program.line(/^up$/)).toBe('up');
      while (cpuSeconds(program.pid) < 0.05) await new Promise(setImmediate);
      const [seconds, tree] = [cpuSeconds(program.pid), treeOf(process.pid)];
      return { program, seconds, tree, bytes: memoryOf(program.pid) };
    });
    expect(seconds).toBeGreaterThan(0);
    expect(tree).toContain(program.pid);
    expect(bytes.rssBytes).toBeGreaterThan(1_000_000);
    expect(bytes.peakBytes).toBeGreaterThanOrEqual(bytes.rssBytes);
    expect(await program.ended).toEqual({ code: null, signal: 'SIGTERM' });
  });
  it('that ends before the awaited line says what it printed', async () => {
    await withScope(async (scope) => {
      const program = start({ scope, command: ['sh', '-c', 'echo oh no; exit 3'] });
      await expect(program.line(/^up$/)).rejects.toThrow(/ended\noh no/);
      expect(await program.ended).toEqual({ code: 3, signal: null });
    });
  });
});
