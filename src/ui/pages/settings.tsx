/** The configuration that is in force, and where each value comes from; it is changed in the file, and takes a restart. */
import { useState } from 'preact/hooks';
import type { Operations } from '../../client/operations.generated.ts';
import { Empty, Reading, Table, Title } from '../parts/common.tsx';
import { WhatWouldChange } from '../parts/what-would-change.tsx';
import { useRead } from '../resource.ts';
import { may } from '../session.ts';

type Rows = Operations['GET /configuration']['answer'];

export function SettingsPage() {
  const [text, setText] = useState('');
  const [changed, setChanged] = useState(false);
  const allowed = may('technician');
  const rows = useRead<Rows>(allowed ? 'configuration' : '');
  if (!allowed)
    return (
      <>
        <Title>Configuration</Title>
        <Empty>Sign in as a technician to see it.</Empty>
      </>
    );
  const shown = (rows.value?.rows ?? []).filter(
    ({ key, origin }) =>
      key.toLowerCase().includes(text.toLowerCase()) && (!changed || origin === 'file'),
  );
  return (
    <>
      <Title>Configuration</Title>
      <div class="filters">
        <input
          type="search"
          aria-label="Any part of a key"
          placeholder="Any part of a key"
          value={text}
          onInput={(event) => setText(event.currentTarget.value)}
        />
        <label class="check">
          <input type="checkbox" checked={changed} onChange={() => setChanged(!changed)} /> Only
          what the file says
        </label>
      </div>
      <Reading of={rows} />
      {rows.value && shown.length === 0 && <Empty>No value of the kind.</Empty>}
      {shown.length > 0 && (
        <Table label="Configuration" head={['Key', 'Value', 'From']}>
          {shown.map(({ key, value, origin }) => (
            <tr key={key}>
              <td class="mono">{key}</td>
              <td class="mono">{value}</td>
              <td>{origin === 'file' ? <b>the file</b> : <span class="dim">default</span>}</td>
            </tr>
          ))}
        </Table>
      )}
      {may('operator') && <WhatWouldChange />}
    </>
  );
}
