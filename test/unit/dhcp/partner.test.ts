/** What is the other appliance's to answer: such a packet is dropped, and counted as `the-partners`. */
import { describe, expect, it } from 'vitest';
import type { PartnerRules } from '../../../src/dhcp/ports.ts';
import { asks, names, shown } from '../../support/outcomes.ts';
import { createWorld, dhcpPacket, ipv4, mac } from '../../support/world.ts';

const A = mac('52:54:00:00:00:0a');
const DISCOVER = dhcpPacket({ mac: A, type: 1 });
const selecting = (address: string) =>
  dhcpPacket({ mac: A, type: 3 }, [asks(address), names('10.77.0.1')]);

function beside(rules: Partial<PartnerRules>) {
  const partner: PartnerRules = {
    isReadOnly: () => false,
    standsBackSeconds: () => 0,
    mayGive: () => true,
    secondsMax: () => undefined,
    ...rules,
  };
  return createWorld(undefined, '', { partner });
}

describe('beside another appliance', () => {
  it('that is active, nothing new is promised and nobody is refused', () => {
    const world = beside({ isReadOnly: () => true });
    expect(shown(world.dhcp(DISCOVER))).toBe('drop the-partners');
    expect(shown(world.dhcp(dhcpPacket({ mac: A, type: 3 }, [asks('10.99.0.1')])))).toBe(
      'drop the-partners',
    );
    expect(world.inventory.leases.count()).toBe(0);
  });

  it('that may have given an address, it is neither given nor refused', () => {
    const theirs = ipv4('10.77.0.100');
    const world = beside({ mayGive: ({ address }) => address !== theirs });
    expect(shown(world.dhcp(DISCOVER))).toBe('offer 10.77.0.101');
    expect(shown(world.dhcp(selecting('10.77.0.100')))).toBe('drop the-partners');
    expect(shown(world.dhcp(selecting('10.77.0.101')))).toBe('ack 10.77.0.101');
  });
});
