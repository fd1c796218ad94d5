/** The places of two appliances that stay in touch change again and again: the one that follows is told everything each time. */
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { Pair } from '../../../src/daemon/standby.ts';
import { hearOther } from '../../../src/daemon/standby-hearing.ts';
import type { Meeting, MeetingUser } from '../../../src/daemon/standby-meeting.ts';
import type { HelloMessage } from '../../../src/standby/protocol.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const HELLO: HelloMessage = {
  ...{
    kind: 'hello',
    protocol: 1,
    version: '1',
    schema: 1,
    images: { files: 0, bytes: 0 },
    clock: 0,
    at: 0,
    copy: 1,
    unbegun: 0,
    ahead: false,
    site: 's',
    member: 'b',
  },
  ...{ epoch: 2, own: 2, active: false },
};

/** One line to an appliance with this part. */
function line(mode: string, telling?: object) {
  const part: { telling?: object | undefined } = { telling };
  const isActive = () => mode === 'active' && part.telling !== undefined;
  const pair = {
    ...{ mode, part, leaseMs: 1000, closing: undefined, oriented: true },
    parts: { settings: { member: 'a' } },
    right: { kept: () => ({ epoch: 3, own: 3 }), isNewest: () => mode === 'active', met: vi.fn() },
    footing: { met: vi.fn(), touched: vi.fn() },
    copy: { sendFiles: vi.fn(), heard: vi.fn(), bytes: vi.fn() },
    ...{ isActive, serves: isActive, clockWasSet: () => false },
    settle: vi.fn(),
  };
  let user: MeetingUser | undefined;
  const close = vi.fn();
  const meeting = {
    ...{ active: false, hello: vi.fn(), line: { send: vi.fn(), close } },
    use(given: MeetingUser) {
      user = given;
    },
  };
  hearOther(pair as unknown as Pair, meeting as unknown as Meeting, () => undefined);
  if (!user) throw new Error('nobody hears');
  return { pair, user, close, send: meeting.line.send };
}

const telling = () => ({ feeder: { begin: vi.fn(), mark: () => () => true } });

it('tells a follower everything once, and once more when it is active again on the same line', () => {
  const first = telling();
  const { pair, user } = line('active', first);
  user.hello(HELLO);
  user.hello(HELLO);
  expect(first.feeder.begin).toHaveBeenCalledTimes(1);
  // It handed over, was handed the place back, and runs another daemon now.
  const second = telling();
  pair.part.telling = second;
  user.hello(HELLO);
  user.hello(HELLO);
  expect(second.feeder.begin).toHaveBeenCalledTimes(1);
});

it('begins anew on another line when it is told something while it still ends its own part', () => {
  const { pair, user, close } = line('active');
  user.heard({ kind: 'file', name: 'key', sizeBytes: 65 });
  expect(pair.copy.heard).not.toHaveBeenCalled();
  expect(close).toHaveBeenCalledTimes(1);
});

it('takes what it is told when it follows, and nothing while it is active itself', () => {
  const follows = line('following');
  follows.user.heard({ kind: 'rows', changes: [], to: 1 });
  expect(follows.pair.copy.heard).toHaveBeenCalledTimes(1);
  const active = line('active', telling());
  active.user.heard({ kind: 'rows', changes: [], to: 1 });
  expect(active.pair.copy.heard).not.toHaveBeenCalled();
  expect(active.close).not.toHaveBeenCalled();
});

it('answers who wants a piece of an image while it ends its own part', () => {
  const { user, send } = line('following');
  user.heard({ kind: 'want', sha256: 'f'.repeat(64), offset: 5 });
  expect(send).toHaveBeenCalledExactlyOnceWith({
    ...{ kind: 'piece', sha256: 'f'.repeat(64), offset: 5, sizeBytes: 0, lengthBytes: 0 },
  });
});
