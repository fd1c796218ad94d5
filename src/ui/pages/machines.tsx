/** Every machine that the appliance knows, found by what one half remembers: all of its fields, not only what the board has. */
import { useEffect, useState } from 'preact/hooks';
import type { FleetMachine } from '../../http/people/routes/fleet.ts';
import { read } from '../api.ts';
import { plural, slot } from '../format.ts';
import { Badge, Empty, Failure, Table, Title } from '../parts/common.tsx';
import { SearchField } from '../parts/search-field.tsx';
import { go, machinePath, query, setQuery } from '../router.ts';

const STATES = ['available', 'installing', 'in-use', 'recycling', 'broken', 'held', 'retired'];
const PAGE = 100;
const TYPING_MS = 200;

interface Listed {
  readonly machines: readonly FleetMachine[];
  readonly next?: string;
}

async function find(text: string, filters: URLSearchParams): Promise<Listed> {
  if (text === '') return read<Listed>(`machines?${filters}`);
  const { hits } = await read<{ hits: readonly { readonly machine: FleetMachine }[] }>(
    `machines/search?q=${encodeURIComponent(text)}&limit=100`,
  );
  return { machines: hits.map(({ machine }) => machine) };
}

function filtersOf(): URLSearchParams {
  const filters = new URLSearchParams({ limit: String(PAGE) });
  for (const name of ['state', 'rack', 'row', 'role', 'squad', 'hardwareType']) {
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
    const { machines, next } = await find('', filters);
    const all = [...(shown?.machines ?? []), ...machines];
    setShown({ machines: all, ...(next !== undefined && { next }) });
  };
  return (
    <>
      <Title
        beside={
          <a class="button" href="/api/v1/machines.csv" download>
            As a sheet
          </a>
        }
      >
        Machines
      </Title>
      <div class="filters">
        <SearchField label="Any piece of a serial, name, MAC, port or note" />
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

function Found({ machines }: { machines: readonly FleetMachine[] }) {
  if (machines.length === 0) return <Empty>No machine matches.</Empty>;
  return (
    <Table label={plural(machines.length, 'machine')}>
      <thead>
        <tr>
          {['Name', 'State', 'Place', 'Hostname', 'Role', 'Squad', 'Type'].map((word) => (
            <th key={word} scope="col">
              {word}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {machines.map((machine) => (
          <tr
            key={machine.hardwarename}
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
          </tr>
        ))}
      </tbody>
    </Table>
  );
}
