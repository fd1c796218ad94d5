/**
 * What kinds have in common whose work is done by the agent in pxeimage: its order is armed, a machine that waits in pxeimage
 * takes it at its next question and is not switched off for that, any other is booted from the network once; then the agent
 * is listened to. Its progress keeps the job patient, its failure ends a round and says whether another may help, silence
 * ends it too. The order dies with its round, so a machine that comes back later finds nothing to do.
 */
import type { ErrorCode } from '../../errors.ts';
import type { StoredEvent } from '../../events.ts';
import { codeOfAgent } from '../../inventory/work-report.ts';
import { limit } from '../../limits.ts';
import {
  type JobParams,
  type JobStep,
  later,
  type Step,
  type StepContext,
  step,
  type Wait,
  wait,
} from '../definition.ts';
import { discharge, look, powerOff, powerOnFresh, pxeOnce } from './steps.ts';

const MINUTE_MS = 60_000;
/** A server with much memory trains it for minutes; ten are more than any that was measured. */
const BOOT_MS = 15 * MINUTE_MS;
/** From the power to the agent's work, of a server whose firmware trains and initialises what servers have. */
const USUAL_BOOT_MS = 4 * MINUTE_MS;
/** The agent speaks every ten seconds. */
export const SILENCE_MS = 3 * MINUTE_MS;
/** A machine that waits is always asking; one that was just told of a restart of ours asks again after five seconds. */
const ANSWER_MS = 8000;

/** Steps that write to our own records alone. */
export const quick = { timeoutMs: 10_000, withinMs: 5 * MINUTE_MS, usualMs: 0 };

export async function endWork({ work, job }: StepContext<JobParams>): Promise<void> {
  work.end(job, 'its job has ended');
}

const call = step<JobParams>('call', {
  ...quick,
  usualMs: 1000,
  async run({ work, job, machine, outputs, now, sinceAt }) {
    // pxeimage cannot become another kernel: an installer is always booted.
    if (outputs.prepare?.installer === true) return { warm: false };
    if (work.isTaken(job)) return { warm: true };
    if (!work.isListening(machine.hardwarename) || now() - sinceAt > ANSWER_MS)
      return { warm: false };
    return later(500, 'the waiting machine to take its work');
  },
});

/** Steps that only a machine needs that did not take its work where it waited. */
function cold(each: Step<JobParams>, usualMs: number): Step<JobParams> {
  const isWarm = ({ outputs }: StepContext<JobParams>) => outputs.call?.warm === true;
  const { run, done, undo } = each;
  return {
    ...each,
    usualMs: ({ call: called }) => (called?.warm === true ? 0 : usualMs),
    run: async (context) => (isWarm(context) ? { skipped: true } : run(context)),
    ...(done
      ? { done: async (context) => (isWarm(context) ? { skipped: true } : done(context)) }
      : {}),
    ...(undo ? { undo: async (context) => (isWarm(context) ? undefined : undo(context)) } : {}),
  };
}

/**
 * From the order that the step `arm` has armed until the machine has taken it; once again from there when it does not.
 * @param overdue what it means that it never asked for its work
 * @param lookMs how long a BMC may be silent before anything was done to its machine; as ever when absent
 */
export function takeWork(overdue: string, lookMs = look.withinMs): JobStep<JobParams>[] {
  const first = { ...look, withinMs: lookMs };
  return [
    call,
    cold(first, 1000),
    cold(powerOff, 5000),
    cold(discharge, limit('powerOffPauseMs')),
    cold(pxeOnce, 1000),
    cold(powerOnFresh, 5000),
    wait('taken', {
      withinMs: BOOT_MS,
      usualMs: ({ call: called }) => (called?.warm === true ? 1000 : USUAL_BOOT_MS),
      event: 'work.taken',
      since: 'arm',
      fails: agentFails,
      again: { from: 'arm', timesMax: 1 },
      overdue: { code: 'JOB_NO_EVENT', detail: overdue },
    }),
  ];
}

/** Until the agent has had its last word on the order that the step `since` has armed. */
export function workDone(
  name: string,
  {
    silent,
    atMostMs,
    since = 'arm',
    ...rest
  }: {
    /** What it means that nothing is heard of it. */
    readonly silent: string;
    /** However much is heard. */
    readonly atMostMs: number;
    readonly since?: string;
  } & Partial<Pick<Wait, 'withinMs' | 'again' | 'usualMs'>>,
): Wait {
  return wait(name, {
    withinMs: SILENCE_MS,
    alive: { event: 'agent.progress', atMostMs },
    event: 'agent.finished',
    since,
    fails: agentFails,
    overdue: { code: 'JOB_NO_EVENT', detail: silent },
    ...rest,
  });
}

const agentFails = { event: 'agent.failed', cause: agentFailure } as const;

function agentFailure(
  event: StoredEvent,
): { code: ErrorCode; detail: string; again: boolean } | undefined {
  if (event.name !== 'agent.failed') return undefined;
  const { code, step: at, detail, retry } = event.data;
  return { code: codeOfAgent(code), detail: `${at}: ${detail}`, again: retry };
}
