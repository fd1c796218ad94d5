/** One member's part of a pair, where nothing goes as it should: what it keeps meanwhile, and when it tries again. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { type Mode, PairPart, type PartPorts } from '../../../src/daemon/standby-part.ts';

const startDaemon = vi.hoisted(() => vi.fn());
vi.mock('../../../src/daemon.ts', () => ({ startDaemon }));

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'reveille-part-'));
  startDaemon.mockReset().mockResolvedValue({ stop: async () => undefined });
});
afterEach(() => rmSync(folder, { recursive: true }));

function part(mode: Mode) {
  const world = {
    ...{ wanted: mode, line: undefined as object | undefined, onError: vi.fn(), onBegun: vi.fn() },
    copy: { pause: vi.fn(), close: async () => undefined, leave: vi.fn(), open: vi.fn() },
  };
  const ports = {
    ...{
      copy: world.copy,
      onError: world.onError,
      onBegun: world.onBegun,
      onChanged: () => undefined,
    },
    parts: { config: { database: { file: join(folder, 'r.db') } }, log: pino({ level: 'silent' }) },
    state: { get: () => ({ why: '' }), put: () => undefined },
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
    ends.telling = { feeder } as never;
    world.wanted = 'following';
    ends.settle();
    await ends.changing;
    expect(ends.mode).toBe('following');
    expect(close).toHaveBeenCalledTimes(copying ? 1 : 0);
  }
});
