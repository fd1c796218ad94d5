/**
 * Where a machine rests when its job has ended, in the transaction of that end: a state that belongs to a job is never left
 * without one.
 */
import { AppError } from '../errors.ts';
import type { MachineState } from '../inventory/states.ts';
import type { End, JobDefinition } from './definition.ts';
import type { EngineOptions, Live } from './engine-parts.ts';
import type { Job } from './store.ts';

type Parts = Pick<EngineOptions, 'store' | 'kinds' | 'world' | 'machines' | 'destroyed'>;

/** As its kind says, unless somebody has moved the machine meanwhile: theirs is the newer word. */
export function settleMachine(
  parts: Parts,
  { job, definition, fold }: Pick<Live, 'job' | 'definition' | 'fold'>,
  ended: Pick<End, 'status' | 'code' | 'detail'>,
): void {
  const { onFinish, onFail, onCancel, rest } = definition;
  const usual = { finished: onFinish, failed: onFail, cancelled: onCancel }[ended.status];
  const facts = { destroyed: parts.destroyed(job.id), failures: parts.store.failuresInARow(job) };
  const move = rest?.({ ...ended, ...facts, outputs: fold.outputs }) ?? usual;
  if (!move) return;
  const state = parts.world.machine(job.target)?.state;
  if (state === undefined || !leftIn(definition).includes(state)) {
    const text = `It is ${state ?? 'gone'} by now, and is left there.`;
    parts.store.append(job, { is: 'noted', step: '', text });
    return;
  }
  try {
    const cause = { by: move.by ?? 'job', why: move.why, who: job.requester } as const;
    parts.machines.transition(job.target, move.to, cause);
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    parts.store.append(job, { is: 'noted', step: '', text: error.message });
  }
}

/**
 * The end of a job whose version this program does not have. Nobody can undo what it did: what its agent was to do is taken
 * back, and a machine that is in the state of such a job is held for a person.
 */
export function endWithoutKind(parts: Parts, job: Job): void {
  const { store, kinds, world, machines } = parts;
  const detail = `${job.kind} ${job.version} is not in this program.`;
  store.append(job, { is: 'ended', status: 'failed', code: 'JOB_VERSION', detail });
  world.work.end(job.id, 'its job has ended');
  const state = world.machine(job.target)?.state;
  const newest = kinds.newest(job.kind);
  const whileIt = newest ? [newest.onStart?.to] : JOB_STATES;
  if (state === undefined || !whileIt.includes(state) || !JOB_STATES.includes(state)) return;
  const why = `Its job could not be carried on: ${detail}`;
  machines.transition(job.target, 'held', { by: 'job', why, who: job.requester });
}

/** Those that a machine leaves by its job alone. */
const JOB_STATES: readonly (MachineState | undefined)[] = ['installing', 'recycling'];

/** The states that its machine may be in at the end of a job that nobody interfered with. */
function leftIn({ onStart, allowedFrom }: JobDefinition): readonly MachineState[] {
  return onStart ? [onStart.to] : allowedFrom;
}
