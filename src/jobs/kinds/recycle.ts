/**
 * The job that takes a machine back: `recycle` has every disk erased in pxeimage, and the machine is capacity again only when
 * that is proven.
 *
 * It goes the way of an install: an order is armed, a machine that waits in pxeimage takes it at once, any other boots from
 * the network. The agent's last word counts only as far as the certificate does that is made with it: an agent that says all
 * went well, of disks that are not all proven clean, has failed. A machine that failed is broken, with the disk and the
 * reason; nobody gets it before it was repaired.
 */
import type { z } from 'zod';
import { AppError } from '../../errors.ts';
import { limit } from '../../limits.ts';
import {
  defineJob,
  type End,
  type JobParams,
  type Move,
  type Output,
  type StepContext,
  step,
} from '../definition.ts';
import { endWork, quick, takeWork, workDone } from './agent-work.ts';
import { accountOf, managed } from './bmc-accounts.ts';
import { armBurnIn, burnInParams, testedSince } from './burn-in.ts';
import { paramsFor, type RecycleParams, type RecyclePolicy } from './recycle-params.ts';
import { ATTEMPT_MS, BMC_WITHIN_MS } from './steps.ts';

const prepare = step<JobParams>('prepare', {
  ...quick,
  run: async ({ work, machine }) => work.prepareRecycle(machine.hardwarename),
});

const arm = step<JobParams>('arm', {
  ...quick,
  run: async ({ work, job, machine, params, requester }) =>
    work.armRecycle({
      ...{ job, machine: machine.hardwarename, params: params as RecycleParams, requester },
    }),
  undo: endWork,
});

/** Whoever had the machine could make accounts on its BMC, from inside and without a password. */
const closeBmcUsers = (policy: RecyclePolicy) =>
  step<JobParams>('bmc-users', {
    timeoutMs: ATTEMPT_MS,
    withinMs: BMC_WITHIN_MS,
    run: (context) => closeOthers(policy, context),
  });

async function closeOthers(
  { site = '', keepBmcUsers = [] }: RecyclePolicy,
  context: StepContext<JobParams>,
): Promise<Output> {
  const { machine, params } = context;
  // A job from before there was this parameter has none.
  if (params.bmcUsers !== 'close' || machine.bmcAddress === '') return { skipped: true };
  const wayIn = machine.bmcCredential || site;
  if (wayIn === '') {
    const detail =
      'Neither the machine nor jobs.bmcSetup.credential names the login that is to stay.';
    throw new AppError('BMC_MISSING', { detail });
  }
  const ours = [wayIn, site].flatMap((name) => (name === '' ? [] : accountOf(context, name)));
  const closed = await context.withBmc(
    async (bmc) => managed(bmc.accounts).closeOthers([...ours, ...keepBmcUsers]),
    wayIn,
  );
  if (closed.length > 0) context.note(`closed on its BMC: ${closed.join(', ')}`.slice(0, 500));
  return { closed: closed.length };
}

const settle = step<JobParams>('settle', {
  ...quick,
  run: async ({ work, job, machine }) => {
    work.takeBack(job, machine.hardwarename);
    return undefined;
  },
});

function restOf({ status, code, detail, destroyed, outputs }: End): Move | undefined {
  if (status === 'finished') return undefined;
  if (status === 'failed' && code !== '' && ['CPU_FAILED', 'MEMORY_FAILED'].includes(code))
    return { to: 'broken', why: `Its burn-in found a fault: ${detail}`.slice(0, 500) };
  if (outputs.settle) {
    // It is proven clean, and nobody's.
    if (status === 'cancelled')
      return { to: 'held', why: 'Every disk is proven clean; its burn-in was called off.' };
    const why = `Every disk is proven clean; it could not be proven sound: ${detail || code}`;
    return { to: 'broken', why: why.slice(0, 500) };
  }
  // Nothing was erased: it is still to be.
  if (status === 'cancelled' && !destroyed) return undefined;
  const why =
    status === 'cancelled'
      ? 'Its recycling was called off when its disks were being erased.'
      : `It could not be proven clean: ${detail || code}`;
  return { to: 'broken', why: why.slice(0, 500) };
}

/** With a burn-in at the end it is another version: a job keeps the steps that it began with, whatever the key says later. */
export const recycleJob = (policy: RecyclePolicy) =>
  defineJob<JobParams>('recycle', policy.burnIn ? 2 : 1, {
    says: 'Takes a machine back: erases every disk, proves it, and makes it capacity again; its owner releases it.',
    params: paramsFor(policy) as unknown as z.ZodType<JobParams>,
    // On hold: one that was repaired, or taken out in the middle, and may hold data.
    allowedFrom: ['in-use', 'recycling', 'held'],
    interrupts: true,
    destructive: true,
    // One that waits in pxeimage needs none.
    needsBmc: false,
    steps: [
      prepare,
      arm,
      ...takeWork(
        'It was told to boot into pxeimage and has not asked for its work; its timeline says how far it got.',
      ),
      workDone('erased', {
        atMostMs: limit('recycleMs'),
        silent: 'Its agent fell silent while its disks were being erased.',
      }),
      closeBmcUsers(policy),
      settle,
      // In the same pxeimage, which asks what to do next as soon as its disks are clean.
      ...(policy.burnIn
        ? [armBurnIn('arm-burn-in', burnInParams.parse({})), testedSince('arm-burn-in')]
        : []),
    ],
    onStart: { to: 'recycling', by: 'owner', why: 'Its owner has released it.' },
    onFinish: { to: 'available', why: 'Every disk is proven clean.' },
    rest: restOf,
  });
