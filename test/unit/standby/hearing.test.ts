/** What keeps a member from saying, taking or counting on what it must not: of the daemon's own code, guard by guard. */
import { join } from 'node:path';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { parseConfig } from '../../../src/config.ts';
import { Pair } from '../../../src/daemon/standby.ts';
import { mono } from '../../../src/daemon/standby-clock.ts';
import { hearOther } from '../../../src/daemon/standby-hearing.ts';
import type { Meeting, MeetingUser } from '../../../src/daemon/standby-meeting.ts';
import { openPairState } from '../../../src/daemon/standby-state.ts';
import { lastingMs } from '../../../src/platform/lasting-clock.ts';
import { FRESH } from '../../../src/standby/kept-right.ts';
import type { HelloMessage } from '../../../src/standby/protocol.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

const OURS = { ...FRESH, epoch: 3, own: 3, copy: 3 };
const HELLO: HelloMessage = {
  ...{ kind: 'hello', protocol: 4, version: '1', schema: 1, site: 's', member: 'b' },
  ...{ epoch: 3, own: 2, copy: 3, unbegun: 0, ahead: false, active: false },
  ...{ images: { files: 0, bytes: 0 }, clock: Date.now(), at: 0 },
};

/** The daemon's own pair, with a line and without sockets. Its tick is what its timer does. */
function member(right = { ...OURS, sole: true }) {
  const file = join(temporaryFolder('hearing'), 'r.db');
  openPairState(`${file}.standby`).put({ right });
  const config = parseConfig(
    `{ database: { file: ${file} }, standby: { member: a, partner: 10.0.0.2, keyFile: /dev/null, witness: true } }`,
  );
  if (!config.standby) throw new Error('no standby');
  const log = pino({ level: 'silent' });
  const pair = new Pair({ config, settings: config.standby, log, file: undefined });
  pair.oriented = true;
  // No daemon is begun: what is looked at is what goes on between the two.
  vi.spyOn(pair, 'settle').mockReturnValue();
  const line = { close: vi.fn(), send: vi.fn(), sendBytes: vi.fn() };
  let user: MeetingUser | undefined;
  const meeting = {
    ...{ active: false, wholeOf: 0, version: '', images: HELLO.images, hello: vi.fn(), line },
    use: (given: MeetingUser) => {
      user = given;
    },
  } as unknown as Meeting;
  pair.meeting = meeting;
  hearOther(pair, meeting, () => undefined);
  if (!user) throw new Error('nobody hears');
  const sent = (kind: string) => line.send.mock.calls.filter(([one]) => one.kind === kind).length;
  // biome-ignore lint/complexity/useLiteralKeys: what is private to the daemon is what its timer runs
  return { pair, user, line, sent, meeting, tick: () => pair['tick']() };
}

function telling(isWhole: boolean) {
  const feeder = {
    ...{ isWhole: () => isWhole, isCopying: () => false, behind: () => 1, begin: vi.fn() },
    ...{ pump: vi.fn(), release: vi.fn(), mark: () => () => false, end: vi.fn() },
  };
  const moves = { tidy: vi.fn(), apart: vi.fn(), together: vi.fn() };
  const promises = { unsure: () => ['s 10'], apart: vi.fn(), together: vi.fn() };
  return { feeder, moves, log: { head: () => 0 }, promises } as never;
}

const meet = (pair: Pair) => pair.right.met({ ...HELLO, active: false }, performance.now());

describe('a clock that is set', () => {
  it('ends the line, once', () => {
    const { line, tick } = member();
    tick();
    expect(line.close).not.toHaveBeenCalled();
    vi.setSystemTime(Date.now() + 60_000);
    tick();
    tick();
    expect(line.close).toHaveBeenCalledTimes(1);
  });

  it('that cannot be noted ends nothing, is said on no line, lets nothing be promised, and is noted when that can be', () => {
    const { pair, line, sent, tick } = member();
    tick();
    const put = vi.spyOn(pair.state, 'put');
    const full = new Error('no space left on the device');
    put.mockImplementation(() => {
      throw full;
    });
    const tidy = vi.spyOn(pair.part, 'tidy');
    vi.setSystemTime(Date.now() + 60_000);
    tick();
    tick();
    vi.advanceTimersByTime(1250);
    expect([sent('ping'), tidy.mock.calls.length]).toEqual([0, 0]);
    expect(() => pair.standing()).toThrow(full);
    put.mockRestore();
    tick();
    expect(line.close).toHaveBeenCalledTimes(1);
    expect(tidy).toHaveBeenCalledTimes(1);
    // Real time that goes by here is one in which the machine slept: `uptime` is not made up.
    expect(pair.state.get().clockSetMs).toBeGreaterThan(30_000);
    expect(pair.standing().mode).toBe('read-only');
  });

  it('is said to the other one on no line of before: not by a ping', () => {
    const { line, sent } = member();
    vi.advanceTimersByTime(1250);
    expect(sent('ping')).toBe(1);
    vi.setSystemTime(Date.now() - 60_000);
    vi.advanceTimersByTime(1250);
    expect([sent('ping'), line.close.mock.calls.length]).toEqual([1, 1]);
  });

  it('nor by a hello', () => {
    const { pair, line } = member();
    vi.setSystemTime(Date.now() + 60_000);
    // biome-ignore lint/complexity/useLiteralKeys: what is private to the daemon is what its lines say first
    const { clock } = pair['hello']();
    expect(line.close).toHaveBeenCalledTimes(1);
    expect([clock, pair.state.get().clockSetMs]).toEqual([Date.now(), expect.any(Number)]);
    expect(pair.state.get().clockSetMs).toBeGreaterThan(30_000);
  });

  it('nor by the answer to one', () => {
    const { user, line, sent } = member({ ...FRESH, epoch: 2, own: 1, copy: 2, sole: false });
    const ping = { kind: 'ping', n: 1, epoch: 2, clock: Date.now(), heard: undefined } as const;
    user.heard(ping);
    expect(sent('pong')).toBe(1);
    vi.setSystemTime(Date.now() + 60_000);
    user.heard({ ...ping, n: 2 });
    expect([sent('pong'), line.close.mock.calls.length]).toEqual([1, 1]);
  });
});

describe('a disk that is full', () => {
  const full = new Error('no space left on the device');
  function active() {
    const made = member();
    const { pair } = made;
    meet(pair);
    pair.part.telling = telling(true);
    pair.part.mode = 'active';
    const put = vi.spyOn(pair.state, 'put');
    const fill = () =>
      put.mockImplementation(() => {
        throw full;
      });
    // biome-ignore lint/complexity/useLiteralKeys: what ends a line is private to the daemon
    return { ...made, put, fill, lose: () => pair['lost']('it broke') };
  }

  it('on which the loss of the line cannot be noted ends nothing: nothing is promised, nobody met and no right renewed until it is', () => {
    const { pair, meeting, tick, put, fill, lose } = active();
    expect(pair.right.caughtUp(mono())).toBe(true);
    const renewals = vi.spyOn(pair.right, 'tick');
    const releases = vi.spyOn(pair.part, 'release');
    fill();
    lose();
    tick();
    tick();
    expect(() => pair.standing()).toThrow(full);
    // biome-ignore lint/complexity/useLiteralKeys: what begins a line is private to the daemon
    expect(() => pair['meet'](meeting)).toThrow(full);
    expect([renewals.mock.calls.length, releases.mock.calls.length]).toEqual([0, 0]);
    expect(pair.state.get().unsure).toEqual([]);
    const lostAt = Date.now();
    vi.advanceTimersByTime(5000);
    put.mockRestore();
    tick();
    // It is noted as of when it was: the other one may have renewed since what ran then.
    expect(Math.abs(pair.state.get().lostAt - lostAt)).toBeLessThan(1000);
    expect(renewals).toHaveBeenCalled();
    expect(releases).toHaveBeenCalledTimes(1);
    expect(pair.state.get().unsure).toEqual(['s 10']);
    expect(pair.right.countsOnOther()).toBe(false);
    expect(() => pair.standing()).not.toThrow();
  });

  it('on which nothing can be noted is told to who asks how the two stand, and keeps it from handing over', async () => {
    const { pair, put, lose } = active();
    expect(pair.desk.status()).toMatchObject({ addresses: 'whole', unwritten: '' });
    put.mockImplementation(() => {
      throw Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' });
    });
    lose();
    expect(pair.desk.status()).toMatchObject({
      ...{ member: 'a', mode: 'active', epoch: 3, witness: 'silent', why: '' },
      ...{ addresses: 'none', unwritten: 'the disk is full' },
    });
    const order = pair.desk.handBack({ why: 'drill', who: 'me' });
    await expect(order).rejects.toThrow('cannot be written: the disk is full');
    put.mockRestore();
    expect(pair.desk.status().unwritten).toBe('');
  });

  it('on which the half of it can be noted is asked for the other half alone', () => {
    const { pair, tick, lose } = active();
    const noted = vi.spyOn(pair.footing, 'lost');
    const lost = vi.spyOn(pair.right, 'lost').mockImplementationOnce(() => {
      throw full;
    });
    lose();
    tick();
    tick();
    expect([noted.mock.calls.length, lost.mock.calls.length]).toEqual([1, 2]);
  });

  it('on which a farewell cannot be noted lets the daemon end all the same, without one', async () => {
    const following = { ...OURS, own: 0 };
    const [noted, unnoted] = [member(following), member(following)];
    await noted.pair.stop('test');
    expect([noted.sent('bye'), noted.pair.right.kept().idle]).toEqual([1, true]);
    vi.spyOn(unnoted.pair.state, 'put').mockImplementation(() => {
      throw full;
    });
    await unnoted.pair.stop('test');
    expect(unnoted.sent('bye')).toBe(0);
  });

  it('is noted by whoever asks what may be promised, once there is room', () => {
    const { pair, put, fill, lose } = active();
    fill();
    lose();
    put.mockRestore();
    expect(() => pair.standing()).not.toThrow();
    expect(pair.state.get().unsure).toEqual(['s 10']);
  });

  it('on which no question to the witness can be numbered ends nothing', () => {
    const { pair, tick, put, fill } = active();
    fill();
    tick();
    expect(pair.right.kept().n).toBe(0);
    put.mockRestore();
    tick();
    expect(pair.right.kept().n).toBeGreaterThan(0);
  });

  it('on which it cannot be noted that the other one has everything does not count on it, and tells it anew', () => {
    const { pair, line, sent, put, fill } = active();
    // biome-ignore lint/complexity/useLiteralKeys: what the feeder calls is private to the daemon
    const whole = () => pair['whole']();
    fill();
    whole();
    expect([sent('whole'), line.close.mock.calls.length]).toEqual([0, 1]);
    // Nor when the half of it can.
    put.mockRestore();
    const unnoted = vi.spyOn(pair.footing, 'whole').mockImplementation(() => {
      throw full;
    });
    whole();
    expect([sent('whole'), line.close.mock.calls.length]).toEqual([0, 2]);
    unnoted.mockRestore();
    whole();
    expect([sent('whole'), line.close.mock.calls.length]).toEqual([1, 2]);
  });
});

describe('one that has everything and is not counted on', () => {
  it.each([
    ['is told everything anew on another line', true, false, 1],
    ['is left alone when it is counted on', true, true, 0],
    ['has not everything', false, false, 0],
  ])('%s', (_, isWhole, counts, closes) => {
    const { pair, line, tick } = member();
    meet(pair);
    pair.part.telling = telling(isWhole);
    if (counts) expect(pair.right.caughtUp(performance.now())).toBe(true);
    tick();
    expect(line.close).toHaveBeenCalledTimes(closes);
  });

  it('is not while a change of places is under way, nor by one whose right is over', () => {
    const { pair, line, tick } = member();
    meet(pair);
    pair.part.telling = telling(true);
    pair.part.busy = true;
    tick();
    pair.part.busy = false;
    pair.oriented = false;
    tick();
    expect(line.close).not.toHaveBeenCalled();
  });
});

describe('who has the newest right', () => {
  it('takes no database and no rows over its own, whatever runs on it', () => {
    for (const mode of ['waiting', 'following', 'active'] as const) {
      const { pair, user, line } = member({ ...OURS, sole: false });
      const heard = vi.spyOn(pair.copy, 'heard');
      pair.part.mode = mode;
      user.heard({ kind: 'rows', changes: [], to: 1 });
      expect([mode, heard.mock.calls.length, line.close.mock.calls.length]).toEqual([mode, 0, 1]);
    }
  });

  it('does, when it has not', () => {
    const { pair, user, line } = member({ ...FRESH, epoch: 4, own: 3, copy: 4, sole: false });
    const heard = vi.spyOn(pair.copy, 'heard').mockReturnValue();
    user.heard({ kind: 'rows', changes: [], to: 1 });
    expect([heard.mock.calls.length, line.close.mock.calls.length]).toEqual([1, 0]);
  });

  it('nor does one whose daemon has not ended yet: the line is to begin anew', () => {
    const { pair, user, line } = member({ ...FRESH, epoch: 4, own: 3, copy: 4, sole: false });
    const heard = vi.spyOn(pair.copy, 'heard').mockReturnValue();
    pair.part.mode = 'active';
    user.heard({ kind: 'rows', changes: [], to: 1 });
    expect([heard.mock.calls.length, line.close.mock.calls.length]).toEqual([0, 1]);
  });

  it('asks to be renewed, and nobody else does, nor who could not begin', () => {
    const newest = member({ ...OURS, sole: false });
    vi.advanceTimersByTime(1250);
    expect(newest.sent('ping')).toBe(1);
    vi.spyOn(newest.pair.part, 'couldNot').mockReturnValue(true);
    vi.advanceTimersByTime(1250);
    expect(newest.sent('ping')).toBe(1);
    const older = member({ ...FRESH, epoch: 4, own: 3, copy: 4, sole: false });
    vi.advanceTimersByTime(1250);
    expect(older.sent('ping')).toBe(0);
  });

  it('waits for what the other one may have promised by an older one; one that has not waits for nothing', () => {
    const hello = { ...HELLO, active: true, epoch: 2 };
    const newest = member();
    newest.user.hello(hello);
    expect(newest.pair.state.get().wholeFrom).toBeGreaterThan(Date.now());
    // The one that it meets is the newer one.
    const older = member({ ...FRESH, epoch: 3, own: 3, copy: 3, sole: true });
    older.user.hello({ ...hello, epoch: 4, own: 4 });
    expect(older.pair.right.isNewest()).toBe(false);
    expect(older.pair.state.get().wholeFrom).toBe(0);
    // Nor is it asked of who has given its own right up since.
    const gave = member({ ...FRESH, epoch: 4, own: 3, copy: 3, sole: false });
    const met = vi.spyOn(gave.pair.footing, 'met');
    gave.user.hello(hello);
    expect(met).not.toHaveBeenCalled();
  });

  it('by what the other one has left to it says so; one that has left its own says nothing', () => {
    // Neither has the newest right, and the newer database is here.
    const left = member({ ...FRESH, epoch: 5, own: 3, copy: 3, sole: false });
    left.user.hello({ ...HELLO, epoch: 5, own: 2, copy: 1 });
    expect(left.pair.right.isNewest()).toBe(true);
    expect(left.pair.state.get().why).toBe('the other one has left its place to this one');
    const leaves = member();
    leaves.user.hello({ ...HELLO, epoch: 4, own: 4, copy: 4, active: true });
    expect(leaves.pair.state.get().why).toBe('');
  });
});

it('a right is measured by a clock that goes on while the machine is suspended', () => {
  expect(mono).toBe(lastingMs);
});

it('a copy that has everything is by the clock as it was measured on this line', () => {
  const { pair, user } = member({ ...FRESH, epoch: 2, own: 1, copy: 2, sole: false });
  const say = (clock: number) => pair.touched({ clock, roundTripMs: 0 }, undefined);
  say(Date.now());
  // The other one's clock was set forward by a minute; the line is another one.
  pair.footing.begins();
  say(Date.now() + 60_000);
  expect(pair.footing.aheadNow().mostMs).toBeLessThan(-59_000);
  expect(pair.footing.ahead()).toMatchObject({
    leastMs: expect.closeTo(-60_000, -2),
    mostMs: expect.closeTo(0, -2),
  });
  user.heard({ kind: 'whole', epoch: 2 });
  expect(pair.footing.ahead().mostMs).toBeLessThan(-59_000);
});
