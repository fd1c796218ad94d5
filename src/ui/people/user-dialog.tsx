/** Who may come in, as what, and with which roles in squads. */
import { useState } from 'preact/hooks';
import type { Operations } from '../../client/operations.generated.ts';
import { call } from '../api.ts';
import { tell } from '../notices.ts';
import { Dialog } from '../parts/common.tsx';
import { ROLES, RoleFields } from './role-fields.tsx';
import { readSquadRoles } from './squad-roles.ts';

export type User = Operations['GET /users']['answer']['users'][number];

export function UserDialog({ user, close }: { user: User | undefined; close(): void }) {
  const [failed, setFailed] = useState('');
  const save = async (event: Event) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget as HTMLFormElement);
    const name = user?.name ?? String(form.get('name')).trim();
    const password = String(form.get('password'));
    try {
      const body = {
        role: String(form.get('role')),
        squads: readSquadRoles(String(form.get('squads'))),
        disabled: form.get('disabled') !== null,
        ...(password !== '' && { password }),
      };
      const path = `users/${encodeURIComponent(name)}`;
      await call('PUT', path, { body, version: user?.version ?? 0 });
      tell(`${name} is written down.`, 'good');
      close();
    } catch (error) {
      setFailed((error as Error).message);
    }
  };
  return (
    <Dialog title={user ? user.name : 'New user'} onClose={close}>
      <form class="form" onSubmit={save}>
        {!user && (
          <label>
            Name
            <input name="name" required autocapitalize="none" autocomplete="off" />
          </label>
        )}
        <RoleFields own={user?.role ?? 'viewer'} squads={user?.squads ?? {}} offered={ROLES} />
        <label>
          Password{user?.hasPassword && ', where it is to change'}
          <input name="password" type="password" minLength={10} autocomplete="new-password" />
        </label>
        <label class="check">
          <input name="disabled" type="checkbox" defaultChecked={user?.disabled === true} /> May not
          come in
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
