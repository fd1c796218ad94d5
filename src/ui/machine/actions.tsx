/**
 * What this person may do with the machine. What is one tap (the lamp) is one tap; what changes its state asks for the reason
 * that will stand in its history; what may destroy data asks for its name.
 */
import { useState } from 'preact/hooks';
import type { Operations } from '../../client/operations.generated.ts';
import { post } from '../api.ts';
import { now } from '../feed.ts';
import { tellProblem } from '../notices.ts';
import { Panel } from '../parts/common.tsx';
import { useRead } from '../resource.ts';
import { isFleet, isSignedIn, may, signInOpen } from '../session.ts';
import { jobWords } from './calls.ts';
import { EditDialog } from './edit-dialog.tsx';
import { JobDialog, type JobKind } from './job-dialog.tsx';
import { type LampJob, lampOf } from './lamp.ts';
import { MoveDialog, type Transition } from './move-dialog.tsx';
import type { MachineView } from './types.ts';

type States = Operations['GET /states']['answer'];
type Open =
  | { readonly kind: 'edit' }
  | { readonly kind: 'move'; readonly row: Transition }
  | { readonly kind: 'job'; readonly job: JobKind };

const LAMP_SECONDS = 120;

export function Actions({ machine, reload }: { machine: MachineView; reload(): void }) {
  const [open, setOpen] = useState<Open | undefined>();
  const states = useRead<States>('states');
  // Which kinds of job there are, an appliance says.
  const kinds = useRead<{ kinds: readonly JobKind[] }>(isFleet.value ? '' : 'jobs/kinds');
  if (!may('technician', machine.squad) && !may('technician'))
    return (
      <Panel title="Actions">
        <p class="dim">
          {isSignedIn.value
            ? 'You may look at this machine, and change nothing of it.'
            : 'Sign in to do something with this machine.'}
        </p>
        {!isSignedIn.value && (
          <button
            type="button"
            class="primary"
            onClick={() => {
              signInOpen.value = true;
            }}
          >
            Sign in
          </button>
        )}
      </Panel>
    );
  const close = () => {
    setOpen(undefined);
    reload();
  };
  const moves = movesOf(states.value, machine);
  const jobs = jobsOf(kinds.value?.kinds, machine);
  return (
    <Panel title="Actions">
      <div class="action-list">
        <button type="button" onClick={() => setOpen({ kind: 'edit' })}>
          Place and names…
        </button>
        {moves.map((row) => (
          <button key={row.to} type="button" onClick={() => setOpen({ kind: 'move', row })}>
            {moveWords(row.to)}…
          </button>
        ))}
      </div>
      {jobs.length > 0 && <h3 class="spaced">Jobs</h3>}
      <div class="action-list">
        {jobs.map((job) => (
          <button
            key={job.action}
            type="button"
            class={job.destructive ? 'danger' : ''}
            onClick={() => setOpen({ kind: 'job', job })}
          >
            {jobWords(job.action)}…
          </button>
        ))}
      </div>
      {open?.kind === 'edit' && <EditDialog machine={machine} close={close} />}
      {open?.kind === 'move' && <MoveDialog machine={machine} row={open.row} close={close} />}
      {open?.kind === 'job' && <JobDialog machine={machine} job={open.job} close={close} />}
    </Panel>
  );
}

/** On and off by one tap each: somebody is walking towards it. Whoever else looks sees it lit, too. */
export function Lamp({ machine: { hardwarename, squad } }: { machine: MachineView }) {
  // As the appliance has it: whoever says where machines are may light them, whoever has the machine.
  const allowed = may('technician') || may('technician', squad);
  const asked = useRead<{ jobs: readonly LampJob[] }>(
    allowed ? `jobs?target=${encodeURIComponent(hardwarename)}&action=identify&limit=1` : '',
    (event) => event.hardwarename === hardwarename && event.name.startsWith('job.'),
  );
  if (!allowed) return null;
  const lamp = lampOf(asked.value?.jobs[0], now.value);
  const light = (seconds: number) =>
    post('jobs', { action: 'identify', target: hardwarename, params: { seconds } }).then(
      asked.reload,
      tellProblem,
    );
  return (
    <>
      {lamp.is === 'lit' && (
        <button type="button" aria-pressed="true" onClick={() => void light(0)}>
          Lamp off
        </button>
      )}
      {lamp.is === 'asked' && (
        <button type="button" aria-busy="true" onClick={() => void light(0)}>
          Lighting…
        </button>
      )}
      {(lamp.is === 'dark' || lamp.is === 'failed') && (
        <button type="button" class="primary" onClick={() => void light(LAMP_SECONDS)}>
          Light the lamp
        </button>
      )}
      <span class={lamp.is === 'failed' ? 'note bad' : 'spoken'} role="status">
        {lamp.is === 'failed' && `It was not lit: ${lamp.why}`}
        {lamp.is === 'lit' && 'The lamp is lit.'}
      </span>
    </>
  );
}

/** What a person may do from here, as far as the roles go. */
function movesOf(states: States | undefined, machine: MachineView): readonly Transition[] {
  return (states?.transitions ?? []).filter(({ from, to, by }) => {
    if (from !== machine.state || (by !== 'operator' && by !== 'owner')) return false;
    const technical = to === 'held' || to === 'broken';
    return by === 'owner'
      ? may('operator', machine.squad)
      : may(technical ? 'technician' : 'operator', machine.squad) || may('operator');
  });
}

function moveWords(to: string): string {
  const words: Readonly<Record<string, string>> = {
    ...{ held: 'Put on hold', broken: 'Call it broken', available: 'Make it available' },
    ...{ retired: 'Retire', recycling: 'Release' },
  };
  return words[to] ?? `To ${to}`;
}

function jobsOf(kinds: readonly JobKind[] = [], machine: MachineView): readonly JobKind[] {
  if (!may('operator', machine.squad)) return [];
  return kinds.filter(
    ({ action, allowedFrom }) => action !== 'identify' && allowedFrom.includes(machine.state),
  );
}
