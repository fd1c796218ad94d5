/** One member's part of a pair, where nothing goes as it should: what it keeps meanwhile, and when it tries again. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pino } from 'pino';
import { beforeEach, expect, it, vi } from 'vitest';
import { PairPart, type PartPorts } from '../../../src/daemon/standby-part.ts';
import type { PairSide } from '../../../src/daemon/standby-serving.ts';
import { openInventory } from '../../../src/inventory/inventory.ts';
import { openDatabase } from '../../../src/platform/sqlite.ts';
import { setPlace } from '../../../src/standby/copy.ts';
import { clockOf, keepClock } from '../../../src/standby/lease-clock.ts';
import type { Mode } from '../../../src/standby/mode.ts';
import type { Promised } from '../../../src/standby/promises.ts';
import type { Ipv4 } from '../../../src/wire/ipv4.ts';
import type { Mac } from '../../../src/wire/mac.ts';
import type { Millis } from '../../../src/wire/time.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

const startDaemon = vi.hoisted(() => vi.fn());
vi.mock('../../../src/daemon.ts', () => ({ startDaemon }));

let folder: string;
beforeEach(() => {
  folder = temporaryFolder('part');
  startDaemon.mockReset().mockResolvedValue({ stop: async () => undefined });
});

function part(mode: Mode) {
  const world = {
    ...{ wanted: mode, line: undefined as object | undefined, onError: vi.fn(), onBegun: vi.fn() },
    ...{ put: vi.fn(), onPacket: vi.fn(), look: vi.fn(), clockSetMs: 0 },
    copy: {
      pause: vi.fn(),
      close: async () => undefined,
      leave: vi.fn(),
      open: vi.fn(),
      promisedAfter: vi.fn((_at: number): Promised[] => []),
    },
  };
  const ports = {
    ...{
      copy: world.copy,
      onError: world.onError,
      onBegun: world.onBegun,
      onChanged: () => undefined,
    },
    parts: {
      config: { database: { file: join(folder, 'r.db') }, dhcp: { segments: [] } },
      log: pino({ level: 'silent' }),
      settings: { member: 'a' },
    },
    state: {
      get: () => ({
        ...{ why: '', unsure: [], knownAt: 5000, off: false, clockSetMs: world.clockSetMs },
      }),
      put: world.put,
    },
    ...{ onPacket: world.onPacket, look: world.look },
    wanted: () => world.wanted,
    isActive: () => world.wanted === 'active',
    epoch: () => 1,
    line: () => world.line,
    ahead: () => ({ leastMs: 0, mostMs: 0 }),
  };
  const made = new PairPart(ports as unknown as PartPorts);
  made.mode = mode;
  return { part: made, world };
}

it('keeps no more changes than it may while nobody is there to be told', () => {
  const { part: active, world } = part('active');
  const forget = vi.fn();
  const log = { head: () => 400_001, floor: () => 0, forget };
  active.telling = { log, feeder: { behind: () => 1 } } as never;
  world.line = {};
  active.tidy();
  expect(forget).not.toHaveBeenCalled();
  world.line = undefined;
  active.tidy();
  expect(forget).toHaveBeenCalledTimes(1);
  // One that is apart tells nobody.
  active.mode = 'apart';
  world.line = {};
  active.tidy();
  expect(forget).toHaveBeenCalledTimes(2);
});

it('takes a copy that came while it was about to be apart, and none when it is active', async () => {
  const { part: apart } = part('apart');
  const put = vi.fn();
  apart.replace(put);
  await apart.changing;
  expect(put).toHaveBeenCalledTimes(1);
  expect(apart.mode).toBe('following');
  const { part: active, world } = part('active');
  active.replace(put);
  await active.changing;
  expect(put).toHaveBeenCalledTimes(1);
  expect(world.onError).toHaveBeenCalledTimes(1);
});

it('tries again after a pause what could not be begun, and holds nothing of it meanwhile', async () => {
  vi.useFakeTimers({ toFake: ['performance'] });
  try {
    const { part: begun, world } = part('waiting');
    world.wanted = 'active';
    const settled = async () => {
      begun.settle();
      await begun.changing;
    };
    startDaemon.mockRejectedValueOnce(new Error('the disk is full'));
    await settled();
    expect(begun.mode).toBe('waiting');
    expect(world.copy.pause).toHaveBeenCalledTimes(2);
    expect(begun.couldNot('active')).toBe(true);
    await settled();
    expect(startDaemon).toHaveBeenCalledTimes(1);
    vi.advanceTimersByTime(5000);
    await settled();
    expect(startDaemon).toHaveBeenCalledTimes(2);
    expect(begun.mode).toBe('active');
    expect(begun.couldNot('active')).toBe(false);
    expect(world.onBegun).toHaveBeenCalledTimes(1);
  } finally {
    vi.useRealTimers();
  }
});

it.each([
  ['when it is noted that all of it runs', 'active', undefined],
  ['and not when its right was over before that', 'following', undefined],
  ['and not when the last part could not be begun', 'active', new Error('a port is in use')],
] as const)('tells what it has promised meanwhile %s', async (_when, wanted, failure) => {
  const { part: begun, world } = part('waiting');
  const said = vi.fn();
  world.onBegun.mockImplementation(() => expect(said).not.toHaveBeenCalled());
  startDaemon.mockImplementationOnce(async () => {
    const feeder = { isCopying: () => false, end: vi.fn(), release: vi.fn() };
    begun.telling = { feeder, begun: said } as never;
    if (failure) throw failure;
    world.wanted = wanted;
    return { stop: async () => undefined };
  });
  world.wanted = 'active';
  begun.settle();
  await begun.changing;
  expect(world.onBegun).toHaveBeenCalledTimes(failure ? 0 : 1);
  const isTold = wanted === 'active' && !failure;
  expect(said.mock.calls).toEqual([[isTold ? undefined : expect.any(Error)]]);
});

it('does another thing at once when something else could not be begun', async () => {
  const { part: begun, world } = part('waiting');
  world.wanted = 'following';
  startDaemon.mockRejectedValueOnce(new Error('a port is in use'));
  begun.settle();
  await begun.changing;
  world.wanted = 'active';
  begun.settle();
  await begun.changing;
  expect(begun.mode).toBe('active');
});

it('begins anew when the copy that came cannot be followed', async () => {
  const { part: follows, world } = part('following');
  startDaemon.mockRejectedValueOnce(new Error('the disk is full'));
  follows.replace(() => undefined);
  await follows.changing;
  expect(follows.mode).toBe('waiting');
  expect(world.onError).toHaveBeenCalledTimes(1);
});

it('begins another line when it ends while a copy is on its way: what the next daemon tells would come before it', async () => {
  for (const copying of [true, false]) {
    const { part: ends, world } = part('active');
    const close = vi.fn();
    world.line = { close };
    const feeder = { isCopying: () => copying, end: vi.fn(), release: vi.fn() };
    ends.telling = { feeder, begun: vi.fn() } as never;
    world.wanted = 'following';
    ends.settle();
    await ends.changing;
    expect(ends.mode).toBe('following');
    expect(close).toHaveBeenCalledTimes(copying ? 1 : 0);
  }
});

it('holds to what it promised in the database that it gives up, and knows for which leases it waited in its own', async () => {
  const { part: follows, world } = part('waiting');
  const [address, mac] = [101 as Ipv4, '02:00:00:00:00:01' as Mac];
  const expiresAt = Date.now() + 60_000;
  world.copy.promisedAfter.mockImplementation((at: number) =>
    at === 5000 ? [{ segment: 's', address, mac, expiresAt, lastAt: 6000 }] : [],
  );
  follows.replace(() => undefined);
  await follows.changing;
  const told = readFileSync(join(folder, 'r.db.told'), 'utf8');
  expect(told).toContain('s 101');
  world.wanted = 'active';
  follows.settle();
  await follows.changing;
  // Of the half of `b`, and entered after what is known to be there.
  expect(world.put).toHaveBeenCalledWith({ unsure: ['s 101'] });
});

it('keeps what machines were told anew when the clock is set', async () => {
  const { part: follows, world } = part('waiting');
  const address = 101 as Ipv4;
  const told = { segment: 's', address, mac: '02:00:00:00:00:01' as Mac, lastAt: 6000 };
  world.copy.promisedAfter.mockReturnValue([{ ...told, expiresAt: Date.now() + 60_000 }]);
  follows.replace(() => undefined);
  await follows.changing;
  const until = () => JSON.parse(readFileSync(join(folder, 'r.db.told'), 'utf8'))[0].until;
  const before = until();
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 3_600_000 });
  try {
    follows.clockSet();
    await vi.waitFor(() => expect(until() - before).toBeGreaterThan(3_500_000));
  } finally {
    vi.useRealTimers();
  }
});

it('moves no lease of a copy with the clock: it runs by that of its writer', () => {
  const { part: apart, world } = part('apart');
  const db = openDatabase(join(folder, 'r.db'));
  const inventory = openInventory({ db, clock: () => 1000 as Millis });
  const segment = { segment: 's', address: 101 as Ipv4, mac: '02:00:00:00:00:01' as Mac };
  const lease = { ...segment, state: 'bound', hostname: '', expiresAt: 60_000 as Millis } as const;
  inventory.transaction(() =>
    inventory.leases.apply({ ...lease, clientId: undefined, boot: undefined }),
  );
  keepClock(db, 0);
  setPlace(db, { run: 'r', seq: 1 });
  Object.assign(apart, { core: { db, inventory }, telling: {} });
  world.clockSetMs = 3_600_000;
  apart.clockSet();
  const expiresAt = db.prepare('SELECT expires_at FROM leases').pluck();
  expect([expiresAt.get(), clockOf(db)]).toEqual([60_000, 0]);
  // The same of its own database is moved.
  db.exec('DELETE FROM meta');
  keepClock(db, 0);
  world.clockSetMs = 7_200_000;
  apart.clockSet();
  expect(expiresAt.get()).toBe(7_260_000);
  db.close();
});

it('moves the leases of its own database with the clock, in the table and in memory, as long as it may write', () => {
  const { part: active, world } = part('active');
  const db = openDatabase(join(folder, 'r.db'));
  const now = Date.now();
  const inventory = openInventory({ db, clock: () => now as Millis });
  const [segment, address, mac] = ['s', 101 as Ipv4, '02:00:00:00:00:01' as Mac];
  const lease = { segment, address, mac, state: 'bound', hostname: '' } as const;
  const expiresAt = (now - 3_600_000 + 60_000) as Millis;
  inventory.transaction(() =>
    inventory.leases.apply({ ...lease, expiresAt, clientId: undefined, boot: undefined }),
  );
  db.prepare('UPDATE leases SET last_at = last_at - 3600000').run();
  const core = { db, inventory };
  const moves = { tidy: vi.fn() };
  const log = { head: () => 0, floor: () => 0 };
  const [feeder, promises] = [{ behind: () => 1 }, { unsure: () => [] }];
  Object.assign(active, { core, telling: { feeder, moves, promises, log } });
  const held = () => inventory.leases.byAddress(segment, address)?.expiresAt;
  active.tidy();
  expect(held()).toBe(expiresAt);
  // It was set forward by an hour since; the right is over for a moment.
  world.clockSetMs = 3_600_000;
  world.wanted = 'following';
  active.clockSet();
  expect(held()).toBe(expiresAt);
  world.wanted = 'active';
  active.tidy();
  active.tidy();
  expect(held()).toBe(now + 60_000);
  db.close();
});

/** One whose daemon runs, with the clock that this one was given. */
async function active() {
  const made = part('waiting');
  made.world.wanted = 'active';
  made.part.settle();
  await made.part.changing;
  const [[, , side]] = startDaemon.mock.calls as [[unknown, unknown, { pair: PairSide }]];
  return { ...made, clock: side.pair.clock };
}

it('gives nothing from a database whose times could not be moved, and moves them with the next packet', async () => {
  const { part: begun, world, clock } = await active();
  const db = openDatabase(join(folder, 'r.db'));
  const inventory = openInventory({ db, clock: () => Date.now() as Millis });
  const full = new Error('no space left on the device');
  let isFull = true;
  keepClock(db, 0);
  const transaction: typeof inventory.transaction = (run) => {
    if (isFull) throw full;
    return inventory.transaction(run);
  };
  const core = { db, inventory: { ...inventory, transaction } };
  Object.assign(begun, { core, telling: {} });
  world.clockSetMs = 3_600_000;
  const inBatch = () => inventory.transaction(() => clock());
  // Neither a packet nor a tick fails, but what is promised does.
  clock();
  expect(inBatch).toThrow(full);
  isFull = false;
  expect(inBatch).toThrow(full);
  clock();
  expect(clockOf(db)).toBe(3_600_000);
  expect(Math.abs(inBatch() - Date.now())).toBeLessThan(1000);
  db.close();
});

it('looks at the clock when its own daemon has ended, before it reckons by it', async () => {
  const { part: begun, world } = part('waiting');
  world.wanted = 'active';
  world.copy.leave.mockImplementation(() => expect(world.look).toHaveBeenCalledTimes(1));
  begun.settle();
  await begun.changing;
  expect(world.copy.leave).toHaveBeenCalledTimes(1);
  const { part: apart, world: other } = part('apart');
  apart.replace(() => expect(other.look).toHaveBeenCalledTimes(1));
  await apart.changing;
  expect(other.onError).not.toHaveBeenCalled();
  expect(other.look).toHaveBeenCalledTimes(1);
});

it('looks at the clock with each packet, but within no transaction', async () => {
  const { part: begun, world, clock } = await active();
  const db = { inTransaction: false };
  Object.assign(begun, { core: { db } });
  expect(Math.abs(clock() - Date.now())).toBeLessThan(1000);
  expect(world.onPacket).toHaveBeenCalledTimes(1);
  db.inTransaction = true;
  clock();
  expect(world.onPacket).toHaveBeenCalledTimes(1);
});
