import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { AppError } from '../../../src/errors.ts';
import { type BmcSession, openSession, ping } from '../../../src/ipmi/client.ts';
import { getChassisStatus } from '../../../src/ipmi/commands/chassis-status.ts';
import { getDeviceId } from '../../../src/ipmi/commands/device-id.ts';
import { chassisControl } from '../../../src/ipmi/commands/power-control.ts';
import type { CompletionError } from '../../../src/ipmi/completion.ts';
import { parseKeyText } from '../../../src/ipmi/key-text.ts';
import type { SessionSettings } from '../../../src/ipmi/options.ts';
import { decodeRmcp } from '../../../src/ipmi/rmcp.ts';
import { must } from '../../support/ipmi-golden.ts';
import {
  ADMIN,
  BMC,
  createIpmiWorld,
  type IpmiWorld,
  refusal,
  sentKinds,
} from '../../support/ipmi-world.ts';

const open = (world: IpmiWorld, settings: Partial<SessionSettings> = {}): Promise<BmcSession> =>
  world.run(openSession(world.ports, BMC, { ...ADMIN, ...settings }));

describe('opening a session', () => {
  it.each([
    [17, {}],
    [3, { suites: [3] }],
    [3, {}],
  ])('with suite %i', async (suite, options) => {
    const world = createIpmiWorld({ suites: suite === 17 ? [3, 17] : [3] });
    const session = await open(world, options);
    expect(session.protection).toBe(suite);
    expect((await world.run(session.call(getDeviceId, undefined))).manufacturerId).toBe(49_871);
    expect(world.core.sessions).toBe(1);
    await world.run(session.close());
    expect(world.core.sessions).toBe(0);
  });

  it('with K_G that is no text', async () => {
    const kg = Uint8Array.from({ length: 20 }, (_, index) => 0xf0 + index);
    const world = createIpmiWorld({ kg });
    const text = `0x${Buffer.from(kg).toString('hex')}`;
    expect((await open(world, { kg: parseKeyText(text) })).auth?.kgSet).toBe(true);
    expect(parseKeyText(text.toUpperCase().replace('X', 'x'))).toEqual(kg);
    // What is no such key is the text that it is.
    for (const plain of ['0x', '0xf0', `${text}00`, 'key'])
      expect(Buffer.from(parseKeyText(plain)).toString()).toBe(plain);
  });

  it('with K_G and a password of 20 bytes', async () => {
    const kg = new TextEncoder().encode('twenty bytes of a K_');
    const users = [{ name: 'long', password: 'x'.repeat(20), privilege: 3 }];
    const world = createIpmiWorld({ kg, users });
    const settings = { user: 'long', password: 'x'.repeat(20), kg, privilege: 'operator' as const };
    const session = await open(world, settings);
    expect(session.auth?.kgSet).toBe(true);
    const wrongKey = await refusal(open(world, { ...settings, kg: Uint8Array.of(1) }));
    expect(wrongKey.code).toBe('BMC_KG');
    const short = await refusal(open(world, { ...settings, password: 'x'.repeat(19) }));
    expect(short.code).toBe('BMC_PASSWORD');
  });

  it.each([
    [{ password: 'Secret' }, 'BMC_PASSWORD'],
    [{ user: 'root' }, 'BMC_USER'],
    [{ user: 'operator', password: 'operpw' }, 'BMC_PRIVILEGE'],
    [{ suites: [2] }, 'BMC_SUITE'],
    [{ user: 'x'.repeat(17) }, 'REQUEST_INVALID'],
    [{ password: 'x'.repeat(21) }, 'REQUEST_INVALID'],
    [{ kg: new Uint8Array(21) }, 'REQUEST_INVALID'],
    [{ suites: [18] }, 'REQUEST_INVALID'],
  ] as const)('%j is refused as %s and leaves no slot behind', async (settings, code) => {
    const world = createIpmiWorld();
    const error = await refusal(open(world, settings));
    expect(error.code).toBe(code);
    await world.pass(100);
    expect(world.core.sessions).toBe(0);
    const { password } = { ...ADMIN, ...settings };
    expect(`${error.message} ${error.stack}`).not.toContain(password);
  });

  it('with a session limit reached is busy, whatever suite is asked for', async () => {
    const world = createIpmiWorld();
    world.state.knobs.sessionsMax = 1;
    await open(world);
    expect((await refusal(open(world))).code).toBe('BMC_BUSY');
  });

  it('finds the suite behind a misleading status 0x01', async () => {
    const world = createIpmiWorld({ suites: [3] });
    world.state.knobs.suiteStatus = 0x01;
    expect((await open(world)).protection).toBe(3);
  });

  it('of nobody gives up after ten seconds', async () => {
    const world = createIpmiWorld();
    world.deliver = () => false;
    const startMs = world.nowMs();
    expect((await refusal(open(world))).code).toBe('BMC_UNREACHABLE');
    expect(world.nowMs() - startMs).toBe(10_000);
    expect(sentKinds(world)).toEqual(['lan15', 'lan15', 'lan15', 'lan15']);
  });

  it('starts the whole handshake again when RAKP 2 is lost, with a new id, tag and random number', async () => {
    const world = createIpmiWorld();
    let lost = false;
    world.deliver = (from, index) => {
      const packet = must(decodeRmcp(world.traffic[index]?.bytes ?? new Uint8Array()));
      const isRakp2 = from === 'bmc' && packet.kind === 'rmcp+' && packet.payloadType === 0x13;
      if (!isRakp2 || lost) return true;
      lost = true;
      return false;
    };
    await open(world, { suites: [17] });
    expect(sentKinds(world)).toEqual(['lan15', '0x10', '0x12', '0x10', '0x12', '0x14', '0x0']);
    const opens = world.traffic
      .map(({ bytes }) => must(decodeRmcp(bytes)))
      .filter((packet) => packet.kind === 'rmcp+' && packet.payloadType === 0x10);
    const [first, second] = opens.map((packet) =>
      Buffer.from('payload' in packet ? packet.payload : []),
    );
    expect(first?.subarray(0, 1)).not.toEqual(second?.subarray(0, 1));
    expect(first?.subarray(4, 8)).not.toEqual(second?.subarray(4, 8));
  });
});

describe('requests', () => {
  it('are asked again after a lost reply and carried out once', async () => {
    const world = createIpmiWorld();
    const session = await open(world);
    world.state.knobs.dropReplies = 2;
    const startMs = world.nowMs();
    expect((await world.run(session.call(getChassisStatus, undefined))).powerOn).toBe(false);
    expect(world.nowMs() - startMs).toBe(3000);
    expect(world.state.carriedOut).toEqual(['0/1']);
  });

  it('take a new session sequence number for each repetition', async () => {
    const world = createIpmiWorld();
    const session = await open(world);
    const before = world.traffic.length;
    world.state.knobs.dropRequests = 2;
    await world.run(session.call(getDeviceId, undefined));
    const sequences = world.traffic
      .slice(before)
      .filter(({ from }) => from === 'console')
      .map(({ bytes }) => must(decodeRmcp(bytes)))
      .map((packet) => (packet.kind === 'rmcp+' ? packet.sequence : -1));
    expect(sequences).toEqual([2, 3, 4]);
  });

  it('that must not be repeated are not', async () => {
    const world = createIpmiWorld();
    const session = await open(world);
    world.state.knobs.dropReplies = 1;
    const error = await refusal(world.run(session.call(chassisControl, { control: 'on' })));
    expect(error.code).toBe('BMC_TIMEOUT');
    expect(error.message).toContain('may have been carried out');
    expect(world.state.carriedOut).toEqual(['0/2']);
    // The session goes on.
    expect((await world.run(session.call(getChassisStatus, undefined))).powerOn).toBe(true);
  });

  it('wait while the BMC is busy', async () => {
    const world = createIpmiWorld();
    const session = await open(world);
    world.state.knobs.refuse.set('0/1', 0xc0);
    const answer = session.call(getChassisStatus, undefined);
    await world.pass(600);
    world.state.knobs.refuse.clear();
    expect((await world.run(answer)).powerOn).toBe(false);
    world.state.knobs.refuse.set('0/1', 0xc0);
    const error = await refusal(world.run(session.call(getChassisStatus, undefined)));
    expect((error as CompletionError).completion).toBe(0xc0);
  });

  it('that arrive together are sent one after the other', async () => {
    const world = createIpmiWorld();
    const session = await open(world);
    const answers = Array.from({ length: 10 }, () => session.call(getDeviceId, undefined));
    await world.run(Promise.all(answers));
    expect(world.state.carriedOut).toHaveLength(10);
  });

  it('are not answered by a reply that comes twice', async () => {
    const world = createIpmiWorld();
    world.state.knobs.duplicates = true;
    const session = await open(world);
    for (let round = 0; round < 5; round++) await world.run(session.call(getDeviceId, undefined));
    expect(world.state.carriedOut).toHaveLength(5);
  });

  it('end with the session when the BMC stops answering', async () => {
    const world = createIpmiWorld();
    const session = await open(world);
    world.state.knobs.hang = true;
    const ends: string[] = [];
    session.onEnd((error) => ends.push(error.code));
    const answers = [session.call(getDeviceId, undefined), session.call(getDeviceId, undefined)];
    const settled = await world.run(Promise.allSettled(answers));
    expect(settled.map((each) => each.status === 'rejected' && each.reason.code)).toEqual([
      'BMC_TIMEOUT',
      'BMC_TIMEOUT',
    ]);
    expect(ends).toEqual(['BMC_TIMEOUT']);
    await session.close();
    expect((await refusal(session.call(getDeviceId, undefined))).code).toBe('BMC_TIMEOUT');
  });
});

describe('an idle session', () => {
  it('is kept alive when it was asked to be', async () => {
    const world = createIpmiWorld();
    const session = await open(world, { keepAlive: true });
    await world.pass(200_000);
    expect(world.state.carriedOut.length).toBeGreaterThanOrEqual(7);
    await world.run(session.call(getChassisStatus, undefined));
  });

  it('is forgotten by the BMC otherwise', async () => {
    const world = createIpmiWorld();
    const session = await open(world);
    await world.pass(61_000);
    const error = await refusal(world.run(session.call(getChassisStatus, undefined)));
    expect(error.code).toBe('BMC_TIMEOUT');
  });
});

describe('closing', () => {
  it('does not wait for a BMC that is gone', async () => {
    const world = createIpmiWorld();
    const session = await open(world);
    world.deliver = () => false;
    const startMs = world.nowMs();
    await world.run(session.close());
    expect(world.nowMs() - startMs).toBe(3000);
  });
});

describe('closing twice', () => {
  it('ends both when it has ended once', async () => {
    const world = createIpmiWorld();
    const session = await open(world);
    let closed = 0;
    const both = [session.close(), session.close()].map((each) => each.then(() => (closed += 1)));
    await world.pass(5000);
    expect(closed).toBe(2);
    await Promise.all(both);
    expect(world.core.sessions).toBe(0);
  });
});

describe('over a bad network', () => {
  it('every request is answered right or fails by name, and none is carried out twice', async () => {
    await fc.assert(
      fc.asyncProperty(fc.infiniteStream(fc.nat(99)), fc.nat(1000), async (luck, seed) => {
        const world = createIpmiWorld({ seed });
        world.deliver = () => (luck.next().value ?? 0) >= 20;
        const outcome = await world.run(
          openSession(world.ports, BMC, ADMIN).then(
            async (session) => {
              const status = await session.call(getChassisStatus, undefined).catch((e) => e.code);
              await session.call(chassisControl, { control: 'on' }).catch(() => undefined);
              await session.close();
              return status;
            },
            (error: AppError) => error.code,
          ),
        );
        if (typeof outcome === 'string') {
          expect(['BMC_UNREACHABLE', 'BMC_TIMEOUT', 'BMC_SUITE']).toContain(outcome);
        } else expect(outcome.powerOn).toBe(false);
        expect(world.state.carriedOut.filter((name) => name === '0/2').length).toBeLessThan(2);
      }),
      { numRuns: 150 },
    );
  });
});

describe('presence ping', () => {
  it('finds a BMC, and nobody', async () => {
    const world = createIpmiWorld();
    expect(await world.run(ping(world.ports, BMC))).toEqual({ ipmi: true });
    world.deliver = () => false;
    expect(await world.run(ping(world.ports, BMC))).toBeUndefined();
  });
});
