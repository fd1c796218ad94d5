/** What is kept of a right and what follows from it for addresses are one writing: a crash finds both or neither. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { withRight } from '../../../src/daemon/standby-footing.ts';
import { openPairState } from '../../../src/daemon/standby-state.ts';
import { createRight, FRESH } from '../../../src/standby/right.ts';

const MCLT_MS = 60_000;
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'reveille-footing-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

function started(file = join(folder, 'standby')) {
  const state = openPairState(file);
  const right = createRight(
    {
      ...{ member: 'a', witness: true, leaseMs: 4000, canServe: () => true, ask: () => undefined },
      keep: (kept, stale) => state.put(withRight(state.get(), kept, { mcltMs: MCLT_MS, stale })),
    },
    state.get().right,
    0,
  );
  return { state, right, kept: () => openPairState(file).get() };
}

it('is quiet from the writing on by which its right is lost, when it has promised what nobody heard of', () => {
  const { state, kept } = started();
  state.put({ right: { ...FRESH, epoch: 1, own: 1, copy: 1 }, unheard: true });
  // The first that is heard after a start, by a newer epoch.
  started().right.met({ epoch: 2, own: 2, copy: 2, unbegun: 0, ahead: false, active: true }, 0);
  expect(kept()).toMatchObject({ right: { epoch: 2, own: 1 }, unheard: false });
  expect(kept().quietUntil).toBeGreaterThan(Date.now() + MCLT_MS - 10_000);
});

it('is not, when all that it has promised was heard of', () => {
  const { state, kept } = started();
  state.put({ right: { ...FRESH, epoch: 1, own: 1, copy: 1 } });
  started().right.met({ epoch: 2, own: 2, copy: 2, unbegun: 0, ahead: false, active: true }, 0);
  expect(kept()).toMatchObject({ right: { epoch: 2, own: 1 }, quietUntil: 0 });
});
