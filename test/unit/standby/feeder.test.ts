/** From when on promises wait for the standby's word, none leaves without it for as long as it is there. */
import { expect, it, vi } from 'vitest';
import type { ChangeLog } from '../../../src/standby/change-log.ts';
import { createFeeder } from '../../../src/standby/feeder.ts';

function feeding() {
  let head = 10;
  const log: ChangeLog = {
    head: () => head,
    floor: () => 0,
    read: () => [],
    forget: () => undefined,
  };
  const onWhole = vi.fn();
  const feeder = createFeeder({
    ...{ log, run: 'r', onWhole, send: () => undefined, sendCopy: async () => undefined },
    onError: (error) => {
      throw error;
    },
  });
  const promise = () => {
    head += 1;
    const told = vi.fn();
    feeder.confirm(told);
    return told;
  };
  return { feeder, onWhole, promise };
}

it('lets nothing leave while the standby catches up, though nobody could take over yet', () => {
  const { feeder, onWhole, promise } = feeding();
  feeder.begin({ run: 'r', seq: 5 });
  const before = promise();
  expect(before).toHaveBeenCalledTimes(1);
  // It is near, and what is promised waits from here on; it has not everything yet.
  feeder.acked(10);
  expect(feeder.waits()).toBe(true);
  expect(feeder.isWhole()).toBe(false);
  const meanwhile = promise();
  feeder.release();
  expect(meanwhile).not.toHaveBeenCalled();
  feeder.acked(11);
  expect(onWhole).toHaveBeenCalledTimes(1);
  expect(meanwhile).not.toHaveBeenCalled();
  feeder.acked(12);
  expect(meanwhile).toHaveBeenCalledTimes(1);
  expect(promise()).not.toHaveBeenCalled();
});

it('answers those who wait when the line is lost', () => {
  const { feeder, promise } = feeding();
  feeder.begin({ run: 'r', seq: 5 });
  promise();
  feeder.acked(10);
  const waiting = promise();
  feeder.end();
  feeder.release();
  expect(waiting).toHaveBeenCalledExactlyOnceWith(undefined);
});

it('tells nobody of a lease that the standby did not hear of: it may take over, and give the address away', () => {
  const { feeder, promise } = feeding();
  feeder.begin({ run: 'r', seq: 5 });
  promise();
  feeder.acked(10);
  promise();
  const leased = vi.fn();
  feeder.promise(leased);
  feeder.end();
  feeder.release();
  expect(leased).toHaveBeenCalledExactlyOnceWith(expect.any(Error));
  const next = vi.fn();
  feeder.promise(next);
  expect(next).toHaveBeenCalledExactlyOnceWith();
});

it('refuses them at once when the right is over', () => {
  const { feeder, promise } = feeding();
  feeder.begin({ run: 'r', seq: 5 });
  promise();
  feeder.acked(10);
  const waiting = promise();
  const error = new Error('not active');
  feeder.release(error);
  expect(waiting).toHaveBeenCalledExactlyOnceWith(error);
});

it('knows of a moment whether the standby has what was committed by then, on this line alone', () => {
  const { feeder, promise } = feeding();
  feeder.begin({ run: 'r', seq: 5 });
  const early = feeder.mark();
  promise();
  const late = feeder.mark();
  feeder.acked(10);
  expect([early(), late()]).toEqual([false, false]);
  feeder.acked(11);
  expect([early(), late()]).toEqual([true, true]);
  feeder.end();
  expect([early(), late()]).toEqual([false, false]);
});

it('a copy that is under way on an older line is none on this one', async () => {
  const sent: (() => void)[] = [];
  const log: ChangeLog = { head: () => 1, floor: () => 0, read: () => [], forget: () => undefined };
  const feeder = createFeeder({
    ...{ log, run: 'r', onWhole: () => undefined, send: () => undefined, onError: () => undefined },
    sendCopy: () => new Promise((resolve) => sent.push(resolve)),
  });
  feeder.begin(undefined);
  expect(feeder.isCopying()).toBe(true);
  feeder.end();
  expect(feeder.isCopying()).toBe(false);
  feeder.begin(undefined);
  // The first one ends late.
  sent[0]?.();
  await Promise.resolve();
  expect(feeder.isCopying()).toBe(true);
});
