/** When the loop looks at a socket and when a timer does, with the loop and the socket played by the test. */
import dgram from 'node:dgram';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createReceiveTurns, watchOf } from '../../../src/platform/receive-turns.ts';

beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] }));
afterEach(() => void vi.useRealTimers());

function socket() {
  const done: string[] = [];
  let waiting = 0;
  const turns = createReceiveTurns({
    watch: { recvStart: () => done.push('watch'), recvStop: () => done.push('look away') },
    take() {
      const count = waiting;
      waiting = 0;
      if (count > 0) done.push(`took ${count}`);
      return count;
    },
  });
  return {
    done,
    turns,
    comes(count: number) {
      waiting += count;
    },
    wake(times: number, everyMs: number) {
      for (let time = 0; time < times; time++) {
        vi.advanceTimersByTime(everyMs);
        turns.woken();
      }
    },
  };
}

describe('the loop', () => {
  it('goes on watching while datagrams come one by one', () => {
    const { done, wake } = socket();
    wake(100, 5);
    expect(done).toEqual([]);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('looks away while they stream, a timer takes them, and watches again when none come', () => {
    const { done, wake, comes } = socket();
    wake(9, 1);
    expect(done).toEqual(['look away']);
    for (let turn = 0; turn < 3; turn++) {
      comes(5);
      vi.advanceTimersByTime(2);
    }
    vi.advanceTimersByTime(6);
    comes(2);
    vi.advanceTimersByTime(2);
    expect(done).toEqual(['look away', 'took 5', 'took 5', 'took 5', 'took 2']);
    vi.advanceTimersByTime(8);
    expect(done.at(-1)).toBe('watch');
    expect(vi.getTimerCount()).toBe(0);
    wake(2, 1);
    expect(done.at(-1)).toBe('watch');
    wake(8, 1);
    expect(done.at(-1)).toBe('look away');
  });

  it('is left alone once the socket is closed, also by what a turn takes', () => {
    const { done, wake, turns } = socket();
    wake(9, 1);
    turns.close();
    vi.advanceTimersByTime(100);
    expect(done).toEqual(['look away']);
  });
});

it('finds the handle behind a socket of this Node', async () => {
  vi.useRealTimers();
  const one = dgram.createSocket('udp4');
  await new Promise<void>((resolve) => one.bind(0, '127.0.0.1', resolve));
  expect(watchOf(one)).toMatchObject({});
  one.close();
  expect(watchOf(one)).toBeUndefined();
});
