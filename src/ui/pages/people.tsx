/** Users and API tokens: who may come in, with which role, and how to end that. */
import { useState } from 'preact/hooks';
import type { Operations } from '../../client/operations.generated.ts';
import type { Role } from '../../inventory/access.ts';
import { call, post } from '../api.ts';
import { tell, tellProblem } from '../notices.ts';
import { Dialog, Empty, Panel, Reading, Table, Title, When } from '../parts/common.tsx';
import { named, useRead } from '../resource.ts';
import { isSignedIn, may, session, signInOpen } from '../session.ts';

type User = Operations['GET /users']['answer']['users'][number];
type Token = Operations['GET /tokens']['answer']['tokens'][number];

const ROLES: readonly Role[] = ['viewer', 'technician', 'operator', 'admin'];

export function PeoplePage() {
  if (!isSignedIn.value)
    return (
      <>
        <Title>People</Title>
        <Empty>
          <button
            type="button"
            class="primary"
            onClick={() => {
              signInOpen.value = true;
            }}
          >
            Sign in to see users and tokens
          </button>
        </Empty>
      </>
    );
  return (
    <>
      <Title>People</Title>
      <div class="panels">
        {may('admin') && <Users />}
        <Tokens />
      </div>
    </>
  );
}

const squadWords = (squads: Readonly<Record<string, string>>): string =>
  Object.entries(squads)
    .map(([squad, role]) => `${role} of ${squad}`)
    .join(', ');

function Users() {
  const users = useRead<{ users: readonly User[] }>('users', named('access.changed'));
  const [open, setOpen] = useState<User | 'new' | undefined>();
  return (
    <Panel
      title="Users"
      wide
      beside={
        <button type="button" onClick={() => setOpen('new')}>
          New user…
        </button>
      }
    >
      <Reading of={users} />
      <Table label="Users">
        <thead>
          <tr>
            {['Name', 'Role', 'Squads', 'Password', ''].map((word) => (
              <th key={word} scope="col">
                {word === '' ? <span class="spoken">Change</span> : word}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {users.value?.users.map((user) => (
            <tr key={user.name}>
              <td>
                {user.name} {user.disabled && <span class="badge hold">disabled</span>}
              </td>
              <td>{user.role}</td>
              <td>{squadWords(user.squads)}</td>
              <td>{user.hasPassword ? 'yes' : 'no'}</td>
              <td>
                <button type="button" onClick={() => setOpen(user)}>
                  Change…
                </button>
              </td>
            </tr>
          ))}
        </tbody>
      </Table>
      {open !== undefined && (
        <UserDialog
          user={open === 'new' ? undefined : open}
          close={() => {
            setOpen(undefined);
            users.reload();
          }}
        />
      )}
    </Panel>
  );
}

function UserDialog({ user, close }: { user: User | undefined; close(): void }) {
  const [failed, setFailed] = useState('');
  const save = async (event: Event) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget as HTMLFormElement);
    const name = user?.name ?? String(form.get('name')).trim();
    const password = String(form.get('password'));
    const body = {
      role: String(form.get('role')),
      squads: user?.squads ?? {},
      disabled: form.get('disabled') !== null,
      ...(password !== '' && { password }),
    };
    try {
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
        <label>
          Role for the site
          <select name="role">
            {ROLES.map((role) => (
              <option key={role} selected={role === (user?.role ?? 'viewer')}>
                {role}
              </option>
            ))}
          </select>
        </label>
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

function Tokens() {
  const tokens = useRead<{ tokens: readonly Token[] }>('tokens', named('access.changed'));
  const [open, setOpen] = useState(false);
  const end = (token: Token) =>
    call('DELETE', `tokens/${encodeURIComponent(token.id)}`)
      .then(() => tell(`${token.name} is ended.`, 'good'), tellProblem)
      .then(tokens.reload);
  const living = tokens.value?.tokens.filter(({ revokedAt }) => revokedAt === null) ?? [];
  return (
    <Panel
      title="API tokens"
      wide
      beside={
        <button type="button" onClick={() => setOpen(true)}>
          New token…
        </button>
      }
    >
      <Reading of={tokens} />
      {tokens.value && living.length === 0 && <Empty>No token.</Empty>}
      {living.length > 0 && (
        <Table label="API tokens">
          <thead>
            <tr>
              {['Name', 'Acts as', 'Role', 'Made', 'Last used', ''].map((word) => (
                <th key={word} scope="col">
                  {word === '' ? <span class="spoken">End</span> : word}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {living.map((token) => (
              <tr key={token.id}>
                <td>{token.name}</td>
                <td>{token.user}</td>
                <td>{[token.role, squadWords(token.squads)].filter(Boolean).join(', ')}</td>
                <td>
                  <When at={token.createdAt} />
                </td>
                <td>{token.lastUsedAt === null ? 'never' : <When at={token.lastUsedAt} ago />}</td>
                <td>
                  <button type="button" class="danger" onClick={() => void end(token)}>
                    End
                  </button>
                </td>
              </tr>
            ))}
          </tbody>
        </Table>
      )}
      {open && (
        <TokenDialog
          close={() => {
            setOpen(false);
            tokens.reload();
          }}
        />
      )}
    </Panel>
  );
}

function TokenDialog({ close }: { close(): void }) {
  const [secret, setSecret] = useState('');
  const [failed, setFailed] = useState('');
  const own = ROLES.indexOf(session.value?.role ?? 'viewer');
  const make = async (event: Event) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget as HTMLFormElement);
    const body = { name: String(form.get('name')).trim(), role: String(form.get('role')) };
    try {
      setSecret((await post<{ secret: string }>('tokens', body)).body.secret);
    } catch (error) {
      setFailed((error as Error).message);
    }
  };
  if (secret !== '')
    return (
      <Dialog title="The token, shown this once" onClose={close}>
        <pre>{secret}</pre>
        <div class="buttons spaced">
          <button
            type="button"
            class="primary"
            onClick={() => void navigator.clipboard.writeText(secret).catch(tellProblem)}
          >
            Copy
          </button>
          <button type="button" onClick={close}>
            Done
          </button>
        </div>
      </Dialog>
    );
  return (
    <Dialog title="New token" onClose={close}>
      <form class="form" onSubmit={make}>
        <label>
          What it is for
          <input name="name" required autocapitalize="none" />
        </label>
        <label>
          Role
          <select name="role">
            {ROLES.slice(0, own + 1).map((role) => (
              <option key={role}>{role}</option>
            ))}
          </select>
        </label>
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
