/** What the engine is handed, what it offers, and what it holds of each unfinished job. */
import type { EventStore } from '../inventory/event-store.ts';
import type { Machines } from '../inventory/machines.ts';
import type { JobDefinition, JobKinds } from './definition.ts';
import type { JobFold } from './fold.ts';
import type { Work } from './next.ts';
import type { JobMachine, JobTimers, JobWorld } from './ports.ts';
import type { SlotLimits } from './slots.ts';
import type { Job, JobStore } from './store.ts';

export interface EngineOptions {
  readonly store: JobStore;
  readonly kinds: JobKinds;
  readonly world: JobWorld;
  readonly timers: JobTimers;
  readonly events: Pick<EventStore, 'follow' | 'lastId' | 'pastGuests'>;
  readonly machines: Pick<Machines, 'transition'>;
  readonly limits: SlotLimits;
  /** Whether the job's work may have destroyed something on the machine's disks. */
  destroyed(job: string): boolean;
  /** Commits at once, and need not wait for the disk where `whenDurable` does. */
  transaction<T>(run: () => T): T;
  /** Calls back once everything committed so far is on disk; without it, `transaction` waits for that. */
  whenDurable?: ((done: (error?: Error) => void) => void) | undefined;
  /** What is no failure of a job but of this program. */
  onError(error: unknown, job?: string): void;
}

export interface Engine {
  /** Takes up every unfinished job. */
  start(): void;
  /** Begins nothing more, and waits for the steps that are running. */
  stop(): Promise<void>;
  /** Why the next step of a job has not begun; `undefined` when nothing keeps it, or it is running. */
  blockedBy(job: Job): string | undefined;
}

/** An unfinished job in memory. */
export interface Live {
  readonly job: Job;
  readonly definition: JobDefinition;
  fold: JobFold;
  /** As it was when it was last read: enough to see which slots it needs. */
  machine: JobMachine | undefined;
  /** A step of it is running here. */
  busy: boolean;
  /** What it would do, had it a slot. */
  work: Work | undefined;
  notes: number;
  cancelTimer: (() => void) | undefined;
}
