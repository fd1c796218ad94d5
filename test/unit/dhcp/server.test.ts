import { describe, expect, it } from 'vitest';
import { createPacketClock } from '../../../src/daemon/standby-packet-clock.ts';
import { MESSAGE, OPTION, u32 } from '../../../src/dhcp/options.ts';
import { decodePacket, encodePacket } from '../../../src/dhcp/packet.ts';
import {
  type DhcpDatagram,
  type DhcpExchange,
  type DhcpServerOptions,
  serveDhcp,
} from '../../../src/dhcp/server.ts';
import { limit } from '../../../src/limits.ts';
import { formatIpv4 } from '../../../src/wire/ipv4.ts';
import { macFromBytes } from '../../../src/wire/mac.ts';
import { createWorld, dhcpPacket, ipv4, mac } from '../../support/world.ts';

const SERVER = '10.77.0.1';

/** The shell between a socket that notes what is sent and a disk that is ready when the test says so. */
function shell(override: Partial<DhcpServerOptions> = {}, reachesByLink = false) {
  const world = createWorld();
  const sent: { type: number | undefined; to: string; address: string }[] = [];
  const drops: string[] = [];
  const errors: unknown[] = [];
  const tasks: { task: () => void; afterMs: number }[] = [];
  const disk: ((error?: Error) => void)[] = [];
  let commits = 0;
  let receive: (bytes: Uint8Array) => void = () => {};
  serveDhcp({
    sockets: [
      {
        ...{ iface: 'prov0', reachesByLink },
        onMessage(handler) {
          receive = (bytes) => handler(bytes, { address: '10.77.0.9', port: 68 });
        },
        sendMany: (datagrams) => sent.push(...datagrams.map(shown)),
      },
    ],
    view: world.view,
    ports: { server: 67, client: 68 },
    clock: world.clock,
    transaction(run) {
      commits += 1;
      return world.inventory.transaction(run);
    },
    whenDurable: (done) => void disk.push(done),
    applyLease: world.inventory.leases.apply,
    append: (event) => void world.inventory.events.append(event),
    defer: (task, afterMs) => void tasks.push({ task, afterMs }),
    onDrop: (reason) => void drops.push(reason),
    onReplies: () => {},
    onBooting: () => {},
    onError: (error) => void errors.push(error),
    ...override,
  });
  return {
    ...{ world, sent, drops, errors, tasks, disk },
    commits: () => commits,
    receive: (bytes: Uint8Array) => receive(bytes),
    /** Runs what was deferred, in order, until nothing is. */
    work() {
      for (let next = tasks.shift(); next; next = tasks.shift()) next.task();
    },
  };
}

function shown({ bytes, address, port, link }: DhcpDatagram) {
  const packet = decodePacket(bytes);
  if (!packet.ok) throw new Error(packet.code);
  return {
    type: packet.value.options.get(OPTION.messageType)?.[0],
    to: `${address}:${port}${link ? ` at ${macFromBytes(link.mac)}` : ''}`,
    address: formatIpv4(packet.value.yiaddr),
  };
}

const client = (index: number) => mac(`02:00:00:00:01:${index.toString(16).padStart(2, '0')}`);
const discover = (index: number) =>
  encodePacket(dhcpPacket({ mac: client(index), type: MESSAGE.discover }));
const request = (index: number, address: string) =>
  encodePacket(
    dhcpPacket({ mac: client(index), type: MESSAGE.request }, [
      [OPTION.serverId, u32(ipv4(SERVER))],
      [OPTION.requestedAddress, u32(ipv4(address))],
    ]),
  );

describe('the DHCP shell', () => {
  it('writes some of the refusals of a flood, and counts all', () => {
    const told: string[] = [];
    const { view, segments } = createWorld();
    const full = shell({
      view: { ...view, segments: segments.map((one) => ({ ...one, pools: [] })) },
      append: ({ name }) => void told.push(name),
    });
    for (let n = 0; n < 2 * limit('dhcpDropEventsPerSecond'); n++) full.receive(discover(n));
    full.work();
    expect(full.drops).toEqual(Array(100).fill('pool-exhausted'));
    expect(told).toHaveLength(limit('dhcpDropEventsPerSecond'));
    full.world.pass(1000);
    full.receive(discover(200));
    full.work();
    expect(told).toHaveLength(limit('dhcpDropEventsPerSecond') + 1);
  });

  it('answers many packets out of one commit, and offers without a wait for the disk', () => {
    const { receive, work, sent, commits, disk } = shell();
    for (let index = 0; index < 20; index++) receive(discover(index));
    work();
    expect(commits()).toBe(1);
    expect(sent).toHaveLength(20);
    expect(new Set(sent.map(({ address }) => address)).size).toBe(20);
    expect(disk).toEqual([]);
  });

  it('sends no ACK before the disk has its lease; many share the wait, and the offers do not wait with them', () => {
    const { receive, work, sent, disk } = shell();
    for (const index of [0, 1, 2]) receive(discover(index));
    work();
    const offered = sent.splice(0).map(({ address }) => address);
    for (const [index, address] of offered.entries()) receive(request(index, address));
    receive(discover(9));
    work();
    expect(sent.map(({ type }) => type)).toEqual([MESSAGE.offer]);
    expect(disk).toHaveLength(1);
    disk[0]?.();
    expect(sent.slice(1)).toEqual(
      offered.map((address) => ({ type: MESSAGE.ack, to: '255.255.255.255:68', address })),
    );
  });

  it('enters nothing of a batch in which the time of day is set, and serves its packets anew by the new one', () => {
    // Nobody knows that the clock was set who does not look.
    let [setMs, notedMs, movedMs] = [0, 0, 0];
    const enteredAt: number[] = [];
    const made: ReturnType<typeof shell> = shell({
      clock: () => clock(),
      applyLease(change) {
        // Leases of before are moved before any is entered by the new time.
        if (enteredAt.length > 1) expect(movedMs).toBe(setMs);
        enteredAt.push(change.expiresAt);
        if (enteredAt.length === 1) {
          setMs = -3_600_000;
          made.world.pass(setMs);
        }
        return made.world.inventory.leases.apply(change);
      },
    });
    const { world, receive, work, sent, errors } = made;
    const look = (): void => {
      notedMs = setMs;
    };
    const clock = createPacketClock({
      ...{ clock: world.clock, onPacket: look, look, setMs: () => notedMs },
      inTransaction: () => world.db.inTransaction,
      unmoved: () => undefined,
      follow: () => {
        movedMs = notedMs;
      },
    });
    const before = world.clock();
    for (const index of [0, 1]) receive(discover(index));
    work();
    expect(errors).toEqual([]);
    expect(sent).toHaveLength(2);
    const [first = 0, , ...again] = enteredAt;
    expect(first).toBeGreaterThan(before);
    expect(again).toHaveLength(2);
    for (const at of again) expect(at - first).toBe(setMs);
    const [segment] = world.segments;
    const held = world.inventory.leases.byMac(segment?.name ?? '', client(0));
    expect([held?.expiresAt, held?.lastAt]).toEqual([again[0], world.clock()]);
  });

  it('counts a datagram with nothing in it', () => {
    const { receive, work, drops } = shell();
    receive(new Uint8Array());
    work();
    expect(drops).toEqual(['too-short']);
  });

  it('sends to a client without an address by its hardware address, where the socket can', () => {
    const { receive, work, sent, disk } = shell({}, true);
    receive(discover(1));
    work();
    const [{ address = '' } = {}] = sent;
    receive(request(1, address));
    receive(
      encodePacket({ ...dhcpPacket({ mac: client(2), type: MESSAGE.discover }), flags: 0x8000 }),
    );
    work();
    disk[0]?.();
    expect(sent.map(({ type, to }) => [type, to])).toEqual([
      [MESSAGE.offer, `${address}:68 at ${client(1)}`],
      [MESSAGE.offer, '255.255.255.255:68'],
      [MESSAGE.ack, `${address}:68 at ${client(1)}`],
    ]);
  });

  it('lets the ACKs of many batches go in groups that a relay can take, a moment apart, in order', () => {
    const { receive, work, sent, disk, tasks } = shell();
    const wanted = Array.from({ length: 100 }, (_, index) => `10.77.0.${100 + index}`);
    for (const [index, address] of wanted.entries()) {
      receive(request(index, address));
      if (index === 60) work();
    }
    work();
    expect(sent).toEqual([]);
    expect(disk).toHaveLength(2);
    for (const done of disk) done();
    const group = limit('dhcpReplyBurstMax');
    const acknowledged = () => sent.map(({ type, address }) => [type, address]);
    const acks = wanted.map((address) => [MESSAGE.ack, address]);
    expect(acknowledged()).toEqual(acks.slice(0, group));
    expect(tasks.map(({ afterMs }) => afterMs)).toEqual([1]);
    work();
    expect(acknowledged()).toEqual(acks);
  });

  it('lets the offers of a batch go in groups, too, in order; the first at once', () => {
    const { receive, work, sent, tasks } = shell();
    for (let index = 0; index < 100; index++) receive(discover(index));
    const [batch] = tasks.splice(0);
    batch?.task();
    const group = limit('dhcpReplyBurstMax');
    expect(sent).toHaveLength(group);
    expect(tasks.map(({ afterMs }) => afterMs)).toEqual([1]);
    const first = sent.map(({ address }) => address);
    work();
    const addresses = sent.map(({ address }) => address);
    expect(addresses.slice(0, group)).toEqual(first);
    expect(new Set(addresses).size).toBe(100);
  });

  it('tells who records of boots and of what was not answered, and of nothing else', () => {
    const told: DhcpExchange[] = [];
    const { receive, work } = shell({ onServed: (exchanges) => void told.push(...exchanges) });
    const firmware = dhcpPacket({ mac: client(2), type: MESSAGE.discover, client: 'uefi' });
    for (const bytes of [discover(1), encodePacket(firmware), Uint8Array.of(1)]) receive(bytes);
    work();
    expect(told.map(({ iface, bytes, drop }) => [iface, bytes.length > 1, drop])).toEqual([
      ['prov0', true, undefined],
      ['prov0', false, 'too-short'],
    ]);
    expect(told.map(({ boot, reply }) => [typeof boot, reply?.port])).toEqual([
      ['string', 68],
      ['undefined', undefined],
    ]);
  });

  it('sends no ACK at all when the disk fails, and says so once', () => {
    const { receive, work, sent, disk, drops, errors } = shell();
    receive(request(0, '10.77.0.150'));
    receive(request(1, '10.77.0.151'));
    work();
    disk[0]?.(new Error('I/O error'));
    expect(sent).toEqual([]);
    expect(drops).toEqual(['failed', 'failed']);
    expect(errors).toHaveLength(1);
  });

  it('loses one packet to a fault of ours, not its batch', () => {
    const world = createWorld();
    const poisoned = client(1);
    const broken = shell({
      view: {
        ...world.view,
        bootFor(query) {
          if (query.mac === poisoned) throw new Error('a bug');
          return world.view.bootFor(query);
        },
      },
    });
    for (const index of [0, 1, 2]) broken.receive(discover(index));
    broken.work();
    expect(broken.sent.map(({ type }) => type)).toEqual([MESSAGE.offer, MESSAGE.offer]);
    expect(broken.drops).toEqual(['failed']);
    expect(broken.errors.map(String)).toEqual(['Error: a bug']);
  });

  it('counts what cannot be decoded, and what one MAC sends too fast', () => {
    const { receive, work, drops, sent } = shell();
    receive(Uint8Array.of(1, 2, 3));
    const most = limit('dhcpPacketsPerMacPerSecond');
    for (let count = 0; count < most + 2; count++) {
      receive(discover(0));
      work();
    }
    expect(drops).toEqual(['too-short', 'rate-limited', 'rate-limited']);
    expect(sent).toHaveLength(most);
  });

  it('admits a MAC again in the next second', () => {
    const { receive, work, sent, world } = shell();
    for (let count = 0; count < 50; count++) receive(discover(0));
    work();
    world.pass(1000);
    receive(discover(0));
    work();
    expect(sent).toHaveLength(2);
  });

  it('lets no packet wait for another', () => {
    const { receive, work, tasks, sent } = shell();
    for (const index of [0, 1, 2]) {
      receive(discover(index));
      expect(tasks.map(({ afterMs }) => afterMs)).toEqual([0]);
      work();
      expect(sent).toHaveLength(index + 1);
    }
  });

  it('serves what has come meanwhile as one batch, and the rest of a flood after it', () => {
    const { receive, tasks } = shell();
    const most = limit('dhcpBatchPacketsMax');
    for (let index = 0; index < 2 * most; index++) {
      receive(encodePacket(dhcpPacket({ mac: mac(numbered(index)), type: MESSAGE.discover })));
    }
    // What waits for a moment are the offers of a batch.
    const batches = () => tasks.filter(({ afterMs }) => afterMs === 0);
    tasks.shift()?.task();
    const [rest, ...more] = batches();
    expect(more).toEqual([]);
    tasks.splice(0);
    rest?.task();
    expect(batches()).toEqual([]);
  });
});

function numbered(index: number): string {
  return `02:00:00:01:${(index >> 8).toString(16).padStart(2, '0')}:${(index & 255).toString(16).padStart(2, '0')}`;
}
