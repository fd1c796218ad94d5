/** How the machine is: its state and why, what has to happen next, and the boot that it is in. */
import type { Operations } from '../../client/operations.generated.ts';
import type { BootTimeline } from '../../inventory/timeline.ts';
import { seconds } from '../format.ts';
import { STEP_LABELS } from '../parts/boot-bar.tsx';
import { Facts, Panel, When } from '../parts/common.tsx';
import { useRead } from '../resource.ts';
import { machinePath } from '../router.ts';
import type { MachineView } from './types.ts';

export function Condition({
  machine,
  timeline,
}: {
  machine: MachineView;
  timeline?: BootTimeline;
}) {
  const { conflictWith, stateDeadlineAt } = machine;
  const other = conflictWith && <a href={machinePath(conflictWith)}>{conflictWith}</a>;
  return (
    <Panel title="How it is">
      {timeline?.stall && (
        <div class="note bad">
          <p>
            <b>{timeline.stall.cause}</b>
          </p>
          {timeline.stall.next}
        </div>
      )}
      <Facts
        of={[
          ['State', machine.state],
          ['Since', <When key="s" at={machine.stateAt} ago />],
          ['Because', machine.stateWhy],
          ['By', machine.stateBy],
          ['Next', machine.stateNext],
          ['Until', stateDeadlineAt ? <When key="u" at={stateDeadlineAt} /> : ''],
          ['Overdue', machine.overdue && 'It has waited for longer than this state may take.'],
          ['Conflict with', other],
          ['Protected', machine.protected && 'Its state cannot change until that is lifted.'],
        ]}
      />
      {timeline && <Steps timeline={timeline} />}
    </Panel>
  );
}

const MARKS = { done: '✓', running: '›', waiting: '', failed: '✕', skipped: '–' };

type Phases = Operations['GET /boots/{id}/phases']['answer'];
type Phase = Phases['phases'][number];

/** What boots of its model take for it, and whether this one took unusually long. */
function Usual({ phase }: { phase: Phase | undefined }) {
  if (!phase || phase.boots === 0) return null;
  const usual = `usually ${seconds(phase.medianMs)}`;
  return phase.slow ? (
    <b class="slow" title={`all but one in twenty took less than ${seconds(phase.p95Ms)}`}>
      {' '}
      slow: {usual}
    </b>
  ) : (
    <span class="usual"> {usual}</span>
  );
}

/** @param here this is the boot's own page */
export function Steps({ timeline, here = false }: { timeline: BootTimeline; here?: boolean }) {
  const { boot } = timeline;
  const usual = useRead<Phases>(
    `boots/${encodeURIComponent(boot)}/phases`,
    (event) => event.boot === boot,
  );
  const phaseOf = (name: string) => usual.value?.phases.find(({ phase }) => phase === name);
  const longest = Math.max(1, ...timeline.steps.map(({ tookMs = 0 }) => tookMs));
  return (
    <>
      <h3 class="spaced">
        {here ? 'Step by step' : <a href={`/boots/${timeline.boot}`}>Last boot</a>},{' '}
        <When at={timeline.startedAt} ago />
      </h3>
      <ol class="steps">
        {timeline.steps.map(({ name, state, tookMs, detail }) => (
          <li key={name} class={state}>
            <span class="mark" aria-hidden="true">
              {MARKS[state]}
            </span>
            <span>
              {STEP_LABELS[name]} <span class="spoken">{state}</span>
            </span>
            <span class="took">{tookMs === undefined ? '' : seconds(tookMs)}</span>
            <span class="track">
              <i style={{ width: `${(100 * (tookMs ?? 0)) / longest}%` }} />
            </span>
            <span class="detail">
              {detail}
              <Usual phase={phaseOf(name)} />
            </span>
          </li>
        ))}
      </ol>
    </>
  );
}
