import { describe, expect, it } from 'vitest';
import { createQuietStock } from '../../../src/dhcp/quiet-stock.ts';
import { limit } from '../../../src/limits.ts';
import { parseNeighbours } from '../../../src/platform/probe.ts';
import { formatIpv4, type Ipv4 } from '../../../src/wire/ipv4.ts';
import type { Mac } from '../../../src/wire/mac.ts';
import { asks, shown } from '../../support/outcomes.ts';
import { createWorld, dhcpPacket, ipv4, mac } from '../../support/world.ts';

const STRANGER = mac('52:54:00:99:00:01');
const A = mac('52:54:00:00:00:0a');

function world(yaml = 'dhcp: { segments: [{ pool: { first: 10.77.0.10, last: 10.77.0.80 } }] }') {
  const made = createWorld(undefined, yaml);
  const stock = createQuietStock(made.inventory.leases);
  Object.assign(made.view, { quietAddress: stock.candidate });
  const [segment] = made.segments;
  if (!segment) throw new Error('no segment');
  const next = () => stock.next(segment, made.time.now);
  const answers = (...found: [string, Mac][]) =>
    new Map<Ipv4, Mac>(found.map(([address, by]) => [ipv4(address), by]));
  const judge = (addresses: Ipv4[], found = answers()) =>
    stock.judge(segment, { addresses, answers: found }, made.time.now);
  /** What the daemon does with a judgement. */
  const carryOut = (judged: ReturnType<typeof judge>) =>
    made.inventory.transaction(() => {
      for (const { lease, event } of judged.conflicts) {
        made.inventory.leases.apply(lease);
        made.inventory.events.append(event);
      }
    });
  const discover = (n: number) =>
    shown(made.dhcp(dhcpPacket({ mac: mac(`52:54:00:00:01:0${n}`), type: 1 })));
  return { ...made, stock, segment, next, judge, answers, carryOut, discover };
}

describe('which addresses are probed', () => {
  it('the lowest that nobody was ever given, a batch at a time, until the stock is full', () => {
    const on = world();
    on.discover(1);
    const first = on.next();
    expect(first).toHaveLength(limit('probeBatchMax'));
    expect(formatIpv4(first[0] ?? (0 as Ipv4))).toBe('10.77.0.11');
    on.judge(first);
    const second = on.next();
    expect(second).toHaveLength(limit('probeStockMax') - limit('probeBatchMax'));
    expect(second.filter((address) => first.includes(address))).toEqual([]);
    on.judge(second);
    expect(on.next()).toEqual([]);
  });

  it('again when their silence is old, and others when they were given out', () => {
    const on = world();
    const all = [...on.next()];
    on.judge(all);
    on.discover(1);
    on.pass(limit('probeFreshMs') + 1);
    expect(on.stock.candidate('provisioning', on.time.now)).toBeUndefined();
    const again = on.next();
    expect(formatIpv4(again[0] ?? (0 as Ipv4))).toBe('10.77.0.11');
  });

  it.each(['conflictProbe: false', 'mode: proxy', 'relayed: true, sharedNetwork: x'])(
    'none on a segment with %s',
    (fields) => {
      const on = world(`dhcp: { relayInterfaces: [eth0], segments: [{ ${fields} }] }`);
      expect(on.next()).toEqual([]);
    },
  );
});

describe('what an answer means', () => {
  it('silence: the address is given out first', () => {
    const on = world();
    on.judge([ipv4('10.77.0.30'), ipv4('10.77.0.31')]);
    expect([on.discover(1), on.discover(2), on.discover(3)]).toEqual([
      'offer 10.77.0.30',
      'offer 10.77.0.31',
      'offer 10.77.0.10',
    ]);
  });

  it('somebody there: quarantine for a day and an event; nobody is offered the address', () => {
    const on = world();
    on.carryOut(on.judge(on.next(), on.answers(['10.77.0.10', STRANGER])));
    expect(on.inventory.events.after(0, 9)).toMatchObject([
      {
        name: 'dhcp.conflict',
        mac: STRANGER,
        data: { address: '10.77.0.10', by: STRANGER, quarantineSeconds: 86_400 },
      },
    ]);
    expect(on.discover(1)).toBe('offer 10.77.0.11');
    const want = on.dhcp(dhcpPacket({ mac: A, type: 1 }, [asks('10.77.0.10')]));
    expect(shown(want)).not.toBe('offer 10.77.0.10');
    expect(shown(on.dhcp(dhcpPacket({ mac: A, type: 3 }, [asks('10.77.0.10')])))).toBe(
      'nak 0.0.0.0',
    );
    on.pass(86_400_001);
    const later = dhcpPacket({ mac: mac('52:54:00:00:01:09'), type: 1 }, [asks('10.77.0.10')]);
    expect(shown(on.dhcp(later))).toBe('offer 10.77.0.10');
  });

  it('a client of ours whose lease was lost: it keeps its address', () => {
    const on = world();
    on.carryOut(on.judge(on.next(), on.answers(['10.77.0.10', A])));
    const renewal = on.dhcp(dhcpPacket({ mac: A, type: 3, ciaddr: ipv4('10.77.0.10') }));
    expect(shown(renewal)).toBe('ack 10.77.0.10');
    expect(on.inventory.leases.byMac('provisioning', A)?.state).toBe('bound');
  });

  it('one who was given the address meanwhile answers by right', () => {
    const on = world();
    const probed = on.next();
    on.discover(1);
    const judged = on.judge(probed, on.answers(['10.77.0.10', mac('52:54:00:00:01:01')]));
    expect(judged.conflicts).toEqual([]);
    expect(on.stock.candidate('provisioning', on.time.now)).toBe(ipv4('10.77.0.11'));
  });

  it('one NIC on many addresses: a router doing proxy ARP, and probing ends', () => {
    const on = world();
    const addresses = on.next();
    const found = on.answers(
      ...addresses.map((address): [string, Mac] => [formatIpv4(address), STRANGER]),
    );
    expect(on.judge(addresses, found)).toEqual({ conflicts: [], answersForAll: STRANGER });
    expect(on.next()).toEqual([]);
    expect(on.discover(1)).toBe('offer 10.77.0.10');
  });
});

describe('an offer never waits', () => {
  it('with an empty stock the lowest free address goes out unprobed', () => {
    expect(world().discover(1)).toBe('offer 10.77.0.10');
  });
});

describe('the table of neighbours', () => {
  it('counts resolved entries of the interface only', () => {
    const table = `IP address       HW type     Flags       HW address            Mask     Device
10.77.0.20       0x1         0x2         52:54:00:99:00:01     *        prov0
10.77.0.21       0x1         0x0         00:00:00:00:00:00     *        prov0
10.77.0.22       0x1         0x2         52:54:00:99:00:02     *        eth1
10.77.0.23       0x1         0x6         52:54:00:99:00:03     *        prov0
rubbish
`;
    expect([...parseNeighbours(table, 'prov0')]).toEqual([
      [ipv4('10.77.0.20'), STRANGER],
      [ipv4('10.77.0.23'), '52:54:00:99:00:03'],
    ]);
    expect(parseNeighbours('', 'prov0').size).toBe(0);
  });
});
