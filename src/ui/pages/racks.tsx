/** The racks of a row as one stands before them: real units, every machine in its place, coloured and signed by condition. */
import { computed } from '@preact/signals';
import { fleet, fleetLoaded, fleetVersion, type Row } from '../fleet.ts';
import { plural } from '../format.ts';
import { Empty, Loading, Title } from '../parts/common.tsx';
import { Elevation, type RackDrawing } from '../parts/elevation.tsx';
import { named, useRead } from '../resource.ts';
import { query, setQuery } from '../router.ts';
import '../styles/racks.css';

interface RackRecord {
  readonly name: string;
  readonly hall: string;
  readonly row: string;
  readonly units: number;
}

const UNITS_DEFAULT = 42;

/** Machines by rack; the fleet is walked once for each batch of changes, not once for each rack. */
const byRack = computed(() => {
  fleetVersion.value;
  const racks = new Map<string, Row[]>();
  for (const row of fleet.values()) {
    const name = row.machine?.rack ?? '';
    const list = racks.get(name);
    if (list) list.push(row);
    else racks.set(name, [row]);
  }
  return racks;
});

function drawings(records: readonly RackRecord[]): RackDrawing[] {
  const known = new Map(records.map((record) => [record.name, record]));
  const names = new Set([...known.keys(), ...byRack.value.keys()]);
  names.delete('');
  return [...names].sort(new Intl.Collator('en', { numeric: true }).compare).map((name) => {
    const rows = byRack.value.get(name) ?? [];
    const record = known.get(name);
    const hallRow = record?.row || rows.find(({ machine }) => machine?.row)?.machine?.row || '';
    return { name, row: hallRow, units: record?.units ?? UNITS_DEFAULT, rows };
  });
}

const troubles = (racks: readonly RackDrawing[]) =>
  racks.reduce((sum, { rows }) => sum + rows.filter(isTrouble).length, 0);
const isTrouble = ({ kind }: Row) => kind === 'stalled' || kind === 'held';

export function RacksPage() {
  const records = useRead<{ items: readonly RackRecord[] }>(
    'racks?limit=1000',
    named('record.changed'),
  );
  if (!fleetLoaded.value || !records.value) return <Loading />;
  const all = drawings(records.value.items);
  const rows = [...new Set(all.map(({ row }) => row))].sort();
  const asked = query.value.get('row');
  const worst = rows.toSorted(
    (a, b) =>
      troubles(all.filter(({ row }) => row === b)) - troubles(all.filter(({ row }) => row === a)),
  )[0];
  const chosen = asked ?? worst ?? '';
  const shown = all.filter(({ row }) => row === chosen);
  const loose = byRack.value.get('')?.length ?? 0;
  return (
    <>
      <Title beside={<span class="dim">{plural(all.length, 'rack')}</span>}>Racks</Title>
      {rows.length > 1 && (
        <fieldset class="row-tabs" aria-label="Row">
          {rows.map((row) => (
            <button
              key={row}
              type="button"
              aria-pressed={row === chosen}
              onClick={() => setQuery({ row })}
            >
              {row === '' ? 'No row' : `Row ${row}`}
              <Trouble count={troubles(all.filter((rack) => rack.row === row))} />
            </button>
          ))}
        </fieldset>
      )}
      {shown.length === 0 && (
        <Empty>
          No rack is on record. Machines find their rack by LLDP once a rack names its switch, or
          where a person says so.
        </Empty>
      )}
      <Legend />
      <div class="elevations">
        {shown.map((rack) => (
          <Elevation key={rack.name} rack={rack} />
        ))}
      </div>
      {loose > 0 && (
        <p class="dim">
          {plural(loose, 'machine')} in no rack: <a href="/machines?rack=">list them</a>
        </p>
      )}
    </>
  );
}

function Trouble({ count }: { count: number }) {
  return count === 0 ? null : (
    <b class="count" title={`${count} want somebody`}>
      {count}
    </b>
  );
}

const LEGEND = [...(['stalled', 'held', 'booting', 'ready', 'in-use'] as const)];

function Legend() {
  return (
    <ul class="legend" aria-label="Colours">
      {LEGEND.map((kind) => (
        <li key={kind} class={kind}>
          {kind}
        </li>
      ))}
    </ul>
  );
}
