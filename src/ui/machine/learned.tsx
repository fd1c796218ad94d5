/** What has worked and failed on this machine and on others like it: the next boot goes by it (docs/diagnoses.md). */
import type { Operations } from '../../client/operations.generated.ts';
import { Badge, Panel, Table } from '../parts/common.tsx';
import { named, useRead } from '../resource.ts';
import type { MachineView } from './types.ts';

type Answer = Operations['GET /quirks']['answer'];

const WORDS: Readonly<Record<string, string>> = {
  ...{ binary: 'Boot file', blksize: 'Block size of TFTP', 'local-boot': 'Way to its disk' },
  override: 'Order for a network boot',
};

export function Learned({ machine }: { machine: MachineView }) {
  const { bootMac, manufacturer, product } = machine;
  const answer = useRead<Answer>('quirks', named('quirk.changed'));
  const mine = (answer.value?.quirks ?? []).filter(({ scope, subject }) =>
    scope === 'machine'
      ? subject === bootMac
      : subject.startsWith(`${manufacturer} / ${product} /`),
  );
  if (mine.length === 0) return null;
  return (
    <Panel title="What was learned">
      <Table label="What works and fails" head={['Of', 'What', 'Value', 'Outcome', 'Why']}>
        {mine.map(({ scope, subject, trait, value, outcome, why, source }) => (
          <tr key={`${subject} ${trait} ${value}`}>
            <td>{scope === 'machine' ? 'this machine' : subject}</td>
            <td>{WORDS[trait] ?? trait}</td>
            <td>
              <code>{value}</code>
            </td>
            <td>
              <Badge word={outcome} />
            </td>
            <td>
              {why}
              {source !== 'learned' && <span class="dim"> (by {source})</span>}
            </td>
          </tr>
        ))}
      </Table>
    </Panel>
  );
}
