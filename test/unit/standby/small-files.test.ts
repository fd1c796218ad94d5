/** The certificate for central is renewed while the two are together: the follower has it before it needs it, and each once. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { Config } from '../../../src/config.ts';
import type { Pair } from '../../../src/daemon/standby.ts';
import { openStandbyCopy } from '../../../src/daemon/standby-copy.ts';
import { hearOther } from '../../../src/daemon/standby-hearing.ts';
import type { Meeting, MeetingUser } from '../../../src/daemon/standby-meeting.ts';
import type { HelloMessage } from '../../../src/standby/protocol.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

const log = pino({ level: 'silent' });
const HELLO: HelloMessage = {
  ...{
    kind: 'hello',
    protocol: 1,
    version: '1',
    schema: 1,
    images: { files: 0, bytes: 0 },
    clock: 0,
    at: 0,
    copy: 3,
    unbegun: 0,
    ahead: false,
  },
  ...{ site: 's', member: 'b', epoch: 2, own: 2, active: false },
};

let folder: string;
beforeEach(() => {
  vi.useFakeTimers();
  folder = temporaryFolder('files');
  mkdirSync(join(folder, 'federation'));
  write('1');
});
afterEach(() => {
  vi.useRealTimers();
});

const write = (certificate: string) =>
  writeFileSync(join(folder, 'federation', 'appliance.pem'), certificate);

/** The active one's end of a line. */
function active() {
  const sent: string[] = [];
  const config = { database: { file: join(folder, 'r.db') }, federation: {} } as Config;
  const world = { isCurrent: true, isActive: true };
  const pair = {
    ...{ mode: 'active', leaseMs: 800, parts: { settings: { member: 'a' }, log } },
    copy: openStandbyCopy({
      ...{ config, log, clockSetMs: () => 0, replace: vi.fn(), onError: vi.fn() },
    }),
    part: {
      telling: { feeder: { begin: vi.fn(), mark: () => () => true } },
      isCurrent: () => world.isCurrent,
      couldNot: () => false,
    },
    right: { kept: () => ({ epoch: 3, own: 3 }), isNewest: () => true, met: vi.fn() },
    footing: { tookOver: vi.fn(), met: vi.fn(), touched: vi.fn() },
    clockWasSet: () => false,
    ...{ isActive: () => world.isActive, serves: () => world.isActive, settle: vi.fn() },
  };
  let user: MeetingUser | undefined;
  const meeting = {
    line: {
      send: vi.fn(),
      sendBytes: (name: string, bytes: Uint8Array) =>
        void sent.push(`${name} ${Buffer.from(bytes)}`),
    },
    hello: vi.fn(),
    use: (given: MeetingUser) => {
      user = given;
    },
  };
  hearOther(pair as unknown as Pair, meeting as unknown as Meeting, () => undefined);
  user?.hello(HELLO);
  return { world, sent };
}

const soon = () => vi.advanceTimersByTime(250);

it('sends a file again when it is another one, and not before', () => {
  const { sent } = active();
  soon();
  expect(sent).toEqual(['identity 1']);
  write('2');
  soon();
  soon();
  expect(sent).toEqual(['identity 1', 'identity 2']);
});

it('sends what is there only since: a site that joins a fleet', () => {
  const { sent } = active();
  writeFileSync(join(folder, 'federation', 'membership.json'), '{}');
  soon();
  expect(sent).toEqual(['identity 1', 'membership {}']);
});

it('waits with it while a database may be on the line', () => {
  const { world, sent } = active();
  world.isCurrent = false;
  write('2');
  soon();
  expect(sent).toEqual(['identity 1']);
  world.isCurrent = true;
  soon();
  expect(sent).toEqual(['identity 1', 'identity 2']);
});

it('sends nothing when its right is over', () => {
  const { world, sent } = active();
  world.isActive = false;
  write('2');
  soon();
  expect(sent).toEqual(['identity 1']);
});
