/** Files of images at central's own disk. */
import { createHash } from 'node:crypto';
import { readdirSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { openFleetBlobs } from '../../../src/central/blobs.ts';
import { limit } from '../../../src/limits.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

it('lose what was left of an upload a day ago, and not what another instance is at', async () => {
  const folder = temporaryFolder('blobs');
  const old = (Date.now() - limit('fleetPartKeptMs')) / 1000 - 60;
  writeFileSync(join(folder, 'part-left'), 'x');
  utimesSync(join(folder, 'part-left'), old, old);
  writeFileSync(join(folder, 'part-of-another'), 'x');
  const bytes = Buffer.from('an image');
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  const kept = createHash('sha256').update('kept').digest('hex');
  writeFileSync(join(folder, kept), 'kept');
  utimesSync(join(folder, kept), old, old);
  const take = async function* () {
    yield bytes;
  };
  await openFleetBlobs(folder).take(sha256, take());
  expect(readdirSync(folder).sort()).toEqual([sha256, kept, 'part-of-another'].sort());
});
