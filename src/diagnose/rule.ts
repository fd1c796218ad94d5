/**
 * The shape of a diagnosis: a row of data with one pure predicate.
 *
 * A row is for people first: what it is called on the board, what it means, what to do, and which other causes look like it.
 * The predicate gives the evidence as sentences with the figures of this very boot, or nothing. It may only read the facts
 * of one record; it knows no other rule. Which of several rules wins is the order of the table (`table.ts`).
 */
import type { Facts, Place } from './facts.ts';

/** `certain`: nothing else does this. `likely`: the usual cause. `possible`: where to begin looking. */
export type Confidence = 'certain' | 'likely' | 'possible';

/** What the next attempt may do differently by itself. */
export type Remedy = 'binary' | 'blksize' | 'local-boot' | 'override';

export interface Rule {
  readonly name: string;
  /** A few words, for the board and for metrics' readers. */
  readonly title: string;
  readonly confidence: Confidence;
  /** Where the boot has to stand; anywhere without it. */
  readonly places?: readonly Place[];
  /** How long nothing may have been heard before it is called so. */
  readonly waitMs: number;
  readonly evidence: (facts: Facts) => readonly string[] | undefined;
  /** In plain words, for somebody who stands before the machine. */
  readonly says: string;
  readonly next: string;
  /** Other rules that look like it, and how they differ. */
  readonly not: Readonly<Record<string, string>>;
  readonly remedy?: Remedy;
}

/** Evidence when all of it is there. */
export function all(
  ...parts: readonly (string | false | undefined)[]
): readonly string[] | undefined {
  const lines = parts.filter((part) => typeof part === 'string');
  return lines.length === parts.length ? lines : undefined;
}

/** Modes of pxeimage in which it has come to its end when it runs: it waits to be told something. */
export const isWaiting = (mode: string): boolean => mode === 'wait' || mode === 'rescue';

export const seconds = (ms: number): string =>
  ms < 10_000 ? `${(ms / 1000).toFixed(1)} s` : `${Math.round(ms / 1000)} s`;

export const times = (count: number, word: string): string =>
  count === 1 ? `one ${word}` : `${count} ${word}s`;

/** How the boot went on after its last sign: silence, or another boot. */
export function silence({ restarted, quietMs, flight, lastAt, asksOn }: Facts): string {
  if (restarted)
    return `then the machine began another boot, ${seconds((flight.restartedAt ?? lastAt) - lastAt)} later`;
  if (asksOn && Number.isFinite(quietMs)) return `it got no further for ${seconds(quietMs)}`;
  return Number.isFinite(quietMs) ? `then nothing for ${seconds(quietMs)}` : 'then nothing more';
}
