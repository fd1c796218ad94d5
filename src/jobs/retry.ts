/**
 * Whether and when a failed attempt is repeated, by the kind of error. Pauses double from the first to the longest one and
 * are spread by a quarter either way, so that a rack whose switch came back does not ask its BMCs in one instant.
 *
 * A wrong password is never tried again: BMCs lock accounts. A BMC that is silent is tried for as long as the step
 * allows: a firmware update takes twenty minutes, and a job that was patient is a job that nobody has to repeat. Unless its
 * last job ended the same way: then three tries are enough to say so again.
 */
import { AppError, type ErrorCode } from '../errors.ts';
import type { Millis } from '../wire/time.ts';

export interface Patience {
  /** Attempts in all; 1: no second one. */
  readonly attemptsMax: number;
  readonly firstMs: number;
  readonly longestMs: number;
  readonly why: string;
}

const NEVER: Patience = {
  ...{ attemptsMax: 1, firstMs: 0, longestMs: 0 },
  why: 'asking again changes nothing, and wrong passwords lock accounts',
};
const LOST: Patience = {
  ...{ attemptsMax: 40, firstMs: 2000, longestMs: 60_000 },
  why: 'packets were lost, or the BMC hangs: its own watchdog takes a minute or two',
};
const SILENT: Patience = {
  ...{ attemptsMax: 40, firstMs: 5000, longestMs: 180_000 },
  why: 'it restarts, updates its firmware, or its switch does',
};
const FULL: Patience = {
  ...{ attemptsMax: 20, firstMs: 20_000, longestMs: 90_000 },
  why: 'a BMC frees the slot of a session after a minute of silence',
};
const REFUSED: Patience = {
  ...{ attemptsMax: 4, firstMs: 5000, longestMs: 30_000 },
  why: 'some refuse for a moment after a power action; more often they mean it',
};
const OURS: Patience = {
  ...{ attemptsMax: 2, firstMs: 5000, longestMs: 5000 },
  why: 'a fault of this program: once more in case it was the moment',
};

const BY_CODE: Partial<Readonly<Record<ErrorCode, Patience>>> = {
  BMC_TIMEOUT: LOST,
  JOB_ATTEMPT_LATE: LOST,
  BMC_PROTOCOL: LOST,
  BMC_UNREACHABLE: SILENT,
  BMC_BUSY: FULL,
  BMC_REFUSED: REFUSED,
  BOOT_NOT_SET: REFUSED,
  INTERNAL: OURS,
};

/** How many attempts a BMC gets whose last job ended with the same silence. */
const KNOWN_DEAD_ATTEMPTS = 3;

/** Any other code is final. */
function patienceFor(code: ErrorCode, knownDead = false): Patience {
  const patience = BY_CODE[code] ?? NEVER;
  if (!knownDead || (code !== 'BMC_UNREACHABLE' && code !== 'BMC_TIMEOUT')) return patience;
  return { ...patience, attemptsMax: KNOWN_DEAD_ATTEMPTS };
}

export interface FailedAttempt {
  readonly code: ErrorCode;
  /** How many have failed, this one included. */
  readonly failures: number;
  readonly now: Millis;
  /** No attempt begins after this. */
  readonly deadlineAt: number;
  /** 0 to 1. */
  readonly random: number;
  readonly knownDead?: boolean;
}

/** @returns when to try again; 0 for not at all */
export function retryAt(failed: FailedAttempt): number {
  const { code, failures, now, deadlineAt, random, knownDead } = failed;
  const { attemptsMax, firstMs, longestMs } = patienceFor(code, knownDead);
  if (failures >= attemptsMax) return 0;
  const pauseMs = Math.min(longestMs, firstMs * 2 ** (failures - 1));
  const at = now + Math.round(pauseMs * (0.75 + random / 2));
  return at < deadlineAt ? at : 0;
}

/** The code and the sentence of whatever a step threw. What is not one of ours says nothing: it may hold anything. */
export function describeFailure(error: unknown): { code: ErrorCode; detail: string } {
  if (error instanceof AppError) return { code: error.code, detail: error.message.slice(0, 500) };
  return { code: 'INTERNAL', detail: 'A fault of the appliance; its log has more.' };
}
