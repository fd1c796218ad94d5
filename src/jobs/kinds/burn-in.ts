/**
 * A job that burns a machine in: pxeimage has every processor compute, fills memory with patterns, reads every disk from end
 * to end, and says what it measured. Nothing is written to a disk, so a machine of the capacity stays what it is.
 *
 * What was measured is kept as the job's result. A machine that
 * is found faulty leaves the capacity; one that could not be tested stays where it is, because that says nothing about it.
 */
import { z } from 'zod';
import type { ErrorCode } from '../../errors.ts';
import { limit } from '../../limits.ts';
import type { Millis } from '../../wire/time.ts';
import { defineJob, type End, type JobParams, type Move, step } from '../definition.ts';
import { endWork, quick, takeWork, workDone } from './agent-work.ts';

const HOUR_MS = 3_600_000;

export const burnInParams = z.strictObject({
  cpuSeconds: z.number().int().min(0).max(86_400).default(600),
  memoryPercent: z.number().int().min(1).max(95).default(80).describe('Of what is free.'),
  memoryRounds: z.number().int().min(1).max(100).default(1).describe('Of four patterns each.'),
  diskPercent: z.number().int().min(0).max(100).default(100).describe('Of each disk, read.'),
}) as unknown as z.ZodType<JobParams>;

/** A large slow disk takes a day to read. */
const BURN_IN_MS = 48 * HOUR_MS;

const prepare = step<JobParams>('prepare', {
  ...quick,
  run: async ({ work, machine }) => ({ uefi: work.bootsByUefi(machine.hardwarename) }),
});

/** @param lines what is to be tested how; the job's own parameters when absent */
export const armBurnIn = (name: string, lines?: JobParams) =>
  step<JobParams>(name, {
    ...quick,
    run: async ({ work, job, machine, params, now }) =>
      work.arm({
        ...{ job, hardwarename: machine.hardwarename, purpose: 'burn-in' },
        detail: { lines: lines ?? params },
        expiresAt: (now() + limit('workOrderMs') + BURN_IN_MS) as Millis,
      }),
    undo: endWork,
  });

const keep = step<JobParams>('keep', {
  ...quick,
  run: async ({ work, job }) => work.result(job),
});

/** Until its agent has ended the burn-in that the step `since` has armed. */
export const testedSince = (since: string) =>
  workDone('tested', {
    since,
    atMostMs: BURN_IN_MS,
    silent: 'Its agent fell silent in the middle of the test.',
  });

/** What says that the machine is faulty, and not that it could not be tested. */
const BURN_IN_FAULTS: readonly (ErrorCode | '')[] = ['CPU_FAILED', 'MEMORY_FAILED', 'DISK_FAILED'];

function rest({ status, code, detail }: End): Move | undefined {
  if (status !== 'failed' || !BURN_IN_FAULTS.includes(code)) return undefined;
  return { to: 'broken', why: `Its burn-in found a fault: ${detail}`.slice(0, 500) };
}

export const burnIn = defineJob<JobParams>('burn-in', 1, {
  says: 'Burns the machine in: processors, memory, disks (read only); what was measured is its result.',
  params: burnInParams,
  allowedFrom: ['available', 'held'],
  interrupts: true,
  destructive: false,
  // One that waits in pxeimage needs none.
  needsBmc: false,
  steps: [
    prepare,
    armBurnIn('arm'),
    ...takeWork('It was told to boot pxeimage and has not asked for its work.'),
    testedSince('arm'),
    keep,
  ],
  rest,
});
