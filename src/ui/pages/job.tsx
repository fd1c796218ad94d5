/** One job as it goes: its steps with their times, what it waits for, and its log as it is written. */
import { useState } from 'preact/hooks';
import type { Operations } from '../../client/operations.generated.ts';
import { post } from '../api.ts';
import { changeWords } from '../asked-words.ts';
import { readTime, seconds } from '../format.ts';
import { jobWords } from '../machine/calls.ts';
import { tell } from '../notices.ts';
import { Badge, Dialog, Facts, Panel, Reading, Title, When } from '../parts/common.tsx';
import { JobFreshness, type JobView, jobDuration, targetName } from '../parts/job-list.tsx';
import { useRead } from '../resource.ts';
import { machinePath } from '../router.ts';
import { may, session } from '../session.ts';
import '../styles/machine.css';

type Detail = Operations['GET /jobs/{id}']['answer'] & { readonly job: JobView };

export function JobPage({ id }: { id: string }) {
  const detail = useRead<Detail>(
    `jobs/${id}`,
    ({ name, data }) => name.startsWith('job.') && 'job' in data && data.job === id,
  );
  if (!detail.value)
    return (
      <>
        <Title>Job</Title>
        <Reading of={detail} />
      </>
    );
  const { job, waiting_for, waiting_until, remaining_seconds, cancelling } = detail.value;
  const guess = detail.value.remaining_is_guess ? ', by guess' : '';
  const name = targetName(job.target);
  return (
    <>
      <Title beside={job.ended_at === null && <Cancel job={job} reload={detail.reload} />}>
        {jobWords(job.action)} <a href={machinePath(name)}>{name}</a> <Badge word={job.status} />
      </Title>
      <Reading of={detail} />
      {job.code !== '' && (
        <div class="note bad">
          <b>{job.code}</b> {job.detail}
        </div>
      )}
      {cancelling && <p class="note hold">It is being called off: what it changed is undone.</p>}
      <div class="panels">
        <Panel title="Steps">
          <StepList detail={detail.value} />
        </Panel>
        <Panel title="About it">
          <Facts
            of={[
              ['Waits for', waiting_for],
              ['Until', waiting_until ? <When key="u" at={readTime(waiting_until)} /> : ''],
              [
                'Remaining',
                remaining_seconds === null
                  ? ''
                  : `about ${seconds(remaining_seconds * 1000)}${guess}`,
              ],
              ['Took', jobDuration(job)],
              ['Asked by', job.requester],
              ['For', job.user === job.requester ? '' : job.user],
              ['Repeats', job.retries === 0 ? '' : String(job.retries)],
              [
                'Parameters',
                Object.keys(job.params).length > 0 && (
                  <code key="p">{JSON.stringify(job.params)}</code>
                ),
              ],
              ['Result', job.result !== null && <code key="r">{JSON.stringify(job.result)}</code>],
              [
                'Site',
                job.site && (
                  <span key="s">
                    {job.site} <JobFreshness of={job} />
                  </span>
                ),
              ],
              ['Id', <code key="i">{job.id}</code>],
            ]}
          />
        </Panel>
        <Panel title="Log" wide>
          <ol class="history" aria-live="polite">
            {detail.value.log.toReversed().map(({ seq, at, entry }) => (
              <li key={seq}>
                <When at={readTime(at)} />
                <div>{entryWords(entry)}</div>
              </li>
            ))}
          </ol>
        </Panel>
      </div>
    </>
  );
}

const MARKS: Readonly<Record<string, string>> = {
  ...{ succeeded: '✓', done: '✓', failed: '✕', running: '›', waiting: '›', undone: '↶' },
};
const CLASSES: Readonly<Record<string, string>> = {
  ...{ succeeded: 'done', done: 'done', failed: 'failed', running: 'running', waiting: 'running' },
};

function StepList({ detail: { steps } }: { detail: Detail }) {
  const tookMs = (step: Detail['steps'][number]) =>
    step.started_at && step.ended_at ? readTime(step.ended_at) - readTime(step.started_at) : 0;
  const longest = Math.max(1, ...steps.map(tookMs));
  return (
    <ol class="steps job-steps">
      {steps.map((step) => (
        <li key={step.name} class={CLASSES[step.status] ?? 'waiting'}>
          <span class="mark" aria-hidden="true">
            {MARKS[step.status] ?? ''}
          </span>
          <span>{step.name}</span>
          <span class="took">{step.ended_at ? seconds(tookMs(step)) : ''}</span>
          <span class="track">
            <i style={{ width: `${(100 * tookMs(step)) / longest}%` }} />
          </span>
          <span class="detail">
            {step.status}
            {step.attempts > 1 ? `, attempt ${step.attempts}` : ''}
          </span>
        </li>
      ))}
    </ol>
  );
}

function entryWords(entry: Readonly<Record<string, unknown>>): string {
  return Object.entries(entry)
    .filter(([, value]) => value !== '' && value !== null && value !== undefined)
    .map(([key, value]) => `${key} ${typeof value === 'object' ? JSON.stringify(value) : value}`)
    .join(', ');
}

function Cancel({ job, reload }: { job: Detail['job']; reload(): void }) {
  const [open, setOpen] = useState(false);
  const [failed, setFailed] = useState('');
  if (!may('operator') && session.value?.who !== job.requester) return null;
  const cancel = async (event: Event) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget as HTMLFormElement);
    try {
      const answer = await post(`jobs/${job.id}/cancel`, { why: String(form.get('why')).trim() });
      tell(changeWords(answer.body, 'It is being called off.'), 'good');
      setOpen(false);
      reload();
    } catch (error) {
      setFailed((error as Error).message);
    }
  };
  return (
    <>
      <button type="button" class="danger" onClick={() => setOpen(true)}>
        Call it off…
      </button>
      {open && (
        <Dialog title="Call this job off" onClose={() => setOpen(false)}>
          <form class="form" onSubmit={cancel}>
            <p>What it has changed is undone first.</p>
            <label>
              Why
              <input name="why" required />
            </label>
            {failed !== '' && (
              <p class="note bad" role="alert">
                {failed}
              </p>
            )}
            <button type="submit" class="danger">
              Call it off
            </button>
          </form>
        </Dialog>
      )}
    </>
  );
}
