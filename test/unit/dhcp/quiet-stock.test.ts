import { describe, expect, it } from 'vitest';
import { type Answers, createQuietStock } from '../../../src/dhcp/quiet-stock.ts';
import { limit } from '../../../src/limits.ts';
import { parseNeighbours } from '../../../src/platform/probe.ts';
import { formatIpv4, type Ipv4 } from '../../../src/wire/ipv4.ts';
import type { Mac } from '../../../src/wire/mac.ts';
import { asks, names, shown } from '../../support/outcomes.ts';
import { createWorld, dhcpPacket, ipv4, mac } from '../../support/world.ts';

const STRANGER = mac('52:54:00:99:00:01');
const A = mac('52:54:00:00:00:0a');

function world(yaml = 'dhcp: { segments: [{ pool: { first: 10.77.0.10, last: 10.77.0.80 } }] }') {
  const made = createWorld(undefined, yaml);
  const kept = new Map<Ipv4, Mac>();
  const reservedAt = (_segment: string, address: Ipv4) => kept.get(address);
  const stock = createQuietStock(made.inventory.leases, reservedAt);
  Object.assign(made.view, { quietAddress: stock.candidate, reservedAt });
  const [segment] = made.segments;
  if (!segment) throw new Error('no segment');
  const next = () => stock.next(segment, made.time.now);
  const answers = (...found: [string, Mac][]): Answers =>
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
  return { ...made, stock, kept, segment, next, judge, answers, carryOut, discover };
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
    expect(on.stock.candidate(on.segment, on.time.now)).toBeUndefined();
    const again = on.next();
    expect(formatIpv4(again[0] ?? (0 as Ipv4))).toBe('10.77.0.11');
  });

  it('none that the inventory keeps for a NIC: its owner may be on it, and nobody else is given it', () => {
    const on = world();
    on.kept.set(ipv4('10.77.0.10'), A);
    const asked = on.next();
    expect(formatIpv4(asked[0] ?? (0 as Ipv4))).toBe('10.77.0.11');
    // It is kept for one since the probe left.
    on.kept.set(ipv4('10.77.0.11'), STRANGER);
    const { conflicts } = on.judge(asked, on.answers(['10.77.0.11', STRANGER]));
    expect(conflicts).toEqual([]);
    expect(on.discover(1)).toBe('offer 10.77.0.12');
  });

  it.each(['conflictProbe: false', 'mode: proxy', 'relayed: true, conflictProbe: false'])(
    'none on a segment with %s',
    (fields) => {
      const on = world(`dhcp: { relayInterfaces: [eth0], segments: [{ ${fields} }] }`);
      expect(on.next()).toEqual([]);
    },
  );
});

describe('what an answer means', () => {
  it('silence: to one who may not have the first such address, the next one is given', () => {
    const on = world();
    const given = [ipv4('10.77.0.30'), ipv4('10.77.0.31')];
    on.judge(given);
    expect(on.stock.candidate(on.segment, on.time.now, (one) => one === given[1])).toBe(given[1]);
    on.kept.set(ipv4('10.77.0.30'), A);
    expect(on.discover(1)).toBe('offer 10.77.0.31');
  });

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
    expect(on.stock.candidate(on.segment, on.time.now)).toBe(ipv4('10.77.0.11'));
  });

  it('one NIC on many addresses: a router doing proxy ARP, and probing ends', () => {
    const on = world();
    const addresses = on.next();
    const found = on.answers(
      ...addresses.map((address): [string, Mac] => [formatIpv4(address), STRANGER]),
    );
    expect(on.judge(addresses, found)).toEqual({
      conflicts: [],
      hopeless: `${STRANGER} answers for every free address`,
    });
    expect(on.next()).toEqual([]);
    expect(on.discover(1)).toBe('offer 10.77.0.10');
  });
});

describe('behind a relay, where nobody’s MAC is seen', () => {
  const hall = (pool: string) => {
    const segment = `{ relayed: true, address: 10.77.0.1, cidr: 10.9.0.0/24, pool: { ${pool} } }`;
    const on = world(`dhcp: { relayInterfaces: [prov0], segments: [${segment}] }`);
    const somebodyAt = (...addresses: string[]) =>
      new Map<Ipv4, Mac | undefined>(addresses.map((address) => [ipv4(address), undefined]));
    const all = (addresses: readonly Ipv4[]) => somebodyAt(...addresses.map(formatIpv4));
    const ask = (type: number, fields: object, ...addresses: string[]) =>
      shown(on.dhcp(dhcpPacket({ mac: A, type, ...fields }, addresses.map(asks))));
    return { ...on, somebodyAt, all, ask };
  };
  const WIDE = 'first: 10.9.0.10, last: 10.9.0.90';
  const relay = { giaddr: ipv4('10.9.0.1') };

  it('the highest free address is asked with the first lowest ones, and given out last', () => {
    const on = hall(WIDE);
    const first = on.next();
    expect(first).toHaveLength(limit('probeBatchMax'));
    expect([first[0], first[30], first[31]]).toEqual(
      ['10.9.0.10', '10.9.0.40', '10.9.0.90'].map(ipv4),
    );
    on.judge(first);
    const second = on.next();
    expect([second[0], second[31]]).toEqual(['10.9.0.41', '10.9.0.72'].map(ipv4));
    on.judge(second);
    expect(on.next()).toEqual([]);
    expect(on.ask(1, relay)).toBe('offer 10.9.0.10');
  });

  it('somebody there: quarantine and an event, of which no MAC is told', () => {
    const on = hall(WIDE);
    on.carryOut(on.judge(on.next(), on.somebodyAt('10.9.0.10', '10.9.0.12')));
    const [event] = on.inventory.events.after(0, 9);
    expect(event).toMatchObject({ name: 'dhcp.conflict', data: { address: '10.9.0.10', by: '' } });
    expect(event?.mac).toBeUndefined();
    expect(on.ask(1, relay)).toBe('offer 10.9.0.11');
    expect(on.ask(1, relay, '10.9.0.12')).toBe('offer 10.9.0.11');
  });

  it('who uses the address to renew it is who answered; who only remembers it, or chooses it, is refused', () => {
    const on = hall(WIDE);
    on.carryOut(on.judge(on.next(), on.somebodyAt('10.9.0.10')));
    expect(on.ask(3, relay, '10.9.0.10')).toBe('nak 0.0.0.0');
    const chosen = dhcpPacket({ mac: A, type: 3, ...relay }, [asks('10.9.0.10'), names()]);
    expect(shown(on.dhcp(chosen))).toBe('nak 0.0.0.0');
    expect(on.ask(3, { ciaddr: ipv4('10.9.0.10') })).toBe('ack 10.9.0.10');
  });

  it('all but the highest one: they are users, though their leases are lost', () => {
    const on = hall(WIDE);
    const addresses = on.next();
    const judged = on.judge(addresses, on.all(addresses.slice(0, -1)));
    expect(judged.hopeless).toBeUndefined();
    expect(judged.conflicts).toHaveLength(limit('probeBatchMax') - 1);
  });

  it('all of them: something answers for whatever is asked, and probing ends', () => {
    const on = hall(WIDE);
    const addresses = on.next();
    expect(on.judge(addresses, on.all(addresses))).toEqual({
      conflicts: [],
      hopeless: 'something answers for every free address',
    });
    expect(on.next()).toEqual([]);
    expect(on.ask(1, relay)).toBe('offer 10.9.0.10');
  });

  it('a few left, which all answer: they are users', () => {
    const on = hall('first: 10.9.0.10, last: 10.9.0.12');
    const addresses = on.next();
    on.carryOut(on.judge(addresses, on.somebodyAt('10.9.0.10')));
    expect(on.next()).toEqual([]);
    expect(on.ask(1, relay)).toBe('offer 10.9.0.11');
  });

  it('half of the pool at most is out of use because somebody answers', () => {
    const on = hall('first: 10.9.0.10, last: 10.9.0.17');
    const addresses = on.next();
    expect(on.judge(addresses, on.all(addresses.slice(0, 4))).conflicts).toHaveLength(4);
    const again = hall('first: 10.9.0.10, last: 10.9.0.17');
    const judged = again.judge(addresses, again.all(addresses.slice(0, 5)));
    expect(judged.conflicts.map(({ lease }) => lease.address)).toEqual(addresses.slice(0, 4));
    expect(judged.hopeless).toBe('more than 4 free addresses answer');
    again.carryOut(judged);
    expect(again.next()).toEqual([]);
    // Not the one that answered and had no room in quarantine.
    expect(again.ask(1, relay)).toBe('offer 10.9.0.15');
  });
});

describe('a segment whose pools are others', () => {
  const other = (first: string, last: string) => {
    const pool = `pool: { first: ${first}, last: ${last} }`;
    return world(`dhcp: { segments: [{ ${pool} }] }`).segment;
  };

  it('gives out no address that was silent before, and keeps those that are still in them', () => {
    const on = world();
    on.judge([ipv4('10.77.0.30'), ipv4('10.77.0.60')]);
    const upper = other('10.77.0.50', '10.77.0.80');
    expect(on.stock.candidate(upper, on.time.now)).toBe(ipv4('10.77.0.60'));
    on.stock.next(upper, on.time.now);
    expect(on.stock.candidate(upper, on.time.now)).toBe(ipv4('10.77.0.60'));
  });

  it('is probed anew where that was hopeless', () => {
    const on = world();
    const addresses = on.next();
    const everywhere = addresses.map((one): [string, Mac] => [formatIpv4(one), STRANGER]);
    on.judge(addresses, on.answers(...everywhere));
    expect(on.stock.next(other('10.77.0.10', '10.77.0.80'), on.time.now)).toEqual([]);
    expect(on.stock.next(other('10.77.0.10', '10.77.0.81'), on.time.now)).not.toEqual([]);
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
