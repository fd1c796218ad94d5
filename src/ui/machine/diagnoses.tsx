/** Why boots of this machine stopped: the newest first, in the words of the table of diagnoses, each with its record. */
import type { Operations } from '../../client/operations.generated.ts';
import type { StoredEvent } from '../../events.ts';
import { Badge, Panel, When } from '../parts/common.tsx';
import { useRead } from '../resource.ts';

type Answer = Operations['GET /diagnoses']['answer'];

/** What makes the list another one: a new cause, or a sign that the last one is over. */
const CONCERNS: readonly string[] = [
  ...[
    'boot.diagnosed',
    'boot.resumed',
    'recon.received',
    'os.phoned-home',
    'boot.started',
    'ipxe.script',
  ],
];

/** @param of `hardwarename=NAME` or `boot=ID` */
export function Diagnoses({ of, mine }: { of: string; mine: (event: StoredEvent) => boolean }) {
  const answer = useRead<Answer>(
    `diagnoses?${of}&limit=5`,
    (event) => CONCERNS.includes(event.name) && mine(event),
  );
  const found = answer.value?.diagnoses ?? [];
  if (found.length === 0) return null;
  return (
    <Panel title="Why it stopped">
      {found.map((one) => (
        <section
          key={one.id}
          class={one.endedAt === null ? 'note bad' : 'note'}
          data-diagnosis={one.name}
        >
          <p>
            <b>{one.title}.</b> <When at={one.at} ago /> <Badge word={one.confidence} />{' '}
            {one.endedAt !== null && <span class="dim">It has gone on since.</span>}
          </p>
          <ul class="plain-list">
            {one.evidence.map((line) => (
              <li key={line}>{line}</li>
            ))}
          </ul>
          <p>{one.says}</p>
          <p>
            <b>Next:</b> {one.next}
          </p>
          {Object.entries(one.not).map(([name, why]) => (
            <p key={name} class="dim">
              Not <code>{name}</code>: {why}.
            </p>
          ))}
          {one.boot !== '' && (
            <p>
              <a href={`/boots/${one.boot}`}>Boot {one.boot} and its record</a>
            </p>
          )}
        </section>
      ))}
    </Panel>
  );
}
