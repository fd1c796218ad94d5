import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { notePower } from '../../../qemu-lab/fake-bmc-boot.ts';
import { simpleMachine } from '../../../qemu-lab/fake-bmc-state.ts';
import { COMMANDS } from '../../../src/cli/bmc-commands.ts';
import type { AppError } from '../../../src/errors.ts';
import { setBootDevice } from '../../../src/ipmi/boot-device.ts';
import { openSession } from '../../../src/ipmi/client.ts';
import { readFruBytes } from '../../../src/ipmi/fru-inventory.ts';
import { findLanChannel, readLan, readUsers } from '../../../src/ipmi/lan.ts';
import {
  type PowerAction,
  setPower,
  startedSince,
  startMark,
  waitForPower,
} from '../../../src/ipmi/power.ts';
import { QUIRKS } from '../../../src/ipmi/quirks.ts';
import { readSdrs } from '../../../src/ipmi/sdr-repository.ts';
import { clearWholeSel, readSel } from '../../../src/ipmi/sel-log.ts';
import { BMC, createIpmiWorld, type IpmiWorld } from '../../support/ipmi-world.ts';

async function begin(on = false) {
  const machine = simpleMachine(on);
  const world = createIpmiWorld({ machine });
  const settings = { user: 'admin', password: 'secret', privilege: 'administrator' } as const;
  const session = await world.run(openSession(world.ports, BMC, settings));
  const power = (action: PowerAction) => world.run(setPower(session, world.ports.timers, action));
  return { world, machine, session, power, knobs: world.state.knobs };
}

/** Loses the first answer after this command was carried out. */
function losing({ state }: IpmiWorld, command: string) {
  let lost = false;
  return (from: 'console' | 'bmc') => {
    if (lost || from === 'console' || state.carriedOut.at(-1) !== command) return true;
    lost = true;
    return false;
  };
}

describe('power', () => {
  it.each([
    ['on', false, ['on'], { outcome: 'done', sent: 'on' }],
    ['on', true, [], { outcome: 'already', sent: 'nothing' }],
    ['off', true, ['off'], { outcome: 'done', sent: 'off' }],
    ['off', false, [], { outcome: 'already', sent: 'nothing' }],
    ['cycle', true, ['cycle'], { outcome: 'done', sent: 'cycle' }],
    ['cycle', false, ['on'], { outcome: 'done', sent: 'on' }],
    ['reset', true, ['reset'], { outcome: 'done', sent: 'reset' }],
    ['reset', false, ['on'], { outcome: 'done', sent: 'on' }],
    ['soft', true, ['soft'], { outcome: 'done', sent: 'soft' }],
    ['soft', false, [], { outcome: 'already', sent: 'nothing' }],
  ] as const)('%s while on is %s', async (action, on, actions, outcome) => {
    const { machine, power } = await begin(on);
    expect(await power(action)).toEqual(outcome);
    expect(machine.actions).toEqual(actions);
  });

  it('a reset whose reply is lost, on a BMC that shows no start, is uncertain, and sent once', async () => {
    const { world, machine, session } = await begin(true);
    world.deliver = losing(world, '0/2');
    const outcome = await world.run(setPower(session, world.ports.timers, 'reset'));
    expect(outcome).toEqual({ outcome: 'uncertain', sent: 'reset' });
    expect(machine.actions).toEqual(['reset']);
  });

  it('a reset whose reply is lost is done where the BMC shows a start', async () => {
    const { world, machine, session } = await begin(true);
    const { control } = machine;
    machine.control = (action) => {
      control(action);
      notePower(world.state, { kind: 'reset', cause: 'command' });
    };
    world.deliver = losing(world, '0/2');
    const outcome = await world.run(setPower(session, world.ports.timers, 'reset'));
    expect(outcome).toEqual({ outcome: 'done', sent: 'reset' });
    expect(machine.actions).toEqual(['reset']);
  });

  it.each([
    ['that the BMC could not answer', 0xc3],
    ['whose answer it could not provide', 0xce],
  ])('a reset %s is in doubt, not refused', async (_, completion) => {
    const { power, knobs } = await begin(true);
    knobs.refuse.set('0/2', completion);
    expect(await power('reset')).toEqual({ outcome: 'uncertain', sent: 'reset' });
  });

  it('a mark of one BMC is told from another by a boot in its log, not by whatever is logged', async () => {
    const { world, session } = await begin(true);
    const mark = await world.run(startMark(session));
    notePower(world.state, { kind: 'off' });
    expect(await world.run(startedSince(session, mark))).toBe(false);
    notePower(world.state, { kind: 'on', cause: 'command' });
    expect(await world.run(startedSince(session, mark))).toBe(true);
    const button = await world.run(startMark(session));
    world.state.restartCause = 3;
    expect(await world.run(startedSince(session, button))).toBe(true);
    expect(await world.run(startedSince(session, ''))).toBe(false);
  });

  it('an "on" whose reply is lost is looked after, and not sent again', async () => {
    const { world, machine, session } = await begin(false);
    let replies = 0;
    world.deliver = (from) => from === 'console' || ++replies !== 2;
    const outcome = await world.run(setPower(session, world.ports.timers, 'on'));
    expect(outcome).toEqual({ outcome: 'done', sent: 'on' });
    expect(machine.actions).toEqual(['on']);
  });

  it('an "on" that is lost itself is sent again', async () => {
    const { world, machine, session } = await begin(false);
    let requests = 0;
    world.deliver = (from) => from === 'bmc' || ++requests !== 2;
    await world.run(setPower(session, world.ports.timers, 'on'));
    expect(machine.actions).toEqual(['on']);
  });

  it('a state that never comes is said so, after a minute', async () => {
    const { world, session, knobs } = await begin(false);
    knobs.lieAboutPower = false;
    const startMs = world.nowMs();
    const waiting = waitForPower(session, world.ports.timers, true);
    const error = await world.run(waiting).catch((reason: AppError) => reason);
    expect(error).toMatchObject({ code: 'BMC_TIMEOUT' });
    expect(world.nowMs() - startMs).toBeGreaterThanOrEqual(60_000);
  });

  it('a BMC that cannot cycle is switched off, rested, and on', async () => {
    const { world, machine, session, knobs } = await begin(true);
    knobs.cannotCycle = true;
    const startMs = world.nowMs();
    expect(await world.run(setPower(session, world.ports.timers, 'cycle'))).toMatchObject({
      outcome: 'done',
    });
    expect(machine.actions).toEqual(['off', 'on']);
    expect(world.nowMs() - startMs).toBeGreaterThanOrEqual(5000);
  });
});

describe('the next boot', () => {
  const wish = { device: 'pxe', uefi: true, persistent: false } as const;

  it('is set in this order: valid beyond a minute, flags, read back', async () => {
    const { world, session } = await begin();
    const outcome = await world.run(setBootDevice(session, wish));
    expect(outcome).toMatchObject({ verified: true, expires: false });
    expect(world.state.carriedOut).toEqual(['0/8', '0/8', '0/9']);
    expect([...(world.state.bootOptions.get(3) ?? [])]).toEqual([8]);
    expect([...(world.state.bootOptions.get(5) ?? [])]).toEqual([0xa0, 4, 0, 0, 0]);
  });

  it('of a BMC that forgets is not verified', async () => {
    const { world, session, knobs } = await begin();
    knobs.forgetsBootFlags = true;
    expect((await world.run(setBootDevice(session, wish))).verified).toBe(false);
  });

  it('of a BMC without parameter 3 expires', async () => {
    const { world, session } = await begin();
    world.state.bootOptions.delete(3);
    const outcome = await world.run(setBootDevice(session, wish));
    expect(outcome).toMatchObject({ verified: true, expires: true });
  });

  it('is taken back by clearing the flags', async () => {
    const { world, session } = await begin();
    await world.run(setBootDevice(session, wish));
    const none = { device: 'none', uefi: false, persistent: false } as const;
    expect((await world.run(setBootDevice(session, none))).verified).toBe(true);
    expect([...(world.state.bootOptions.get(5) ?? [])]).toEqual([0, 0, 0, 0, 0]);
  });

  it('from a UEFI disk is remote media on the boards that want it so', async () => {
    const { world, session } = await begin();
    const disk = { device: 'disk', uefi: true, persistent: true } as const;
    await world.run(setBootDevice(session, disk, new Set(['disk-as-remote'])));
    expect(world.state.bootOptions.get(5)?.[1]).toBe(0x24);
  });
});

describe('reading', () => {
  it('all records in pieces, and none of what is not there', async () => {
    const { world, session, knobs } = await begin();
    expect((await world.run(readSdrs(session))).length).toBe(11);
    knobs.refuse.set('10/35', 0xcb);
    expect(await world.run(readSdrs(session))).toEqual([]);
    knobs.refuse.set('10/35', 0xd4);
    const error = await world.run(readSdrs(session).catch((reason: AppError) => reason));
    expect(error).toMatchObject({ code: 'BMC_REFUSED', completion: 0xd4 });
  });

  it('the whole FRU device', async () => {
    const { world, session } = await begin();
    expect(await world.run(readFruBytes(session, 0))).toEqual(Uint8Array.from(world.state.fru));
  });

  it('and clearing the log', async () => {
    const { world, session } = await begin();
    expect((await world.run(readSel(session))).map(({ id }) => id)).toEqual([1, 2, 3]);
    await world.run(clearWholeSel(session, world.ports.timers));
    expect(await world.run(readSel(session))).toEqual([]);
  });

  it('network and users', async () => {
    const { world, session } = await begin();
    expect(await world.run(findLanChannel(session))).toBe(1);
    expect(await world.run(readLan(session, 1))).toEqual({
      ...{ channel: 1, source: 'static', address: '127.0.0.1', mask: '255.0.0.0' },
      ...{ mac: '02:00:00:00:99:01', gateway: '127.0.0.254', suites: [3, 17] },
    });
    const users = await world.run(readUsers(session, 1));
    expect(
      users.filter(({ enabled }) => enabled).map(({ name, privilege }) => [name, privilege]),
    ).toEqual([
      ['admin', 'administrator'],
      ['operator', 'operator'],
      ['viewer', 'user'],
    ]);
  });
});

describe('docs/bmc.md', () => {
  const page = readFileSync('docs/bmc.md', 'utf8');
  it('has every quirk, and no other', () => {
    const section = page.split('## Quirks')[1]?.split('\n## ')[0] ?? '';
    const rows = [...section.matchAll(/^\| `([^`]+)`/gm)].map(([, name]) => name);
    expect(rows).toEqual(Object.keys(QUIRKS));
  });

  it('has every command', () => {
    const words = [...page.matchAll(/`([^`]+)`/g)].flatMap(([, code = '']) => {
      const [first = '', ...rest] = code.split(' ');
      return rest
        .join(' ')
        .split('\\|')
        .map((second) => `${first} ${second.split(' ')[0]}`);
    });
    for (const name of [...Object.keys(COMMANDS), 'sol activate'])
      expect(words, name).toContain(name);
  });
});
