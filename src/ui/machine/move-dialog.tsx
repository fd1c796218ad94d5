/** Another state for a machine: with the reason, and, where somebody's work is on it, with its name typed out. */
import { useState } from 'preact/hooks';
import type { Operations } from '../../client/operations.generated.ts';
import { post } from '../api.ts';
import { changeWords } from '../asked-words.ts';
import { tell } from '../notices.ts';
import { Dialog } from '../parts/common.tsx';
import type { MachineView } from './types.ts';

export type Transition = Operations['GET /states']['answer']['transitions'][number];

export function MoveDialog({
  machine,
  row,
  close,
}: {
  machine: MachineView;
  row: Transition;
  close(): void;
}) {
  const [failed, setFailed] = useState('');
  const { hardwarename } = machine;
  const release = row.by === 'owner';
  const move = async (event: Event) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget as HTMLFormElement);
    const body = {
      to: row.to,
      why: String(form.get('why')).trim(),
      ...(release && { release: String(form.get('release')).trim() }),
    };
    try {
      const path = `machines/${encodeURIComponent(hardwarename)}/transitions`;
      tell(changeWords((await post(path, body)).body, `${hardwarename} is ${row.to}.`), 'good');
      close();
    } catch (error) {
      setFailed((error as Error).message);
    }
  };
  return (
    <Dialog title={`${hardwarename}: ${row.from} → ${row.to}`} onClose={close}>
      <form class="form" onSubmit={move}>
        <p>{row.why}</p>
        <label>
          Why
          <input name="why" required placeholder="It stands in the history" />
        </label>
        {release && (
          <label>
            It is in use, and what is on it may be lost. Type {hardwarename} to release it.
            <input name="release" required autocomplete="off" />
          </label>
        )}
        {failed !== '' && (
          <p class="note bad" role="alert">
            {failed}
          </p>
        )}
        <button type="submit" class={release ? 'danger' : 'primary'}>
          {row.to === 'held' ? 'Put on hold' : `Make it ${row.to}`}
        </button>
      </form>
    </Dialog>
  );
}
