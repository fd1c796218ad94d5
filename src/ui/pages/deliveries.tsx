/** Deliveries: packing lists against what has come; what is missing, twice, in the wrong slot or in no list comes first. */
import { useState } from 'preact/hooks';
import type { Operations } from '../../client/operations.generated.ts';
import { call } from '../api.ts';
import { plural } from '../format.ts';
import { tell } from '../notices.ts';
import { Badge, Chips, Dialog, Empty, Panel, Reading, Table, Title } from '../parts/common.tsx';
import { named, useRead } from '../resource.ts';
import { go, machinePath, query, setQuery } from '../router.ts';
import { may } from '../session.ts';
import { toggleWatch, watched } from '../watch.ts';

type List = Operations['GET /deliveries']['answer'];
type Detail = Operations['GET /deliveries/{name}']['answer'];

const STATUSES = ['missing', 'duplicate', 'wrong slot', 'unexpected', 'arrived'] as const;
const concerns = named('machine.', 'record.changed');
const deliveryPath = (name: string) => `/deliveries/${encodeURIComponent(name)}`;

export function DeliveriesPage() {
  const list = useRead<List>('deliveries', concerns);
  const [open, setOpen] = useState(false);
  return (
    <>
      <Title
        beside={
          may('technician') && (
            <button type="button" class="primary" onClick={() => setOpen(true)}>
              Take in a packing list…
            </button>
          )
        }
      >
        Deliveries
      </Title>
      <Reading of={list} />
      {list.value?.deliveries.length === 0 && (
        <Empty>
          No packing list is here. Take one in, and the board shows what is still missing.
        </Empty>
      )}
      {list.value && list.value.deliveries.length > 0 && (
        <Table
          label="Deliveries"
          head={['Delivery', 'Supplier', 'Expected', { figures: 'Arrived' }, 'Wants somebody']}
        >
          {list.value.deliveries.map(({ name, supplier, expectedOn, counts }) => (
            <tr key={name} class="pick" onClick={() => go(deliveryPath(name))}>
              <td>
                <a href={deliveryPath(name)}>{name}</a>
              </td>
              <td>{supplier}</td>
              <td>{expectedOn}</td>
              <td class="number">
                {counts.arrived} of {sumOf(counts) - (counts.unexpected ?? 0)}
              </td>
              <td>
                {STATUSES.slice(0, 4)
                  .filter((status) => (counts[status] ?? 0) > 0)
                  .map((status) => `${counts[status]} ${status}`)
                  .join(', ')}
              </td>
            </tr>
          ))}
        </Table>
      )}
      {open && <SheetDialog close={() => setOpen(false)} />}
    </>
  );
}

const sumOf = (counts: Readonly<Record<string, number | undefined>>): number =>
  Object.values(counts).reduce<number>((sum, count = 0) => sum + count, 0);

/** A sheet is dropped or pasted as the supplier sent it; what cannot be read is told by its row. */
function SheetDialog({ close }: { close(): void }) {
  const [failed, setFailed] = useState('');
  const [sheet, setSheet] = useState('');
  const save = async (event: Event) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget as HTMLFormElement);
    const name = String(form.get('name')).trim();
    const [supplier, expectedOn] = [String(form.get('supplier')), String(form.get('expectedOn'))];
    try {
      const path = `deliveries/${encodeURIComponent(name)}`;
      await call('PUT', path, { body: { supplier, expectedOn, sheet }, version: 0 });
      tell(`${name} is taken in.`, 'good');
      close();
      go(deliveryPath(name));
    } catch (error) {
      setFailed((error as Error).message);
    }
  };
  return (
    <Dialog title="Take in a packing list" onClose={close}>
      <form class="form" onSubmit={save}>
        <div class="form-row">
          <label>
            Name or order number
            <input name="name" required />
          </label>
          <label>
            Supplier
            <input name="supplier" />
          </label>
          <label>
            Expected on
            <input name="expectedOn" type="date" />
          </label>
        </div>
        <label>
          The sheet as a file (CSV)
          <input
            type="file"
            accept=".csv,text/csv,text/plain"
            onChange={(event) => {
              void event.currentTarget.files?.[0]?.text().then(setSheet);
            }}
          />
        </label>
        <label>
          or pasted: a header with serial, and product, rack, unit where they are known
          <textarea
            required
            value={sheet}
            placeholder={'serial,product,rack,unit\nC0MPUT3,R750,R03,14'}
            onInput={(event) => setSheet(event.currentTarget.value)}
          />
        </label>
        {failed !== '' && (
          <p class="note bad" role="alert">
            {failed}
          </p>
        )}
        <button type="submit" class="primary">
          Take it in
        </button>
      </form>
    </Dialog>
  );
}

export function DeliveryPage({ name }: { name: string }) {
  const detail = useRead<Detail>(`deliveries/${encodeURIComponent(name)}`, concerns);
  const shown = query.value.get('show') ?? '';
  if (!detail.value)
    return (
      <>
        <Title>{name}</Title>
        <Reading of={detail} />
      </>
    );
  const { delivery, lines } = detail.value;
  const visible = shown === '' ? lines : lines.filter(({ status }) => status === shown);
  return (
    <>
      <Title
        beside={
          <>
            <a class="button" href={`/?order=${encodeURIComponent(name)}`}>
              On the board
            </a>
            <a class="button" href={`/racks?delivery=${encodeURIComponent(name)}`}>
              In its racks
            </a>
          </>
        }
      >
        {name}
      </Title>
      <p class="where">
        {[delivery.supplier, delivery.expectedOn, plural(lines.length, 'line')]
          .filter(Boolean)
          .join(' · ')}
      </p>
      <Reading of={detail} />
      <Chips
        of={STATUSES.map((value) => ({
          ...{ value, count: delivery.counts[value] },
          tone: value === 'arrived' ? 'ready' : value === 'missing' ? 'stalled' : 'held',
        }))}
        chosen={shown}
        choose={(value) => setQuery({ show: value })}
      />
      <Panel title="Lines, what is wrong first">
        {visible.length === 0 && <Empty>No line of this kind.</Empty>}
        {visible.length > 0 && <Lines lines={visible} />}
      </Panel>
    </>
  );
}

function Lines({ lines }: { lines: Detail['lines'] }) {
  return (
    <Table
      label="Lines"
      head={['Serial', 'Status', 'Belongs in', 'What is wrong', { spoken: 'Watch' }]}
    >
      {lines.map(({ line, serial, status, hardwarename, rack, unit, why }) => (
        <tr key={`${line} ${serial}`}>
          <td class="mono">
            {hardwarename === '' ? serial : <a href={machinePath(hardwarename)}>{serial}</a>}
          </td>
          <td>
            <Badge word={status} />
          </td>
          <td>{[rack, unit > 0 ? `U${unit}` : ''].filter(Boolean).join(' ')}</td>
          <td>{why}</td>
          <td>
            {status === 'missing' && (
              <button
                type="button"
                aria-pressed={watched.value.has(serial)}
                onClick={() => toggleWatch(serial)}
              >
                {watched.value.has(serial) ? '★ Watched' : '☆ Watch'}
              </button>
            )}
          </td>
        </tr>
      ))}
    </Table>
  );
}
