/** Pools: how many machines each is to have and has, what keeps it from its size, and the breakers and resets beside them. */
import type { Operations } from '../../client/operations.generated.ts';
import { Badge, Empty, Facts, Panel, Reading, Table, Title, When } from '../parts/common.tsx';
import { BreakerPanel } from '../provisioning/breakers.tsx';
import { BeginReset, ResetPanel } from '../provisioning/resets.tsx';
import { named, useRead } from '../resource.ts';
import { go, machinePath } from '../router.ts';
import { may } from '../session.ts';
import '../styles/machine.css';
import '../styles/provisioning.css';

type List = Operations['GET /pools']['answer'];
type Pool = List['pools'][number];
type Detail = Operations['GET /pools/{name}']['answer'];

const concerns = named('pool.', 'request.', 'reset.machine');
const poolPath = (name: string) => `/pools/${encodeURIComponent(name)}`;

export function PoolsPage() {
  const list = useRead<List>('pools', concerns);
  const pools = list.value?.pools ?? [];
  return (
    <>
      <Title
        beside={pools.length > 0 && may('operator') && <BeginReset pool="" reload={list.reload} />}
      >
        Pools
      </Title>
      <div class="panels">
        <Panel title="Wanted and there" wide>
          <Reading of={list} />
          {list.value && pools.length === 0 && (
            <Empty>
              No pool is here. <code>reveille pool put NAME</code> makes one.
            </Empty>
          )}
          {pools.length > 0 && <Pools pools={pools} />}
        </Panel>
        <BreakerPanel />
        <ResetPanel />
      </div>
    </>
  );
}

function Pools({ pools }: { pools: readonly Pool[] }) {
  return (
    <Table
      label="Pools"
      head={[
        'Pool',
        { figures: 'Healthy' },
        { spoken: 'Share' },
        'Role',
        'Squad',
        'Image',
        'What keeps it',
      ]}
    >
      {pools.map((pool) => (
        <tr
          key={pool.name}
          class="pick"
          data-pool={pool.name}
          onClick={() => go(poolPath(pool.name))}
        >
          <td>
            <a href={poolPath(pool.name)}>{pool.name}</a>
          </td>
          <td class="number">
            {pool.healthy} of {pool.count}
          </td>
          <td>
            <Share pool={pool} />
          </td>
          <td>{pool.role}</td>
          <td>{pool.squad}</td>
          <td>{pool.image}</td>
          <td>{pool.why}</td>
        </tr>
      ))}
    </Table>
  );
}

function Share({ pool: { name, healthy, count } }: { pool: Pool }) {
  return (
    <progress
      class={healthy < count ? 'short' : 'in-use'}
      max={Math.max(1, count)}
      value={Math.min(healthy, count)}
      aria-label={`${name}: ${healthy} of ${count} healthy`}
    />
  );
}

export function PoolPage({ name }: { name: string }) {
  const detail = useRead<Detail>(poolPath(name).slice(1), concerns);
  if (!detail.value)
    return (
      <>
        <Title>{name}</Title>
        <Reading of={detail} />
      </>
    );
  const { pool, members, requests } = detail.value;
  return (
    <>
      <Title
        beside={may('operator', pool.squad) && <BeginReset pool={name} reload={detail.reload} />}
      >
        {name}{' '}
        <span class="dim">
          {pool.healthy} of {pool.count} healthy
        </span>
      </Title>
      <Reading of={detail} />
      {pool.why !== '' && <p class="note hold">{pool.why}</p>}
      <div class="panels">
        <Panel title="Its machines" wide>
          {members.length === 0 && <Empty>It has none yet.</Empty>}
          {members.length > 0 && <Members members={members} />}
        </Panel>
        <Panel title="What it is">
          <Share pool={pool} />
          <Facts
            of={[
              ['Role', pool.role],
              ['Machines', `${pool.members} of ${pool.count}`],
              ['Hardware', pool.hardware || 'any'],
              ['Image', pool.image],
              ['Site', pool.site],
              ['Squad', pool.squad],
              ['Written by', pool.who],
              ['Written', <When key="w" at={pool.updatedAt} />],
            ]}
          />
          {requests.length > 0 && <h3 class="spaced">On their way</h3>}
          <ul class="plain-list">
            {requests.map((id) => (
              <li key={id}>
                <a href={`/requests/${id}`}>Request {id}</a>
              </li>
            ))}
          </ul>
        </Panel>
        <ResetPanel pool={name} squad={pool.squad} />
      </div>
    </>
  );
}

function Members({ members }: { members: Detail['members'] }) {
  const sick = (one: Detail['members'][number]) => (one.unhealthyAt === null ? 1 : 0);
  return (
    <Table label="Machines" head={['Machine', 'Called', 'Rack', 'Joined', 'Health', 'Why']}>
      {members
        .toSorted((a, b) => sick(a) - sick(b) || a.hostname.localeCompare(b.hostname))
        .map(({ hardwarename, hostname, rack, joinedAt, unhealthyAt, held, why }) => (
          <tr key={hardwarename}>
            <td class="mono">
              <a href={machinePath(hardwarename)}>{hardwarename}</a>
            </td>
            <td>{hostname}</td>
            <td>{rack}</td>
            <td>
              <When at={joinedAt} />
            </td>
            <td>
              <Badge word={held ? 'held' : unhealthyAt === null ? 'healthy' : 'failed'} />
            </td>
            <td>{why}</td>
          </tr>
        ))}
    </Table>
  );
}
