/** A token for a program: its secret is shown once, here, and kept nowhere. */
import { useRef, useState } from 'preact/hooks';
import { post } from '../api.ts';
import { tell, tellProblem } from '../notices.ts';
import { Dialog } from '../parts/common.tsx';
import { session } from '../session.ts';
import { ROLES, RoleFields } from './role-fields.tsx';
import { readSquadRoles } from './squad-roles.ts';

export function TokenDialog({ close }: { close(): void }) {
  const [secret, setSecret] = useState('');
  const [failed, setFailed] = useState('');
  const own = ROLES.indexOf(session.value?.role ?? 'viewer');
  const make = async (event: Event) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget as HTMLFormElement);
    try {
      const body = {
        name: String(form.get('name')).trim(),
        role: String(form.get('role')),
        squads: readSquadRoles(String(form.get('squads'))),
      };
      setSecret((await post<{ secret: string }>('tokens', body)).body.secret);
    } catch (error) {
      setFailed((error as Error).message);
    }
  };
  if (secret !== '') return <Secret secret={secret} close={close} />;
  return (
    <Dialog title="New token" onClose={close}>
      <form class="form" onSubmit={make}>
        <label>
          What it is for
          <input name="name" required autocapitalize="none" />
        </label>
        <RoleFields own="viewer" squads={{}} offered={ROLES.slice(0, own + 1)} />
        {failed !== '' && (
          <p class="note bad" role="alert">
            {failed}
          </p>
        )}
        <button type="submit" class="primary">
          Make it
        </button>
      </form>
    </Dialog>
  );
}

function Secret({ secret, close }: { secret: string; close(): void }) {
  const text = useRef<HTMLPreElement>(null);
  const copy = () => {
    // Browsers have a clipboard over HTTPS alone.
    const { clipboard } = navigator as { clipboard?: Clipboard };
    if (clipboard) return void clipboard.writeText(secret).catch(tellProblem);
    if (text.current) getSelection()?.selectAllChildren(text.current);
    tell('It is selected: copy it by hand.');
  };
  return (
    <Dialog title="The token, shown this once" onClose={close}>
      <pre ref={text} class="secret">
        {secret}
      </pre>
      <div class="buttons spaced">
        <button type="button" class="primary" onClick={copy}>
          Copy
        </button>
        <button type="button" onClick={close}>
          Done
        </button>
      </div>
    </Dialog>
  );
}
