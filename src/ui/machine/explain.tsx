/**
 * What would happen next: what the machine would be offered if it asked now, by each way of booting, with the reasons of the
 * decision; and what its state may turn into, by whom. The appliance answers; nothing is worked out here.
 */
import type { Operations } from '../../client/operations.generated.ts';
import { seconds } from '../format.ts';
import { Badge, Empty, Panel, Reading, Table } from '../parts/common.tsx';
import { useRead } from '../resource.ts';
import { Past } from './past.tsx';
import type { MachineView } from './types.ts';

type Explained = Operations['GET /machines/{hardwarename}/explain']['answer'];
type Stage = Explained['stages'][number];
type States = Operations['GET /states']['answer'];

export function Explain({ machine }: { machine: MachineView }) {
  const { hardwarename } = machine;
  const explained = useRead<Explained>(
    `machines/${encodeURIComponent(hardwarename)}/explain`,
    ({ name, ...event }) =>
      name === 'quirk.changed' ||
      (event.hardwarename === hardwarename &&
        (name.startsWith('machine.') || name.startsWith('job.'))),
  );
  return (
    <>
      <Panel title="If it asked now" wide>
        <Reading of={explained} />
        {explained.value && <Offers of={explained.value} />}
      </Panel>
      <Past machine={machine} />
      <Becoming machine={machine} />
    </>
  );
}

function Offers({ of: { mac, stages } }: { of: Explained }) {
  const segments = [...new Set(stages.map(({ segment }) => segment))];
  if (segments.length === 0) return <Empty>No segment is served from here.</Empty>;
  return (
    <>
      <p class="dim">
        As <code>{mac}</code>. Nothing is leased or recorded by asking.
      </p>
      {segments.map((segment) => (
        <section key={segment} class="spaced">
          {segments.length > 1 && <h3>{segment}</h3>}
          <Table
            label={`Offers on ${segment}`}
            head={['Asks as', 'Is offered', 'Boots', 'Because']}
          >
            {stages
              .filter((stage) => stage.segment === segment)
              .map((stage) => (
                <Offer key={stage.client} stage={stage} />
              ))}
          </Table>
        </section>
      ))}
    </>
  );
}

function Offer({ stage: { client, outcome, address, bootFile, terms, why } }: { stage: Stage }) {
  return (
    <tr data-client={client}>
      <td>
        <b>{client}</b>
      </td>
      <td>
        {outcome === 'offer' ? <code>{address}</code> : outcome}{' '}
        {terms !== '' && <span class="dim">{terms}</span>}
      </td>
      <td>{bootFile === '' ? <span class="dim">nothing</span> : <code>{bootFile}</code>}</td>
      <td>{why}</td>
    </tr>
  );
}

const BY: Readonly<Record<string, string>> = {
  ...{ operator: 'a person', owner: 'its owner', job: 'a job', recon: 'a report' },
};

function Becoming({ machine }: { machine: MachineView }) {
  const states = useRead<States>('states');
  const own = states.value?.states.find(({ state }) => state === machine.state);
  const next = (states.value?.transitions ?? []).filter(({ from }) => from === machine.state);
  return (
    <Panel title="What it may become">
      <Reading of={states} />
      {own && (
        <p>
          <Badge word={own.state} /> {own.next}
          {own.deadlineMs !== undefined && `, within ${seconds(own.deadlineMs)}`}
        </p>
      )}
      {states.value && next.length === 0 && <Empty>Nothing: this is where it ends.</Empty>}
      <ul class="plain-list becoming">
        {next.map(({ to, by, why }) => (
          <li key={`${to} ${by} ${why}`}>
            <span>
              <Badge word={to} /> {why}
            </span>
            <span class="dim">by {BY[by] ?? by}</span>
          </li>
        ))}
      </ul>
    </Panel>
  );
}
