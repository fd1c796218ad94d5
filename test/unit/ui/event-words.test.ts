import { describe, expect, it } from 'vitest';
import type { StoredEvent } from '../../../src/events.ts';
import { eventWords, isChatter } from '../../../src/ui/parts/event-words.ts';

const event = (name: string, data: object) =>
  ({ id: 1, at: 0, name, data }) as unknown as StoredEvent;

describe('an event in words', () => {
  it.each([
    ['recon.received', { digest: 'ab12', sizeBytes: 2393, repeated: false }, 'a report of 2.3 KiB'],
    [
      'recon.received',
      { digest: 'ab12', sizeBytes: 2393, repeated: true },
      'a report of 2.3 KiB, once more',
    ],
    [
      'boot.started',
      { client: 'firmware', arch: 'uefi-x64', iface: 'prov0' },
      'firmware, uefi-x64, on prov0',
    ],
    [
      'machine.changed',
      { changes: [{ part: 'disk' }, { part: 'nic' }] },
      'a report differs from the one before in 2 parts',
    ],
    ['machine.typed', { from: '', to: 'web', mismatch: '' }, 'no type → web'],
    [
      'machine.typed',
      { from: 'web', to: 'gpu', mismatch: 'one disk less' },
      'web → gpu, but one disk less',
    ],
    [
      'machine.conflict',
      { with: 'C0MP1', key: 'serial', why: 'one serial twice' },
      'with C0MP1: one serial twice',
    ],
    [
      'job.queued',
      { job: 'x', action: 'install', requester: 'ada', priority: 0 },
      'install, for ada',
    ],
    ['dhcp.released', { address: '10.0.0.9' }, 'address 10.0.0.9'],
  ])('%s %j', (name, data, words) => {
    expect(eventWords(event(name, data))).toBe(words);
  });

  it('is chatter while only a boot is looked at', () => {
    expect(isChatter(event('tftp.sent', {}))).toBe(true);
    expect(isChatter(event('machine.edited', {}))).toBe(false);
  });
});
