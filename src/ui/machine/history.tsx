/** Everything that happened to the machine, newest first; a change is shown as what was and what is. */
import { useState } from 'preact/hooks';
import type { StoredEvent } from '../../events.ts';
import { Empty, Panel, When } from '../parts/common.tsx';
import { eventWords, isChatter } from '../parts/event-words.ts';

export function History({ events }: { events: readonly StoredEvent[] }) {
  const [all, setAll] = useState(false);
  // They come as they happened.
  const newest = events.toReversed();
  const shown = all ? newest : newest.filter((event) => !isChatter(event));
  return (
    <Panel
      title="History"
      wide
      beside={
        <label class="check">
          <input type="checkbox" checked={all} onChange={() => setAll(!all)} /> Packets and
          downloads too
        </label>
      }
    >
      {shown.length === 0 && <Empty>Nothing on record.</Empty>}
      <ol class="history">
        {shown.map((event) => (
          <li key={event.id}>
            <When at={event.at} />
            <div>
              <code>{event.name}</code> {eventWords(event)}
              <Change event={event} />
            </div>
          </li>
        ))}
      </ol>
    </Panel>
  );
}

interface ChangeLine {
  readonly what: string;
  readonly before: string;
  readonly after: string;
}

function changesOf(event: StoredEvent): readonly ChangeLine[] {
  switch (event.name) {
    case 'machine.edited':
      return Object.keys(event.data.after).map((what) => ({
        what,
        before: textOf(event.data.before[what]),
        after: textOf(event.data.after[what]),
      }));
    case 'machine.changed':
      return event.data.changes.map(({ part, before = '', after = '' }) => ({
        ...{ what: part, before, after },
      }));
    default:
      return [];
  }
}

const textOf = (value: unknown): string =>
  typeof value === 'string' ? value : value === undefined ? '' : JSON.stringify(value);

function Change({ event }: { event: StoredEvent }) {
  const changes = changesOf(event);
  if (changes.length === 0) return null;
  return (
    <ul class="changes">
      {changes.map(({ what, before, after }, index) => (
        <li key={index}>
          <b>{what}</b> {before !== '' && <del>{before}</del>} {after !== '' && <ins>{after}</ins>}
        </li>
      ))}
    </ul>
  );
}
