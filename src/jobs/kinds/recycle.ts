/**
 * The job that takes a machine back: `recycle` has every disk erased in pxeimage, and the machine is capacity again only when
 * that is proven.
 *
 * It goes the way of an install: an order is armed, a machine that waits in pxeimage takes it at once, any other boots from
 * the network. The agent's last word counts only as far as the certificate does that is made with it: an agent that says all
 * went well, of disks that are not all proven clean, has failed. A machine that failed is broken, with the disk and the
 * reason; nobody gets it before it was repaired.
 */
import { z } from 'zod';
import { limit } from '../../limits.ts';
import { LEVELS, type Level } from '../../recycle/methods.ts';
import type { Millis } from '../../wire/time.ts';
import { defineJob, type End, type JobParams, type Move, step, wait } from '../definition.ts';
import { BURN_IN_MS, burnInParams, testedSince } from './burn-in.ts';
import { agentFails, call, cold } from './install.ts';
import { discharge, look, powerOff, powerOnFresh, pxeOnce } from './steps.ts';

const MINUTE_MS = 60_000;
const BOOT_MS = 15 * MINUTE_MS;
/** The agent speaks every ten seconds. */
const SILENCE_MS = 3 * MINUTE_MS;

const quick = { timeoutMs: 10_000, withinMs: 5 * MINUTE_MS };

export interface RecyclePolicy {
  /** What every disk must reach, unless a job says otherwise. */
  readonly level: Level;
  /** Burn it in before it is capacity again. */
  readonly burnIn?: boolean;
}

const paramsFor = ({ level }: RecyclePolicy) =>
  z.strictObject({
    level: z.enum(LEVELS).default(level).describe('NIST SP 800-88: what every disk must reach'),
    samples: z.number().int().min(16).max(2000).default(200).describe('Blocks of each disk'),
    verify: z
      .enum(['sample', 'full'])
      .default('sample')
      .describe('full: after an overwrite, every block is read back'),
    clearTpm: z.boolean().default(true),
    clearBootEntries: z.boolean().default(true).describe('Of UEFI, those that lead to disks'),
  });
export type RecycleParams = z.output<ReturnType<typeof paramsFor>>;

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
  undo: async ({ work, job }) => work.end(job, 'its job has ended'),
});

const settle = step<JobParams>('settle', {
  ...quick,
  run: async ({ work, job, machine }) => {
    work.takeBack(job, machine.hardwarename);
    return undefined;
  },
});

/** In the same pxeimage, which asks what to do next as soon as its disks are clean. */
const armBurnIn = step<JobParams>('arm-burn-in', {
  ...quick,
  run: async ({ work, job, machine, now }) =>
    work.arm({
      ...{ job, hardwarename: machine.hardwarename, purpose: 'burn-in' },
      detail: { lines: burnInParams.parse({}) },
      expiresAt: (now() + limit('workOrderMs') + BURN_IN_MS) as Millis,
    }),
  undo: async ({ work, job }) => work.end(job, 'its job has ended'),
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
      call,
      ...[look, powerOff, discharge, pxeOnce, powerOnFresh].map(cold),
      wait('taken', {
        withinMs: BOOT_MS,
        event: 'work.taken',
        since: 'arm',
        fails: agentFails,
        again: { from: 'arm', timesMax: 1 },
        overdue: {
          code: 'JOB_NO_EVENT',
          detail:
            'It was told to boot into pxeimage and has not asked for its work; its timeline says how far it got.',
        },
      }),
      wait('erased', {
        withinMs: SILENCE_MS,
        alive: { event: 'agent.progress', atMostMs: limit('recycleMs') },
        event: 'agent.finished',
        since: 'arm',
        fails: agentFails,
        overdue: {
          code: 'JOB_NO_EVENT',
          detail: 'Its agent fell silent while its disks were being erased.',
        },
      }),
      settle,
      ...(policy.burnIn ? [armBurnIn, testedSince('arm-burn-in')] : []),
    ],
    onStart: { to: 'recycling', by: 'owner', why: 'Its owner has released it.' },
    onFinish: { to: 'available', why: 'Every disk is proven clean.' },
    rest: restOf,
  });
