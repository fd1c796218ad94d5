/** Replies that share what is told alike must be the ones that are put together for each client alone. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Asked, leaseReply } from '../../../src/dhcp/asked.ts';
import { classify } from '../../../src/dhcp/client-class.ts';
import { OPTION, text, u16, u32 } from '../../../src/dhcp/options.ts';
import { type DhcpPacket, encodePacket, replyBytesMax } from '../../../src/dhcp/packet.ts';
import type { BootAnswer, Segment } from '../../../src/dhcp/ports.ts';
import { createWorld, dhcpPacket, ipv4, mac } from '../../support/world.ts';

const MAC = mac('52:54:00:00:00:0a');
const YAML = `dhcp:
  segments:
    - options: { domainSearch: [lab.example], raw: [{ code: 224, text: asked }, { code: 225, text: all, always: true }] }`;
const world = createWorld(undefined, YAML);
const segment = world.segments[0] as Segment;
const NO_BOOT: BootAnswer = {
  ...{ boot: undefined, hardwarename: undefined, state: 'unknown', options: {}, why: '' },
};

interface Client {
  readonly packet: DhcpPacket;
  readonly answer?: BootAnswer;
  readonly type?: number;
  readonly seconds?: number;
  readonly name?: string | undefined;
}

function replyFor(
  { packet, answer = NO_BOOT, type = 2, seconds = 600, name }: Client,
  on: Segment,
) {
  const asked: Asked = {
    ...{ packet, mac: MAC, segment: on, relay: undefined, port: undefined, viaProxyPort: false },
    client: classify(packet),
    view: { ...world.view, hostnameFor: () => name },
    now: world.clock(),
    serverId: on.serverId,
  };
  const address = ipv4('10.77.0.100');
  return leaseReply(asked, answer, { type, segment: on, address, seconds });
}

/** Nobody was told anything on such a segment before. */
function fresh(of: Segment, more: Partial<Segment['network']> = {}): Segment {
  return { ...of, network: { ...of.network, ...more } };
}

/** By the network of a machine's own, which is told nobody else. */
function alone(of: Segment): Segment {
  return { ...of, network: fresh(of).network, machineNetworks: new Map([[MAC, of.network]]) };
}

function shown(reply: DhcpPacket): unknown {
  return { ...reply, options: [...reply.options].map(([code, value]) => [code, [...value]]) };
}

const bytes = fc.uint8Array({ minLength: 0, maxLength: 40 });
const client = fc.record({
  list: fc.option(fc.subarray([1, 3, 6, 15, 119, 224, 12])),
  type: fc.constantFrom(2, 5),
  seconds: fc.constantFrom(600, 601),
  name: fc.constantFrom(undefined, 'rack1-a', 'rack2-b.lab.example'),
  file: fc.constantFrom(undefined, 'snponly.efi', 'undionly.kpxe'),
  secret: fc.boolean(),
  raw: fc.boolean(),
  echoed: fc.dictionary(fc.constantFrom('61', '97', '118', '82'), bytes),
  most: fc.constantFrom(undefined, 576, 1472),
  long: fc.boolean(),
});

describe('replies of clients that are alike', () => {
  it('are those that are made for each alone, options, order and bytes', () => {
    const shared = fresh(segment);
    fc.assert(
      fc.property(fc.array(client, { minLength: 2, maxLength: 12 }), (clients) => {
        for (const { list, file, secret, raw, echoed, most, long, ...rest } of clients) {
          const options: [number, Uint8Array][] = [];
          if (list) options.push([OPTION.parameterList, Uint8Array.from(list)]);
          if (most !== undefined) options.push([OPTION.maxMessageSize, u16(most)]);
          for (const [code, value] of Object.entries(echoed)) options.push([Number(code), value]);
          if (long) options.push([OPTION.clientUuid, new Uint8Array(400)]);
          const packet = dhcpPacket({ mac: MAC, type: 1 }, options);
          const label = secret ? '…' : file;
          const boot = {
            ...(file === undefined ? {} : { file }),
            ...(label === undefined ? {} : { label }),
            ...(raw ? { raw: [{ code: 175, bytes: Uint8Array.of(1) }] } : {}),
          };
          const answer = { ...NO_BOOT, options: boot };
          const made = replyFor({ packet, answer, ...rest }, shared);
          const expected = replyFor({ packet, answer, ...rest }, alone(segment));
          expect(shown(made)).toEqual(shown(expected));
          expect(made.options.size).toBe([...expected.options].length);
          for (let code = 0; code < 256; code++) {
            expect(made.options.get(code)).toEqual(expected.options.get(code));
            expect(made.options.has(code)).toBe(expected.options.has(code));
          }
          for (const max of [replyBytesMax(packet), 548, 1472]) {
            expect(encodePacket(made, max)).toEqual(encodePacket(expected, max));
          }
        }
      }),
      { numRuns: 150 },
    );
  });

  it('change with the network, and with the server that a relay names', () => {
    const packet = dhcpPacket({ mac: MAC, type: 1 });
    expect(replyFor({ packet }, segment).options.get(OPTION.domain)).toEqual(text('lab.example'));
    const always = [...segment.network.always, [OPTION.domain, text('new.example')] as const];
    const changed = replyFor({ packet }, fresh(segment, { always }));
    expect(changed.options.get(OPTION.domain)).toEqual(text('new.example'));
    const moved = replyFor({ packet }, { ...segment, serverId: u32(ipv4('10.77.0.9')) });
    expect(moved.options.get(OPTION.serverId)).toEqual(u32(ipv4('10.77.0.9')));
  });

  it('are not changed by what becomes of the packet that was answered first', () => {
    const list = Uint8Array.of(224);
    const asking = (value: Uint8Array) =>
      dhcpPacket({ mac: MAC, type: 1 }, [[OPTION.parameterList, value]]);
    const on = fresh(segment);
    replyFor({ packet: asking(list) }, on);
    list[0] = 1;
    const other = replyFor({ packet: asking(Uint8Array.of(1)) }, on);
    expect(other.options.has(224)).toBe(false);
  });
});
