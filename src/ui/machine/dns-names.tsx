/** The names of the machine as DNS answers for them now, and where each answer comes from. */
import type { Operations } from '../../client/operations.generated.ts';
import { Panel, Reading } from '../parts/common.tsx';
import { named, useRead } from '../resource.ts';
import type { MachineView } from './types.ts';

type Explained = Operations['GET /dns/explain']['answer'];

export function DnsNames({ machine }: { machine: MachineView }) {
  const status = useRead<Operations['GET /dns']['answer']>('dns', named('dns.changed'));
  if (status.problem?.code === 'NOT_HERE') return null;
  const names = namesOf(machine, forwardZone(status.value?.zones ?? []));
  return (
    <Panel title="Names in DNS">
      {names.length === 0 && <Reading of={status} />}
      {names.map((name) => (
        <Name key={name} name={name} />
      ))}
    </Panel>
  );
}

/** The site's own zone: the shortest one that is not a reverse zone. */
function forwardZone(zones: readonly { readonly name: string }[]): string {
  const forward = zones.map(({ name }) => name).filter((name) => !name.endsWith('.arpa.'));
  return forward.sort((a, b) => a.length - b.length)[0] ?? '';
}

function namesOf({ hostname, hardwarename }: MachineView, zone: string): readonly string[] {
  if (zone === '') return [];
  const labels = [hostname, hardwarename.toLowerCase()].filter(Boolean);
  const within = (label: string) => `${label}.`.endsWith(`.${zone}`);
  return labels.map((label) => (within(label) ? `${label}.` : `${label}.${zone}`));
}

function Name({ name }: { name: string }) {
  const answer = useRead<Explained>(`dns/explain?name=${encodeURIComponent(name)}`, named('dns.'));
  if (!answer.value) return <Reading of={answer} />;
  const { question, rcode, answers } = answer.value;
  return (
    <div class="dns-name">
      <code>{question}</code>
      {answers.length === 0 ? (
        <span class="dim"> {rcode === 'NOERROR' ? 'no address' : rcode}</span>
      ) : (
        <ul class="plain-list">
          {answers.map(({ name: owner, type, data }) => (
            <li key={`${owner} ${type} ${data}`}>
              <code>
                {type} {data}
              </code>
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}
