/** A wait ends when nothing moves, however fast or slow the computer is. */
import { describe, expect, it } from 'vitest';
import { createMoves, PATIENCE_MS, STILL_MS, waitPatiently } from '../../../qemu-lab/patience.ts';
import type { StoredEvent } from '../../../src/events.ts';

let number = 0;
const event = (name: string, data: object = {}) => {
  number += 1;
  return { id: number, at: 0, name, hardwarename: 'M', data } as unknown as StoredEvent;
};

/** Waits on a clock of its own, on which something may happen at each look. */
function wait(happens: (second: number, events: StoredEvent[]) => boolean) {
  const events: StoredEvent[] = [];
  let now = 0;
  return waitPatiently({
    what: 'the end',
    moves: createMoves(async () => events),
    howFar: async () => 'far',
    now: () => now,
    async pause(ms) {
      now += ms;
    },
    probe: async () => (happens(now / 1000, events) ? now : undefined),
  });
}
const progress = (percent: number) => event('agent.progress', { job: '1', phase: 'copy', percent });

describe('a patient wait', () => {
  it('lasts as long as something moves, much longer than it may be still', async () => {
    const ended = wait((second, events) => {
      if (second % 200 === 0) events.push(progress(second / 200));
      return second === 2000;
    });
    expect(await ended).toBe(2_000_000);
  });

  it.each([
    ['nothing', (): StoredEvent[] => []],
    ['packets and retries', () => [event('dhcp.offered'), event('job.retry')]],
    ['an agent that says the same again', () => [progress(7)]],
  ] as const)('ends when there is but %s', async (_what, more) => {
    const ended = wait((second, events) => {
      if (second % 10 === 0) events.push(...more());
      return second * 1000 > 2 * STILL_MS;
    });
    await expect(ended).rejects.toThrow(
      /^waited 30\d s for: the end; nothing has moved for 30\d s. far$/,
    );
  });

  it('ends when everything goes round in circles', async () => {
    const ended = wait((second, events) => {
      if (second % 60 === 0) events.push(event('ipxe.script'));
      return second * 1000 > 2 * PATIENCE_MS;
    });
    await expect(ended).rejects.toThrow(/^waited 3601 s for/);
  });
});
