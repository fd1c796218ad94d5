/** The squads of the fleet: what each has at all sites together, what it was promised, and what it may have. */
import { useState } from 'preact/hooks';
import type { SquadView } from '../../central/squads.ts';
import { Empty, Panel, Reading, Table, Title } from '../parts/common.tsx';
import { OldSites } from '../parts/freshness.tsx';
import { typeQuotaText } from '../provisioning/usage.ts';
import { useRead } from '../resource.ts';
import { may } from '../session.ts';
import { QuotaDialog } from './squads.tsx';

const HEADS = ['Squad', { figures: 'Has' }, { figures: 'Promised' }, 'May have', 'Of types'];

export function FleetSquadsPage() {
  const list = useRead<{ items: readonly SquadView[] }>('squads', () => false);
  const [edited, edit] = useState<SquadView | undefined>();
  const squads = list.value?.items ?? [];
  return (
    <>
      <Title>Squads</Title>
      <Panel title="What every site is told" wide>
        <Reading of={list} />
        <OldSites />
        {list.value && squads.length === 0 && (
          <Empty>
            There are none. <code>reveille squads put NAME</code> enters one.
          </Empty>
        )}
        {squads.length > 0 && (
          <Table label="Squads" head={may('admin') ? [...HEADS, { spoken: 'Change' }] : HEADS}>
            {squads.map((squad) => (
              <tr key={squad.name}>
                <td>{squad.name}</td>
                <td class="number">{squad.has}</td>
                <td class="number">{squad.promised}</td>
                <td>{squad.quota?.machines ?? 'any number'}</td>
                <td>{typeQuotaText(squad.quota?.types)}</td>
                {may('admin') && (
                  <td>
                    <button type="button" class="quiet" onClick={() => edit(squad)}>
                      Quota…
                    </button>
                  </td>
                )}
              </tr>
            ))}
          </Table>
        )}
      </Panel>
      {edited && (
        <QuotaDialog
          squad={edited}
          close={() => {
            edit(undefined);
            list.reload();
          }}
        />
      )}
    </>
  );
}
