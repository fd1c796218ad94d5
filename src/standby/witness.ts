/**
 * What a witness says, given what it has written down: one row for each site, and rules that need no clock but its own.
 *
 * The witness never sends anything and never decides that somebody is dead. It gives a right to be active for a time, renews it
 * for its holder, and gives the next one, under a higher epoch, only when the time of the last one is over and its holder
 * has said that the other one's copy is whole. Its time begins when it hears, the holder's own when it asked: the holder's is
 * over first, whatever the way between them does, as long as the two clocks run at the same pace within `MARGIN_SHARE`.
 */
export type Member = 'a' | 'b';

export const otherMember = (member: Member): Member => (member === 'a' ? 'b' : 'a');

export interface WitnessRow {
  readonly epoch: number;
  readonly holder: Member;
  /** By the witness's clock. */
  readonly untilMs: number;
  /** May the other one take over by itself? As the holder has said. */
  readonly mayTake: boolean;
  /** Of the last question that changed it: one that was under way for longer changes nothing. */
  readonly n: number;
}

export interface Question {
  readonly kind: 'renew' | 'take' | 'release';
  readonly member: Member;
  /** Of the right that it has, or of the one that it wants. */
  readonly epoch: number;
  readonly leaseMs: number;
  readonly mayTake: boolean;
  /** Goes up with each question of a member. */
  readonly n: number;
}

export const DENIALS = ['held', 'not-current', 'superseded', 'unknown', 'late'] as const;
export type Denial = (typeof DENIALS)[number];

export interface Answer {
  readonly granted: boolean;
  /** What the witness knows now; 0: nothing. */
  readonly epoch: number;
  readonly n: number;
  readonly why?: Denial;
}

/** How far two clocks may differ in pace, as a share of the time that is measured. */
const MARGIN_SHARE = 1 / 4;

/** For how long the witness holds what it gave for `leaseMs`. */
export const heldMs = (leaseMs: number): number => leaseMs * (1 + MARGIN_SHARE);

/** Epochs of `a` are odd, of `b` even: one that both make up without the other is never the same. */
export function nextEpoch(member: Member, above: number): number {
  const wanted = member === 'a' ? 1 : 0;
  return (above + 1) % 2 === wanted ? above + 1 : above + 2;
}

/** @returns the answer, and the row to write when it changes */
export function judge(
  row: WitnessRow | undefined,
  asked: Question,
  nowMs: number,
): { readonly answer: Answer; readonly row: WitnessRow | undefined } {
  const denied = (why: Denial) => ({
    answer: { granted: false, epoch: row?.epoch ?? 0, n: row?.n ?? 0, why },
    row: undefined,
  });
  const granted = (next: Omit<WitnessRow, 'n'>) => ({
    answer: { granted: true, epoch: next.epoch, n: asked.n },
    row: { ...next, n: asked.n },
  });
  const { member: holder, epoch, mayTake } = asked;
  const isHolder = row?.holder === holder && row.epoch === epoch;
  if (isHolder && asked.n <= row.n) return denied('late');
  const untilMs = nowMs + heldMs(asked.leaseMs);
  switch (asked.kind) {
    case 'renew':
      // A higher epoch than is known here was begun on a person's word, or this witness has lost its records.
      if (!row || epoch > row.epoch || isHolder)
        return granted({ epoch, holder, untilMs, mayTake });
      return denied('superseded');
    case 'release':
      if (!isHolder) return denied('superseded');
      return granted({ epoch, holder, untilMs: 0, mayTake: true });
    case 'take':
      if (!row) return denied('unknown');
      if (epoch <= row.epoch) return denied('superseded');
      if (nowMs < row.untilMs && row.holder !== holder) return denied('held');
      // Whom nobody can replace needs no renewal, and may be active whatever the time: a person has to know that it is off.
      if (!row.mayTake && row.holder !== holder) return denied('not-current');
      return granted({ epoch, holder, untilMs, mayTake });
  }
}
