/** What machines were told lasts for as long as it was said, also when the time of day by which it is kept is set. */
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { openTold } from '../../../src/daemon/standby-told.ts';
import type { Ipv4 } from '../../../src/wire/ipv4.ts';
import type { Mac } from '../../../src/wire/mac.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

const DAY_MS = 86_400_000;
const ADDRESS = 10 as Ipv4;
const [ONE, TWO] = ['02:00:00:00:00:01' as Mac, '02:00:00:00:00:02' as Mac];
let folder: string;
beforeEach(() => {
  folder = temporaryFolder('told');
  vi.useFakeTimers({ toFake: ['Date', 'performance', 'setTimeout'] });
});
afterEach(() => {
  vi.useRealTimers();
});

it.each([3_700_000, -3_700_000])('a clock that is set by %d ms, and a restart', (byMs) => {
  const file = join(folder, 'told');
  const told = openTold(file, DAY_MS);
  const done = vi.fn();
  told.tell('s', ADDRESS, { mac: ONE, seconds: 3600 });
  told.whenKept(done);
  vi.advanceTimersByTime(100);
  vi.setSystemTime(Date.now() + byMs);
  told.clockSet();
  told.whenKept(done);
  vi.advanceTimersByTime(100);
  expect(done.mock.calls).toEqual([[undefined], [undefined]]);
  const again = openTold(file, DAY_MS);
  vi.advanceTimersByTime(3_590_000);
  expect(again.isAnothers('s', ADDRESS, TWO)).toBe(true);
  vi.advanceTimersByTime(20_000);
  expect(again.isAnothers('s', ADDRESS, TWO)).toBe(false);
});

it('what seems to have been told for longer than any lease was written by a clock that was ahead', () => {
  const file = join(folder, 'told');
  const told = openTold(file, DAY_MS);
  told.tell('s', ADDRESS, { mac: ONE, seconds: 3600 });
  told.whenKept(() => undefined);
  vi.advanceTimersByTime(100);
  vi.setSystemTime(Date.now() - 365 * DAY_MS);
  const again = openTold(file, DAY_MS);
  vi.advanceTimersByTime(DAY_MS - 1000);
  expect(again.isAnothers('s', ADDRESS, TWO)).toBe(true);
  vi.advanceTimersByTime(2000);
  expect(again.isAnothers('s', ADDRESS, TWO)).toBe(false);
});
