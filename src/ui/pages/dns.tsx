/**
 * DNS: what is served, every generation with its cause and its diff, and the two ways out of trouble: a generation that was
 * refused is put through, or an older one is served again. Both say first what they would change.
 */
import { useState } from 'preact/hooks';
import type { Operations } from '../../client/operations.generated.ts';
import { post } from '../api.ts';
import { plural } from '../format.ts';
import { tell, tellProblem } from '../notices.ts';
import { Badge, Dialog, Empty, Panel, Reading, Table, Title, When } from '../parts/common.tsx';
import { DiffOf, type Generation, GenerationDialog } from '../parts/dns-generation.tsx';
import { named, useRead } from '../resource.ts';
import { may } from '../session.ts';

type Status = Operations['GET /dns']['answer'];

export function DnsPage() {
  const status = useRead<Status>('dns', named('dns.'));
  const [before, setBefore] = useState<number | undefined>();
  const list = useRead<Operations['GET /dns/generations']['answer']>(
    `dns/generations?limit=50${before === undefined ? '' : `&cursor=${before}`}`,
    named('dns.'),
  );
  const [open, setOpen] = useState<Generation | undefined>();
  const reload = () => {
    status.reload();
    list.reload();
  };
  return (
    <>
      <Title beside={status.value && <span class="dim">Generation {status.value.generation}</span>}>
        DNS
      </Title>
      <Reading of={status} />
      {status.value && status.value.udp.silent.length > 0 && (
        <div class="note bad" role="alert">
          <p>
            <b>Nobody answers at {status.value.udp.silent.join(', ')}.</b> Another thread is being
            started; the events say why the last one ended.
          </p>
        </div>
      )}
      {status.value && <Trouble status={status.value} reload={reload} />}
      <div class="panels">
        <Panel title="Generations" wide>
          <Reading of={list} />
          {list.value && (
            <Generations of={list.value.generations} served={status.value} open={setOpen} />
          )}
          <div class="buttons">
            {before !== undefined && (
              <button type="button" onClick={() => setBefore(undefined)}>
                Newest
              </button>
            )}
            {list.value?.next !== undefined && (
              <button type="button" onClick={() => setBefore(list.value?.next)}>
                Older
              </button>
            )}
          </div>
        </Panel>
        {status.value && <Zones zones={status.value.zones} />}
        <Ask />
      </div>
      {open && (
        <GenerationDialog
          generation={open}
          served={open.id === status.value?.generation}
          close={() => {
            setOpen(undefined);
            reload();
          }}
        />
      )}
    </>
  );
}

/** What keeps the next generation from being served, and what a person can do about it. */
function Trouble({ status, reload }: { status: Status; reload(): void }) {
  const [pending, setPending] = useState(false);
  const { faults, held } = status;
  if (faults.length === 0 && held === null) return null;
  const act = (path: string, says: string) =>
    post(`dns/${path}`)
      .then(() => tell(says, 'good'), tellProblem)
      .then(reload);
  return (
    <div class={faults.length > 0 ? 'note bad' : 'note hold'} role="alert">
      <p>
        <b>
          {held === null
            ? 'The next generation is refused; the last good one stays.'
            : `Generation ${held} is held by a person; the inventory does not decide.`}
        </b>
      </p>
      <ul>
        {faults.slice(0, 10).map(({ code, name, why }) => (
          <li key={`${code} ${name}`}>
            <code>{name}</code> {why} <span class="dim">{code}</span>
          </li>
        ))}
      </ul>
      <div class="buttons">
        <button type="button" onClick={() => setPending(true)}>
          What would change
        </button>
        {may('operator') && faults.length > 0 && (
          <button type="button" class="danger" onClick={() => void act('accept', 'It is served.')}>
            Put it through
          </button>
        )}
        {may('operator') && held !== null && (
          <button
            type="button"
            class="primary"
            onClick={() => void act('resume', 'The inventory decides again.')}
          >
            Let the inventory decide
          </button>
        )}
      </div>
      {pending && (
        <Dialog title="What the next generation would change" onClose={() => setPending(false)}>
          <DiffOf path="dns/pending" />
        </Dialog>
      )}
    </div>
  );
}

function Generations({
  of,
  served,
  open,
}: {
  of: readonly Generation[];
  served: Status | undefined;
  open(generation: Generation): void;
}) {
  if (of.length === 0) return <Empty>No generation yet.</Empty>;
  return (
    <Table label="Generations" head={['Generation', 'When', 'Cause', 'Records', 'Status']}>
      {of.map((generation) => (
        <tr key={generation.id}>
          <td>
            <button
              type="button"
              aria-label={`Generation ${generation.id}`}
              onClick={() => open(generation)}
            >
              {generation.id}
            </button>
          </td>
          <td>
            <When at={generation.at} />
          </td>
          <td>{generation.cause}</td>
          <td class="diff">
            <span class="add">+{generation.added}</span>{' '}
            <span class="del">−{generation.removed}</span>
          </td>
          <td>
            {generation.status === 'refused' ? (
              <Badge word="refused" />
            ) : generation.id === served?.generation ? (
              <Badge word="served" />
            ) : (
              <span class="dim">was served</span>
            )}
          </td>
        </tr>
      ))}
    </Table>
  );
}

function Zones({ zones }: { zones: Status['zones'] }) {
  return (
    <Panel title={plural(zones.length, 'zone')}>
      <Table label="Zones" head={['Zone', { figures: 'Serial' }, { figures: 'Records' }]}>
        {zones.map(({ name, serial, records }) => (
          <tr key={name}>
            <td class="mono">
              <a
                href={`/api/v1/dns/zones/${encodeURIComponent(name)}`}
                target="_blank"
                rel="noreferrer"
              >
                {name}
              </a>
            </td>
            <td class="number">
              <span class="on-phone">serial </span>
              {serial}
            </td>
            <td class="number">
              {records}
              <span class="on-phone"> records</span>
            </td>
          </tr>
        ))}
      </Table>
    </Panel>
  );
}

type Explained = Operations['GET /dns/explain']['answer'];

function Ask() {
  const [question, setQuestion] = useState('');
  const answer = useRead<Explained>(question === '' ? '' : `dns/explain?${question}`);
  const ask = (event: Event) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget as HTMLFormElement);
    const name = String(form.get('name')).trim();
    setQuestion(String(new URLSearchParams({ name, type: String(form.get('type')) })));
  };
  return (
    <Panel title="What is answered, and why">
      <form class="form" onSubmit={ask}>
        <div class="form-row">
          <label>
            Name
            <input name="name" required autocapitalize="none" spellcheck={false} />
          </label>
          <label>
            Type
            <select name="type">
              {['A', 'PTR', 'CNAME', 'SRV', 'TXT', 'NS', 'SOA'].map((type) => (
                <option key={type}>{type}</option>
              ))}
            </select>
          </label>
        </div>
        <button type="submit">Ask</button>
      </form>
      {question !== '' && !answer.value && <Reading of={answer} />}
      {question !== '' && answer.value && (
        <pre class="spaced">
          {[
            `${answer.value.question}: ${answer.value.rcode}`,
            ...answer.value.answers.map(
              ({ name, ttl, type, data }) => `${name} ${ttl} ${type} ${data}`,
            ),
            ...answer.value.origins.map(
              ({ name, owners }) => `; ${name} from ${owners.join(', ')}`,
            ),
          ].join('\n')}
        </pre>
      )}
    </Panel>
  );
}
