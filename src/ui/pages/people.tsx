/** Users and API tokens: who may come in, with which role, and how to end that. */
import { useState } from 'preact/hooks';
import type { Operations } from '../../client/operations.generated.ts';
import { call } from '../api.ts';
import { tell, tellProblem } from '../notices.ts';
import { Empty, Panel, Reading, Table, Title, When } from '../parts/common.tsx';
import { squadWords } from '../people/squad-roles.ts';
import { TokenDialog } from '../people/token-dialog.tsx';
import { type User, UserDialog } from '../people/user-dialog.tsx';
import { named, useRead } from '../resource.ts';
import { isFleet, isSignedIn, may, signInOpen } from '../session.ts';

type Token = Operations['GET /tokens']['answer']['tokens'][number];

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
        {may('admin') || !isFleet.value ? (
          <Tokens />
        ) : (
          <Empty>Users and tokens of the fleet are an administrator's.</Empty>
        )}
      </div>
    </>
  );
}

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
      <Table label="Users" head={['Name', 'Role', 'Squads', 'Password', { spoken: 'Change' }]}>
        {users.value?.users.map((user) => (
          <tr key={user.name}>
            <td>
              {user.name} {user.disabled && <span class="badge hold">disabled</span>}
            </td>
            <td>{user.role}</td>
            <td>{squadWords(user.squads)}</td>
            <td>
              <span class="on-phone">password </span>
              {user.hasPassword ? 'yes' : 'no'}
            </td>
            <td>
              <button type="button" onClick={() => setOpen(user)}>
                Change…
              </button>
            </td>
          </tr>
        ))}
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

/** Central does not note it. */
const neverUsed = () => (isFleet.value ? 'not noted' : 'never');

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
        <Table
          label="API tokens"
          head={['Name', 'Acts as', 'Role', 'Made', 'Last used', { spoken: 'End' }]}
        >
          {living.map((token) => (
            <tr key={token.id}>
              <td>{token.name}</td>
              <td>{token.user}</td>
              <td>{[token.role, squadWords(token.squads)].filter(Boolean).join(', ')}</td>
              <td>
                <span class="on-phone">made </span>
                <When at={token.createdAt} />
              </td>
              <td>
                <span class="on-phone">used </span>
                {token.lastUsedAt === null ? neverUsed() : <When at={token.lastUsedAt} ago />}
              </td>
              <td>
                <button type="button" class="danger" onClick={() => void end(token)}>
                  End
                </button>
              </td>
            </tr>
          ))}
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
