/**
 * How long is kept what provisioning has done: requests that have ended, with their logs, and how installs ended. So many days, and
 * so many of them at most, the newest.
 *
 * Open requests and breakers are never touched, nor a request that still claims a machine, nor outcomes that a breaker may still
 * compare, nor one that was closed meanwhile: what it found is kept with the breaker itself. Pools know their members by the machines' records, and whether a machine failed lately is
 * asked of its jobs. Central refers to the requests that it has asked for: one that ends while central is away is told of when it
 * is there again, and goes on for ever at central when it is not there any more. They are kept for longer, however many they are.
 */
import { limit } from '../limits.ts';
import type { Millis } from '../wire/time.ts';
import type { RequestDesk } from './desk.ts';

const DAY_MS = 86_400_000;

export interface KeepProvisioning {
  readonly days: number;
  /** Ended requests, without central's. */
  readonly most: number;
}

/** In the caller's transaction, of some milliseconds. @returns whether there is more to forget */
export function forgetProvisioning(
  { store, breakers }: Pick<RequestDesk, 'store' | 'breakers'>,
  keep: KeepProvisioning,
  now: Millis,
): boolean {
  const before = now - keep.days * DAY_MS;
  const beyond = store.endedBeyond(keep.most) + 1;
  const ofCentral = Math.min(before, now - limit('requestOfCentralKeepMs'));
  const requests = store.forget(Math.max(before, beyond) as Millis, ofCentral as Millis);
  return breakers.forget(before as Millis) || requests;
}
