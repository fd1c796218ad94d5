/** Jobs in a list: what, on which machine, how it stands, and how long it took. */

import type { Fresh } from '../../central/fleet-view.ts';
import type { Operations } from '../../client/operations.generated.ts';
import { now } from '../feed.ts';
import { readTime, seconds } from '../format.ts';
import { go, machinePath } from '../router.ts';
import { isFleet } from '../session.ts';
import { Badge, Empty, Table, When } from './common.tsx';
import { Freshness } from './freshness.tsx';

/** At central with its site, and how fresh that is. */
export type JobView = Operations['GET /jobs']['answer']['jobs'][number] &
  Partial<Fresh & { readonly site: string }>;

export const targetName = (target: string): string => target.replace(/^hardwarename=/, '');

export function jobDuration({ started_at, ended_at }: JobView): string {
  const from = readTime(started_at);
  if (from === 0) return '';
  return seconds(Math.max(0, (readTime(ended_at) || now.value) - from));
}

export function Jobs({ jobs, target = true }: { jobs: readonly JobView[]; target?: boolean }) {
  if (jobs.length === 0) return <Empty>No job.</Empty>;
  return (
    <Table
      label="Jobs"
      head={[
        'Job',
        ...(target ? ['Machine'] : []),
        ...(isFleet.value ? ['Site'] : []),
        'Status',
        'Step',
        'Asked',
        { figures: 'Took' },
        'By',
      ]}
    >
      {jobs.map((job) => (
        <tr key={job.id} class="pick" onClick={() => go(`/jobs/${job.id}`)}>
          <td>
            <a href={`/jobs/${job.id}`}>{job.action}</a>
          </td>
          {target && (
            <td class="mono">
              <a href={machinePath(targetName(job.target))}>{targetName(job.target)}</a>
            </td>
          )}
          {isFleet.value && (
            <td>
              {job.site} <JobFreshness of={job} />
            </td>
          )}
          <td>
            <Badge word={job.status} />
          </td>
          <td>{job.code ? <code title={job.detail}>{job.code}</code> : job.step}</td>
          <td>
            <When at={readTime(job.created_at)} />
          </td>
          <td class="number">{jobDuration(job)}</td>
          <td>
            <span class="on-phone">for </span>
            {job.requester}
          </td>
        </tr>
      ))}
    </Table>
  );
}

/** At central, where it is not current. */
export function JobFreshness({ of: { freshness = 'current', asOf = 0 } }: { of: JobView }) {
  return freshness === 'current' ? null : <Freshness of={{ freshness, asOf }} />;
}
