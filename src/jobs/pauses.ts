/**
 * The time that the queue is paused: it is nobody's fault, and no deadline of a step or of a wait counts it.
 *
 * Nothing is written to the jobs for that. The queue's row has the sum of all pauses that are over, so the sum until any
 * moment is known, after a restart too; an entry that sets a deadline says what the sum was then, and the deadline is later
 * by what has been added since. Pure.
 */
import type { Millis } from '../wire/time.ts';

export interface Pauses {
  /** 0: it runs. */
  readonly pausedAt: number;
  /** Of all pauses that are over. */
  readonly pausedMs: number;
}

/** How long the queue has been paused until now, in all. It grows with the time while a pause lasts. */
export function pausedUntil({ pausedAt, pausedMs }: Pauses, now: Millis): number {
  return pausedMs + (pausedAt > 0 ? Math.max(0, now - pausedAt) : 0);
}

/** A deadline as it was set, and the sum of all pauses until then. */
export interface Deadline {
  readonly deadlineAt: Millis;
  readonly pausedMs: number;
}

/** @param pausedMs the sum until now */
export function dueAt({ deadlineAt, pausedMs: before }: Deadline, pausedMs: number): Millis {
  return (deadlineAt + Math.max(0, pausedMs - before)) as Millis;
}
