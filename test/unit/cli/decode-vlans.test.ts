/** What `reveille decode` makes of a trunk: VLANs are apart, a machine is one in all of them. */
import { describe, expect, it } from 'vitest';
import type { CheckId } from '../../../src/capture/checks.ts';
import { MESSAGE } from '../../../src/dhcp/options.ts';
import { transfer } from '../../support/capture-scenes.ts';
import { analyse, answer, exchange, MACHINE, type Shot, WANTED } from '../../support/captures.ts';
import { ipv4, mac } from '../../support/world.ts';

const elsewhere = mac('52:54:00:00:00:02');

function idsOf(shots: readonly Shot[]): CheckId[] {
  const capture = analyse(shots);
  return [...capture.machines.flatMap(({ problems }) => problems), ...capture.problems].map(
    ({ check }) => check,
  );
}

describe('VLANs', () => {
  const inVlan = (vlan: number, shots: readonly Shot[]) =>
    shots.map((shot) => ({ ...shot, vlans: [vlan] }));
  const theirs = exchange('os', {
    discover: { machine: elsewhere },
    offer: { machine: elsewhere },
    request: { machine: elsewhere, options: WANTED },
    ack: { machine: elsewhere },
  });

  it('one address in two of them is no conflict, and is one in the same', () => {
    const ours = inVlan(100, exchange('os'));
    expect(idsOf([...ours, ...inVlan(200, theirs)])).toEqual([]);
    expect(idsOf([...ours, ...inVlan(100, theirs)])).toEqual(['address-conflict']);
  });

  it('one machine has an address in each, and another one in the same is told of', () => {
    const another = answer(MESSAGE.ack, { fields: { yiaddr: ipv4('10.77.0.101') } });
    const ours = inVlan(100, exchange('bios'));
    expect(idsOf([...ours, { ...another, vlans: [200] }])).not.toContain('address-changed');
    expect(idsOf([...ours, { ...another, vlans: [100] }])).toContain('address-changed');
  });

  it('a transfer is of the machine that has the address in its VLAN', () => {
    const routed = (vlan: number) =>
      inVlan(vlan, transfer()).map((shot) => ({ ...shot, sourceMac: mac('52:54:00:ff:00:02') }));
    const both = [...inVlan(100, exchange('os')), ...inVlan(200, theirs)];
    const transfersOf = (shots: readonly Shot[]) =>
      analyse(shots).machines.map(({ key, boots }) => [
        key,
        boots.flatMap(({ entries }) => entries).filter(({ kind }) => kind === 'tftp').length,
      ]);
    expect(transfersOf([...both, ...routed(100)])).toEqual([
      [MACHINE, 1],
      [elsewhere, 0],
    ]);
    expect(transfersOf([...both, ...routed(200)])).toEqual([
      [MACHINE, 0],
      [elsewhere, 1],
    ]);
  });
});
