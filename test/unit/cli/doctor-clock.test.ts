/** A clock that was set back: what is on record would be in the future. */
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { doctor } from '../../../src/cli/people/doctor.ts';
import { parseConfig } from '../../../src/config.ts';
import { openDatabase } from '../../../src/platform/sqlite.ts';
import type { Millis } from '../../../src/wire/time.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { createWorld } from '../../support/world.ts';

it.each([
  ['in order', -1000, true],
  ['behind what has happened', 3_600_000, false],
])('the clock is %s', async (_what, aheadMs, ok) => {
  const file = join(temporaryFolder('clock'), 'reveille.db');
  const db = openDatabase(file);
  const { inventory, time } = createWorld(db);
  time.now = (Date.now() + aheadMs) as Millis;
  inventory.transaction(() =>
    inventory.events.append({ name: 'daemon.stopped', data: { signal: 'SIGTERM' } }),
  );
  db.close();
  const findings = await doctor(parseConfig(JSON.stringify({ database: { file } })));
  const clock = findings.find(({ check }) => check === 'clock');
  expect(clock).toMatchObject({ ok });
  if (ok) return;
  expect(clock?.found).toContain(`the newest event is of ${new Date(time.now).toISOString()}`);
  expect(clock?.mend).toContain('makestep');
});
