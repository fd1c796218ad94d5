/** When the feed is another: after a restore (test/unit/platform/restore.test.ts), and after a power cut. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { endRun, epochOf, formatCursor, parseCursor } from '../../../src/inventory/feed-epoch.ts';
import { openInventory } from '../../../src/inventory/inventory.ts';
import { createWorld } from '../../support/world.ts';

describe('the epoch of the feed', () => {
  it('is another when the operating system went down under a run, and only then', () => {
    const { db, clock } = createWorld();
    const run = (osBoot?: string) => {
      const { serverdb } = openInventory({ db, clock, osBoot });
      return serverdb.history.epoch();
    };
    const first = epochOf(db);
    expect(run('boot-1')).toBe(first);
    // Killed, and started again: the kernel has what was committed.
    expect(run('boot-1')).toBe(first);
    // The command line beside it begins no run.
    expect(run()).toBe(first);
    const second = run('boot-2');
    expect(second).not.toBe(first);
    endRun(db);
    expect(run('boot-3')).toBe(second);
    expect(run('boot-4')).not.toBe(second);
  });
});

describe('a cursor', () => {
  it('is read as it was written, and nothing else is read', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 1e15 - 1 }),
        fc.stringMatching(/^[0-9a-f]{1,32}$/),
        (id, epoch) => {
          expect(parseCursor(formatCursor(id, epoch))).toEqual({ id, epoch });
          expect(parseCursor(String(id))).toEqual({ id, epoch: undefined });
        },
      ),
    );
    for (const text of ['', '-1', '1.', '.a', '1.G', ' 1', '1 ', '1'.repeat(16)])
      expect(parseCursor(text), text).toBeUndefined();
  });
});
