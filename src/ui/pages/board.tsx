/**
 * The ingestion board, for somebody in the aisle: what is stuck comes first, with its likely cause and the next thing to
 * try. Filters are in the address, so that a view can be sent to somebody.
 */
import { computed } from '@preact/signals';
import {
  counts,
  fleet,
  fleetLoaded,
  fleetVersion,
  KIND_ORDER,
  type Kind,
  type Row,
} from '../fleet.ts';
import { Chips, Empty, Loading, Title } from '../parts/common.tsx';
import { DnsRefused } from '../parts/dns-refused.tsx';
import { MachineRow, rowHeight } from '../parts/machine-row.tsx';
import { SearchField } from '../parts/search-field.tsx';
import { VirtualList } from '../parts/virtual.tsx';
import { query, setQuery } from '../router.ts';
import { watched } from '../watch.ts';

const KIND_WORDS: Readonly<Record<Kind, string>> = {
  ...{ stalled: 'Stalled', held: 'Held', booting: 'Booting' },
  ...{ ready: 'Ready', 'in-use': 'In use', away: 'Retired' },
};

const RANK = Object.fromEntries(KIND_ORDER.map((kind, index) => [kind, index])) as Record<
  Kind,
  number
>;

/** Stuck first; then what moved last, with the name as the last word so that rows never swap places for nothing. */
function byUrgency(a: Row, b: Row): number {
  const stuck = Math.min(RANK[a.kind], 2) - Math.min(RANK[b.kind], 2);
  return stuck || b.at - a.at || (a.key < b.key ? -1 : 1);
}

const shownRows = computed(() => {
  fleetVersion.value;
  const kind = query.value.get('show') ?? '';
  const hallRow = query.value.get('row') ?? '';
  const order = query.value.get('order') ?? '';
  const words = (query.value.get('q') ?? '').trim().toLowerCase().split(/\s+/).filter(Boolean);
  const stars = watched.value;
  const rows: Row[] = [];
  for (const row of fleet.values()) {
    const { machine } = row;
    if (kind === 'watched' ? !stars.has(row.key) : kind !== '' && row.kind !== kind) continue;
    if (hallRow !== '' && machine?.row !== hallRow) continue;
    if (order !== '' && machine?.orderNumber !== order) continue;
    if (words.length > 0 && !words.every((word) => row.text.includes(word))) continue;
    rows.push(row);
  }
  return rows.sort(byUrgency);
});

/** Values of a field that more than nothing has, for a choice. */
function choices(field: 'row' | 'orderNumber') {
  return computed(() => {
    fleetVersion.value;
    const values = new Set<string>();
    for (const { machine } of fleet.values()) if (machine?.[field]) values.add(machine[field]);
    return [...values].sort();
  });
}
const hallRows = choices('row');
const orders = choices('orderNumber');

export function BoardPage() {
  return (
    <>
      <Title beside={<Total />}>Machines coming up</Title>
      <DnsRefused />
      <Kinds />
      <div class="filters">
        <SearchField label="Serial, MAC, name or rack" />
        <Choice name="row" label="Row" of={hallRows.value} />
        <Choice name="order" label="Delivery" of={orders.value} />
      </div>
      <Rows />
      <p class="spoken" aria-live="polite">
        {counts.value.stalled > 0 ? `${counts.value.stalled} stalled` : ''}
      </p>
    </>
  );
}

function Total() {
  fleetVersion.value;
  return <span class="dim">{fleet.size.toLocaleString('en')} machines</span>;
}

function Kinds() {
  const kinds = KIND_ORDER.filter((kind) => kind !== 'away' || counts.value.away > 0);
  const chips = kinds.map((value) => ({
    ...{ value, word: KIND_WORDS[value], count: counts.value[value] },
  }));
  const { size } = watched.value;
  const stars = size > 0 ? [{ value: 'watched', word: 'Watched', count: size }] : [];
  return (
    <Chips
      of={[...chips, ...stars]}
      chosen={query.value.get('show') ?? ''}
      choose={(value) => setQuery({ show: value })}
    />
  );
}

function Choice({ name, label, of }: { name: string; label: string; of: readonly string[] }) {
  const value = query.value.get(name) ?? '';
  if (of.length === 0 && value === '') return null;
  return (
    <select
      aria-label={label}
      value={value}
      onChange={(event) => setQuery({ [name]: event.currentTarget.value })}
    >
      <option value="">{label}: all</option>
      {of.map((one) => (
        <option key={one} value={one}>
          {label} {one}
        </option>
      ))}
    </select>
  );
}

const keyOf = (row: Row) => row.key;
const draw = (row: Row) => <MachineRow row={row} />;

function Rows() {
  const rows = shownRows.value;
  if (!fleetLoaded.value && rows.length === 0) return <Loading />;
  if (rows.length === 0) {
    return (
      <Empty>
        {fleet.size === 0
          ? 'No machine has asked for an address yet. Power one on: it shows up here with its first packet.'
          : 'No machine matches.'}
      </Empty>
    );
  }
  return (
    <VirtualList
      items={rows}
      label="Machines"
      keyOf={keyOf}
      heightOf={rowHeight.value}
      draw={draw}
    />
  );
}
