/** What is asked of the appliance, and how its answer becomes the lines of a diff. */
import { describe, expect, it } from 'vitest';
import { linesOf, proposalOf } from '../../../src/ui/parts/what-would-change-text.ts';

describe('what would change', () => {
  it('is asked of a file by its text, of a record by its document, or by nothing for one that would go', () => {
    expect(proposalOf('config', '', 'site: x')).toEqual({ config: 'site: x' });
    expect(proposalOf('script', 'pxeimage.ipxe', '#!ipxe')).toEqual({
      scripts: { 'pxeimage.ipxe': '#!ipxe' },
    });
    expect(proposalOf('template', 'netinst/stable', 'd-i x\n')).toEqual({
      templates: { 'netinst/stable': 'd-i x\n' },
    });
    expect(proposalOf('channel', 'netinst/stable', ' 12.13\n')).toEqual({
      channels: { 'netinst/stable': '12.13' },
    });
    const records = (doc: unknown) => ({ records: [{ kind: 'subnet', name: 'blue', doc }] });
    expect(proposalOf('subnet', 'blue', '{"cidr":"10.1.0.0/24"}')).toEqual(
      records({ cidr: '10.1.0.0/24' }),
    );
    expect(proposalOf('subnet', 'blue', ' ')).toEqual(records(null));
    expect(() => proposalOf('subnet', 'blue', 'cidr: 1')).toThrow(SyntaxError);
  });

  it('is told as lines that come and go, below whom they are about', () => {
    const one = { machine: 'C1', mac: 'aa', what: 'script', before: 'a\nb\n', after: 'c' };
    const come = { machine: 'C1', mac: '', what: 'template', before: '', after: 'd' };
    const lease = { machine: '', mac: 'bb', what: 'lease of 1.2.3.4', before: 'x', after: 'y' };
    const answer = {
      ...{ differences: [one, come], leases: [lease], faults: [], asked: 1, machines: 1 },
      zones: [{ zone: 'lab.', removed: ['r'], added: ['s'] }],
      counts: { answers: 1, machines: 1, leases: 1, records: 2 },
    };
    expect(linesOf(answer).split('\n')).toEqual([
      ...[
        'C1 aa, script',
        '- a',
        '- b',
        '+ c',
        'C1, template',
        '+ d',
        'bb, lease of 1.2.3.4',
        '- x',
        '+ y',
      ],
      ...['zone lab.', '- r', '+ s'],
    ]);
  });
});
