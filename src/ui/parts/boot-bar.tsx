/** How far a boot has got, as a bar of its steps. */
import type { BootTimeline, StepName, TimelineStep } from '../../inventory/timeline.ts';
import { now } from '../feed.ts';
import { seconds } from '../format.ts';

export const STEP_LABELS: Readonly<Record<StepName, string>> = {
  ...{ offer: 'Offer', ack: 'Ack', tftp: 'TFTP', script: 'Script', kernel: 'Kernel' },
  ...{ initrd: 'Initrd', linux: 'Linux', recon: 'Recon', registered: 'Done' },
};

export function BootBar({ steps }: { steps: readonly TimelineStep[] }) {
  const reached = steps.findLast(({ state }) => state === 'done');
  const label = reached ? `Boot: reached ${STEP_LABELS[reached.name]}` : 'Boot: not answered yet';
  return (
    <span class="bar" role="img" aria-label={label}>
      {steps.map((step) => (
        <i key={step.name} class={step.state} title={`${STEP_LABELS[step.name]}: ${step.state}`} />
      ))}
    </span>
  );
}

/** What the machine is doing at this moment, or did last, in one line. */
export function bootLine(timeline: BootTimeline): string {
  const { steps, state } = timeline;
  const running = steps.findLast((step) => step.state === 'running' || step.state === 'failed');
  const last = running ?? steps.findLast((step) => step.state === 'done');
  if (!last) return 'has asked for an address';
  if (state === 'done' || state === 'over')
    return `booted in ${seconds(timeline.lastAt - timeline.startedAt)}`;
  return `${STEP_LABELS[last.name]}: ${last.detail || last.state}`;
}

export function Elapsed({ timeline: { startedAt, lastAt, state } }: { timeline: BootTimeline }) {
  const until = state === 'running' || state === 'stalled' ? now.value : lastAt;
  return <>{seconds(Math.max(0, until - startedAt))}</>;
}
