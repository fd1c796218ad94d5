/** What has happened at all sites, or at one, newest first: as far as they have told. */
import type { FleetEvent } from '../../central/fleet-view.ts';
import type { StoredEvent } from '../../events.ts';
import { Empty, Reading, Table, Title, When } from '../parts/common.tsx';
import { eventWords } from '../parts/event-words.ts';
import { SiteFilter, WordFilter } from '../parts/filters.tsx';
import { OldSites } from '../parts/freshness.tsx';
import { useRead } from '../resource.ts';
import { machinePath, query } from '../router.ts';

const SHOWN = 300;

export function FleetEventsPage() {
  const site = query.value.get('site') ?? '';
  const of = site === '' ? '' : `&site=${encodeURIComponent(site)}`;
  const page = useRead<{ events: readonly FleetEvent[] }>(
    `events?limit=${SHOWN}${of}`,
    () => false,
  );
  const text = (query.value.get('q') ?? '').toLowerCase();
  const shown = (page.value?.events ?? []).filter(
    (event) => text === '' || JSON.stringify(event).toLowerCase().includes(text),
  );
  return (
    <>
      <Title>Events</Title>
      <div class="filters">
        <WordFilter label="Any word of an event" />
        <SiteFilter />
      </div>
      <OldSites />
      <Reading of={page} />
      {page.value && shown.length === 0 && <Empty>Nothing of the kind lately.</Empty>}
      {shown.length > 0 && <List events={shown} />}
    </>
  );
}

function List({ events }: { events: readonly FleetEvent[] }) {
  return (
    <Table label="Events" head={['When', 'Site', 'Event', 'Subject', 'What']}>
      {events.map((event) => (
        <tr key={`${event.site} ${event.id}`}>
          <td>
            <When at={event.at} />
          </td>
          <td>{event.site}</td>
          <td class="mono">{event.name}</td>
          <td class="mono">
            {event.hardwarename !== '' && (
              <a href={machinePath(event.hardwarename)}>{event.hardwarename}</a>
            )}
          </td>
          {/* The appliance's own event, with its site. */}
          <td>{eventWords(event as unknown as StoredEvent)}</td>
        </tr>
      ))}
    </Table>
  );
}
