/**
 * How long ended jobs are kept: so many days, and so many of them at most. What goes is the row with its log, its steps'
 * times and its work; the newest burn-in of each machine stays, because it says what is known of its parts. Unfinished jobs
 * are never touched, and there are no more of those than machines.
 *
 * A job's own log is bounded by its kind: attempts and pauses of each step, notes of each attempt, and signs of life no more
 * often than a wait's patience.
 */
import { limit } from '../limits.ts';
import type { Millis } from '../wire/time.ts';
import type { JobStore } from './store.ts';

const DAY_MS = 86_400_000;

/** In the caller's transaction, of a few milliseconds. @returns whether there is more to forget */
export function forgetSome(
  store: Pick<JobStore, 'forget' | 'endedBeyond'>,
  keep: { readonly days: number; readonly most: number },
  now: Millis,
): boolean {
  const before = Math.max(now - keep.days * DAY_MS, store.endedBeyond(keep.most) + 1);
  return store.forget(before as Millis, limit('jobForgetMax')) === limit('jobForgetMax');
}
