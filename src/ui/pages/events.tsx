/** The feed as it goes by, newest first, with filters; what came before the page was opened is read back on request. */
import { useEffect, useRef, useState } from 'preact/hooks';
import type { StoredEvent } from '../../events.ts';
import { read } from '../api.ts';
import { onEvents } from '../feed.ts';
import { Empty, Failure, Table, Title, When } from '../parts/common.tsx';
import { eventWords } from '../parts/event-words.ts';
import { ChoiceFilter, WordFilter } from '../parts/filters.tsx';
import { machinePath, query } from '../router.ts';

const KEPT_MAX = 500;
const BACK = 400;

const GROUPS: readonly (readonly [string, string])[] = [
  ['', 'Everything'],
  ['machine.', 'Machines'],
  ['job', 'Jobs'],
  ['boot.', 'Boots'],
  ['dhcp.', 'DHCP'],
  ['dns.', 'DNS'],
  ['access.', 'Access'],
  ['record.', 'Records'],
];

interface Page {
  readonly events: readonly StoredEvent[];
  readonly next: number;
  readonly more: boolean;
}

/** Walks to the end of the feed and keeps the last of it: the API reads forwards. */
async function newest(): Promise<readonly StoredEvent[]> {
  const { cursor } = await read<{ cursor: number }>('board/machines?names=-');
  const { events } = await read<Page>(`events?after=${Math.max(0, cursor - BACK)}&limit=1000`);
  return events;
}

export function EventsPage() {
  const [events, setEvents] = useState<readonly StoredEvent[]>([]);
  const [failed, setFailed] = useState('');
  const [held, setHeld] = useState(false);
  const holding = useRef(false);
  holding.current = held;
  useEffect(() => {
    const take = (more: readonly StoredEvent[]) =>
      setEvents((old) => {
        const last = old[0]?.id ?? 0;
        const fresh = more.filter(({ id }) => id > last).reverse();
        return fresh.length === 0 ? old : [...fresh, ...old].slice(0, KEPT_MAX);
      });
    newest().then(take, (error: Error) => setFailed(error.message));
    return onEvents((more) => {
      if (!holding.current) take(more);
    });
  }, []);
  const group = query.value.get('names') ?? '';
  const text = (query.value.get('q') ?? '').toLowerCase();
  const shown = events.filter(
    (event) =>
      event.name.startsWith(group) &&
      (text === '' || JSON.stringify(event).toLowerCase().includes(text)),
  );
  return (
    <>
      <Title
        beside={
          <button type="button" aria-pressed={held} onClick={() => setHeld(!held)}>
            {held ? 'Go on' : 'Stand still'}
          </button>
        }
      >
        Events
      </Title>
      <div class="filters">
        <WordFilter label="Any word of an event" />
        <ChoiceFilter label="Kind" name="names" options={GROUPS} />
      </div>
      {failed !== '' && <Failure says={failed} />}
      {shown.length === 0 ? <Empty>Nothing of the kind lately.</Empty> : <List events={shown} />}
    </>
  );
}

function List({ events }: { events: readonly StoredEvent[] }) {
  return (
    <Table label="Events" head={['When', 'Event', 'Subject', 'What']}>
      {events.map((event) => (
        <tr key={event.id}>
          <td>
            <When at={event.at} />
          </td>
          <td class="mono">{event.name}</td>
          <td class="mono">
            {event.hardwarename ? (
              <a href={machinePath(event.hardwarename)}>{event.hardwarename}</a>
            ) : (
              event.mac
            )}
          </td>
          <td>{eventWords(event)}</td>
        </tr>
      ))}
    </Table>
  );
}
