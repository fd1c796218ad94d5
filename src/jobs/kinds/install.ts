/**
 * Jobs that install a machine: `install` takes one of the capacity, `reinstall` one in use whose owner has released it.
 *
 * The work is the agent's (`agent-work.ts`). What was chosen for the job's first round (version of the image, name) is what
 * every round installs.
 *
 * Where the machine rests afterwards says whose fault it was: a request that could not be carried out leaves it as it was,
 * a machine that loops or whose disks are half written waits for a person, anything else is broken, with the cause.
 */

import type { z } from 'zod';
import { limit } from '../../limits.ts';
import { defineJob, type End, type JobParams, type Move, step, wait } from '../definition.ts';
import { endWork, quick, SILENCE_MS, takeWork, workDone } from './agent-work.ts';
import { type InstallParams, installParams } from './install-params.ts';

const MINUTE_MS = 60_000;
const STARTED_MS = 20 * MINUTE_MS;
/** An image's own installer says nothing until it is done, and fetches its packages from wherever it was told. */
const INSTALLER_MS = 90 * MINUTE_MS;

/** A server's firmware once more, and its new system. */
const USUAL_START_MS = 4 * MINUTE_MS;
/** What a plain disk writes, unpacked; and all that is done before and after the copy. */
const USUAL_BYTES_PER_MS = 150_000;
const USUAL_REST_MS = MINUTE_MS;

/** @param bytes of the image, unpacked */
const writeMs = (bytes: number) => bytes / USUAL_BYTES_PER_MS + USUAL_REST_MS;

export interface InstallPolicy {
  /**
   * How long a BMC may be silent before anything was done to its machine. Other jobs wait for an hour, because whoever asked
   * for them wants this machine; an install may take another one.
   */
  readonly bmcPatienceMs: number;
}
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

/** The order, and the static address that it installs: what the machine had before is in the log by now. */
const arm = step<JobParams>('arm', {
  ...quick,
  run: async ({ work, job, machine, params, outputs }) =>
    work.armInstall({
      ...{ job, machine: machine.hardwarename, params: params as InstallParams },
      prepared: outputs.prepare ?? {},
    }),
  undo: async (context) => {
    await endWork(context);
    const { work, job, machine, outputs } = context;
    const prepared = outputs.prepare ?? {};
    work.restoreAddress({ job, machine: machine.hardwarename, prepared });
  },
});

const stepsFor = ({ bmcPatienceMs }: InstallPolicy) => [
  arm,
  ...takeWork(
    'It was told to boot the installer and has not asked for its work; its timeline says how far it got.',
    bmcPatienceMs,
  ),
  workDone('installed', {
    usualMs: ({ prepare }) => writeMs(Number(prepare?.bytes ?? 0)),
    withinMs: ({ prepare }) => (prepare?.installer === true ? INSTALLER_MS : SILENCE_MS),
    atMostMs: limit('workOrderMs'),
    again: { from: 'arm', timesMax: 1 },
    silent: 'Its agent fell silent in the middle of the install.',
  }),
  wait('started', {
    withinMs: STARTED_MS,
    usualMs: USUAL_START_MS,
    event: 'os.phoned-home',
    since: 'arm',
    overdue: {
      code: 'JOB_NO_EVENT',
      detail: 'It was installed and verified, and the installed system has not called home.',
    },
  }),
];

/** Faults of what was asked for, not of the machine. */
export const ASKED_WRONGLY: readonly string[] = [
  ...['NOT_FOUND', 'REQUEST_INVALID', 'IMAGE_INCOMPLETE', 'HOSTNAME_TAKEN', 'NAMES_EXHAUSTED'],
  ...['DISK_AMBIGUOUS', 'ADDRESS_TAKEN'],
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
