/** The judge of scenario `standby` finds an address that two machines have, and nothing where there is none. */
import { describe, expect, it } from 'vitest';
import { createAddressJudge, describeDouble } from '../../../qemu-lab/address-check.ts';
import { MESSAGE, OPTION, u32 } from '../../../src/dhcp/options.ts';
import { parseIpv4 } from '../../../src/wire/ipv4.ts';
import { type Mac, parseMac } from '../../../src/wire/mac.ts';
import { answer, ask, ethernetFrame, frameOf, type Shot } from '../../support/captures.ts';

const [ONE, OTHER] = ['52:54:00:00:00:01', '52:54:00:00:00:02'].map(
  (text) => parseMac(text) as Mac,
) as [Mac, Mac];
const [FIRST, SECOND, ELSEWHERE] = ['10.77.1.7', '10.77.1.8', '10.78.1.7'] as const;
const [A, B] = ['10.77.0.1', '10.77.0.2'] as const;

const addressOf = (text: string) => {
  const address = parseIpv4(text);
  if (address === undefined) throw new Error(text);
  return address;
};
const ack = (atMs: number, machine: Mac, address: string, from: string = A): Shot =>
  answer(MESSAGE.ack, {
    ...{ atMs, machine, from: [from, 67], fields: { yiaddr: addressOf(address) } },
    options: [[OPTION.leaseTime, u32(60)]],
  });
const release = (atMs: number, machine: Mac, address: string): Shot =>
  ask(MESSAGE.release, { atMs, machine, fields: { ciaddr: addressOf(address) } });
const decline = (atMs: number, machine: Mac, address: string): Shot =>
  ask(MESSAGE.decline, {
    ...{ atMs, machine, options: [[OPTION.requestedAddress, u32(addressOf(address))]] },
  });

function judge(shots: readonly Shot[]) {
  const of = createAddressJudge();
  for (const [index, shot] of shots.entries())
    of.add({ number: index + 1, ...frameOf(ethernetFrame(shot), shot.atMs * 1000) });
  return of.finish();
}

describe('addresses on the wire', () => {
  it('finds two machines with one address, whichever appliances gave it', () => {
    const { doubles } = judge([ack(0, ONE, FIRST), ack(59_000, OTHER, FIRST, B)]);
    expect(doubles).toHaveLength(1);
    expect(describeDouble(doubles[0] as never)).toBe(
      '10.77.1.7: 52:54:00:00:00:01 at 1970-01-01T00:00:00.000Z for 60 s by 10.77.0.1, then 52:54:00:00:00:02 at 1970-01-01T00:00:59.000Z for 60 s by 10.77.0.2',
    );
  });

  it('counts a renewal from its own time on', () => {
    const renewed = [ack(0, ONE, FIRST), ack(50_000, ONE, FIRST)];
    expect(judge([...renewed, ack(100_000, OTHER, FIRST)]).doubles).toHaveLength(1);
    expect(judge([...renewed, ack(111_000, OTHER, FIRST)]).doubles).toEqual([]);
  });

  it('lets an address go that was given back, declined, left for another one, or whose time is over', () => {
    const following = (shot: Shot) => judge([ack(0, ONE, FIRST), shot, ack(30_000, OTHER, FIRST)]);
    for (const shot of [release(5, ONE, FIRST), decline(5, ONE, FIRST), ack(5, ONE, SECOND)])
      expect(following(shot)).toMatchObject({ doubles: [], reused: 1 });
    expect(judge([ack(0, ONE, FIRST), ack(60_000, OTHER, FIRST)]).doubles).toEqual([]);
  });

  it('does not take the word of another machine, nor an address of another network', () => {
    const following = (shot: Shot) => judge([ack(0, ONE, FIRST), shot, ack(30_000, OTHER, FIRST)]);
    for (const shot of [release(5, OTHER, FIRST), ack(5, ONE, ELSEWHERE)])
      expect(following(shot).doubles).toHaveLength(1);
  });

  it('reads nothing but acknowledgements that give an address', () => {
    const inform = answer(MESSAGE.ack, {
      machine: OTHER,
      options: [[OPTION.leaseTime, undefined]],
    });
    const offer = answer(MESSAGE.offer, { machine: OTHER });
    const { acknowledged, addresses } = judge([inform, offer, ack(1, ONE, FIRST)]);
    expect([acknowledged.length, addresses]).toEqual([1, 1]);
  });
});
