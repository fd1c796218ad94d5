/** What was done with the machine and what it did: its jobs and its boots, on one line of time. */
import type { StoredEvent } from '../../events.ts';
import { Badge, Empty, Panel, Reading, When } from '../parts/common.tsx';
import { Jobs, type JobView } from '../parts/job-list.tsx';
import { useRead } from '../resource.ts';
import type { MachineView } from './types.ts';

interface Feed {
  readonly events: readonly StoredEvent[];
}

export function BootsAndJobs({ machine }: { machine: MachineView }) {
  const { hardwarename } = machine;
  const name = encodeURIComponent(hardwarename);
  const jobs = useRead<{ jobs: readonly JobView[] }>(
    `jobs?target=${name}&limit=50`,
    (event) => event.hardwarename === hardwarename && event.name.startsWith('job.'),
  );
  const feed = useRead<Feed>(
    `events?hardwarename=${name}&names=boot.,recon.received,machine.state&limit=500`,
    (event) => event.hardwarename === hardwarename,
  );
  return (
    <>
      <Panel title="Jobs">
        <Reading of={jobs} />
        {jobs.value && <Jobs jobs={jobs.value.jobs} target={false} />}
      </Panel>
      <Panel title="Boots">
        <Reading of={feed} />
        {feed.value && <Boots events={feed.value.events} />}
      </Panel>
    </>
  );
}

function Boots({ events }: { events: readonly StoredEvent[] }) {
  const boots = new Map<string, { at: number; lastAt: number; word: string }>();
  for (const event of events) {
    if (event.boot === undefined) continue;
    const boot = boots.get(event.boot) ?? { at: event.at, lastAt: event.at, word: 'booting' };
    boot.lastAt = event.at;
    if (event.name === 'boot.stalled') boot.word = 'stalled';
    if (event.name === 'recon.received') boot.word = 'finished';
    if (event.name === 'boot.resumed' && boot.word === 'stalled') boot.word = 'booting';
    boots.set(event.boot, boot);
  }
  if (boots.size === 0) return <Empty>No boot of it is on record.</Empty>;
  return (
    <ul class="plain-list">
      {[...boots].reverse().map(([id, { at, word }]) => (
        <li key={id}>
          <a href={`/boots/${id}`}>
            <When at={at} /> <code>{id}</code>
          </a>
          <Badge word={word} />
        </li>
      ))}
    </ul>
  );
}
