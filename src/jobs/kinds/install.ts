/**
 * Jobs that install a machine: `install` takes one of the capacity, `reinstall` one in use whose owner has released it.
 *
 * The job arms a work order and sees that the machine takes it: one that waits in pxeimage hears of it at once and is not
 * power-cycled; any other boots from the network once, by its BMC. From then on it listens: the agent's progress keeps
 * it patient, the agent's failure ends a round and says whether another may help, silence ends it too. The order dies with
 * its round, so a machine that comes back later finds nothing to destroy. What was chosen for the job's first round (version
 * of the image, name) is what every round installs.
 *
 * Where the machine rests afterwards says whose fault it was: a request that could not be carried out leaves it as it was,
 * a machine that loops or whose disks are half written waits for a person, anything else is broken, with the cause.
 */

import type { z } from 'zod';
import type { ErrorCode } from '../../errors.ts';
import type { StoredEvent } from '../../events.ts';
import { codeOfAgent } from '../../inventory/work-report.ts';
import { limit } from '../../limits.ts';
import {
  defineJob,
  type End,
  type JobParams,
  later,
  type Move,
  type Step,
  type StepContext,
  step,
  wait,
} from '../definition.ts';
import { type InstallParams, installParams } from './install-params.ts';
import { discharge, look, powerOff, powerOnFresh, pxeOnce } from './steps.ts';

const MINUTE_MS = 60_000;
/** A server with much memory trains it for minutes; ten are more than any that was measured. */
export const BOOT_MS = 15 * MINUTE_MS;
/** The agent speaks every ten seconds. */
export const SILENCE_MS = 3 * MINUTE_MS;
const STARTED_MS = 20 * MINUTE_MS;
/** An image's own installer says nothing until it is done, and fetches its packages from wherever it was told. */
const INSTALLER_MS = 90 * MINUTE_MS;

export interface InstallPolicy {
  /**
   * How long a BMC may be silent before anything was done to its machine. Other jobs wait for an hour, because whoever asked
   * for them wants this machine; an install may take another one.
   */
  readonly bmcPatienceMs: number;
}
/** A machine that waits is always asking; one that was just told of a restart of ours asks again after five seconds. */
const ANSWER_MS = 8000;

export const quick = { timeoutMs: 10_000, withinMs: 5 * MINUTE_MS };

/**
 * What is to be installed, looked up once; the name and the role are the machine's from here on. A machine out of the capacity
 * had none before, one in use keeps what it has.
 */
const prepare = (fresh: boolean) =>
  step<JobParams>('prepare', {
    ...quick,
    run: async ({ work, job, machine, params }) =>
      work.prepareInstall({
        ...{ job, machine: machine.hardwarename, params: params as InstallParams },
      }),
    undo: async ({ work, machine }) => {
      if (fresh) work.restoreNames(machine.hardwarename, { hostname: '', role: '' });
    },
  });

const arm = step<JobParams>('arm', {
  ...quick,
  run: async ({ work, job, machine, params, outputs }) =>
    work.armInstall({
      ...{ job, machine: machine.hardwarename, params: params as InstallParams },
      prepared: outputs.prepare ?? {},
    }),
  undo: async ({ work, job }) => work.end(job, 'its job has ended'),
});

/** A machine that waits in pxeimage takes its work at its next question; it is not switched off for that. */
export const call = step<JobParams>('call', {
  ...quick,
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
export function cold(each: Step<JobParams>): Step<JobParams> {
  const isWarm = ({ outputs }: StepContext<JobParams>) => outputs.call?.warm === true;
  const { run, done, undo } = each;
  return {
    ...each,
    run: async (context) => (isWarm(context) ? { skipped: true } : run(context)),
    ...(done
      ? { done: async (context) => (isWarm(context) ? { skipped: true } : done(context)) }
      : {}),
    ...(undo ? { undo: async (context) => (isWarm(context) ? undefined : undo(context)) } : {}),
  };
}

function agentFailure(
  event: StoredEvent,
): { code: ErrorCode; detail: string; again: boolean } | undefined {
  if (event.name !== 'agent.failed') return undefined;
  const { code, step: at, detail, retry } = event.data;
  return { code: codeOfAgent(code), detail: `${at}: ${detail}`, again: retry };
}

export const agentFails = { event: 'agent.failed', cause: agentFailure } as const;

const stepsFor = ({ bmcPatienceMs }: InstallPolicy) => [
  arm,
  call,
  cold({ ...look, withinMs: bmcPatienceMs }),
  ...[powerOff, discharge, pxeOnce, powerOnFresh].map(cold),
  wait('taken', {
    withinMs: BOOT_MS,
    event: 'work.taken',
    since: 'arm',
    fails: agentFails,
    again: { from: 'arm', timesMax: 1 },
    overdue: {
      code: 'JOB_NO_EVENT',
      detail:
        'It was told to boot the installer and has not asked for its work; its timeline says how far it got.',
    },
  }),
  wait('installed', {
    withinMs: ({ prepare }) => (prepare?.installer === true ? INSTALLER_MS : SILENCE_MS),
    alive: { event: 'agent.progress', atMostMs: limit('workOrderMs') },
    event: 'agent.finished',
    since: 'arm',
    fails: agentFails,
    again: { from: 'arm', timesMax: 1 },
    overdue: {
      code: 'JOB_NO_EVENT',
      detail: 'Its agent fell silent in the middle of the install.',
    },
  }),
  wait('started', {
    withinMs: STARTED_MS,
    event: 'os.phoned-home',
    since: 'arm',
    overdue: {
      code: 'JOB_NO_EVENT',
      detail: 'It was installed and verified, and the installed system has not called home.',
    },
  }),
];

/** Faults of what was asked for, not of the machine. */
const ASKED_WRONGLY: readonly string[] = [
  ...['NOT_FOUND', 'REQUEST_INVALID', 'IMAGE_INCOMPLETE', 'HOSTNAME_TAKEN', 'NAMES_EXHAUSTED'],
  'DISK_AMBIGUOUS',
];

/** @param before where a machine goes back to on whose disks nothing was written */
function restOf(
  before: Move,
  { status, code, detail, destroyed, failures }: End,
): Move | undefined {
  if (status === 'finished') return undefined;
  if (code === 'WORK_LOOP') return { to: 'held', why: detail };
  if (status === 'cancelled')
    return destroyed
      ? { to: 'held', why: 'Its install was called off when its disks were being written.' }
      : before;
  if (!destroyed && ASKED_WRONGLY.includes(code)) return before;
  const times = failures > 0 ? ` (${failures + 1} installs in a row have failed)` : '';
  return { to: 'broken', why: `Its install failed: ${detail}${times}`.slice(0, 500) };
}

const common = {
  params: installParams as unknown as z.ZodType<JobParams>,
  interrupts: true,
  destructive: true,
  // One that waits in pxeimage needs none.
  needsBmc: false,
  onFinish: { to: 'in-use', why: 'The installed system has called home.' },
} as const;

export const installJob = (policy: InstallPolicy) =>
  defineJob<JobParams>('install', 1, {
    ...common,
    says: 'Installs an image on the machine and waits until the new system calls home.',
    allowedFrom: ['available'],
    steps: [prepare(true), ...stepsFor(policy)],
    onStart: { to: 'installing', why: 'An install job has claimed it.' },
    rest: (end) =>
      restOf({ to: 'available', why: 'Its install ended before a disk was touched.' }, end),
  });

export const reinstallJob = (policy: InstallPolicy) =>
  defineJob<JobParams>('reinstall', 1, {
    ...common,
    says: 'Installs a machine in use anew, under the name and the role that it has; its owner releases it.',
    allowedFrom: ['in-use'],
    steps: [prepare(false), ...stepsFor(policy)],
    onStart: { to: 'installing', why: 'Its owner has released it for a new install.' },
    rest: (end) =>
      restOf({ to: 'in-use', why: 'Its new install ended before a disk was touched.' }, end),
  });
