/** A delivery as slots of racks: what is drawn as missing, what is flagged, and what is listed instead. */
import { describe, expect, it } from 'vitest';
import { expectedOf, freeSlots, type Line } from '../../../src/ui/expected.ts';

const line = (of: Partial<Line>): Line => ({
  ...{ line: 1, serial: 'S1', product: '', status: 'missing', rack: '', unit: 0 },
  ...{ hardwarename: '', foundRack: '', foundUnit: 0, why: '' },
  ...of,
});

describe('a delivery in its racks', () => {
  it('draws what is missing where it belongs, and lists what may stand anywhere', () => {
    const { byRack, anywhere, flags } = expectedOf([
      line({ serial: 'S1', rack: 'R1', unit: 3 }),
      line({ serial: 'S2', rack: 'R1', unit: 4 }),
      line({ serial: 'S3' }),
      line({ serial: 'S4', rack: 'R1', unit: 5, status: 'arrived', hardwarename: 'S4' }),
    ]);
    expect(byRack.get('R1')).toEqual([
      { serial: 'S1', unit: 3, elsewhere: '' },
      { serial: 'S2', unit: 4, elsewhere: '' },
    ]);
    expect(anywhere).toEqual(['S3']);
    expect(flags.size).toBe(0);
  });

  it('shows a machine in the wrong slot twice: where it is, and where it belongs', () => {
    const wrong = { rack: 'R1', unit: 3, foundRack: 'R2', foundUnit: 41 };
    const { byRack, flags } = expectedOf([
      line({ ...wrong, serial: 'S1', status: 'wrong slot', hardwarename: 'S1' }),
      line({ serial: 'X', status: 'unexpected', hardwarename: 'X' }),
      line({ serial: 'D', status: 'duplicate', rack: 'R1', unit: 9, hardwarename: 'D' }),
    ]);
    expect(byRack.get('R1')).toEqual([{ serial: 'S1', unit: 3, elsewhere: 'R2 U41' }]);
    expect([...flags]).toEqual([
      ['S1', 'wrong slot'],
      ['X', 'unexpected'],
      ['D', 'duplicate'],
    ]);
  });

  it('draws only where the rack is free; nothing is hidden', () => {
    const slot = (serial: string, unit: number) => ({ serial, unit, elsewhere: '' });
    const slots = [slot('A', 1), slot('B', 2), slot('C', 2), slot('D', 0), slot('E', 43)];
    const { drawn, listed } = freeSlots(slots, new Set([1]), 42);
    expect(drawn.map(({ serial }) => serial)).toEqual(['B']);
    expect(listed.map(({ serial }) => serial)).toEqual(['A', 'C', 'D', 'E']);
  });
});
