/** Refusals of a session that are not the BMC's, or do not say so: none is believed before a better answer could have come. */
import { describe, expect, it } from 'vitest';
import { sealLan15 } from '../../../src/ipmi/channel.ts';
import { openSession } from '../../../src/ipmi/client.ts';
import { getDeviceId } from '../../../src/ipmi/commands/device-id.ts';
import { createHandshake15 } from '../../../src/ipmi/handshake15.ts';
import { decodeRequest, encodeResponse } from '../../../src/ipmi/message.ts';
import { parseSettings } from '../../../src/ipmi/options.ts';
import { encodeRakpCode } from '../../../src/ipmi/rakp.ts';
import { decodeRmcp, encodeHandshake, encodeSessionless, PAYLOAD } from '../../../src/ipmi/rmcp.ts';
import { must } from '../../support/ipmi-golden.ts';
import {
  ADMIN,
  BMC,
  createIpmiWorld,
  type IpmiWorld,
  refusal,
  sentKinds,
} from '../../support/ipmi-world.ts';

describe('a refusal that somebody else sends', () => {
  const answers: Readonly<Record<number, number>> = {
    [PAYLOAD.openRequest]: PAYLOAD.openResponse,
    [PAYLOAD.rakp1]: PAYLOAD.rakp2,
    [PAYLOAD.rakp3]: PAYLOAD.rakp4,
  };
  /** Each message of these kinds is answered at once by a refusal with its tag, before the BMC answers. */
  const forged = (world: IpmiWorld, { id = 0, cut = 8, status = 0x0d, kinds = [0x12, 0x14] }) => {
    const handlers = new Set<(bytes: Uint8Array) => void>();
    const { datagrams } = world.ports;
    return {
      ...world.ports,
      datagrams: {
        send(bytes: Uint8Array, to: typeof BMC) {
          datagrams.send(bytes, to);
          const [kind = 0, tag] = [bytes[5], bytes[16]];
          const type = answers[kind];
          if (type === undefined || tag === undefined || !kinds.includes(kind)) return;
          const refusal = { tag, status, id, code: new Uint8Array() };
          const payload = encodeRakpCode(refusal).subarray(0, cut);
          queueMicrotask(() => {
            for (const handler of handlers) handler(encodeHandshake(type, payload));
          });
        },
        listen(from: typeof BMC, handler: (bytes: Uint8Array) => void) {
          handlers.add(handler);
          const stop = datagrams.listen(from, handler);
          return () => {
            handlers.delete(handler);
            stop();
          };
        },
      },
    };
  };
  const names = [
    { id: 0x12345678, cut: 8 },
    { id: 0, cut: 8 },
    { id: 0x12345678, cut: 4 },
  ];
  const kinds = [[PAYLOAD.openRequest], [PAYLOAD.rakp1], [PAYLOAD.rakp3], [0x10, 0x12, 0x14]];
  const statuses = [0x01, 0x02, 0x0a, 0x0d, 0x0f, 0x11];
  const everyWay = names.flatMap((name) => kinds.map((each) => ({ ...name, kinds: each })));
  it.each(everyWay)('is not believed while the BMC has another answer: %j', async (way) => {
    for (const status of statuses) {
      const world = createIpmiWorld();
      const session = await world.run(openSession(forged(world, { ...way, status }), BMC, ADMIN));
      // Not weaker than without it, and not a slot more.
      expect([status, session.protection, world.core.sessions]).toEqual([status, 17, 1]);
      expect((await world.run(session.call(getDeviceId, undefined))).manufacturerId).toBe(49_871);
    }
  });

  it.each(everyWay)('is not believed when that answer was lost once: %j', async (way) => {
    const wanted = way.kinds.map((kind) => answers[kind] ?? 0);
    for (const status of statuses) {
      const world = createIpmiWorld();
      let lost = false;
      world.deliver = (from, index) => {
        const packet = must(decodeRmcp(world.traffic[index]?.bytes ?? new Uint8Array()));
        const type = packet.kind === 'rmcp+' ? packet.payloadType : 0;
        if (lost || from !== 'bmc' || !wanted.includes(type)) return true;
        lost = true;
        return false;
      };
      const session = await world.run(openSession(forged(world, { ...way, status }), BMC, ADMIN));
      expect([status, lost, session.protection]).toEqual([status, true, 17]);
    }
  });
});

describe('a BMC that refuses without saying whom', () => {
  /** What it refuses with, as boards do that have no session to name: zero instead of the console's id, or cut off before it. */
  const nameless = (world: IpmiWorld, keep: 4 | 8) => {
    const { datagrams } = world.ports;
    const listen: typeof datagrams.listen = (from, handler) =>
      datagrams.listen(from, (bytes) => {
        const type = bytes[5] ?? 0;
        const isRefusal = bytes[4] === 6 && type >= 0x11 && type <= 0x15 && bytes[17] !== 0;
        if (!isRefusal) return handler(bytes);
        const cut = Uint8Array.from(bytes.subarray(0, 16 + keep));
        cut.fill(0, 20);
        new DataView(cut.buffer).setUint16(14, keep, true);
        handler(cut);
      });
    return { ...world.ports, datagrams: { ...datagrams, listen } };
  };
  it.each([
    [{ user: 'root' }, 'BMC_USER', 4],
    [{ user: 'root' }, 'BMC_USER', 8],
    [{ user: 'operator', password: 'operpw' }, 'BMC_PRIVILEGE', 8],
    [{ suites: [2] }, 'BMC_SUITE', 8],
    [{ suites: [2] }, 'BMC_SUITE', 4],
  ] as const)(
    'is believed once it has said it twice: %j, %s, %i bytes',
    async (given, code, keep) => {
      const world = createIpmiWorld();
      const opening = openSession(nameless(world, keep), BMC, { ...ADMIN, ...given });
      const began = world.nowMs();
      expect((await refusal(world.run(opening))).code).toBe(code);
      expect(world.nowMs() - began).toBe(2000);
      const asked = code === 'BMC_SUITE' ? ['0x10', '0x10'] : ['0x10', '0x12', '0x10', '0x12'];
      expect(sentKinds(world).filter((kind) => kind.startsWith('0x1'))).toEqual(asked);
    },
  );

  it('still has its other suites tried', async () => {
    const world = createIpmiWorld({ suites: [3] });
    const { datagrams } = world.ports;
    const ports = nameless(world, 8);
    // It does not list its suites, so the best of ours comes first.
    const send: typeof datagrams.send = (bytes, to) => {
      if (bytes[5] !== 0 || bytes[4] !== 6) datagrams.send(bytes, to);
    };
    const settings = { ...ADMIN, suites: [17, 3] };
    const guarded = { ...ports, datagrams: { ...ports.datagrams, send } };
    const session = await world.run(openSession(guarded, BMC, settings).catch((e) => e));
    expect(session.protection).toBe(3);
  });
});

describe('an answer to the first question that says there is no IPMI 2.0', () => {
  it('is no reason not to try it, for anybody can send that too', async () => {
    const world = createIpmiWorld();
    const handlers = new Set<(bytes: Uint8Array) => void>();
    const { datagrams } = world.ports;
    const ports = {
      ...world.ports,
      datagrams: {
        send(bytes: Uint8Array, to: typeof BMC) {
          datagrams.send(bytes, to);
          if (bytes[4] !== 0) return;
          const message = must(decodeRequest(bytes.subarray(14)));
          const data = Uint8Array.of(1, 0x04, 0, 0x01, 0, 0, 0, 0);
          const answer = encodeSessionless(
            encodeResponse({ ...message, netFn: 0x07, completion: 0, data }),
          );
          queueMicrotask(() => {
            for (const handler of handlers) handler(answer);
          });
        },
        listen(from: typeof BMC, handler: (bytes: Uint8Array) => void) {
          handlers.add(handler);
          return datagrams.listen(from, handler);
        },
      },
    };
    const session = await world.run(openSession(ports, BMC, ADMIN));
    expect(session.protection).toBe(17);
    world.deliver = (from) => from === 'bmc';
    const silent = await refusal(world.run(openSession(ports, BMC, ADMIN)));
    expect(silent.code).toBe('BMC_SUITE');
  });
});

describe('a refusal over IPMI 1.5, which names nobody', () => {
  const PASSWORD = Buffer.from('secret');
  const SESSION = 0x01020304;
  const begin = () =>
    createHandshake15({
      options: parseSettings({ ...ADMIN, suites: [], allowIpmi15: true }),
      random: (count) => new Uint8Array(count).fill(5),
    });
  /** An answer to this request, or a refusal of it. */
  const answer = (
    asked: Uint8Array | undefined,
    { completion = 0, data = new Uint8Array(), sign = false },
  ) => {
    const packet = must(decodeRmcp(asked ?? new Uint8Array()));
    if (packet.kind !== 'lan15') throw new Error('that is no request of IPMI 1.5');
    const request = must(decodeRequest(packet.payload));
    const payload = encodeResponse({ ...request, netFn: request.netFn + 1, completion, data });
    const bytes = sign
      ? sealLan15(PASSWORD, { sessionId: SESSION, sequence: 0, payload })
      : encodeSessionless(payload);
    return must(decodeRmcp(bytes));
  };
  const challenge = Uint8Array.from([4, 3, 2, 1, ...new Uint8Array(16)]);
  const activated = Uint8Array.from([2, 4, 3, 2, 1, 1, 0, 0, 0, 4]);

  it('is not believed while an answer may come', () => {
    const handshake = begin();
    const asked = handshake.start(0);
    expect(handshake.onPacket(answer(asked.send, { completion: 0x81 }), 1)).toBeUndefined();
    const next = handshake.onPacket(answer(asked.send, { data: challenge }), 2);
    expect(next?.fault).toBeUndefined();
    expect(handshake.onPacket(answer(next?.send, { completion: 0x86 }), 3)).toBeUndefined();
    const last = handshake.onPacket(answer(next?.send, { data: activated, sign: true }), 4);
    expect(last?.opened?.protection).toBe('md5');
  });

  it('is believed when it has come twice', () => {
    const handshake = begin();
    const asked = handshake.start(0);
    handshake.onPacket(answer(asked.send, { completion: 0x81 }), 1);
    const again = handshake.onDeadline(1000);
    expect(again.fault).toBeUndefined();
    handshake.onPacket(answer(again.send, { completion: 0x81 }), 1001);
    expect(handshake.onDeadline(3000).fault?.code).toBe('BMC_USER');
  });
});
