import { describe, expect, it } from 'vitest';
import { type Guest, networkOf, TcpRoom } from '../../../src/nameserver/tcp-room.ts';

interface Named extends Guest {
  readonly name: string;
}

const guest = (name: string, network: string, idleSince?: number): Named => ({
  ...{ name, network, idleSince },
});
const room = (most = 4, mostOfNetwork = 2) => new TcpRoom<Named>({ most, mostOfNetwork });

describe('networks', () => {
  it.each([
    ['2001:db8:1:2::1', '2001:db8:1:2:ffff:ffff:ffff:ffff', true],
    ['2001:db8:1:2::1', '2001:db8:1:3::1', false],
    ['fe80::1%eth0', 'fe80::2%eth0', true],
    ['192.0.2.1', '192.0.2.2', false],
    ['192.0.2.1', '::ffff:192.0.2.1', true],
  ])('%s and %s are one: %s', (one, other, same) => {
    expect(networkOf(one) === networkOf(other)).toBe(same);
  });
});

describe('room for connections', () => {
  it('what has 2^64 addresses has the room of one', () => {
    const there = room(100, 32);
    for (let n = 0; n < 1000; n++) {
      const network = networkOf(`2001:db8::${n.toString(16)}`);
      expect(there.admit(guest(`${n}`, network, n)).stays).toBe(true);
    }
    expect(there.taken).toBe(32);
    expect(there.admit(guest('other', networkOf('2001:db8:0:1::1'), 0)).goes).toBeUndefined();
  });

  it('a full network gives up its own, whatever the others are', () => {
    const there = room();
    there.admit(guest('old', 'b', 1));
    there.admit(guest('first', 'a', 2));
    there.admit(guest('second', 'a', 3));
    expect(there.admit(guest('third', 'a', 4))).toMatchObject({
      stays: true,
      goes: { name: 'first' },
    });
    expect(there.taken).toBe(3);
  });

  it('the largest network pays, not who has been idle for longest', () => {
    const there = room(3, 2);
    there.admit(guest('secondary', 'b', 1));
    there.admit(guest('one of two', 'a', 8));
    there.admit(guest('two of two', 'a', 9));
    expect(there.admit(guest('resolver', 'c', 10)).goes?.name).toBe('one of two');
  });

  it('of equals the longest idle goes: a newcomer keeps its place for as many arrivals as there is room', () => {
    const there = room(4, 2);
    for (let n = 0; n < 4; n++) there.admit(guest(`holds ${n}`, `h${n}`, n));
    there.admit(guest('comes to ask', 'resolver', 10));
    const gone = Array.from({ length: 4 }, (_, n) => {
      return there.admit(guest(`floods ${n}`, `f${n}`, 11 + n)).goes?.name;
    });
    expect(gone).toEqual(['holds 1', 'holds 2', 'holds 3', 'comes to ask']);
  });

  it('who is being answered stays; where all are, who comes does not', () => {
    const there = room(2, 2);
    there.admit(guest('asks', 'a'));
    there.admit(guest('waits', 'b', 5));
    expect(there.admit(guest('comes', 'c')).goes?.name).toBe('waits');
    expect(there.admit(guest('too late', 'd', 9))).toEqual({ stays: false });
    expect(there.taken).toBe(2);
  });

  it('who has left takes no room, and leaves once', () => {
    const there = room(2, 1);
    const one = guest('one', 'a', 1);
    there.admit(one);
    there.leave(one);
    there.leave(one);
    expect(there.taken).toBe(0);
    expect(there.admit(guest('another', 'a', 2)).goes).toBeUndefined();
  });
});
