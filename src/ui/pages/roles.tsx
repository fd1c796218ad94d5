/**
 * Roles: what each brings to the installs of its machines, and how many have it; roles that machines have without a record, too.
 * A change reaches a machine with its next install, which is why nothing here touches a machine.
 */
import { useState } from 'preact/hooks';
import type { Operations } from '../../client/operations.generated.ts';
import { fleet, fleetVersion } from '../fleet.ts';
import { plural } from '../format.ts';
import { Empty, Facts, Panel, Reading, Title } from '../parts/common.tsx';
import { RoleDialog } from '../provisioning/role-dialog.tsx';
import { keyWord, metadataWord, rolesOf } from '../provisioning/role-text.ts';
import { named, useRead } from '../resource.ts';
import { isFleet, may } from '../session.ts';
import '../styles/provisioning.css';

type List = Operations['GET /roles']['answer'];
export type RoleRecord = List['items'][number];

function* machinesOf(): Iterable<{ readonly role: string }> {
  for (const { machine } of fleet.values()) if (machine) yield machine;
}

export function RolesPage() {
  fleetVersion.value;
  const list = useRead<List>('roles?limit=1000', named('record.changed'));
  // A name without a record is one that is to be written.
  const [edited, edit] = useState<RoleRecord | string | undefined>();
  const used = rolesOf(machinesOf());
  const records = list.value?.items ?? [];
  const bare = [...used.keys()].filter((name) => records.every((one) => one.name !== name)).sort();
  return (
    <>
      <Title
        beside={
          may('admin') && (
            <button type="button" onClick={() => edit('')}>
              New role…
            </button>
          )
        }
      >
        Roles and what they bring
      </Title>
      <Reading of={list} />
      {list.value && records.length + bare.length === 0 && <Empty>No role is on record.</Empty>}
      <div class="panels">
        {records.map((role) => (
          <Panel key={role.name} title={role.name} beside={<Change to={() => edit(role)} />}>
            <Machines role={role.name} count={used.get(role.name) ?? 0} />
            <Brings role={role} />
          </Panel>
        ))}
        {list.value &&
          bare.map((name) => (
            <Panel key={name} title={name} beside={<Change to={() => edit(name)} />}>
              <Machines role={name} count={used.get(name) ?? 0} />
              <p class="dim">It brings nothing to an install.</p>
            </Panel>
          ))}
      </div>
      {edited !== undefined && (
        <RoleDialog
          of={edited}
          close={() => {
            edit(undefined);
            list.reload();
          }}
        />
      )}
    </>
  );
}

function Change({ to }: { to(): void }) {
  if (!may('admin')) return null;
  return (
    <button type="button" class="quiet" onClick={to}>
      Change…
    </button>
  );
}

function Machines({ role, count }: { role: string; count: number }) {
  return (
    <p data-role={role}>
      <a href={`/machines?role=${encodeURIComponent(role)}`}>
        {/* The portal of central has no fleet in memory that it could count. */}
        {isFleet.value ? 'Its machines' : plural(count, 'machine')}
      </a>
    </p>
  );
}

function Brings({ role: { metadata, sshKeys, userData, notes } }: { role: RoleRecord }) {
  return (
    <>
      <Facts
        of={[
          ...Object.entries(metadata).map(([name, value]) => [name, metadataWord(value)] as const),
          ['SSH keys', sshKeys.map(keyWord).join(', ')],
        ]}
      />
      {userData !== '' && (
        <details>
          <summary>User-data, {plural(userData.trimEnd().split('\n').length, 'line')}</summary>
          <pre>{userData}</pre>
        </details>
      )}
      {notes !== '' && <p class="dim">{notes}</p>}
    </>
  );
}
