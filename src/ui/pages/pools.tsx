/** Pools: how many machines each is to have and has, what keeps it from its size, and the breakers and resets beside them. */
import type { FleetMember, PoolSiteView } from '../../central/pools.ts';
import type { Operations } from '../../client/operations.generated.ts';
import { Badge, Empty, Facts, Panel, Reading, Table, Title, When } from '../parts/common.tsx';
import { Freshness } from '../parts/freshness.tsx';
import { BreakerPanel } from '../provisioning/breakers.tsx';
import { type Pool, PoolSize } from '../provisioning/pool-size.tsx';
import { BeginReset, ResetPanel } from '../provisioning/resets.tsx';
import { named, useRead } from '../resource.ts';
import { go, machinePath } from '../router.ts';
import { isFleet, may } from '../session.ts';
import '../styles/machine.css';
import '../styles/provisioning.css';

interface List {
  readonly pools: readonly Pool[];
}
type Member = Operations['GET /pools/{name}']['answer']['members'][number] & Partial<FleetMember>;
interface Detail {
  readonly pool: Pool;
  readonly members: readonly Member[];
  readonly requests: readonly string[];
}

const concerns = named('pool.', 'request.', 'reset.machine');
const poolPath = (name: string) => `/pools/${encodeURIComponent(name)}`;

export function PoolsPage() {
  const list = useRead<List>('pools', concerns);
  const pools = list.value?.pools ?? [];
  return (
    <>
      <Title
        beside={
          pools.length > 0 &&
          !isFleet.value &&
          may('operator') && <BeginReset pool="" reload={list.reload} />
        }
      >
        Pools
      </Title>
      <div class="panels">
        <Panel title="Wanted and there" wide>
          <Reading of={list} />
          {list.value && pools.length === 0 && (
            <Empty>
              No pool is here.{' '}
              <code>reveille pool put NAME{isFleet.value && ' --sites SITE=COUNT,SITE=COUNT'}</code>{' '}
              makes one.
            </Empty>
          )}
          {pools.length > 0 && <Pools pools={pools} />}
        </Panel>
        {!isFleet.value && <BreakerPanel />}
        <ResetPanel />
      </div>
    </>
  );
}

const HEADS = [
  'Pool',
  { figures: 'Healthy' },
  { spoken: 'Share' },
  'Role',
  'Squad',
  'Image',
  'What keeps it',
];

function Pools({ pools }: { pools: readonly Pool[] }) {
  return (
    <Table label="Pools" head={isFleet.value ? [...HEADS, 'Sites'] : HEADS}>
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
          {pool.sites && (
            <td>
              {pool.sites.map((site) => (
                <div key={site.site}>
                  {site.site} {site.healthy} of {site.count} <Told of={site} />
                </div>
              ))}
            </td>
          )}
        </tr>
      ))}
    </Table>
  );
}

/** Of a part: that its site has not taken it on, or that what is known of it is old. */
function Told({ of }: { of: PoolSiteView }) {
  return (
    <>
      {of.status !== 'done' && <Badge word={of.status} />}{' '}
      {of.freshness !== 'current' && <Freshness of={of} />}
    </>
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
        beside={
          may('operator', pool.squad) && (
            <>
              <PoolSize pool={pool} reload={detail.reload} />
              <BeginReset pool={name} reload={detail.reload} />
            </>
          )
        }
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
        {pool.sites && <BySite sites={pool.sites} />}
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

function BySite({ sites }: { sites: readonly PoolSiteView[] }) {
  return (
    <Panel title="By site" wide>
      <Table
        label="Parts"
        head={['Site', 'Asked', { figures: 'Healthy' }, { figures: 'There' }, 'Known', 'Why']}
      >
        {sites.map((site) => (
          <tr key={site.site} data-part={site.site}>
            <td>{site.site}</td>
            <td>
              <Badge word={site.status} />
            </td>
            <td class="number">
              {site.healthy} of {site.count}
            </td>
            <td class="number">{site.members}</td>
            <td>
              <Freshness of={site} />
            </td>
            <td>{site.why}</td>
          </tr>
        ))}
      </Table>
    </Panel>
  );
}

const MEMBER_HEADS = ['Machine', 'Called', 'Rack', 'Joined', 'Health', 'Why'];

function Members({ members }: { members: readonly Member[] }) {
  const sick = (one: Member) => (one.unhealthyAt === null ? 1 : 0);
  return (
    <Table label="Machines" head={isFleet.value ? ['Site', ...MEMBER_HEADS] : MEMBER_HEADS}>
      {members
        .toSorted((a, b) => sick(a) - sick(b) || a.hostname.localeCompare(b.hostname))
        .map(({ hardwarename, hostname, rack, joinedAt, unhealthyAt, held, why, site }) => (
          <tr key={`${site} ${hardwarename}`}>
            {isFleet.value && <td>{site}</td>}
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
