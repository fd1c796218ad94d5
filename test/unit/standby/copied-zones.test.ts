/** Zones that come while a follower's name server starts are shown by it, as those that come later are. */
import { join } from 'node:path';
import { pino } from 'pino';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { type Follower, openFollower } from '../../../src/daemon/standby-follow.ts';
import { openInventory } from '../../../src/inventory/inventory.ts';
import { openDatabase } from '../../../src/platform/sqlite.ts';
import { tablesOf } from '../../../src/standby/change-log.ts';
import { setPlace } from '../../../src/standby/copy.ts';
import type { Millis } from '../../../src/wire/time.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

let folder: string;
let follower: Follower;
let zonesCome: () => void;
beforeEach(() => {
  folder = temporaryFolder('copied-zones');
  const file = join(folder, 'reveille.db');
  const db = openDatabase(file);
  openInventory({ db, clock: () => 1_000_000 as Millis });
  setPlace(db, { run: 'r', seq: 0 });
  const table = tablesOf(db).find(({ name }) => name.startsWith('dns_'));
  db.close();
  if (!table) throw new Error('no table of zones');
  follower = openFollower(file, pino({ level: 'silent' }));
  const at = follower.open(() => undefined);
  if (!at) throw new Error('no copy');
  const { name, columns, key } = table;
  let to = 0;
  zonesCome = () => {
    to += 1;
    const change = { table: name, columns: [...columns], key: [...key], rows: [], gone: [] };
    follower.apply({ kind: 'rows', changes: [change], to }, at);
  };
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
});
afterEach(async () => {
  vi.useRealTimers();
  follower.pause();
  await follower.close();
});

it('shows what came before it could be shown', () => {
  const show = vi.fn();
  zonesCome();
  follower.onZones(show);
  vi.runAllTimers();
  expect(show).toHaveBeenCalledTimes(1);
});

it('shows many changes at once, and nothing when nothing is entered any more', () => {
  const show = vi.fn();
  follower.onZones(show);
  vi.runAllTimers();
  show.mockClear();
  zonesCome();
  zonesCome();
  vi.runAllTimers();
  expect(show).toHaveBeenCalledTimes(1);
  zonesCome();
  follower.pause();
  vi.runAllTimers();
  expect(show).toHaveBeenCalledTimes(1);
});
