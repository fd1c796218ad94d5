/** Requests for machines: what is on its way, what it waits for, and what has been. */
import type { Operations } from '../../client/operations.generated.ts';
import { plural } from '../format.ts';
import { Badge, Chips, Empty, Panel, Reading, Table, Title, When } from '../parts/common.tsx';
import { CapacityTable } from '../provisioning/match.tsx';
import { type OfFleet, PartSites } from '../provisioning/parts.tsx';
import { named, useRead } from '../resource.ts';
import { go, query, setQuery } from '../router.ts';
import { isFleet, mayAnywhere } from '../session.ts';
import '../styles/provisioning.css';

type List = Operations['GET /requests']['answer'];
type Request = List['requests'][number] & OfFleet;

const STATUSES = ['working', 'waiting', 'cancelling', 'fulfilled', 'cancelled'] as const;
/** No site works on it, and machines are missing: people have to decide. */
const FLEET_STATUSES = [...STATUSES, 'short'] as const;

export function RequestsPage() {
  const status = query.value.get('status') ?? '';
  const squad = query.value.get('squad') ?? '';
  const filter = new URLSearchParams({ limit: '100' });
  if (status !== '') filter.set('status', status);
  if (squad !== '') filter.set('squad', squad);
  const list = useRead<List>(`requests?${filter}`, named('request.'));
  const shown = list.value?.requests;
  return (
    <>
      <Title
        beside={
          mayAnywhere('operator') && (
            <a class="button primary" href="/requests/new">
              Ask for machines
            </a>
          )
        }
      >
        Requests{squad !== '' && ` of ${squad}`}
      </Title>
      <Chips
        of={(isFleet.value ? FLEET_STATUSES : STATUSES).map((value) => ({ value }))}
        chosen={status}
        choose={(value) => setQuery({ status: value })}
      />
      <div class="panels">
        <Panel title="Newest first" wide>
          <Reading of={list} />
          {shown?.length === 0 && <Empty>No request{status !== '' && ` is ${status}`}.</Empty>}
          {shown && shown.length > 0 && <List requests={shown} />}
          {list.value?.next !== undefined && (
            <p class="dim">These are the newest {plural(shown?.length ?? 0, 'request')}.</p>
          )}
        </Panel>
        <Panel title="What is free" wide>
          <CapacityTable hardware="" site="" />
        </Panel>
      </div>
    </>
  );
}

const requestPath = (id: string) => `/requests/${encodeURIComponent(id)}`;

const HEADS = ['Role', 'Status', { figures: 'Done' }, 'Image', 'For', 'Asked', 'Waits for'];

function List({ requests }: { requests: readonly Request[] }) {
  return (
    <Table label="Requests" head={isFleet.value ? [...HEADS, 'Sites'] : HEADS}>
      {requests.map((request) => (
        <tr key={request.id} class="pick" onClick={() => go(requestPath(request.id))}>
          <td>
            <a href={requestPath(request.id)}>
              {request.count} {request.role}
            </a>
          </td>
          <td>
            <Badge word={request.status} />
          </td>
          <td class="number">
            {request.done} of {request.count}
            {request.failed > 0 && <span class="dim"> ({request.failed} replaced)</span>}
          </td>
          <td>{request.image}</td>
          <td>
            {request.squad || request.owner}
            {request.pool !== '' && (
              <a href={`/pools/${encodeURIComponent(request.pool)}`}> pool {request.pool}</a>
            )}
          </td>
          <td>
            <When at={request.createdAt} />
          </td>
          <td>{request.why}</td>
          {isFleet.value && (
            <td>
              <PartSites of={request} />
            </td>
          )}
        </tr>
      ))}
    </Table>
  );
}
