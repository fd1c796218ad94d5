/** Every machine that the appliance knows, found by what one half remembers: all of its fields, not only what the board has. */
import { useEffect, useState } from 'preact/hooks';
import type { Fresh } from '../../central/fleet-view.ts';
import type { FleetMachine } from '../../http/people/routes/fleet.ts';
import { read } from '../api.ts';
import { plural, slot } from '../format.ts';
import { Badge, Empty, Failure, Table, Title } from '../parts/common.tsx';
import { Freshness } from '../parts/freshness.tsx';
import { SearchField } from '../parts/search-field.tsx';
import { go, machinePath, query, setQuery } from '../router.ts';
import { isFleet } from '../session.ts';
import { sites } from '../sites.ts';

const STATES = ['available', 'installing', 'in-use', 'recycling', 'broken', 'held', 'retired'];
const PAGE = 100;
const TYPING_MS = 200;

/** At central with its site, and how fresh that is. */
type Shown = FleetMachine & Partial<Fresh> & { readonly site?: string };

interface Listed {
  readonly machines: readonly Shown[];
  readonly next?: string;
}

interface Hits {
  readonly hits: readonly { readonly machine: Shown }[];
  /** Of central: there may be more, also behind a page with none. */
  readonly next?: string;
}

async function find(text: string, filters: URLSearchParams): Promise<Listed> {
  if (text === '') return read<Listed>(`machines?${filters}`);
  const asked = new URLSearchParams({ q: text, limit: String(PAGE) });
  const cursor = filters.get('cursor');
  if (cursor !== null) asked.set('cursor', cursor);
  const { hits, next } = await read<Hits>(`machines/search?${asked}`);
  const site = filters.get('site');
  const found = hits.map(({ machine }) => machine);
  const machines = found.filter((machine) => site === null || machine.site === site);
  return { machines, ...(next !== undefined && { next }) };
}

function filtersOf(): URLSearchParams {
  const filters = new URLSearchParams({ limit: String(PAGE) });
  const own = isFleet.value ? 'site' : 'row';
  for (const name of ['state', 'rack', own, 'role', 'squad', 'hardwareType']) {
    const value = query.value.get(name);
    if (value !== null) filters.set(name, value);
  }
  return filters;
}

export function MachinesPage() {
  const [shown, setShown] = useState<Listed | undefined>();
  const [failed, setFailed] = useState('');
  const text = query.value.get('q') ?? '';
  const filters = filtersOf();
  const key = `${text} ${filters}`;
  useEffect(() => {
    let over = false;
    const timer = setTimeout(() => {
      find(text, filters).then(
        (listed) => {
          if (!over) setShown(listed);
          setFailed('');
        },
        (error: Error) => setFailed(error.message),
      );
    }, TYPING_MS);
    return () => {
      over = true;
      clearTimeout(timer);
    };
  }, [key]);
  const more = async () => {
    filters.set('cursor', shown?.next ?? '');
    const { machines, next } = await find(text, filters);
    const all = [...(shown?.machines ?? []), ...machines];
    setShown({ machines: all, ...(next !== undefined && { next }) });
  };
  return (
    <>
      <Title
        beside={
          !isFleet.value && (
            <a class="button" href="/api/v1/machines.csv" download>
              As a sheet
            </a>
          )
        }
      >
        Machines
      </Title>
      <div class="filters">
        <SearchField label="Serial, name, MAC, port or note" />
        <select
          aria-label="State"
          value={query.value.get('state') ?? ''}
          onChange={(event) => setQuery({ state: event.currentTarget.value })}
        >
          <option value="">State: all</option>
          {STATES.map((state) => (
            <option key={state}>{state}</option>
          ))}
        </select>
        {isFleet.value && <SiteFilter />}
      </div>
      {failed !== '' && <Failure says={failed} />}
      {shown && <Found machines={shown.machines} />}
      {shown?.next !== undefined && (
        <button type="button" onClick={() => void more()}>
          More
        </button>
      )}
    </>
  );
}

/** Of one site, or of all; and what is old of those that are away. */
function SiteFilter() {
  const chosen = query.value.get('site') ?? '';
  return (
    <>
      <select
        aria-label="Site"
        value={chosen}
        onChange={(event) => setQuery({ site: event.currentTarget.value })}
      >
        <option value="">Site: all</option>
        {sites.value.map(({ site }) => (
          <option key={site}>{site}</option>
        ))}
      </select>
      {sites.value
        .filter(({ site, freshness }) => freshness !== 'current' && ['', site].includes(chosen))
        .map((site) => (
          <span key={site.site}>
            {site.site} <Freshness of={site} />
          </span>
        ))}
    </>
  );
}

const HEADS = ['Name', 'State', 'Place', 'Hostname', 'Role', 'Squad', 'Type'];

function Found({ machines }: { machines: readonly Shown[] }) {
  if (machines.length === 0) return <Empty>No machine matches.</Empty>;
  const fleet = isFleet.value;
  return (
    <Table label={plural(machines.length, 'machine')} head={fleet ? [...HEADS, 'Site'] : HEADS}>
      {machines.map((machine) => (
        <tr
          key={`${machine.hardwarename} ${machine.site ?? ''}`}
          class="pick"
          onClick={() => go(machinePath(machine.hardwarename))}
        >
          <td class="mono">
            <a href={machinePath(machine.hardwarename)}>{machine.hardwarename}</a>
          </td>
          <td>
            <Badge word={machine.state} />
          </td>
          <td>{slot(machine)}</td>
          <td>{machine.hostname}</td>
          <td>{machine.role}</td>
          <td>{machine.squad}</td>
          <td>{machine.hardwareType || machine.product}</td>
          {fleet && (
            <td>
              {machine.site} <Freshness of={{ freshness: 'never', asOf: 0, ...machine }} />
            </td>
          )}
        </tr>
      ))}
    </Table>
  );
}
