/**
 * The runner of jobs: asks `next.ts` what each unfinished job does next, and carries it out.
 *
 * It decides nothing and remembers nothing that the log does not say: killed at any moment, its successor reads the logs
 * and goes on. An entry is on disk before what it announces begins, and a result before what follows from it. There are
 * never more unfinished jobs than machines, so all of them are held here, folded.
 *
 * It is woken by the event feed, by its timers and, for what another process wrote, by a slow poll. Clock, timers and BMCs
 * are handed in, so that a simulated hour takes a second with this very code.
 */
import { AppError } from '../errors.ts';
import { limit } from '../limits.ts';
import type { Hardwarename } from '../wire/ids.ts';
import { beginAttempt, type Outcome } from './attempt.ts';
import { concludeAttempt, isLate, resultOf } from './conclude.ts';
import { type JobDefinition, waitMs } from './definition.ts';
import type { Engine, EngineOptions, Live } from './engine-parts.ts';
import { applyEntry, foldJob, type JobEntry } from './fold.ts';
import { type Moment, nextAction, type Work } from './next.ts';
import { dueAt, pausedUntil } from './pauses.ts';
import type { JobMachine } from './ports.ts';
import { createReadyList, type ReadyList } from './ready-list.ts';
import { endWithoutKind, settleMachine } from './rest.ts';
import { describeFailure } from './retry.ts';
import { createSlots, type Slots } from './slots.ts';
import type { AppendDetails, Job, QueueSwitch } from './store.ts';
import { judgeWait } from './waits.ts';

/** An attempt that is over, and whose code still has not ended, holds its BMC no longer than this. */
const ABANDONED_MS = 120_000;

export function createEngine(options: EngineOptions): Engine {
  return new Runner(options);
}

class Runner implements Engine {
  private readonly options: EngineOptions;
  private readonly slots: Slots;
  private readonly live = new Map<Hardwarename, Live>();
  private readonly ready: ReadyList = createReadyList();
  private readonly running = new Set<Promise<void>>();
  private queue: QueueSwitch;
  private stopped = false;
  private cursor = 0;
  private passDue = false;
  private readDue = false;
  private unfollow: (() => void) | undefined;
  private cancelPoll: (() => void) | undefined;

  constructor(options: EngineOptions) {
    this.options = options;
    this.queue = options.store.queue();
    this.slots = createSlots(options.limits);
  }

  start(): void {
    const { store, events } = this.options;
    this.cursor = events.lastId();
    this.queue = store.queue();
    this.unfollow = events.follow(() => this.readSoon(), 'machines');
    for (const job of store.unfinished()) this.take(job);
    this.poll();
  }

  async stop(): Promise<void> {
    this.stopped = true;
    this.unfollow?.();
    this.cancelPoll?.();
    for (const { cancelTimer } of this.live.values()) cancelTimer?.();
    await Promise.all(this.running);
  }

  blockedBy(job: Job): string | undefined {
    const live = this.live.get(job.target);
    if (!live?.work || live.job.number !== job.number) return undefined;
    const { pausedAt, who, why } = this.queue;
    if (pausedAt > 0) return `the queue, which ${who} has paused: ${why}`;
    return (live.machine && this.slots.blockedBy(live.machine)) ?? 'its turn';
  }

  private poll(): void {
    this.cancelPoll = this.options.timers.after(limit('jobPollMs'), () => {
      if (this.stopped) return;
      this.read();
      this.poll();
    });
  }

  /** Many commits at once are read once. */
  private readSoon(): void {
    if (this.readDue || this.stopped) return;
    this.readDue = true;
    this.options.timers.after(0, () => this.read());
  }

  private read(): void {
    this.readDue = false;
    if (this.stopped) return;
    try {
      this.readSignals();
    } catch (error) {
      // The one that could not be acted on is the next one to be read.
      this.options.onError(error);
    }
  }

  private readSignals(): void {
    const { store, events } = this.options;
    const count = 500;
    this.cursor = events.pastGuests(this.cursor);
    for (let page = store.signals(this.cursor, count); page.length > 0; ) {
      for (const { id, name, hardwarename } of page) {
        if (name === 'jobs.paused' || name === 'jobs.resumed') this.turned();
        else if (hardwarename !== undefined) this.onSignal(name, hardwarename);
        this.cursor = id;
      }
      page = page.length < count ? [] : store.signals(this.cursor, count);
    }
  }

  private turned(): void {
    this.queue = this.options.store.queue();
    this.passSoon();
  }

  private moment(): Moment {
    const now = this.options.timers.now();
    return { now, pausedMs: pausedUntil(this.queue, now) };
  }

  private onSignal(name: string, hardwarename: Hardwarename): void {
    const live = this.live.get(hardwarename);
    if (name === 'job.queued' || name === 'job.cancelling') {
      const job = this.options.store.unfinishedOf(hardwarename);
      if (job && live?.job.number !== job.number) this.take(job);
      else if (job && live) this.reload(live);
      return;
    }
    // It may stand where there is a place, by now.
    if (live?.work && name.startsWith('machine.')) {
      live.machine = this.options.world.machine(hardwarename);
      this.passSoon();
    }
    if (live?.fold.phase.at === 'waiting') this.advance(live);
  }

  private take(job: Job): void {
    this.guarded(job, () => {
      const { store, world } = this.options;
      const definition = this.definitionOf(job);
      if (!definition) {
        this.options.transaction(() => endWithoutKind(this.options, job));
        return;
      }
      const fold = foldJob(definition, store.logOf(job.number));
      const machine = world.machine(job.target);
      const rest = { busy: false, work: undefined, notes: 0, cancelTimer: undefined };
      const live: Live = { job, definition, fold, machine, ...rest };
      this.live.set(job.target, live);
      this.advance(live);
    });
  }

  /** @returns undefined also when the log tells of steps that the kind does not have */
  private definitionOf({ kind, version, number }: Job): JobDefinition | undefined {
    const definition = this.options.kinds.find(kind, version);
    const names = new Set(definition?.steps.map(({ name }) => name));
    const log = this.options.store.logOf(number);
    return log.every(
      ({ entry }) => !('step' in entry) || entry.step === '' || names.has(entry.step),
    )
      ? definition
      : undefined;
  }

  private reload(live: Live): void {
    this.guarded(live.job, () => {
      live.fold = foldJob(live.definition, this.options.store.logOf(live.job.number));
      this.advance(live);
    });
  }

  /** Goes on until the job runs, sleeps, waits or has ended. */
  private advance(live: Live): void {
    if (live.busy || this.stopped) return;
    live.cancelTimer?.();
    live.cancelTimer = undefined;
    this.ready.remove(live);
    live.work = undefined;
    this.guarded(live.job, () => {
      while (this.oneStep(live)) if (this.stopped) return;
    });
  }

  /** @returns whether there may be more to do at once */
  private oneStep(live: Live): boolean {
    const moment = this.moment();
    const { now, pausedMs } = moment;
    if (this.judged(live, moment)) return true;
    const action = nextAction(live.definition, live.fold, moment);
    switch (action.do) {
      case 'append':
        this.append(live, action.entry);
        return true;
      case 'begin-wait': {
        const { wait, cursor } = action;
        const deadlineAt = now + waitMs(wait, live.fold.outputs);
        this.append(live, { is: 'waiting', step: wait.name, cursor, deadlineAt, pausedMs });
        return true;
      }
      case 'sleep':
      case 'watch':
        live.cancelTimer = this.options.timers.after(action.until - now, () => this.advance(live));
        return false;
      case 'run':
      case 'undo':
        live.work = action;
        this.ready.add(live);
        this.passSoon();
        return false;
      case 'nothing':
        this.live.delete(live.job.target);
        return false;
    }
  }

  /** What a wait has come to, if to anything. */
  private judged(live: Live, moment: Moment): boolean {
    const judged = judgeWait(this.options.store, live, moment);
    if (!judged) return false;
    this.append(live, judged.entry, judged.details);
    return true;
  }

  private append(live: Live, entry: JobEntry, details: AppendDetails = {}): void {
    const { store, transaction, timers } = this.options;
    transaction(() => {
      const result = entry.is === 'ended' ? { result: resultOf(live.fold) } : {};
      store.append(live.job, entry, { ...details, ...result });
      if (entry.is === 'ended') settleMachine(this.options, live, entry);
    });
    live.fold = applyEntry(live.definition, live.fold, { at: timers.now(), entry });
  }

  private passSoon(): void {
    if (this.passDue || this.stopped) return;
    this.passDue = true;
    this.options.timers.after(0, () => this.pass());
  }

  /** Gives slots to those that are first in line and can use them. */
  private pass(): void {
    this.passDue = false;
    if (this.queue.pausedAt > 0 || this.stopped) return;
    for (const live of this.ready.inOrder()) {
      if (this.slots.isFull()) return;
      if (live.machine && !this.slots.areFree(live.machine)) continue;
      this.guarded(live.job, () => this.begin(live));
    }
  }

  /** Its machine may have another rack or BMC by now: what counts is the record of this moment, and the places of that one. */
  private begin(live: Live): void {
    const { work, job } = live;
    if (!work) return;
    const machine = this.options.world.machine(job.target);
    live.machine = machine;
    const slot = machine && this.slots.take(machine, job.id);
    if (machine && !slot) return;
    this.ready.remove(live);
    live.work = undefined;
    const release = () => {
      slot?.();
      this.passSoon();
    };
    try {
      this.appendStart(live, work);
    } catch (error) {
      release();
      throw error;
    }
    if (!machine) {
      const error = new AppError('MACHINE_UNKNOWN', { detail: job.target });
      this.conclude(live, work, { is: 'failed', error });
      this.advance(live);
      return;
    }
    live.busy = true;
    const over = this.onDisk()
      .then(() => this.carryOut(live, { work, machine, release }))
      .catch((error) => {
        release();
        live.busy = false;
        this.guarded(job, () => {
          throw error;
        });
      })
      .finally(() => this.running.delete(over));
    this.running.add(over);
  }

  /** That a step has begun is on disk before it does anything, and with it everything that was written before. */
  private onDisk(): Promise<void> {
    const { whenDurable } = this.options;
    if (!whenDurable) return Promise.resolve();
    return new Promise((resolve, reject) =>
      whenDurable((error) => (error ? reject(error) : resolve())),
    );
  }

  private async carryOut(
    live: Live,
    { work, machine, release }: { work: Work; machine: JobMachine; release(): void },
  ): Promise<void> {
    // What has not begun is begun by the successor, who reads that it was going to.
    if (this.stopped) return release();
    const { outcome, settled } = this.attempt(live, work, machine);
    settled.then(release);
    const result = await outcome;
    if (isLate(result)) this.options.timers.after(ABANDONED_MS, release);
    live.busy = false;
    this.guarded(live.job, () => this.conclude(live, work, result));
    this.advance(live);
  }

  private attempt(live: Live, work: Work, machine: JobMachine) {
    const { world, timers, transaction } = this.options;
    const { name } = work.step;
    live.notes = 0;
    const { outputs, inDoubt } = live.fold;
    const sinceAt = live.fold.anchors[name]?.at ?? timers.now();
    return beginAttempt({
      ...{ job: live.job.id, step: work.step, machine, world, timers, transaction },
      requester: live.job.requester,
      how: work.do === 'undo' ? 'undo' : work.ask ? 'ask-then-run' : 'run',
      facts: { params: live.job.params, outputs, inDoubt, sinceAt },
      note: (text) => {
        live.notes += 1;
        if (live.notes > limit('jobNotesPerStepMax')) return;
        this.append(live, { is: 'noted', step: name, text: text.slice(0, 500) });
      },
    });
  }

  private appendStart(live: Live, { do: what, step, attempt }: Work): void {
    const { name } = step;
    if (what === 'undo') {
      this.append(live, { is: 'undoing', step: name, attempt });
      return;
    }
    const { now, pausedMs } = this.moment();
    const anchor = live.fold.anchors[name];
    const deadlineAt = anchor ? dueAt(anchor, pausedMs) : now + step.withinMs;
    const cursor = this.options.events.lastId();
    this.append(live, { is: 'started', step: name, attempt, cursor, deadlineAt, pausedMs });
  }

  private conclude(live: Live, work: Work, outcome: Outcome): void {
    const { timers, store } = this.options;
    const { code } = outcome.is === 'failed' ? describeFailure(outcome.error) : { code: '' };
    if (outcome.is === 'failed' && code === 'INTERNAL')
      this.options.onError(outcome.error, live.job.id);
    const lastCode = outcome.is === 'failed' ? store.lastCode(live.job.bmc) : '';
    const facts = { ...this.moment(), random: timers.random(), lastCode };
    const { entry, details } = concludeAttempt(live.fold, { work, outcome, ...facts });
    this.append(live, entry, details);
  }

  /** A fault of ours or of the disk costs one job a pause, not the engine: it is read anew and goes on from its log. */
  private guarded(job: Job, run: () => void): void {
    try {
      run();
    } catch (error) {
      this.options.onError(error, job.id);
      if (this.stopped) return;
      this.options.timers.after(limit('jobPollMs'), () => this.readAnew(job));
    }
  }

  private readAnew(job: Job): void {
    if (this.stopped) return;
    const live = this.live.get(job.target);
    if (live?.job.number === job.number) {
      if (!live.busy) this.reload(live);
      return;
    }
    // It went wrong before it was in hand.
    this.guarded(job, () => {
      const left = this.options.store.unfinishedOf(job.target);
      if (left?.number === job.number) this.take(left);
    });
  }
}
