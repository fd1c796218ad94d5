/** Breakers: what too many failures had in common. An open one keeps machines out until a person has looked. */
import { useState } from 'preact/hooks';
import type { Operations } from '../../client/operations.generated.ts';
import { post } from '../api.ts';
import { Empty, Panel, Reading, When } from '../parts/common.tsx';
import { WhyDialog } from '../parts/why-dialog.tsx';
import { named, type Resource, useRead } from '../resource.ts';
import { may } from '../session.ts';

type List = Operations['GET /breakers']['answer'];
type Breaker = List['breakers'][number];

const CLOSED_SHOWN = 10;

export function BreakerPanel() {
  const list = useRead<List>('breakers', named('breaker.'));
  const open = (list.value?.breakers ?? []).filter(({ closedAt }) => closedAt === null);
  const closed = (list.value?.breakers ?? []).filter(({ closedAt }) => closedAt !== null);
  return (
    <Panel title="Breakers" wide>
      <Reading of={list} />
      {list.value && open.length === 0 && (
        <Empty>None is open: failures have nothing in common.</Empty>
      )}
      {open.map((breaker) => (
        <Open key={breaker.id} breaker={breaker} list={list} />
      ))}
      {closed.length > 0 && <h3 class="spaced">Closed</h3>}
      <ul class="plain-list">
        {closed.slice(0, CLOSED_SHOWN).map(({ id, factor, value, closedAt, who, why }) => (
          <li key={id}>
            <span>
              {factor} <b>{value}</b>
            </span>
            <span class="dim">
              {who}: {why}, <When at={closedAt ?? 0} />
            </span>
          </li>
        ))}
      </ul>
    </Panel>
  );
}

function Open({ breaker, list }: { breaker: Breaker; list: Resource<List> }) {
  const [asking, setAsking] = useState(false);
  const { id, factor, value, source, failed, tried, failedOthers, triedOthers, also } = breaker;
  return (
    <section class="note bad" data-breaker={id}>
      <p>
        <b>
          {failed} of {tried} {source === 'work' ? 'machines at work' : 'installs'} with {factor}{' '}
          {value} failed
        </b>
        , and {failedOthers} of {triedOthers} others, <When at={breaker.openedAt} ago />.
      </p>
      {also.length > 0 && (
        <p>
          The very same share {also.map((one) => `${one.factor} ${one.value}`).join(', ')}: look
          there too.
        </p>
      )}
      <p>Machines that share it are left alone. Close it when its cause is gone.</p>
      {may('operator') && (
        <button type="button" onClick={() => setAsking(true)}>
          Close it…
        </button>
      )}
      {asking && (
        <WhyDialog
          title={`Close the breaker of ${factor} ${value}`}
          says="What failed before this moment counts no more; machines that share it are taken again."
          word="Close it"
          told="It is closed."
          act={(why) => post(`breakers/${id}/close`, { why })}
          close={() => {
            setAsking(false);
            list.reload();
          }}
        />
      )}
    </section>
  );
}
