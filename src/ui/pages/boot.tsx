/** One boot: how far it got, how long each step took, every event that shows it, and its flight record. */
import type { StoredEvent } from '../../events.ts';
import type { BootTimeline } from '../../inventory/timeline.ts';
import { Steps } from '../machine/condition.tsx';
import { Diagnoses } from '../machine/diagnoses.tsx';
import { FlightRecord } from '../machine/flight-record.tsx';
import { Badge, Facts, Panel, Reading, Title, When } from '../parts/common.tsx';
import { eventWords } from '../parts/event-words.ts';
import { useRead } from '../resource.ts';
import { machinePath } from '../router.ts';
import { toggleWatch, watched } from '../watch.ts';
import '../styles/machine.css';

interface BootAnswer {
  readonly timeline: BootTimeline;
  readonly events: readonly StoredEvent[];
}

export function BootPage({ id }: { id: string }) {
  const boot = useRead<BootAnswer>(`boots/${id}`, (event) => event.boot === id);
  if (!boot.value)
    return (
      <>
        <Title>Boot {id}</Title>
        <Reading of={boot} />
      </>
    );
  const { timeline, events } = boot.value;
  const { hardwarename, mac, arch, stall, state } = timeline;
  const on = watched.value.has(mac);
  const beside = (
    <button type="button" aria-pressed={on} onClick={() => toggleWatch(mac)}>
      {on ? '★ Watched' : '☆ Watch'}
    </button>
  );
  return (
    <>
      <Title beside={beside}>
        <span class="mono">{hardwarename ?? mac}</span>{' '}
        <Badge word={state === 'done' || state === 'over' ? 'finished' : state} />
      </Title>
      <Reading of={boot} />
      <div class="panels">
        <Panel title="This boot">
          {stall && (
            <div class="note bad">
              <p>
                <b>{stall.cause}</b>
              </p>
              {stall.next}
            </div>
          )}
          <Facts
            of={[
              ['Machine', hardwarename && <a href={machinePath(hardwarename)}>{hardwarename}</a>],
              ['NIC', <code key="m">{mac}</code>],
              ['Firmware', arch],
              ['Id', <code key="i">{id}</code>],
            ]}
          />
          <Steps timeline={timeline} here />
        </Panel>
        <Diagnoses of={`boot=${encodeURIComponent(id)}`} mine={(event) => event.boot === id} />
        <Panel title="Events">
          <ol class="history">
            {events.map((event) => (
              <li key={event.id}>
                <When at={event.at} />
                <div>
                  <code>{event.name}</code> {eventWords(event)}
                </div>
              </li>
            ))}
          </ol>
        </Panel>
        <FlightRecord boot={id} />
      </div>
    </>
  );
}
