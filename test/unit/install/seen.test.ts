/** The agent tells of disks by one function, whoever asks: what a report may say, work has to take. */
import { describe, expect, it } from 'vitest';
import { seenSchema } from '../../../src/install/seen.ts';
import { reportedDisk } from '../../../src/inventory/report.ts';
import { seenForRecycle } from '../../../src/recycle/seen.ts';

const WHOLE = {
  ...{ name: 'nvme0n1', model: 'SSD 1', serial: 'S1', wwn: 'eui.1', sizeBytes: 2 ** 31 },
  ...{ rotational: false, interface: 'nvme', path: 'pci-0000:00:04.0', firmware: '1.0' },
};
const body = { bootMode: 'uefi', disks: [WHOLE] };

describe('a disk with everything that a report may say of it', () => {
  it('is such a disk', () => {
    expect(Object.keys(WHOLE).sort()).toEqual(Object.keys(reportedDisk.shape).sort());
    expect(reportedDisk.parse(WHOLE)).toEqual(WHOLE);
  });

  it('is taken by an installation', () => {
    expect(seenSchema.parse(body).disks).toEqual([WHOLE]);
  });

  it('is taken by a recycling', () => {
    expect(seenForRecycle.parse(body).disks).toEqual([{ ...WHOLE, offers: [] }]);
  });
});
