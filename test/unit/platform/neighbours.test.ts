import { describe, expect, it } from 'vitest';
import { openNeighbours } from '../../../src/platform/probe.ts';
import { ipv4, mac } from '../../support/world.ts';

const HEAD = 'IP address       HW type     Flags       HW address            Mask     Device\n';
const entry = (address: string, hardware: string) =>
  `${address}        0x1         0x2         ${hardware}     *        prov0\n`;
const A = mac('52:54:00:00:00:0a');
const B = mac('52:54:00:00:00:0b');

function neighbours() {
  const kernel = { now: 0, reads: 0, text: HEAD + entry('10.77.0.100', A) };
  const onLink = openNeighbours(
    () => {
      kernel.reads += 1;
      return kernel.text;
    },
    () => kernel.now,
  );
  return { kernel, who: (address: string) => onLink(['up0', 'prov0'], ipv4(address)), onLink };
}

describe('who has an address on the wire', () => {
  it('is read once a second, however often it is asked', () => {
    const { kernel, who } = neighbours();
    for (let n = 0; n < 100; n++) expect(who('10.77.0.100')).toBe(A);
    expect(kernel.reads).toBe(1);
    kernel.text = HEAD + entry('10.77.0.100', B);
    kernel.now = 999;
    expect(who('10.77.0.100')).toBe(A);
    kernel.now = 1000;
    expect(who('10.77.0.100')).toBe(B);
    expect(kernel.reads).toBe(2);
  });

  it('is found though it came after the last look, and who is not there costs ten looks a second', () => {
    const { kernel, who } = neighbours();
    who('10.77.0.100');
    kernel.text += entry('10.77.0.101', B);
    kernel.now = 100;
    expect(who('10.77.0.101')).toBe(B);
    const before = kernel.reads;
    for (; kernel.now < 1100; kernel.now += 5) expect(who('10.77.0.200')).toBeUndefined();
    expect(kernel.reads - before).toBeLessThanOrEqual(10);
  });

  it("is not looked for where no address is another server's to lease", () => {
    const { kernel, onLink } = neighbours();
    expect(onLink([], ipv4('10.77.0.100'))).toBeUndefined();
    expect(kernel.reads).toBe(0);
  });
});
