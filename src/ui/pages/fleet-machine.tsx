/**
 * One machine as central knows it: what its site has told, how fresh that is, its events, and what was asked of it here. Its place, names and state are
 * changed as at an appliance; the site's own rules decide.
 */
import type { FleetEvent, FleetMachine } from '../../central/fleet-view.ts';
import { slot } from '../format.ts';
import { Actions } from '../machine/actions.tsx';
import type { MachineView } from '../machine/types.ts';
import { Badge, Empty, Facts, Panel, Reading, Title, When } from '../parts/common.tsx';
import { Freshness } from '../parts/freshness.tsx';
import { Jobs, type JobView } from '../parts/job-list.tsx';
import { useRead } from '../resource.ts';
import '../styles/machine.css';

interface Detail {
  readonly machine: FleetMachine;
  readonly claims: readonly FleetMachine[];
  readonly events: readonly FleetEvent[];
}

const FACTS = {
  ...{ serial: 'Serial', manufacturer: 'Maker', product: 'Product', hardwareType: 'Type' },
  ...{ hostname: 'Hostname', role: 'Role', squad: 'Squad', owner: 'Owner', stateWhy: 'Why' },
  ...{ hall: 'Hall', bmcAddress: 'BMC', notes: 'Notes' },
} as const;

const text = (machine: FleetMachine, name: string): string => {
  const value = machine[name];
  return typeof value === 'string' || typeof value === 'number' ? String(value) : '';
};

export function FleetMachinePage({ name }: { name: string }) {
  const detail = useRead<Detail>(`machines/${encodeURIComponent(name)}`, () => false);
  const asked = `jobs?target=${encodeURIComponent(name)}&limit=10`;
  const jobs = useRead<{ jobs: readonly JobView[] }>(asked, () => false);
  if (!detail.value)
    return (
      <>
        <Title>{name}</Title>
        <Reading of={detail} />
      </>
    );
  const { machine, claims, events } = detail.value;
  const place = slot({ rack: text(machine, 'rack'), unit: Number(machine.unit ?? 0) });
  return (
    <>
      <Title beside={<Freshness of={machine} />}>
        {name} <Badge word={text(machine, 'state')} />
      </Title>
      <p class="where">{[machine.site, place].filter(Boolean).join(' · ')}</p>
      <Reading of={detail} />
      {claims.map((claim) => (
        <p key={claim.site} class="note bad" role="alert">
          {claim.site} has a machine of this name, too: {text(claim, 'state')}.{' '}
          <Freshness of={claim} />
        </p>
      ))}
      <div class="panels">
        <Panel title="What its site has told">
          <Facts of={Object.entries(FACTS).map(([key, word]) => [word, text(machine, key)])} />
        </Panel>
        {/* What its site has told is the record that these dialogs are about. */}
        <Actions machine={machine as unknown as MachineView} reload={detail.reload} />
        <Panel title="Its jobs" wide>
          <Jobs jobs={jobs.value?.jobs ?? []} target={false} />
        </Panel>
        <Panel title="Its last events">
          {events.length === 0 && <Empty>None that central has.</Empty>}
          <ol class="history">
            {events.map((event) => (
              <li key={`${event.site} ${event.id}`}>
                <When at={event.at} />
                <div>
                  <b>{event.name}</b> <span class="dim">{event.site}</span>
                </div>
              </li>
            ))}
          </ol>
        </Panel>
      </div>
    </>
  );
}
