/** What was done with the machine and what it did: its jobs and its boots, on one line of time, with how long each took. */
import type { BootTimeline } from '../../inventory/timeline.ts';
import { now } from '../feed.ts';
import { seconds } from '../format.ts';
import { bootLine, STEP_LABELS } from '../parts/boot-bar.tsx';
import { Badge, Empty, Panel, Reading, When } from '../parts/common.tsx';
import type { JobView } from '../parts/job-list.tsx';
import { useRead } from '../resource.ts';
import { jobWords } from './calls.ts';
import { type Chapter, longestOf, storyOf } from './story.ts';
import type { MachineView } from './types.ts';
import '../styles/story.css';

const SHOWN = 50;

export function BootsAndJobs({ machine }: { machine: MachineView }) {
  const { hardwarename } = machine;
  const name = encodeURIComponent(hardwarename);
  const jobs = useRead<{ jobs: readonly JobView[] }>(
    `jobs?target=${name}&limit=${SHOWN}`,
    (event) => event.hardwarename === hardwarename && event.name.startsWith('job.'),
  );
  const boots = useRead<{ boots: readonly BootTimeline[] }>(
    `boots?hardwarename=${name}&limit=${SHOWN}`,
    // Before it is known, a boot is only its NIC's.
    ({ hardwarename: of, mac, boot }) =>
      of === hardwarename || (boot !== undefined && machine.nics.some((nic) => nic.mac === mac)),
  );
  const story =
    jobs.value && boots.value ? storyOf(jobs.value.jobs, boots.value.boots, now.value) : undefined;
  return (
    <Panel title="Boots and jobs, newest first" wide>
      {!jobs.value && <Reading of={jobs} />}
      {!boots.value && <Reading of={boots} />}
      {story?.length === 0 && <Empty>No boot and no job of it is on record.</Empty>}
      {story && story.length > 0 && <Story story={story} />}
    </Panel>
  );
}

function Story({ story }: { story: readonly Chapter[] }) {
  const longest = longestOf(story);
  return (
    <ol class="story">
      {story.map((chapter) => (
        <li key={chapter.job?.id ?? chapter.boot?.boot}>
          <Line chapter={chapter} longest={longest} />
          {chapter.boots.length > 0 && (
            <ol>
              {chapter.boots.map((boot) => (
                <li key={boot.boot?.boot}>
                  <Line chapter={boot} longest={longest} />
                </li>
              ))}
            </ol>
          )}
        </li>
      ))}
    </ol>
  );
}

function Line({ chapter, longest }: { chapter: Chapter; longest: number }) {
  const { at, tookMs, job, boot } = chapter;
  const share = `${(100 * (tookMs ?? 0)) / longest}%`;
  return (
    <div class="chapter" data-chapter={job ? 'job' : 'boot'}>
      <When at={at} />
      {job && <a href={`/jobs/${job.id}`}>{jobWords(job.action)}</a>}
      {boot && <a href={`/boots/${boot.boot}`}>Boot</a>}
      <Badge word={job?.status ?? wordOf(boot)} />
      <span class="took">{tookMs === undefined ? '' : seconds(tookMs)}</span>
      <span class="track">
        {boot ? (
          <BootParts boot={boot} width={share} />
        ) : (
          <i class={job?.status} style={{ width: share }} />
        )}
      </span>
      <span class="detail">{job ? jobLine(job) : boot && bootLine(boot)}</span>
    </div>
  );
}

/** The bar of a boot is divided as its time was. */
function BootParts({ boot: { steps, state }, width }: { boot: BootTimeline; width: string }) {
  const parts = steps.filter(({ tookMs = 0 }) => tookMs > 0);
  return (
    <span class={`divided ${state}`} style={{ width }}>
      {parts.map(({ name, tookMs = 0 }) => (
        <i
          key={name}
          style={{ flexGrow: tookMs }}
          title={`${STEP_LABELS[name]}: ${seconds(tookMs)}`}
        />
      ))}
    </span>
  );
}

const wordOf = (boot: BootTimeline | undefined): string =>
  boot?.state === 'running' || boot?.state === 'stalled'
    ? boot.state.replace('running', 'booting')
    : 'finished';

const jobLine = ({ code, detail, step, requester }: JobView): string =>
  [code ? `${code} ${detail}`.trim() : step, `asked by ${requester}`].filter(Boolean).join(', ');
