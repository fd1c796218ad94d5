/**
 * Where jobs are asked for, looked at and called off: everything that the API, the command line and other parts of the
 * appliance may do with jobs. It checks, writes and answers; running them is the engine's.
 *
 * Each write happens inside the caller's transaction, with its event. Who may do it is the caller's question.
 */
import { randomUUID } from 'node:crypto';
import type { Database } from 'better-sqlite3';
import { AppError } from '../errors.ts';
import type { EventStore } from '../inventory/event-store.ts';
import type { MachineRecord } from '../inventory/machine-fields.ts';
import type { Machines } from '../inventory/machines.ts';
import { needsRelease } from '../inventory/states.ts';
import type { Hardwarename } from '../wire/ids.ts';
import { issueOf } from '../wire/schema.ts';
import type { Clock, Millis } from '../wire/time.ts';
import type { JobDefinition, JobKinds, JobParams } from './definition.ts';
import { pausedUntil } from './pauses.ts';
import { describeJob, type JobProgress } from './progress.ts';
import { type JobStats, openJobStats } from './stats.ts';
import { type Job, type JobStore, openJobStore, type QueueSwitch } from './store.ts';

export interface JobRequest {
  readonly action: string;
  readonly target: Hardwarename;
  readonly params?: unknown;
  /** Higher goes first; 0 is usual. */
  readonly priority?: number | undefined;
  readonly requester: string;
  /** For whom; the requester when absent. */
  readonly user?: string | undefined;
  /** The hardwarename of a machine in use: its owner's word. */
  readonly release?: string | undefined;
}

export interface JobDesk {
  readonly store: JobStore;
  readonly kinds: JobKinds;
  readonly stats: JobStats;
  /**
   * @throws AppError REQUEST_INVALID, MACHINE_UNKNOWN, JOB_STATE, JOB_EXISTS, MACHINE_PROTECTED, RELEASE_NEEDED, BMC_MISSING
   */
  create(request: JobRequest): Job;
  /** Asks it to stop; what it changed is undone first. Twice is as once. @throws AppError NOT_FOUND, JOB_ENDED */
  cancel(id: string, cause: { who: string; why: string }): Job;
  /** @throws AppError NOT_FOUND */
  get(id: string): Job;
  progress(job: Job): JobProgress;
  pause(cause: { who: string; why: string }): QueueSwitch;
  resume(cause: { who: string; why: string }): QueueSwitch;
  /** The engine's word on what keeps a job; set when there is one. */
  blockedBy: (job: Job) => string | undefined;
}

export interface DeskParts {
  readonly db: Database;
  readonly clock: Clock;
  readonly events: EventStore;
  readonly machines: Pick<Machines, 'record' | 'transition'>;
  readonly kinds: JobKinds;
  /** When the machine of this job says that it will be done with what it copies, and at its pace with all of its work. */
  endsOf?(job: string): { copyAt: Millis | undefined; workAt: Millis | undefined };
  /** In the transaction in which a job is called off. */
  onCancel?(job: Job): void;
}

export function openJobDesk(parts: DeskParts): JobDesk {
  const { db, clock, events, machines, kinds } = parts;
  const stats = openJobStats(db, clock);
  const kept = openJobStore(db, clock, events);
  const store: JobStore = {
    ...kept,
    append(job, entry, details) {
      kept.append(job, entry, details);
      if (entry.is === 'ended' || details?.durationMs !== undefined) stats.touched(job);
    },
  };
  const kindsWith = (step: string, but: string): string[] =>
    kinds
      .list()
      .filter(({ kind, steps }) => kind !== but && steps.some(({ name }) => name === step))
      .map(({ kind }) => kind);
  const get = (id: string): Job => {
    const job = store.byId(id);
    if (!job) throw new AppError('NOT_FOUND', { detail: `No job ${id.slice(0, 64)}.` });
    return job;
  };
  const turn = (name: 'jobs.paused' | 'jobs.resumed', cause: { who: string; why: string }) => {
    const [now, before] = [clock(), store.queue()];
    const paused = name === 'jobs.paused';
    const pausedMs = paused ? before.pausedMs : pausedUntil(before, now);
    store.setQueue({ pausedAt: paused ? before.pausedAt || now : 0, pausedMs, ...cause });
    events.append({ name, data: cause });
    return store.queue();
  };
  const desk: JobDesk = {
    ...{ store, kinds, stats, get },
    create(request) {
      const definition = kinds.newest(request.action);
      if (!definition) throw unknownKind(request.action, kinds);
      const machine = machines.record(request.target);
      if (!machine) throw new AppError('MACHINE_UNKNOWN', { detail: request.target.slice(0, 64) });
      assertAllowed(definition, machine, request.release);
      const params = parseParams(definition, request.params ?? {});
      const other = store.unfinishedOf(machine.hardwarename);
      if (other) {
        const detail = `${other.kind} ${other.id} is ${other.status}.`;
        throw new AppError('JOB_EXISTS', { detail, more: { job: other.id } });
      }
      const { requester, user = requester, priority = 0 } = request;
      const { kind, version, onStart } = definition;
      const { hardwarename: target, bmcAddress: bmc, hardwareType } = machine;
      const who = { requester, user, priority, bmc, hardwareType };
      const job = store.insert({ id: randomUUID(), kind, version, target, params, ...who });
      // One that was released before, by hand, is there already.
      if (onStart && machine.state !== onStart.to)
        machines.transition(target, onStart.to, {
          ...{ by: onStart.by ?? 'job', why: onStart.why, who: requester },
        });
      return job;
    },
    cancel(id, { who, why }) {
      const job = get(id);
      if (job.endedAt > 0) throw new AppError('JOB_ENDED', { detail: `It is ${job.status}.` });
      const asked = store.logOf(job.number).some(({ entry }) => entry.is === 'cancelling');
      if (!asked) {
        store.append(job, { is: 'cancelling', who, why });
        // From this commit on nothing of it is served, however long its undoing takes.
        parts.onCancel?.(job);
      }
      return get(id);
    },
    progress(job) {
      const now = clock();
      const ends = parts.endsOf?.(job.id);
      const left = (at: Millis | undefined) =>
        at === undefined ? undefined : Math.max(0, at - now);
      return describeJob(job, {
        definition: kinds.find(job.kind, job.version),
        log: store.logOf(job.number),
        now,
        pausedMs: pausedUntil(store.queue(), now),
        blocked: desk.blockedBy(job),
        medianMs: (step) => stats.medianMs(job.kind, step, job.hardwareType),
        medianElsewhereMs: (step) => stats.medianOfAnyMs(kindsWith(step, job.kind), step),
        ownMs: left(ends?.copyAt),
        pacedMs: left(ends?.workAt),
      });
    },
    pause: (cause) => turn('jobs.paused', cause),
    resume: (cause) => turn('jobs.resumed', cause),
    blockedBy: () => undefined,
  };
  return desk;
}

function unknownKind(action: string, kinds: JobKinds): AppError {
  const known = kinds.list().map(({ kind }) => kind);
  const detail = `No job is called ${action.slice(0, 64)}; there are: ${known.join(', ')}.`;
  return new AppError('REQUEST_INVALID', { detail, path: '/action' });
}

function assertAllowed(
  { kind, allowedFrom, interrupts, needsBmc = true }: JobDefinition,
  machine: MachineRecord,
  release: string | undefined,
): void {
  const { hardwarename, state, bmcAddress } = machine;
  if (!allowedFrom.includes(state)) {
    const detail = `${hardwarename} is ${state}; ${kind} is for machines that are: ${allowedFrom.join(', ')}.`;
    throw new AppError('JOB_STATE', { detail });
  }
  if (interrupts && machine.protected)
    throw new AppError('MACHINE_PROTECTED', { detail: hardwarename });
  if (interrupts && needsRelease(state) && release !== hardwarename) {
    const called = machine.hostname ? `, ${machine.hostname},` : '';
    const detail = `${hardwarename}${called} is ${machine.squad || 'somebody'}'s.`;
    throw new AppError('RELEASE_NEEDED', { detail });
  }
  if (needsBmc && bmcAddress === '') throw new AppError('BMC_MISSING', { detail: hardwarename });
}

function parseParams({ params }: JobDefinition, given: unknown): JobParams {
  const parsed = params.safeParse(given);
  if (parsed.success) return parsed.data;
  const { path, message } = issueOf(parsed.error);
  throw new AppError('REQUEST_INVALID', {
    detail: message,
    path: `/${['params', ...path].join('/')}`,
  });
}
