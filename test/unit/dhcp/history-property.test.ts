/**
 * Any history of a handful of clients on a small wire: whatever they send and however long they wait, nobody is told an
 * address that another client was told and may still use, a reserved address goes to its owner alone, and nothing is
 * given out that is not ours to give.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { OPTION, u32 } from '../../../src/dhcp/options.ts';
import type { Ipv4 } from '../../../src/wire/ipv4.ts';
import type { Mac } from '../../../src/wire/mac.ts';
import { names, numberOf } from '../../support/outcomes.ts';
import { createWorld, dhcpPacket, ipv4, mac } from '../../support/world.ts';

const MACS = [1, 2, 3, 4, 5, 6].map((n) => mac(`52:54:00:00:00:0${n}`));
const OWNER = MACS[0] as Mac;
const RESERVED = ipv4('10.77.0.102');
const SITE = `
dhcp:
  segments:
    - name: a
      pools: [{ first: 10.77.0.100, last: 10.77.0.103 }]
      exclude: [10.77.0.101]
      reservations: [{ mac: '${OWNER}', address: 10.77.0.102 }]
    - { name: b, address: 10.78.0.1, cidr: 10.78.0.0/24, pools: [{ first: 10.78.0.100, last: 10.78.0.101 }] }
`;
const OURS = ['10.77.0.100', '10.77.0.102', '10.77.0.103', '10.78.0.100', '10.78.0.101'].map(ipv4);
const ANY = [...OURS, ipv4('10.77.0.101'), ipv4('10.77.0.1'), ipv4('192.168.0.9')];

const step = fc.record({
  who: fc.nat({ max: MACS.length - 1 }),
  act: fc.constantFrom('discover', 'select', 'reboot', 'renew', 'decline', 'release', 'wait'),
  address: fc.constantFrom(...ANY),
  client: fc.constantFrom('os', 'bios', 'ipxe'),
  ms: fc.constantFrom(1000, 61_000, 601_000, 4_000_000, 90_000_000),
});

interface Told {
  readonly mac: Mac;
  readonly until: number;
}

describe('any history', () => {
  it('gives no address to two clients at a time', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60, size: 'max' }), (steps) => {
        const world = createWorld(undefined, SITE);
        const told = new Map<Ipv4, Told>();
        const offered = new Map<Mac, Ipv4>();
        const holds = new Map<Mac, Ipv4>();
        for (const { who, act, address, client, ms } of steps) {
          const of = MACS[who] as Mac;
          const mine = holds.get(of) ?? address;
          const wanted = offered.get(of) ?? address;
          const server =
            wanted >= ipv4('10.78.0.0') && wanted < ipv4('10.79.0.0') ? '10.78.0.1' : '10.77.0.1';
          const base = { mac: of, client } as const;
          const ask = (at: Ipv4): [number, Uint8Array] => [OPTION.requestedAddress, u32(at)];
          const packet = {
            discover: dhcpPacket({ ...base, type: 1 }, [ask(address)]),
            select: dhcpPacket({ ...base, type: 3 }, [names(server), ask(wanted)]),
            reboot: dhcpPacket({ ...base, type: 3 }, [ask(mine)]),
            renew: dhcpPacket({ ...base, type: 3, ciaddr: mine }),
            decline: dhcpPacket({ ...base, type: 4 }, [ask(mine)]),
            release: dhcpPacket({ ...base, type: 7, ciaddr: mine }),
            wait: undefined,
          }[act];
          if (!packet) {
            world.pass(ms);
            continue;
          }
          const outcome = world.dhcp(packet);
          const now = world.time.now;
          if (outcome.kind === 'silent') {
            if (told.get(mine)?.mac === of) told.delete(mine);
            holds.delete(of);
          }
          if (outcome.kind !== 'reply') continue;
          if (outcome.type === 6) {
            if (told.get(mine)?.mac === of) told.delete(mine);
            holds.delete(of);
            continue;
          }
          const given = outcome.reply.yiaddr;
          expect(OURS).toContain(given);
          if (given === RESERVED) expect(of).toBe(OWNER);
          const before = told.get(given);
          if (before && before.mac !== of) expect(before.until).toBeLessThanOrEqual(now);
          if (outcome.type === 2) {
            offered.set(of, given);
            continue;
          }
          // A client that moves lets its old address go.
          for (const [other, { mac }] of told) if (mac === of) told.delete(other);
          told.set(given, { mac: of, until: now + numberOf(outcome, OPTION.leaseTime) * 1000 });
          holds.set(of, given);
          offered.delete(of);
        }
      }),
      { numRuns: 150 },
    );
    // Seconds on a machine of its own; a busy one takes its time.
  }, 120_000);
});
