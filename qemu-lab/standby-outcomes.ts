/** What the load of scenario `standby` has asked and heard, and what a stretch of time comes to. Pure. */
import type { Member } from '../src/standby/witness.ts';

/**
 * `renew`: a client that has an address, of the server that gave it; `rebind`: of both, because that one was silent; `new`: a
 * client that has none; `boot`: iPXE, from its first DISCOVER to its script. The other ones are asked of each server by name: a
 * boot script, a file by HTTP, a file by TFTP, a name.
 */
export const ASKED = ['renew', 'rebind', 'new', 'boot', 'script', 'file', 'tftp', 'dns'] as const;
export const RENEWALS: readonly AskedKind[] = ['renew', 'rebind'];
export type AskedKind = (typeof ASKED)[number];

export interface Outcome {
  readonly kind: AskedKind;
  /** When it was asked, in milliseconds since the epoch. */
  readonly at: number;
  /** Who was asked, or has answered; absent where either might have and none did. */
  readonly server?: Member | undefined;
  /** Until the answer; absent: there was none. */
  readonly ms?: number | undefined;
  /** It was answered, and refused: a NAK. */
  readonly refused?: boolean | undefined;
}

export interface Stretch {
  readonly from: number;
  readonly to: number;
}

export interface Count {
  readonly asked: number;
  readonly failed: number;
}

/** Of what was asked within the stretch; `server`: of that one alone. */
export function countOf(
  outcomes: readonly Outcome[],
  { from, to }: Stretch,
  of: { readonly kind: AskedKind; readonly server?: Member },
): Count {
  const mine = outcomes.filter(
    ({ kind, at, server }) =>
      kind === of.kind &&
      at >= from &&
      at < to &&
      (of.server === undefined || server === of.server),
  );
  return { asked: mine.length, failed: mine.filter(({ ms }) => ms === undefined).length };
}

/** Seconds from a moment to the first answer of this server; undefined: there was none. */
export function firstAnswer(
  outcomes: readonly Outcome[],
  since: number,
  of: { readonly kind: AskedKind; readonly server: Member },
): number | undefined {
  const answered = outcomes
    .filter(({ kind, server, refused }) => kind === of.kind && server === of.server && !refused)
    .map(({ at, ms }) => (ms === undefined ? 0 : at + ms))
    .filter((at) => at > since);
  return answered.length === 0 ? undefined : (Math.min(...answered) - since) / 1000;
}

/** The longest time in which nobody was answered who asked for one of these, in seconds: how long it was away to its clients. */
export function longestSilence(
  outcomes: readonly Outcome[],
  { from, to }: Stretch,
  kinds: readonly AskedKind[],
): number {
  const answered = outcomes
    .filter((one) => kinds.includes(one.kind) && one.ms !== undefined && !one.refused)
    .map(({ at, ms = 0 }) => at + ms)
    .filter((at) => at > from && at < to)
    .sort((a, b) => a - b);
  const marks = [from, ...answered, to];
  return Math.max(...marks.slice(1).map((at, index) => at - (marks[index] ?? at))) / 1000;
}

/** Seconds from the beginning of a stretch until the last one was asked in vain; 0: none was. */
export function lastFailure(
  outcomes: readonly Outcome[],
  { from, to }: Stretch,
  kind: AskedKind,
): number {
  const failed = outcomes.filter(
    (one) => one.kind === kind && one.ms === undefined && one.at >= from && one.at < to,
  );
  return Math.max(0, ...failed.map(({ at }) => (at - from) / 1000));
}
