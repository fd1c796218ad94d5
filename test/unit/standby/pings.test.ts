/** What an answer to a ping says of the moment when both had everything. */
import { expect, it } from 'vitest';
import { createPings } from '../../../src/standby/pings.ts';

it('is of the last ping by which the other one has all that was committed', () => {
  const pings = createPings();
  let acked = 0;
  const marked = (at: number) => () => acked >= at;
  const first = pings.sent(1000, marked(1));
  const second = pings.sent(2000, marked(2));
  expect(pings.answered(first)).toEqual({ sentAt: 1000, inStepAt: undefined });
  acked = 1;
  // It answers the second, and has not yet what was committed by then.
  expect(pings.answered(second)).toEqual({ sentAt: 2000, inStepAt: 1000 });
  acked = 2;
  expect(pings.answered(second)).toEqual({ sentAt: 2000, inStepAt: 2000 });
});

it('knows nothing of one that was told nothing, or of one that nobody sent', () => {
  const pings = createPings();
  expect(pings.answered(pings.sent(1000, undefined))).toEqual({
    sentAt: 1000,
    inStepAt: undefined,
  });
  expect(pings.answered(7)).toEqual({ sentAt: undefined, inStepAt: undefined });
});

it('keeps the newest hundred', () => {
  const pings = createPings();
  const first = pings.sent(0, undefined);
  for (let at = 1; at <= 100; at += 1) pings.sent(at, undefined);
  expect(pings.answered(first).sentAt).toBeUndefined();
  expect(pings.answered(first + 1).sentAt).toBe(1);
});
