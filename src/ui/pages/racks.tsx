/** The racks of a row as one stands before them: real units, every machine in its place, coloured and signed by condition. */
import { computed } from '@preact/signals';
import { useMemo } from 'preact/hooks';
import type { Operations } from '../../client/operations.generated.ts';
import { type Expected, type ExpectedSlot, expectedOf, NOTHING_EXPECTED } from '../expected.ts';
import { fleet, fleetLoaded, fleetVersion, type Row } from '../fleet.ts';
import { plural } from '../format.ts';
import { Empty, Loading, Reading, Title } from '../parts/common.tsx';
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

type Deliveries = Operations['GET /deliveries']['answer'];
type Delivery = Operations['GET /deliveries/{name}']['answer'];

const UNITS_DEFAULT = 42;
const NO_SLOTS: readonly ExpectedSlot[] = [];

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

function drawings(
  records: readonly RackRecord[],
  { byRack: slots, flags }: Expected,
): RackDrawing[] {
  const known = new Map(records.map((record) => [record.name, record]));
  const names = new Set([...known.keys(), ...byRack.value.keys(), ...slots.keys()]);
  names.delete('');
  return [...names].sort(new Intl.Collator('en', { numeric: true }).compare).map((name) => {
    const rows = byRack.value.get(name) ?? [];
    const record = known.get(name);
    const hallRow = record?.row || rows.find(({ machine }) => machine?.row)?.machine?.row || '';
    const units = record?.units ?? UNITS_DEFAULT;
    return { name, row: hallRow, units, rows, expected: slots.get(name) ?? NO_SLOTS, flags };
  });
}

const troubles = (racks: readonly RackDrawing[]) =>
  racks.reduce((sum, { rows }) => sum + rows.filter(isTrouble).length, 0);
/** Slots that are still to be filled, and machines that are not as the list says. */
const awaited = (racks: readonly RackDrawing[]) =>
  racks.reduce(
    (sum, { rows, expected, flags }) =>
      sum + expected.length + rows.filter(({ key }) => flags.has(key)).length,
    0,
  );
const isTrouble = ({ kind }: Row) => kind === 'stalled' || kind === 'held';

export function RacksPage() {
  const records = useRead<{ items: readonly RackRecord[] }>(
    'racks?limit=1000',
    named('record.changed'),
  );
  const delivery = query.value.get('delivery') ?? '';
  const expected = useExpected(delivery);
  if (!fleetLoaded.value) return <Loading />;
  if (!records.value) return <Reading of={records} />;
  const all = drawings(records.value.items, expected);
  const rows = [...new Set(all.map(({ row }) => row))].sort();
  const asked = query.value.get('row');
  const wants = delivery === '' ? troubles : awaited;
  const worst = rows.toSorted(
    (a, b) => wants(all.filter(({ row }) => row === b)) - wants(all.filter(({ row }) => row === a)),
  )[0];
  const chosen = asked ?? worst ?? '';
  const shown = all.filter(({ row }) => row === chosen);
  const loose = byRack.value.get('')?.length ?? 0;
  return (
    <>
      <Title beside={<span class="dim">{plural(all.length, 'rack')}</span>}>Racks</Title>
      <Reading of={records} />
      <DeliveryChoice chosen={delivery} />
      {expected.anywhere.length > 0 && (
        <p class="dim">In no slot of their own: {expected.anywhere.slice(0, 12).join(', ')}</p>
      )}
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
              <Trouble count={wants(all.filter((rack) => rack.row === row))} />
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
      <Legend delivery={delivery !== ''} />
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

function Legend({ delivery }: { delivery: boolean }) {
  return (
    <ul class="legend" aria-label="Colours">
      {LEGEND.map((kind) => (
        <li key={kind} class={kind}>
          {kind}
        </li>
      ))}
      {delivery && <li class="expected">expected</li>}
      {delivery && <li class="flag">⚑ not as the list says</li>}
    </ul>
  );
}

const deliveryConcerns = named('machine.', 'record.changed');

/** What is missing of a delivery, and where; read anew as machines come. */
function useExpected(delivery: string): Expected {
  const path = delivery === '' ? '' : `deliveries/${encodeURIComponent(delivery)}`;
  const { value } = useRead<Delivery>(path, deliveryConcerns);
  const lines = delivery === '' || value?.delivery.name !== delivery ? undefined : value.lines;
  return useMemo(() => (lines ? expectedOf(lines) : NOTHING_EXPECTED), [lines]);
}

function DeliveryChoice({ chosen }: { chosen: string }) {
  const list = useRead<Deliveries>('deliveries', named('record.changed'));
  const deliveries = list.value?.deliveries ?? [];
  if (deliveries.length === 0 && chosen === '') return null;
  return (
    <div class="filters">
      <select
        aria-label="Delivery"
        value={chosen}
        onChange={(event) => setQuery({ delivery: event.currentTarget.value, row: '' })}
      >
        <option value="">Delivery: none</option>
        {deliveries.map(({ name, counts }) => (
          <option key={name} value={name} selected={name === chosen}>
            {name}: {counts.missing ?? 0} missing
          </option>
        ))}
      </select>
    </div>
  );
}
