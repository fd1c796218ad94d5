/** Time travel: what the machine was offered and served at a moment of the past, and why, as the events of then have it. */
import { useState } from 'preact/hooks';
import type { Operations } from '../../client/operations.generated.ts';
import { Empty, Panel, Reading, Table, When } from '../parts/common.tsx';
import { useRead } from '../resource.ts';
import type { MachineView } from './types.ts';

type Moment = Operations['GET /past']['answer'];

export function Past({ machine }: { machine: MachineView }) {
  const [typed, setTyped] = useState('');
  // What the field holds is this browser's own time.
  const at = typed === '' ? Number.NaN : new Date(typed).getTime();
  const wanted = Number.isFinite(at)
    ? `past?subject=${encodeURIComponent(machine.hardwarename)}&at=${at}`
    : '';
  return (
    <Panel title="At a moment of the past" wide>
      <label class="field">
        Date and time{' '}
        <input
          type="datetime-local"
          value={typed}
          onInput={(event) => setTyped(event.currentTarget.value)}
        />
      </label>
      {wanted === '' ? (
        <p class="dim">Say when, to see what it was offered and served then.</p>
      ) : (
        <Then key={wanted} path={wanted} />
      )}
    </Panel>
  );
}

function Then({ path }: { path: string }) {
  const moment = useRead<Moment>(path);
  const found = moment.value;
  if (!found) return <Reading of={moment} />;
  const { boot, state, mac, answers } = found;
  return (
    <div data-past>
      <p>
        It was <b>{state}</b>.{' '}
        {boot ? (
          <>
            Its <a href={`/boots/${boot.id}`}>last boot</a> had begun <When at={boot.startedAt} />,
            by <code>{mac}</code>.
          </>
        ) : (
          'It had not booted from here before, or the events of then are no longer kept.'
        )}
      </p>
      {boot && answers.length === 0 && <Empty>Nothing was answered by then.</Empty>}
      {answers.length > 0 && (
        <Table label="What it was answered" head={['When', 'What', 'Detail']}>
          {answers.map(({ at, what, detail }, index) => (
            <tr key={index}>
              <td>
                <When at={at} />
              </td>
              <td>{what}</td>
              <td class="mono">{detail}</td>
            </tr>
          ))}
        </Table>
      )}
    </div>
  );
}
