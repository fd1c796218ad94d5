import { describe, expect, it } from 'vitest';
import { MESSAGE, OPTION, u32 } from '../../../src/dhcp/options.ts';
import { replyTo } from '../../../src/dhcp/packet.ts';
import { DROP_REASONS, type Outcome } from '../../../src/dhcp/ports.ts';
import { destinationOf, replyFlags } from '../../../src/dhcp/reply-to.ts';
import { limit } from '../../../src/limits.ts';
import { formatIpv4 } from '../../../src/wire/ipv4.ts';
import {
  type CLIENTS,
  createWorld,
  dhcpPacket,
  ipv4,
  mac,
  type World,
} from '../../support/world.ts';

const A = mac('52:54:00:00:00:0a');
const B = mac('52:54:00:00:00:0b');
const SERVER = ipv4('10.77.0.1');
const asks = (address: string): [number, Uint8Array] => [
  OPTION.requestedAddress,
  u32(ipv4(address)),
];
const names = (server = SERVER): [number, Uint8Array] => [OPTION.serverId, u32(server)];

function shown(outcome: Outcome): string {
  if (outcome.kind === 'drop') return `drop ${outcome.reason}`;
  if (outcome.kind === 'silent') return `silent ${outcome.lease.state}`;
  const type = { [MESSAGE.offer]: 'offer', [MESSAGE.ack]: 'ack', [MESSAGE.nak]: 'nak' }[
    outcome.type
  ];
  return `${type} ${formatIpv4(outcome.reply.yiaddr)}`;
}

function bind(world: World, of = A): void {
  const offer = world.dhcp(dhcpPacket({ mac: of, type: MESSAGE.discover }));
  if (offer.kind !== 'reply') throw new Error(shown(offer));
  const ack = world.dhcp(
    dhcpPacket({ mac: of, type: MESSAGE.request }, [
      names(),
      [OPTION.requestedAddress, u32(offer.reply.yiaddr)],
    ]),
  );
  expect(shown(ack)).toMatch(/^ack/);
}

describe('REQUEST, RFC 2131 4.3.2', () => {
  it.each<[string, string, (world: World) => Outcome]>([
    [
      'SELECTING our offer',
      'ack 10.77.0.100',
      (w) => (
        w.dhcp(dhcpPacket({ mac: A, type: 1 })),
        w.dhcp(dhcpPacket({ mac: A, type: 3 }, [names(), asks('10.77.0.100')]))
      ),
    ],
    [
      'SELECTING another server',
      'drop for-another-server',
      (w) =>
        w.dhcp(dhcpPacket({ mac: A, type: 3 }, [names(ipv4('10.77.0.2')), asks('10.77.0.100')])),
    ],
    [
      'SELECTING without an address',
      'nak 0.0.0.0',
      (w) => w.dhcp(dhcpPacket({ mac: A, type: 3 }, [names()])),
    ],
    [
      'INIT-REBOOT with its own address',
      'ack 10.77.0.100',
      (w) => (bind(w), w.dhcp(dhcpPacket({ mac: A, type: 3 }, [asks('10.77.0.100')]))),
    ],
    [
      'INIT-REBOOT with another address',
      'nak 0.0.0.0',
      (w) => (bind(w), w.dhcp(dhcpPacket({ mac: A, type: 3 }, [asks('10.77.0.200')]))),
    ],
    [
      'INIT-REBOOT from another network',
      'nak 0.0.0.0',
      (w) => w.dhcp(dhcpPacket({ mac: A, type: 3 }, [asks('192.168.5.5')])),
    ],
    [
      'INIT-REBOOT after a lost database',
      'ack 10.77.0.150',
      (w) => w.dhcp(dhcpPacket({ mac: A, type: 3 }, [asks('10.77.0.150')])),
    ],
    [
      "INIT-REBOOT with somebody else's address",
      'nak 0.0.0.0',
      (w) => (bind(w, B), w.dhcp(dhcpPacket({ mac: A, type: 3 }, [asks('10.77.0.100')]))),
    ],
    [
      'RENEWING',
      'ack 10.77.0.100',
      (w) => (bind(w), w.dhcp(dhcpPacket({ mac: A, type: 3, ciaddr: ipv4('10.77.0.100') }))),
    ],
    [
      'REBINDING an address of the server itself',
      'nak 0.0.0.0',
      (w) => w.dhcp(dhcpPacket({ mac: A, type: 3, ciaddr: SERVER })),
    ],
    ['neither', 'nak 0.0.0.0', (w) => w.dhcp(dhcpPacket({ mac: A, type: 3 }))],
  ])('%s: %s', (_what, expected, act) => {
    expect(shown(act(createWorld()))).toBe(expected);
  });
});

describe('the other messages', () => {
  it('DECLINE quarantines the address, and its client gets another', () => {
    const world = createWorld();
    bind(world);
    expect(shown(world.dhcp(dhcpPacket({ mac: A, type: 4 }, [names(), asks('10.77.0.100')])))).toBe(
      'silent declined',
    );
    expect(shown(world.dhcp(dhcpPacket({ mac: A, type: 1 })))).toBe('offer 10.77.0.101');
    expect(shown(world.dhcp(dhcpPacket({ mac: B, type: 1 }, [asks('10.77.0.100')])))).toBe(
      'offer 10.77.0.102',
    );
  });

  it('a client that declines everything gets on, but cannot empty the pool', () => {
    const world = createWorld();
    const seconds: unknown[] = [];
    const declined = new Set<string>();
    for (let n = 0; n < limit('declinedPerMacMax') + 4; n++) {
      const offer = shown(world.dhcp(dhcpPacket({ mac: A, type: 1 })));
      const address = offer.replace('offer ', '');
      expect(declined).not.toContain(address);
      declined.add(address);
      world.pass(1000);
      world.dhcp(dhcpPacket({ mac: A, type: 3 }, [names(), asks(address)]));
      const outcome = world.dhcp(dhcpPacket({ mac: A, type: 4 }, [names(), asks(address)]));
      if (outcome.kind !== 'silent') throw new Error(shown(outcome));
      seconds.push(outcome.event.data);
    }
    const quarantines = seconds.map(
      (data) => (data as { quarantineSeconds: number }).quarantineSeconds,
    );
    expect(quarantines.filter((each) => each > 0)).toHaveLength(limit('declinedPerMacMax'));
    expect(quarantines.slice(-4)).toEqual([0, 0, 0, 0]);
    const [late] = [...declined].slice(-1) as [string];
    const [early] = declined as unknown as Iterable<string>;
    expect(shown(world.dhcp(dhcpPacket({ mac: B, type: 1 }, [asks(late)])))).toBe(`offer ${late}`);
    const C = mac('52:54:00:00:00:0c');
    expect(shown(world.dhcp(dhcpPacket({ mac: C, type: 1 }, [asks(early as string)])))).not.toBe(
      `offer ${early}`,
    );
    // When the quarantine is over, so is the count.
    world.pass(limit('declineQuarantineMs'));
    bind(world, A);
    const held = world.inventory.leases.byMac(world.segments[0]?.name ?? '', A)?.address ?? SERVER;
    const again = world.dhcp(
      dhcpPacket({ mac: A, type: 4 }, [names(), [OPTION.requestedAddress, u32(held)]]),
    );
    expect(again).toMatchObject({
      event: { data: { quarantineSeconds: limit('declineQuarantineMs') / 1000 } },
    });
  });

  it('DECLINE and RELEASE of what one does not hold change nothing', () => {
    const world = createWorld();
    bind(world);
    expect(shown(world.dhcp(dhcpPacket({ mac: B, type: 4 }, [names(), asks('10.77.0.100')])))).toBe(
      'drop not-its-lease',
    );
    expect(shown(world.dhcp(dhcpPacket({ mac: B, type: 7, ciaddr: ipv4('10.77.0.100') })))).toBe(
      'drop unknown-client',
    );
    expect(world.inventory.leases.byMac('provisioning', A)?.state).toBe('bound');
  });

  it('RELEASE frees without an answer, and the mapping is kept', () => {
    const world = createWorld();
    bind(world);
    expect(shown(world.dhcp(dhcpPacket({ mac: A, type: 7, ciaddr: ipv4('10.77.0.100') })))).toBe(
      'silent released',
    );
    expect(shown(world.dhcp(dhcpPacket({ mac: A, type: 1 })))).toBe('offer 10.77.0.100');
  });

  it('INFORM gets parameters, no lease and no lease time', () => {
    const world = createWorld();
    const outcome = world.dhcp(dhcpPacket({ mac: A, type: 8, ciaddr: ipv4('10.77.0.9') }));
    expect(shown(outcome)).toBe('ack 0.0.0.0');
    expect(outcome.kind === 'reply' && outcome.reply.options.has(OPTION.leaseTime)).toBe(false);
    expect(world.inventory.leases.count()).toBe(0);
  });

  it('names a reason for each packet that it does not answer', () => {
    const world = createWorld();
    const packet = dhcpPacket({ mac: A, type: 1 });
    const reasons = [
      world.dhcp({ ...packet, op: 2 }),
      world.dhcp({ ...packet, hops: 17 }),
      world.dhcp({ ...packet, options: new Map() }),
      world.dhcp(dhcpPacket({ mac: A, type: 10 })),
      world.dhcp({ ...packet, htype: 32, hlen: 0 }),
      ...['00:00:00:00:00:00', 'ff:ff:ff:ff:ff:ff', '01:00:5e:00:00:01'].map((nobody) =>
        world.dhcp(dhcpPacket({ mac: mac(nobody), type: 1 })),
      ),
      world.dhcp(packet, 'eth9'),
    ].map((outcome) => (outcome.kind === 'drop' ? outcome.reason : shown(outcome)));
    expect(reasons).toEqual([
      'not-a-request',
      'too-many-hops',
      'no-message-type',
      'unknown-message-type',
      ...Array(4).fill('no-ethernet-address'),
      'unknown-segment',
    ]);
    for (const reason of reasons) expect(DROP_REASONS).toContain(reason);
  });
});

describe('one machine', () => {
  it('keeps one lease and one boot as firmware, iPXE and Linux', () => {
    const world = createWorld();
    const seen = (['bios', 'ipxe', 'os'] as const).map((client) => {
      const outcome = world.dhcp(dhcpPacket({ mac: A, type: 1, client }));
      world.pass(2000);
      return shown(outcome);
    });
    expect(seen).toEqual(Array(3).fill('offer 10.77.0.100'));
    expect(world.inventory.leases.count()).toBe(1);
    expect(world.inventory.boots.list(10)).toHaveLength(1);
  });

  it('is handed a binary as firmware and never as iPXE', () => {
    const world = createWorld();
    const file = (client: keyof typeof CLIENTS) => {
      const outcome = world.dhcp(dhcpPacket({ mac: A, type: 1, client }));
      return outcome.kind === 'reply' ? outcome.reply.file : '';
    };
    expect(file('bios')).toBe('undionly.kpxe');
    expect(file('uefi')).toBe('snponly.efi');
    expect(file('http')).toBe('http://10.77.0.1:8080/boot/ipxe/snponly.efi');
    for (let again = 0; again < 5; again++) expect(file('ipxe')).toMatch(/^http:.*\/script\.ipxe$/);
    expect(file('os')).toBe('');
  });

  it('never finds its token in an event', () => {
    const world = createWorld();
    const outcome = world.dhcp(dhcpPacket({ mac: A, type: 1, client: 'ipxe' }));
    const token =
      outcome.kind === 'reply' ? /boot\/(.{32})\//.exec(outcome.reply.file)?.[1] : undefined;
    expect(token).toBeDefined();
    expect(JSON.stringify(world.inventory.events.after(0, 100))).not.toContain(token);
  });

  it('has iPXE offer and ack name the same script URL, also after a restart', () => {
    const world = createWorld();
    const offer = world.dhcp(dhcpPacket({ mac: A, type: 1, client: 'ipxe' }));
    const after = createWorld(world.db);
    const ack = after.dhcp(
      dhcpPacket({ mac: A, type: 3, client: 'ipxe' }, [names(), asks('10.77.0.100')]),
    );
    expect(ack.kind === 'reply' && ack.reply.file).toBe(offer.kind === 'reply' && offer.reply.file);
  });
});

describe('addresses', () => {
  it('holds an offer for its client, gives out the pool, says when it is used up, and reuses the longest expired', () => {
    const world = createWorld();
    const last = ipv4('10.77.0.250') - ipv4('10.77.0.100') + 1;
    const macOf = (n: number) => mac(`52:54:00:00:01:${n.toString(16).padStart(2, '0')}`);
    for (let n = 0; n < last; n++) bind(world, macOf(n));
    expect(shown(world.dhcp(dhcpPacket({ mac: A, type: 1 })))).toBe('drop pool-exhausted');
    expect(world.eventNames()).toContain('dhcp.exhausted');
    world.pass(601_000);
    expect(shown(world.dhcp(dhcpPacket({ mac: A, type: 1 })))).toBe('offer 10.77.0.100');
  });

  it('never gives one address to two machines, and none of them is lost by a restart', () => {
    const world = createWorld();
    for (let n = 1; n < 40; n++)
      bind(world, mac(`52:54:00:00:02:${n.toString(16).padStart(2, '0')}`));
    const again = createWorld(world.db);
    bind(again, A);
    expect(again.inventory.leases.count()).toBe(40);
    expect(formatIpv4(again.inventory.leases.byMac('provisioning', A)?.address ?? SERVER)).toBe(
      '10.77.0.139',
    );
  });
});

describe('where a reply goes, RFC 2131 4.1', () => {
  const ports = { server: 67, client: 68 };
  const of = (extra: Partial<Parameters<typeof dhcpPacket>[0]>) =>
    dhcpPacket({ mac: A, type: 1, ...extra });
  it.each([
    ['a relay', of({ giaddr: ipv4('10.9.0.1') }), MESSAGE.offer, '10.9.0.1:67'],
    ['a NAK', of({ ciaddr: ipv4('10.77.0.9') }), MESSAGE.nak, '255.255.255.255:68'],
    ['a client with an address', of({ ciaddr: ipv4('10.77.0.9') }), MESSAGE.ack, '10.77.0.9:68'],
    [
      'a relay of a client that renews through it',
      of({ giaddr: ipv4('10.9.0.1'), ciaddr: ipv4('10.9.0.7') }),
      MESSAGE.ack,
      '10.9.0.1:67',
    ],
    [
      'a client that asks through a relay for parameters alone',
      of({ type: MESSAGE.inform, giaddr: ipv4('10.9.0.1'), ciaddr: ipv4('10.9.0.7') }),
      MESSAGE.ack,
      '10.9.0.7:68',
    ],
    [
      'a relay, as it does not say what it has',
      of({ type: MESSAGE.inform, giaddr: ipv4('10.9.0.1') }),
      MESSAGE.ack,
      '10.9.0.1:67',
    ],
    ['a client without an address', of({}), MESSAGE.offer, '255.255.255.255:68'],
    [
      'one that asks for broadcasts',
      { ...of({}), flags: 0x8000 },
      MESSAGE.ack,
      '255.255.255.255:68',
    ],
    [
      'one that left an old address in its DISCOVER, which it does not have',
      of({ ciaddr: ipv4('10.77.0.9') }),
      MESSAGE.offer,
      '255.255.255.255:68',
    ],
  ])('%s', (_who, packet, type, expected) => {
    const to = destinationOf(packet, { type }, ports);
    expect(`${to.address}:${to.port}`).toBe(expected);
  });

  it('the flag for broadcasts is the client’s, for its relay to read', () => {
    const fields = { yiaddr: ipv4('10.9.0.7'), options: new Map() };
    const asked = of({ giaddr: ipv4('10.9.0.1') });
    expect(replyFlags(replyTo(asked, fields))).toBe(0);
    expect(replyFlags(replyTo({ ...asked, flags: 0x8000 }, fields))).toBe(0x8000);
  });

  it('what gives no address is broadcast by the relay', () => {
    const refusal = { options: new Map() };
    expect(replyFlags(replyTo(of({ giaddr: ipv4('10.9.0.1') }), refusal))).toBe(0x8000);
    expect(replyFlags(replyTo(of({}), refusal))).toBe(0);
  });

  it('selects the segment by link selection, then giaddr, and echoes option 82', () => {
    const world = createWorld(undefined, 'dhcp: { trustedRelays: [172.16.0.1/32] }');
    const relay = Uint8Array.of(1, 2, 7, 7, 5, 4, 10, 77, 0, 0);
    const packet = dhcpPacket({ mac: A, type: 1, giaddr: ipv4('172.16.0.1') }, [
      [OPTION.relayAgent, relay],
    ]);
    const outcome = world.dhcp(packet);
    expect(shown(outcome)).toBe('offer 10.77.0.100');
    expect(outcome.kind === 'reply' && outcome.reply.options.get(OPTION.relayAgent)).toEqual(relay);
    expect(shown(world.dhcp(dhcpPacket({ mac: A, type: 1, giaddr: ipv4('172.16.0.1') })))).toBe(
      'drop unknown-segment',
    );
  });
});

describe('the event of an offer', () => {
  const discover = (client?: keyof typeof CLIENTS) =>
    dhcpPacket({ mac: A, type: MESSAGE.discover, ...(client && { client }) });
  const offers = (world: World) => world.eventNames().filter((name) => name === 'dhcp.offered');

  it('is left out for who boots nothing and is on no record, as long as nothing is known of it here', () => {
    const world = createWorld();
    bind(world);
    expect(offers(world)).toHaveLength(0);
    expect(world.eventNames()).toContain('dhcp.acked');
  });

  it.each([
    ['that has not taken its offer', 4000],
    ['whose offer is over', limit('offerHoldMs') + 1],
  ])('is there for one %s', (_, ms) => {
    const world = createWorld();
    world.dhcp(discover());
    expect(offers(world)).toHaveLength(0);
    world.pass(ms);
    world.dhcp(discover());
    expect(offers(world)).toHaveLength(1);
  });

  it('is there, each time, for one that has a lease and asks for it anew', () => {
    const world = createWorld();
    bind(world);
    for (let again = 1; again <= 3; again++) {
      world.pass(5000);
      world.dhcp(discover());
      expect(offers(world)).toHaveLength(again);
    }
  });

  it('is there for each boot', () => {
    const world = createWorld();
    world.dhcp(discover('bios'));
    expect(offers(world)).toHaveLength(1);
  });
});
