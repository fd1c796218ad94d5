/** Who has sent something lately: what each may send, and who is forgotten when there are too many. */
import { describe, expect, it } from 'vitest';
import { admitSenders } from '../../../src/dhcp/senders.ts';
import { limit } from '../../../src/limits.ts';
import type { Millis } from '../../../src/wire/time.ts';

const CHADDR_AT = 28;

function gate() {
  const time = { now: 1_000_000 };
  const admit = admitSenders<string>(() => time.now as Millis);
  return {
    time,
    send: (sender: number) => {
      const bytes = new Uint8Array(240);
      bytes.set([2, 0, sender >>> 24, sender >>> 16, sender >>> 8, sender], CHADDR_AT);
      return admit(bytes)?.mac;
    },
  };
}

const PER_SECOND = limit('dhcpPacketsPerMacPerSecond');
const SENDERS_MAX = limit('dhcpTrackedMacs');

describe('senders', () => {
  it('may each send so much in a second, and are known by their address', () => {
    const { send, time } = gate();
    for (let count = 0; count < PER_SECOND; count++) expect(send(7)).toBe('02:00:00:00:00:07');
    expect(send(7)).toBeUndefined();
    expect(send(8)).toBe('02:00:00:00:00:08');
    time.now += 1000;
    expect(send(7)).toBe('02:00:00:00:00:07');
  });

  it('are forgotten in the order of their coming, each once, when there are too many', () => {
    const { send } = gate();
    const tooMuch = (sender: number) => {
      for (let count = 0; count <= PER_SECOND; count++) send(sender);
      return send(sender) === undefined;
    };
    for (let sender = 0; sender < SENDERS_MAX; sender++) send(sender);
    expect([tooMuch(0), tooMuch(1), tooMuch(SENDERS_MAX - 1)]).toEqual([true, true, true]);
    send(SENDERS_MAX);
    expect(send(1)).toBeUndefined();
    expect(send(0)).toBe('02:00:00:00:00:00');
    // Which made it the newest, and sent the oldest, which is 1, away.
    expect(send(1)).toBe('02:00:00:00:00:01');
    expect(send(SENDERS_MAX - 1)).toBeUndefined();
  });
});
