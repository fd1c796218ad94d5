/** The files of a pair as a follower takes them: where it goes on, when it begins anew, and what is kept of before. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { parseConfig } from '../../../src/config.ts';
import { openStandbyCopy, type StandbyCopy } from '../../../src/daemon/standby-copy.ts';
import { openInventory } from '../../../src/inventory/inventory.ts';
import { openDatabase } from '../../../src/platform/sqlite.ts';
import { placeOf, setPlace } from '../../../src/standby/copy.ts';
import type { Millis } from '../../../src/wire/time.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

const BEFORE = { run: 'before', seq: 1 };
const PLACE = { run: 'now', seq: 7 };
let folder: string;
let file: string;
let whole: Buffer;
let copy: StandbyCopy;
let put: (() => void) | undefined;
const line = { send: vi.fn(), close: vi.fn() };

beforeEach(() => {
  folder = temporaryFolder('pair-files');
  file = join(folder, 'r.db');
  const db = openDatabase(file);
  openInventory({ db, clock: () => 1_000_000 as Millis });
  whole = db.serialize();
  setPlace(db, BEFORE);
  db.close();
  put = undefined;
  for (const one of Object.values(line)) one.mockReset();
  copy = openStandbyCopy({
    clockSetMs: () => 0,
    config: parseConfig(`database: { file: ${file} }`),
    log: pino({ level: 'silent' }),
    replace: (given) => {
      put = given;
    },
    onError: (error) => {
      throw error;
    },
  });
});
afterEach(async () => {
  copy.pause();
  await copy.close();
});

const open = () => copy.open(() => undefined);
const rows = (to: number) => copy.heard({ kind: 'rows', changes: [], to }, line as never);

async function closed(): Promise<void> {
  copy.pause();
  await copy.close();
}

/** A whole copy comes. @returns when all of it is here, and not in its place yet */
async function wholeComes(): Promise<() => Promise<void>> {
  put = undefined;
  const message = {
    kind: 'file',
    name: 'database',
    sizeBytes: whole.length,
    place: PLACE,
  } as const;
  copy.heard(message, line as never);
  copy.bytes(whole);
  return async () => {
    await expect.poll(() => put, { timeout: 5000 }).toBeDefined();
    await closed();
    put?.();
    open();
  };
}

it('begins anew when it is told what follows on a place that it has left', async () => {
  open();
  expect(copy.place()).toEqual(BEFORE);
  // Its hello says so; then it is apart for a moment, with what came meanwhile in its hands.
  await closed();
  rows(2);
  copy.leave('apart', 0);
  open();
  expect(line.close).toHaveBeenCalled();
  expect(line.send).not.toHaveBeenCalled();
  line.close.mockReset();
  rows(3);
  expect(line.close).toHaveBeenCalled();
});

it('takes what follows on a copy that is not in its place yet', async () => {
  open();
  const placed = await wholeComes();
  rows(8);
  expect(copy.place()).toBeUndefined();
  expect(line.send).not.toHaveBeenCalled();
  await placed();
  expect(copy.place()).toEqual({ ...PLACE, seq: 8 });
  expect(line.send).toHaveBeenCalledExactlyOnceWith({ kind: 'ack', to: 8 });
  expect(line.close).not.toHaveBeenCalled();
});

const setAside = () =>
  readdirSync(folder)
    .filter((name) => name.startsWith('r.db.set-aside'))
    .sort();

it('sets aside what was active, also when it was apart since', async () => {
  copy.leave('active', 0);
  copy.leave('apart', 0);
  await (await wholeComes())();
  expect(setAside()).toHaveLength(1);
});

it('keeps the newest of what was set aside, each as it was', async () => {
  for (const mark of [1, 2, 3, 4, 5]) {
    copy.leave('active', 0);
    const db = openDatabase(file);
    db.pragma(`user_version = ${mark}`);
    db.close();
    await (await wholeComes())();
    await closed();
  }
  const marks = setAside().map((name) => {
    const db = openDatabase(join(folder, name));
    const mark = db.pragma('user_version', { simple: true });
    db.close();
    return mark;
  });
  expect(marks).toEqual([3, 4, 5]);
});

it('puts no copy in place that another line has only begun to send', async () => {
  open();
  const placed = await wholeComes();
  await expect.poll(() => put, { timeout: 5000 }).toBeDefined();
  const first = put;
  // The line breaks, and on the next one a copy comes that is not whole before the first one takes its place.
  copy.cut();
  const newer = { run: 'newer', seq: 3 };
  copy.heard(
    { kind: 'file', name: 'database', sizeBytes: whole.length, place: newer },
    line as never,
  );
  copy.bytes(whole.subarray(0, 100));
  await placed();
  expect(whole.equals(readFileSync(file))).toBe(false);
  const db = openDatabase(file);
  expect(db.pragma('integrity_check', { simple: true })).toBe('ok');
  expect(placeOf(db)).toEqual(PLACE);
  db.close();
  // What follows on the newer one waits for it.
  rows(8);
  expect(line.send).not.toHaveBeenCalled();
  expect(copy.place()).toBeUndefined();
  copy.bytes(whole.subarray(100));
  await expect.poll(() => put !== first, { timeout: 5000 }).toBe(true);
  await closed();
  put?.();
  open();
  expect(copy.place()).toEqual({ ...newer, seq: 8 });
});

it('leaves nothing of a copy that did not come to its end', async () => {
  open();
  const message = { kind: 'file', name: 'database', sizeBytes: 9, place: PLACE } as const;
  copy.heard(message, line as never);
  copy.bytes(Buffer.from('half'));
  copy.cut();
  const incoming = () => readdirSync(folder).filter((name) => name.includes('incoming'));
  await expect.poll(incoming, { timeout: 5000 }).toEqual([]);
});

it('keeps what was set aside when a copy that was apart for a while is replaced', async () => {
  copy.leave('apart', 0);
  copy.leave('apart', 0);
  await (await wholeComes())();
  expect(copy.place()).toEqual(PLACE);
  expect(setAside()).toEqual([]);
  // What becomes active from there has changes of its own again.
  copy.leave('apart', 0);
  copy.leave('active', 0);
  await (await wholeComes())();
  expect(setAside()).toHaveLength(1);
});

it('goes on by its own clock when it becomes active with a copy, and only then', () => {
  const lease = (change: string) => {
    const db = openDatabase(file);
    const row = db.prepare<[], { ends: number; last: number }>(change).get();
    db.close();
    return row;
  };
  lease(
    `INSERT INTO leases (segment, address, mac, state, hostname, expires_at, first_at, last_at)
     VALUES ('s', 7, '02:00:00:00:00:01', 'bound', '', 5000, 1000, 1000) RETURNING expires_at AS ends, last_at AS last`,
  );
  const now = 'SELECT expires_at AS ends, last_at AS last FROM leases';
  copy.leave('active', -300);
  expect(lease(now)).toEqual({ ends: 4700, last: 700 });
  // It is its own from here on.
  copy.leave('active', 300);
  expect(lease(now)).toEqual({ ends: 4700, last: 700 });
});
