/** Where the machine is and what it is called: each field that this person may write. */
import { useState } from 'preact/hooks';
import { changeWords } from '../asked-words.ts';
import { tell } from '../notices.ts';
import { Dialog } from '../parts/common.tsx';
import { may } from '../session.ts';
import { patchMachine } from './calls.ts';
import type { MachineView } from './types.ts';

type Name = keyof MachineView & string;
const PLACE: readonly (readonly [Name, string, 'text' | 'number'])[] = [
  ['rack', 'Rack', 'text'],
  ['unit', 'Lowest unit', 'number'],
  ['height', 'Height in units', 'number'],
  ['row', 'Row', 'text'],
  ['hall', 'Hall', 'text'],
  ['orderNumber', 'Delivery', 'text'],
  ['bmcAddress', 'BMC address', 'text'],
  ['notes', 'Notes', 'text'],
];
const USE: readonly (readonly [Name, string, 'text' | 'number'])[] = [
  ['hostname', 'Hostname', 'text'],
  ['role', 'Role', 'text'],
  ['squad', 'Squad', 'text'],
  ['owner', 'Owner', 'text'],
];

export function EditDialog({ machine, close }: { machine: MachineView; close(): void }) {
  const [failed, setFailed] = useState('');
  const fields = may('operator', machine.squad) ? [...PLACE, ...USE] : PLACE;
  const save = async (event: Event) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget as HTMLFormElement);
    const changes: Record<string, unknown> = {};
    for (const [name, , type] of fields) {
      const text = String(form.get(name) ?? '').trim();
      const value = type === 'number' ? Number(text || 0) : text;
      if (value !== machine[name]) changes[name] = value;
    }
    if (Object.keys(changes).length === 0) return close();
    try {
      const answer = await patchMachine(machine, changes, String(form.get('why') ?? ''));
      tell(changeWords(answer, `${machine.hardwarename} is changed.`), 'good');
      close();
    } catch (error) {
      setFailed((error as Error).message);
    }
  };
  return (
    <Dialog title={`Place and names of ${machine.hardwarename}`} onClose={close}>
      <form class="form" onSubmit={save}>
        <div class="form-row">
          {fields.map(([name, label, type]) => (
            <label key={name}>
              {label}
              <input
                name={name}
                type={type}
                {...(type === 'number' && { min: name === 'height' ? 1 : 0, max: 100 })}
                defaultValue={String(machine[name] ?? '')}
              />
            </label>
          ))}
        </div>
        <label>
          Why
          <input name="why" placeholder="It stands in the history" />
        </label>
        {failed !== '' && (
          <p class="note bad" role="alert">
            {failed}
          </p>
        )}
        <button type="submit" class="primary">
          Save
        </button>
      </form>
    </Dialog>
  );
}
