import { describe, expect, it } from 'vitest';
import { OPTION, text, u32 } from '../../../src/dhcp/options.ts';
import type { Mac } from '../../../src/wire/mac.ts';
import { addressOf, asks, hexOf, names, replyOf, shown } from '../../support/outcomes.ts';
import { createWorld, dhcpPacket, ipv4, mac, type World } from '../../support/world.ts';

const A = mac('52:54:00:00:00:0a');
const B = mac('52:54:00:00:00:0b');
const C = mac('52:54:00:00:00:0c');
const world = (yaml: string, ports = {}) => createWorld(undefined, yaml, ports);
const discover = (on: World, of: Mac, ...options: [number, Uint8Array][]) =>
  on.dhcp(dhcpPacket({ mac: of, type: 1 }, options));
const bind = (on: World, of: Mac) => {
  const taken: [number, Uint8Array] = [50, u32(replyOf(discover(on, of)).yiaddr)];
  return on.dhcp(dhcpPacket({ mac: of, type: 3 }, [names(), taken]));
};

describe('reservations', () => {
  const reserved = (address: string, more = '') =>
    `dhcp: { segments: [{ pools: [{ first: 10.77.0.100, last: 10.77.0.101 }], reservations: [{ mac: '${A}', address: ${address}, hostname: db1 }]${more} }] }`;

  it('are given to their machine with its name, and to nobody else', () => {
    const on = world(reserved('10.77.0.100'));
    expect(shown(discover(on, B, asks('10.77.0.100')))).toBe('offer 10.77.0.101');
    const offer = discover(on, A);
    expect(shown(offer)).toBe('offer 10.77.0.100');
    expect(hexOf(offer, OPTION.hostname)).toBe(Buffer.from('db1').toString('hex'));
    expect(shown(discover(on, C))).toBe('drop pool-exhausted');
    expect(shown(on.dhcp(dhcpPacket({ mac: C, type: 3 }, [asks('10.77.0.100')])))).toBe(
      'nak 0.0.0.0',
    );
  });

  it('may lie outside of the pools', () => {
    const on = world(reserved('10.77.0.7'));
    expect(shown(bind(on, A))).toBe('ack 10.77.0.7');
    expect(shown(on.dhcp(dhcpPacket({ mac: A, type: 3, ciaddr: ipv4('10.77.0.7') })))).toBe(
      'ack 10.77.0.7',
    );
  });

  it('move a machine that holds another address: its renewal is refused', () => {
    const before = world('');
    expect(shown(bind(before, A))).toBe('ack 10.77.0.100');
    const after = createWorld(before.db, reserved('10.77.0.7'));
    expect(shown(after.dhcp(dhcpPacket({ mac: A, type: 3, ciaddr: ipv4('10.77.0.100') })))).toBe(
      'nak 0.0.0.0',
    );
    expect(shown(bind(after, A))).toBe('ack 10.77.0.7');
  });

  it.each([
    ['renew', dhcpPacket({ mac: A, type: 3, ciaddr: ipv4('10.77.0.100') }), 'ack 10.77.0.100'],
    ['ask for it again', dhcpPacket({ mac: A, type: 3 }, [asks('10.77.0.100')]), 'ack 10.77.0.100'],
    ['decline', dhcpPacket({ mac: A, type: 4 }, [asks('10.77.0.100')]), 'silent declined'],
    ['release', dhcpPacket({ mac: A, type: 7, ciaddr: ipv4('10.77.0.100') }), 'silent released'],
  ])(
    'that are called off leave a machine its lease to %s, whatever it was offered',
    (_what, packet, answer) => {
      let reservation: ReturnType<typeof ipv4> | undefined;
      const on = world('', { reservationFor: () => reservation });
      expect(shown(bind(on, A))).toBe('ack 10.77.0.100');
      reservation = ipv4('10.77.0.7');
      expect(shown(discover(on, A))).toBe('offer 10.77.0.7');
      reservation = undefined;
      expect(shown(on.dhcp(packet))).toBe(answer);
      const { leases } = on.inventory;
      expect(leases.byAddress('provisioning', ipv4('10.77.0.7'))?.mac).toBe(
        answer === 'silent declined' ? A : undefined,
      );
    },
  );

  it('that are called off leave a machine its lease when it asks anew', () => {
    let reservation: ReturnType<typeof ipv4> | undefined;
    const on = world('', { reservationFor: () => reservation });
    bind(on, B);
    expect(shown(bind(on, A))).toBe('ack 10.77.0.101');
    on.dhcp(dhcpPacket({ mac: B, type: 7, ciaddr: ipv4('10.77.0.100') }));
    reservation = ipv4('10.77.0.7');
    expect(shown(discover(on, A))).toBe('offer 10.77.0.7');
    reservation = undefined;
    expect(shown(bind(on, A))).toBe('ack 10.77.0.101');
  });

  it('wait while somebody else still holds the address', () => {
    const before = world('');
    bind(before, B);
    const after = createWorld(before.db, reserved('10.77.0.100'));
    expect(shown(discover(after, A))).toBe('offer 10.77.0.101');
    // Its renewal is refused, so the address comes free before its lease ends.
    expect(shown(after.dhcp(dhcpPacket({ mac: B, type: 3, ciaddr: ipv4('10.77.0.100') })))).toBe(
      'nak 0.0.0.0',
    );
    after.pass(3_600_000);
    expect(shown(discover(after, A))).toBe('offer 10.77.0.100');
  });

  it('come from the inventory as well; those of the configuration come first', () => {
    const table = new Map([[B, ipv4('10.77.0.200')]]);
    const on = world('', {
      reservationFor: (_segment: string, of: Mac) => table.get(of),
      reservedAt: (_segment: string, address: number) =>
        [...table].find(([, kept]) => kept === address)?.[0],
    });
    expect(shown(discover(on, A, asks('10.77.0.200')))).toBe('offer 10.77.0.100');
    expect(shown(bind(on, B))).toBe('ack 10.77.0.200');
    expect(shown(on.dhcp(dhcpPacket({ mac: A, type: 3 }, [asks('10.77.0.200')])))).toBe(
      'nak 0.0.0.0',
    );
  });
});

describe('host names', () => {
  const yaml = `dhcp: { segments: [{ reservations: [{ mac: '${A}', address: 10.77.0.7, hostname: db1 }] }] }`;
  it('come from the inventory, without their domain; the one of the configuration comes first', () => {
    const on = world(yaml, { hostnameFor: () => 'web3.lon.example' });
    const hex = (label: string) => Buffer.from(label).toString('hex');
    expect(hexOf(discover(on, A), OPTION.hostname)).toBe(hex('db1'));
    expect(hexOf(discover(on, B), OPTION.hostname)).toBe(hex('web3'));
    const nameless = world(yaml, { hostnameFor: () => '' });
    expect(hexOf(discover(nameless, B), OPTION.hostname)).toBeUndefined();
  });
});

describe('pools', () => {
  it('several, with holes: in order, and nothing between them', () => {
    const on = world(
      'dhcp: { segments: [{ pools: [{ first: 10.77.0.20, last: 10.77.0.21 }, { first: 10.77.0.10, last: 10.77.0.12 }], exclude: [10.77.0.11] }] }',
    );
    const found = [1, 2, 3, 4, 5].map((n) => shown(discover(on, mac(`52:54:00:00:01:0${n}`))));
    expect(found).toEqual([
      'offer 10.77.0.10',
      'offer 10.77.0.12',
      'offer 10.77.0.20',
      'offer 10.77.0.21',
      'drop pool-exhausted',
    ]);
  });

  it('a lease that is excluded since is not renewed', () => {
    const before = world('');
    bind(before, A);
    const after = createWorld(before.db, 'dhcp: { segments: [{ exclude: [10.77.0.100] }] }');
    expect(shown(after.dhcp(dhcpPacket({ mac: A, type: 3, ciaddr: ipv4('10.77.0.100') })))).toBe(
      'nak 0.0.0.0',
    );
    expect(shown(discover(after, A))).toBe('offer 10.77.0.101');
  });

  it('a production segment has no address for strangers, but for those with a reservation', () => {
    const on = world(
      `dhcp: { segments: [{ kind: production, reservations: [{ mac: '${B}', address: 10.77.0.9 }] }] }`,
    );
    expect(shown(discover(on, A))).toBe('drop unknown-client');
    expect(shown(on.dhcp(dhcpPacket({ mac: A, type: 3 }, [asks('10.77.0.100')])))).toBe(
      'nak 0.0.0.0',
    );
    expect(shown(bind(on, B))).toBe('ack 10.77.0.9');
  });

  it('a probed address is taken before one that nobody has looked at', () => {
    const on = world('', { quietAddress: () => ipv4('10.77.0.130') });
    expect(shown(discover(on, A))).toBe('offer 10.77.0.130');
    expect(shown(discover(on, B, asks('10.77.0.140')))).toBe('offer 10.77.0.140');
    // What it asks for is another network's: that is no reason to give it what nobody has looked at.
    const moved = world('', { quietAddress: () => ipv4('10.77.0.130') });
    expect(shown(discover(moved, B, asks('192.168.1.5')))).toBe('offer 10.77.0.130');
    const off = world('dhcp: { segments: [{ conflictProbe: false }] }', {
      quietAddress: () => ipv4('10.77.0.130'),
    });
    expect(shown(discover(off, A))).toBe('offer 10.77.0.100');
  });
});

describe('several subnets on one wire', () => {
  const yaml = `
dhcp:
  segments:
    - { name: a, pools: [{ first: 10.77.0.100, last: 10.77.0.100 }] }
    - name: b
      address: 10.78.0.1
      cidr: 10.78.0.0/24
      routers: [10.78.0.254]
      pools: [{ first: 10.78.0.100, last: 10.78.0.101 }]
      reservations: [{ mac: '${C}', address: 10.78.0.9 }]`;

  it('one that is full continues in the next, with its own options', () => {
    const on = world(yaml);
    expect(shown(discover(on, A))).toBe('offer 10.77.0.100');
    const offer = discover(on, B);
    expect(shown(offer)).toBe('offer 10.78.0.100');
    expect([addressOf(offer, 54), addressOf(offer, 3)]).toEqual(['10.78.0.1', '10.78.0.254']);
    const ack = on.dhcp(dhcpPacket({ mac: B, type: 3 }, [names('10.78.0.1'), asks('10.78.0.100')]));
    expect(shown(ack)).toBe('ack 10.78.0.100');
    expect(on.inventory.leases.byMac('b', B)?.state).toBe('bound');
    expect(shown(discover(on, B))).toBe('offer 10.78.0.100');
    expect(shown(on.dhcp(dhcpPacket({ mac: B, type: 3, ciaddr: ipv4('10.78.0.100') })))).toBe(
      'ack 10.78.0.100',
    );
    expect(shown(on.dhcp(dhcpPacket({ mac: B, type: 7, ciaddr: ipv4('10.78.0.100') })))).toBe(
      'silent released',
    );
  });

  it('a reservation in any of them counts before the first free address', () => {
    expect(shown(discover(world(yaml), C))).toBe('offer 10.78.0.9');
  });

  it('a client declines in the subnet of its address', () => {
    const on = world(yaml);
    bind(on, A);
    on.dhcp(dhcpPacket({ mac: B, type: 1 }));
    on.dhcp(dhcpPacket({ mac: B, type: 3 }, [names('10.78.0.1'), asks('10.78.0.100')]));
    const decline = dhcpPacket({ mac: B, type: 4 }, [names('10.78.0.1'), asks('10.78.0.100')]);
    expect(shown(on.dhcp(decline))).toBe('silent declined');
    expect(shown(discover(on, B))).toBe('offer 10.78.0.101');
  });
});

describe('interfaces', () => {
  const yaml = `
dhcp:
  segments:
    - { name: a, iface: eth1.10, pools: [{ first: 10.77.0.100, last: 10.77.0.101 }] }
    - { name: b, iface: eth1.20, address: 10.78.0.1, cidr: 10.78.0.0/24, pools: [{ first: 10.78.0.100, last: 10.78.0.101 }] }`;
  it('each has its segment, and a machine that moved to another VLAN is told so', () => {
    const on = world(yaml);
    expect(shown(on.dhcp(dhcpPacket({ mac: A, type: 1 }), 'eth1.10'))).toBe('offer 10.77.0.100');
    expect(shown(on.dhcp(dhcpPacket({ mac: B, type: 1 }), 'eth1.20'))).toBe('offer 10.78.0.100');
    const moved = dhcpPacket({ mac: A, type: 3, ciaddr: ipv4('10.77.0.100') });
    expect(shown(on.dhcp(moved, 'eth1.20'))).toBe('nak 0.0.0.0');
  });
});

describe('BMCs', () => {
  const yaml = 'dhcp: { segments: [{ kind: out-of-band }] }';
  const asBmc: [number, Uint8Array][] = [
    [OPTION.hostname, text('idrac-7')],
    [OPTION.vendorClass, text('udhcp 1.23.1')],
  ];
  const ack = (on: World, extra: [number, Uint8Array][] = []) =>
    on.dhcp(dhcpPacket({ mac: A, type: 3 }, [...extra, asks('10.77.0.100')]));

  it('are whatever does not boot on an out-of-band network: an address, no boot, an event', () => {
    const on = world(yaml);
    expect(shown(ack(on, asBmc))).toBe('ack 10.77.0.100');
    expect(on.inventory.boots.list(9)).toEqual([]);
    const seen = on.inventory.events.after(0, 9);
    expect(seen.map(({ name }) => name)).toEqual(['dhcp.acked', 'bmc.seen']);
    expect(seen[1]?.data).toEqual({
      ...{ mac: A, address: '10.77.0.100', vendorClass: 'udhcp 1.23.1', hostname: 'idrac-7' },
    });
    expect(replyOf(ack(on, asBmc)).options.has(67)).toBe(false);
    // A renewal is no news; its lease is not that of a passing guest.
    expect(on.eventNames().filter((name) => name === 'bmc.seen')).toHaveLength(1);
    expect(on.inventory.leases.byMac('provisioning', A)?.expiresAt).toBe(on.time.now + 3_600_000);
  });

  it('that only say so, on another network, get an address and nobody’s attention', () => {
    const on = world('');
    ack(on, [[OPTION.vendorClass, text('iDRAC')]]);
    ack(on, [[OPTION.vendorClass, text('android-dhcp')]]);
    expect(on.eventNames()).toEqual(['dhcp.acked', 'dhcp.acked']);
  });

  it('a machine that netboots on their network boots like anywhere', () => {
    const offer = world(yaml).dhcp(dhcpPacket({ mac: A, type: 1, client: 'bios' }));
    expect(replyOf(offer).file).toBe('undionly.kpxe');
  });
});
