/** Whose BMC is this: every kind of evidence, and evidence that does not agree. */
import { describe, expect, it } from 'vitest';
import { type MatchCandidate, type MatchView, matchBmc } from '../../../src/bmc/match.ts';
import type { BmcFacts } from '../../../src/inventory/bmcs.ts';
import type { Hardwarename } from '../../../src/wire/ids.ts';

const MAC = '02:00:00:00:99:01';
const UUID = '38947555-7742-3448-3784-823347823834';

interface Known {
  readonly name: string;
  readonly bmcMac?: string;
  readonly bmcAddress?: string;
  readonly uuid?: string;
  readonly serial?: string;
  readonly nic?: string;
}

function viewOf(machines: readonly Known[]): MatchView {
  const by =
    (key: keyof Known) =>
    (value: string): MatchCandidate[] =>
      machines
        .filter((one) => one[key] === value)
        .map(({ name, bmcMac = '' }) => ({ hardwarename: name as Hardwarename, bmcMac }));
  return {
    byBmcMac: by('bmcMac'),
    byBmcAddress: by('bmcAddress'),
    byUuid: by('uuid'),
    bySerialKey: by('serial'),
    byNic: by('nic'),
  };
}

const match = (machines: readonly Known[], facts: BmcFacts = {}, mac = MAC) => {
  const found = matchBmc({ mac, address: '10.0.0.9', facts }, viewOf(machines));
  return found.is === 'matched' ? `${found.hardwarename} by ${found.by}` : found.is;
};

describe('a BMC is that of a machine', () => {
  it.each<[string, Known, BmcFacts, string]>([
    ['whose report named its MAC', { name: 'A', bmcMac: MAC }, {}, 'A by mac'],
    ['with its UUID', { name: 'A', uuid: UUID }, { uuids: ['x', UUID] }, 'A by uuid'],
    [
      'with its serial, however spelt',
      { name: 'A', serial: 'C0MPUT3' },
      { serial: ' c0mput3 ' },
      'A by serial',
    ],
    [
      'with a NIC that it has',
      { name: 'A', nic: '52:54:00:00:00:01' },
      { macs: ['52:54:00:00:00:01'] },
      'A by nic',
    ],
    [
      'with its UUID, at another MAC than the one on record: a BMC may have two',
      { name: 'A', uuid: UUID, bmcMac: '02:00:00:00:99:77' },
      { uuids: [UUID] },
      'A by uuid',
    ],
    ['entered with its address', { name: 'A', bmcAddress: '10.0.0.9' }, {}, 'A by address'],
  ])('%s', (_, machine, facts, expected) => {
    expect(match([machine], facts)).toBe(expected);
  });
});

describe('it is nobody’s', () => {
  it.each<[string, readonly Known[], BmcFacts]>([
    ['where nothing fits', [{ name: 'A', uuid: UUID }], { serial: 'OTHER1' }],
    [
      'by serials that identify nothing',
      [{ name: 'A', serial: 'TO BE FILLED BY O.E.M.' }],
      { serial: 'To be filled by O.E.M.' },
    ],
    [
      'by the address of a machine with another BMC',
      [{ name: 'A', bmcAddress: '10.0.0.9', bmcMac: '02:00:00:00:99:77' }],
      {},
    ],
    [
      'by an address that two records name',
      [
        { name: 'A', bmcAddress: '10.0.0.9' },
        { name: 'B', bmcAddress: '10.0.0.9' },
      ],
      {},
    ],
  ])('%s', (_, machines, facts) => {
    expect(match(machines, facts)).toBe('unknown');
  });
});

describe('it is for a person', () => {
  it('where evidence names two machines', () => {
    const machines = [
      { name: 'A', uuid: UUID },
      { name: 'B', serial: 'C0MPUT3' },
    ];
    const found = matchBmc(
      { mac: MAC, address: '', facts: { uuids: [UUID], serial: 'C0MPUT3' } },
      viewOf(machines),
    );
    expect(found).toEqual({
      is: 'doubtful',
      why: 'Its uuid is that of A, its serial is that of B.',
    });
  });
  it('where its machine has another BMC on record: a board was swapped', () => {
    const machines = [{ name: 'A', serial: 'C0MPUT3', bmcMac: '02:00:00:00:99:77' }];
    expect(match(machines, { serial: 'C0MPUT3' })).toBe('doubtful');
    // Known by its address alone, it may well be that one.
    expect(match(machines, { serial: 'C0MPUT3' }, '')).toBe('A by serial');
  });
});
