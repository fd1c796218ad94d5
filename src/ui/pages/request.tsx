/** One request: how far each of its machines is, what was asked for, and everything that happened to it since, on one page. */
import { useRef, useState } from 'preact/hooks';
import type { Operations } from '../../client/operations.generated.ts';
import { post } from '../api.ts';
import { now } from '../feed.ts';
import { plural, seconds } from '../format.ts';
import { Badge, Empty, Facts, Panel, Reading, Title, When } from '../parts/common.tsx';
import { WhyDialog } from '../parts/why-dialog.tsx';
import { type OfFleet, Parts } from '../provisioning/parts.tsx';
import { entryWords, type Place, placeWord, shareOf } from '../provisioning/progress.ts';
import { useRead } from '../resource.ts';
import { machinePath } from '../router.ts';
import { isFleet, may, session } from '../session.ts';
import '../styles/machine.css';
import '../styles/provisioning.css';

type Detail = Operations['GET /requests/{id}']['answer'];

export function RequestPage({ id }: { id: string }) {
  const machines = useRef<ReadonlySet<string>>(new Set());
  // A place moves with its job: their events bear the machine, and a request has few of all machines.
  const detail = useRead<Detail>(
    `requests/${encodeURIComponent(id)}`,
    ({ name, data, ...event }) =>
      'request' in data
        ? data.request === id
        : name.startsWith('job.') && machines.current.has(event.hardwarename ?? ''),
  );
  machines.current = new Set(detail.value?.places.map(({ machine }) => machine));
  if (!detail.value)
    return (
      <>
        <Title>Request</Title>
        <Reading of={detail} />
      </>
    );
  const { request, places, remainingMs, log } = detail.value;
  const open = request.endedAt === null && request.status !== 'cancelling';
  return (
    <>
      <Title beside={open && <CallOff request={request} reload={detail.reload} />}>
        {request.count} {request.role} <Badge word={request.status} />
      </Title>
      <p class="where">
        {[request.image, request.hardware, request.squad, request.site].filter(Boolean).join(' · ')}
      </p>
      <Reading of={detail} />
      {request.why !== '' && <p class="note hold">It waits for {request.why}.</p>}
      <div class="panels">
        <Panel
          title={`${request.done} of ${plural(request.count, 'machine')} in use`}
          beside={
            remainingMs !== null && open ? (
              <span class="dim">about {seconds(remainingMs)} to go</span>
            ) : undefined
          }
          wide
        >
          <Places places={places} />
        </Panel>
        {isFleet.value && (
          <Panel title="By site" wide>
            <Parts of={request as OfFleet} />
          </Panel>
        )}
        <Asked detail={detail.value} />
        <Panel title="History">
          {log.length === 0 && <Empty>Nothing yet.</Empty>}
          <ol class="history" aria-live="polite">
            {log.toReversed().map(({ seq, at, entry }) => (
              <li key={seq} data-entry={String(entry.is)}>
                <When at={at} />
                <div>{entryWords(entry)}</div>
              </li>
            ))}
          </ol>
        </Panel>
      </div>
    </>
  );
}

const SHOWN = 200;

/** What wants somebody first: replaced machines and those that wait, then what runs, then what is done. */
const URGENCY: readonly string[] = ['replacing', 'wanted', 'installing', 'in-use'];

function Places({ places }: { places: readonly Place[] }) {
  const [all, setAll] = useState(false);
  const sorted = places.toSorted(
    (a, b) => URGENCY.indexOf(placeWord(a)) - URGENCY.indexOf(placeWord(b)) || a.place - b.place,
  );
  return (
    <>
      <ol class="places">
        {(all ? sorted : sorted.slice(0, SHOWN)).map((place) => (
          <PlaceRow key={place.place} place={place} />
        ))}
      </ol>
      {!all && sorted.length > SHOWN && (
        <button type="button" onClick={() => setAll(true)}>
          Show all {sorted.length}
        </button>
      )}
    </>
  );
}

function PlaceRow({ place }: { place: Place }) {
  const word = placeWord(place);
  const share = shareOf(place, now.value);
  const { machine, hostname, job, step, waitingFor, remainingMs, rack, tries, why } = place;
  return (
    <li data-place={place.place} data-status={place.status}>
      <span class="who">
        <b>{hostname || `place ${place.place + 1}`}</b>{' '}
        {machine !== '' && (
          <>
            <a href={machinePath(machine)}>{machine}</a> <span class="dim">{rack}</span>
          </>
        )}
      </span>
      <Badge word={word} />
      <progress
        class={word}
        max="1"
        {...(share === undefined ? {} : { value: share })}
        aria-label={`${hostname || machine || 'place'}: ${word}`}
      />
      <span class="dim">
        {job !== '' && word === 'installing' && (
          <>
            <a href={`/jobs/${job}`}>{step || 'queued'}</a>
            {waitingFor !== '' && `, waits for ${waitingFor}`}
            {remainingMs !== null && `, about ${seconds(remainingMs)} to go`}
          </>
        )}
        {word !== 'installing' && why}
        {tries > 1 && ` · ${plural(tries - 1, 'machine')} before it failed`}
      </span>
    </li>
  );
}

function Asked({ detail: { request, asked } }: { detail: Detail }) {
  const more = Object.entries(asked).filter(([name]) => !SAID.includes(name));
  return (
    <Panel title="What was asked for">
      <Facts
        of={[
          ['Role', request.role],
          ['Machines', String(request.count)],
          ['Hardware', request.hardware || 'any'],
          ['Image', request.image],
          ['Site', request.site],
          ['Squad', request.squad],
          ['Owner', request.owner],
          ['Pool', request.pool && <a href={`/pools/${request.pool}`}>{request.pool}</a>],
          ['Asked by', request.requester],
          ['Asked', <When key="c" at={request.createdAt} />],
          ['Ended', request.endedAt !== null && <When key="e" at={request.endedAt} />],
          ['Priority', request.priority === 0 ? '' : String(request.priority)],
          ['Replaced', request.failed === 0 ? '' : plural(request.failed, 'machine')],
          ...more.map(([name, value]) => [LABELS[name] ?? name, said(value)] as const),
        ]}
      />
    </Panel>
  );
}

const SAID = [
  ...['role', 'count', 'hardware', 'image', 'site', 'squad', 'owner', 'priority', 'imageAsked'],
];

const LABELS: Readonly<Record<string, string>> = {
  ...{ hall: 'Hall', racks: 'Racks', spread: 'Spread', hostname: 'Hostnames', why: 'Why' },
  ...{ parallel: 'At once', sshKeys: 'SSH keys', metadata: 'Metadata', retries: 'Repeats' },
};

/** What was left to its default says nothing. */
function said(value: unknown): string {
  if (value === null || value === undefined) return '';
  if (typeof value !== 'object') return String(value);
  if (Array.isArray(value)) return value.map(said).join(', ');
  return Object.entries(value)
    .filter(([, one]) => said(one) !== '')
    .map(([name, one]) => `${name} ${said(one)}`)
    .join(', ');
}

function CallOff({ request, reload }: { request: Detail['request']; reload(): void }) {
  const [open, setOpen] = useState(false);
  if (!may('operator', request.squad) && session.value?.who !== request.requester) return null;
  return (
    <>
      <button type="button" class="danger" onClick={() => setOpen(true)}>
        Call it off…
      </button>
      {open && (
        <WhyDialog
          title="Call this request off"
          says="Installs are stopped, and undo what they can. Machines in use stay."
          word="Call it off"
          told="It is being called off."
          danger
          act={(why) => post(`requests/${encodeURIComponent(request.id)}/cancel`, { why })}
          close={() => {
            setOpen(false);
            reload();
          }}
        />
      )}
    </>
  );
}
