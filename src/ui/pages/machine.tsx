/** One machine: what it is, where it is, how it is, how it came there, and what this person may do with it. */
import type { StoredEvent } from '../../events.ts';
import type { BootTimeline } from '../../inventory/timeline.ts';
import { fleet, fleetVersion } from '../fleet.ts';
import { slot } from '../format.ts';
import { Actions, Lamp } from '../machine/actions.tsx';
import { BootsAndJobs } from '../machine/boots-jobs.tsx';
import { Condition } from '../machine/condition.tsx';
import { Diagnoses } from '../machine/diagnoses.tsx';
import { DnsNames } from '../machine/dns-names.tsx';
import { Explain } from '../machine/explain.tsx';
import { Hardware } from '../machine/hardware.tsx';
import { Health } from '../machine/health.tsx';
import { History } from '../machine/history.tsx';
import { Learned } from '../machine/learned.tsx';
import type { MachineAnswer, MachineView } from '../machine/types.ts';
import { Badge, Empty, Facts, Panel, Reading, Title } from '../parts/common.tsx';
import { lazy } from '../parts/lazy.tsx';
import { Tabs } from '../parts/tabs.tsx';
import { useRead } from '../resource.ts';
import { query, setQuery } from '../router.ts';
import { isSignedIn, may } from '../session.ts';
import { toggleWatch, watched } from '../watch.ts';
import '../styles/machine.css';

const Console = lazy(async () => (await import('../machine/console.tsx')).Console);

/** The terminal is most of this page's code, and few open it. */
function ConsoleTab({ machine }: { machine: MachineAnswer['machine'] }) {
  const allowed = may('technician') || may('technician', machine.squad);
  return isSignedIn.value && allowed ? (
    <Console machine={machine} />
  ) : (
    <Empty>A console takes whatever is typed: sign in as a technician to open it.</Empty>
  );
}

const TABS = [
  ['', 'Overview'],
  ['hardware', 'Hardware'],
  ['health', 'Health'],
  ['explain', 'Explain'],
  ['console', 'Console'],
  ['jobs', 'Boots and jobs'],
  ['history', 'History'],
] as const;

export function MachinePage({ name }: { name: string }) {
  const mine = (event: StoredEvent) => event.hardwarename === name;
  const record = useRead<MachineAnswer>(`machines/${encodeURIComponent(name)}?events=200`, mine);
  const tab = query.value.get('tab') ?? '';
  if (!record.value)
    return (
      <>
        <Title>{name}</Title>
        <Reading of={record} />
      </>
    );
  const { machine } = record.value;
  return (
    <>
      <Title
        beside={
          <>
            <Lamp machine={machine} />
            <Watch name={name} />
          </>
        }
      >
        <span class="mono">{name}</span> <Badge word={machine.state} />
      </Title>
      <p class="where">
        {[slot(machine), machine.hostname, `${machine.manufacturer} ${machine.product}`.trim()]
          .filter(Boolean)
          .join(' · ')}
      </p>
      <Reading of={record} />
      <Tabs
        label="About this machine"
        tabs={TABS}
        chosen={tab}
        choose={(value) => setQuery({ tab: value })}
      >
        <Tab tab={tab} answer={record.value} reload={record.reload} />
      </Tabs>
    </>
  );
}

function Tab({ tab, answer, reload }: { tab: string; answer: MachineAnswer; reload(): void }) {
  const { machine, events } = answer;
  fleetVersion.value;
  const row = fleet.get(machine.hardwarename);
  switch (tab) {
    case 'hardware':
      return <Hardware machine={machine} />;
    case 'health':
      return <Health machine={machine} />;
    case 'explain':
      return <Explain machine={machine} />;
    case 'console':
      return <ConsoleTab machine={machine} />;
    case 'jobs':
      return <BootsAndJobs machine={machine} />;
    case 'history':
      return <History events={events} />;
    default:
      return (
        <>
          <Now machine={machine} timeline={row?.timeline} />
          <Diagnoses
            of={`hardwarename=${encodeURIComponent(machine.hardwarename)}`}
            mine={(event) => event.hardwarename === machine.hardwarename}
          />
          <Learned machine={machine} />
          <Actions machine={machine} reload={reload} />
          <Identity answer={answer} />
          <DnsNames machine={machine} />
        </>
      );
  }
}

/** With the boot that it is in, or its last one: the board knows the newest of the site, the record knows them all. */
function Now({ machine, timeline }: { machine: MachineView; timeline: BootTimeline | undefined }) {
  const name = encodeURIComponent(machine.hardwarename);
  const path = timeline ? '' : `boots?hardwarename=${name}&limit=1`;
  const last = useRead<{ boots: readonly BootTimeline[] }>(path).value?.boots[0];
  const shown = timeline ?? last;
  return <Condition machine={machine} {...(shown && { timeline: shown })} />;
}

function Watch({ name }: { name: string }) {
  const on = watched.value.has(name);
  return (
    <button type="button" aria-pressed={on} onClick={() => toggleWatch(name)}>
      {on ? '★ Watched' : '☆ Watch'}
    </button>
  );
}

function Identity({ answer: { machine } }: { answer: MachineAnswer }) {
  const nics = machine.nics.map(({ mac }) => mac).join(', ');
  return (
    <Panel title="Identity and place">
      <Facts
        of={[
          ['Serial', <code key="s">{machine.serial || 'none'}</code>],
          ['Type', machine.hardwareType],
          ['Differs by', machine.typeMismatch],
          ['Hostname', machine.hostname],
          ['Role', machine.role],
          ['Squad', machine.squad],
          ['Owner', machine.owner],
          ['Stands in', [machine.site, machine.hall, machine.row].filter(Boolean).join(' / ')],
          ['Rack', slot(machine)],
          ['Placed by', machine.rack === '' ? '' : machine.locatedBy],
          ['NICs', nics],
          ['BMC', [machine.bmcAddress, machine.bmcVendor].filter(Boolean).join(' ')],
          ['Delivery', machine.orderNumber],
          ['Warranty', machine.warrantyUntil],
          ['IPv6', machine.ipv6.join(', ')],
          ['Tags', machine.tags.join(', ')],
          ['Notes', machine.notes],
          ...Object.entries(machine.custom),
        ]}
      />
    </Panel>
  );
}
