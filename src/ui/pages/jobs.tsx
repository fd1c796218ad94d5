/** Jobs: what runs, what waits, what failed, how well they do; and the queue, which an operator can hold. */
import type { Operations } from '../../client/operations.generated.ts';
import { post } from '../api.ts';
import { seconds } from '../format.ts';
import { jobWords } from '../machine/calls.ts';
import { tell, tellProblem } from '../notices.ts';
import { Chips, Empty, Panel, Reading, Table, Title } from '../parts/common.tsx';
import { SiteFilter } from '../parts/filters.tsx';
import { OldSites } from '../parts/freshness.tsx';
import { Jobs, type JobView } from '../parts/job-list.tsx';
import { named, useRead } from '../resource.ts';
import { query, setQuery } from '../router.ts';
import { isFleet, may } from '../session.ts';

type Queue = Operations['GET /jobs/queue']['answer'];
type Stats = Operations['GET /jobs/stats']['answer'];

const STATUSES = ['running', 'queued', 'failed', 'finished', 'cancelled'];
/** Of a site that tells of them no more. */
const LOST = 'lost';

export function JobsPage() {
  const status = query.value.get('status') ?? '';
  const site = isFleet.value ? (query.value.get('site') ?? '') : '';
  const given = Object.entries({ status, site }).filter(([, value]) => value !== '');
  const filter = new URLSearchParams([['limit', '100'], ...given]);
  const jobs = useRead<{ jobs: readonly JobView[] }>(`jobs?${filter}`, named('job'));
  const queue = useRead<Queue>(isFleet.value ? '' : 'jobs/queue', named('job'));
  const stats = useRead<Stats>(
    isFleet.value ? '' : 'jobs/stats',
    named('job.finished', 'job.failed'),
  );
  return (
    <>
      <Title beside={queue.value && <Hold queue={queue.value} reload={queue.reload} />}>Jobs</Title>
      {queue.value?.paused && (
        <p class="note hold">
          {queue.value.who} holds the queue: {queue.value.why}. No step of any job begins.
        </p>
      )}
      <Chips
        of={[...STATUSES, ...(isFleet.value ? [LOST] : [])].map((value) => ({
          value,
          count: queue.value?.counts[value],
        }))}
        chosen={status}
        choose={(value) => setQuery({ status: value })}
      />
      {isFleet.value && (
        <>
          <div class="filters">
            <SiteFilter />
          </div>
          <OldSites />
        </>
      )}
      <div class="panels">
        <Panel title="Newest first" wide>
          <Reading of={jobs} />
          {jobs.value && <Jobs jobs={jobs.value.jobs} />}
        </Panel>
        {stats.value && <Kinds stats={stats.value} />}
        {stats.value && <Failures stats={stats.value} />}
      </div>
    </>
  );
}

function Hold({ queue, reload }: { queue: Queue; reload(): void }) {
  if (!may('operator')) return null;
  const turn = async () => {
    const why = queue.paused ? 'resumed from the portal' : 'held from the portal';
    await post(`jobs/${queue.paused ? 'resume' : 'pause'}`, { why }).then(
      () => tell(queue.paused ? 'The queue runs again.' : 'The queue is held.', 'good'),
      tellProblem,
    );
    reload();
  };
  return (
    <button type="button" class={queue.paused ? 'primary' : ''} onClick={() => void turn()}>
      {queue.paused ? 'Let the queue run' : 'Hold the queue'}
    </button>
  );
}

function Kinds({ stats }: { stats: Stats }) {
  const kinds = stats.kinds.filter(({ hardwareType }) => hardwareType === '');
  return (
    <Panel title="How well they do">
      {kinds.length === 0 && <Empty>No job has ended yet.</Empty>}
      {kinds.length > 0 && (
        <Table
          label="Kinds of job"
          head={[
            'Kind',
            { figures: 'Done' },
            { figures: 'Failed' },
            { figures: 'Success' },
            { figures: 'Half within' },
            { figures: '99 % within' },
          ]}
        >
          {kinds.map(({ action, finished, failed, successRate, duration }) => (
            <tr key={action}>
              <td>{jobWords(action)}</td>
              <td class="number">
                {finished}
                <span class="on-phone"> done</span>
              </td>
              <td class="number">
                {failed}
                <span class="on-phone"> failed</span>
              </td>
              <td class="number">{(100 * successRate).toFixed(1)} %</td>
              <td class="number">
                <span class="on-phone">half within </span>
                {seconds(duration.p50Ms)}
              </td>
              <td class="number">
                <span class="on-phone">99 % within </span>
                {seconds(duration.p99Ms)}
              </td>
            </tr>
          ))}
        </Table>
      )}
    </Panel>
  );
}

function Failures({ stats }: { stats: Stats }) {
  return (
    <Panel title="What fails">
      {stats.failures.length === 0 && <p class="dim">Nothing has failed.</p>}
      <ul class="plain-list">
        {stats.failures.map(({ code, jobs }) => (
          <li key={code}>
            <code>{code}</code> <b>{jobs}</b>
          </li>
        ))}
      </ul>
      {stats.worstBmcs.length > 0 && <h3 class="spaced">BMCs with most trouble</h3>}
      <ul class="plain-list">
        {stats.worstBmcs.slice(0, 5).map(({ bmc, target, failed, retries }) => (
          <li key={bmc}>
            <a href={`/machines/${encodeURIComponent(target)}`}>{target}</a>
            <span class="dim">
              {bmc}: {failed} failed, {retries} repeats
            </span>
          </li>
        ))}
      </ul>
    </Panel>
  );
}
