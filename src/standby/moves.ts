/**
 * Addresses that have left a machine in the database, and that it may still have: by the word of the other appliance, which had not
 * heard of the change, or by a word that no database has.
 *
 * Either of the two gives a reserved address to its machine, also the one that is not active. So when a person moves a reservation,
 * the address is nobody else's than its former machine's until the other one has the change on disk, and what it may have said by
 * then is over (`reservedHoldSeconds`). While the two are apart that is until they have met. An address of which the other one thinks
 * that it is reserved for nobody is one of a half until then (`gate.ts`).
 *
 * A client that leaves its lease for another one, or gives it back, may go to the other one while they are apart, which lets it have
 * the old one for what was left of it, and longer if it may be active itself: so that time has to be over, and the other one known
 * to be silent or met.
 *
 * The notes of it are rows of the database, written in the transaction of the change. So whoever has the change has the note: a
 * follower that serves from its copy, and one that takes over with it, hold to it as the one does that made it (`move-log.ts`).
 */
import type { Ipv4 } from '../wire/ipv4.ts';
import type { Mac } from '../wire/mac.ts';

/** For whom an address was reserved; '' for nobody. */
export type Owner = Mac | '';

/**
 * `reserved`: as far as the other one knows. `left`: a lease that its client has left. `until`: a machine may have the address
 * until then, whoever knows what.
 */
export const MOVE_KINDS = ['reserved', 'left', 'until'] as const;
export type MoveKind = (typeof MOVE_KINDS)[number];

/** As it is kept in the database. */
export interface MoveNote {
  readonly kind: MoveKind;
  readonly segment: string;
  readonly address: Ipv4;
  readonly was: Owner;
  /** For how much longer the machine may have it at least; 0 for a reservation. */
  readonly leftMs: number;
}

/** How much is left of what is noted until then; of a copy only its writer knows when it is over (0: when the other one knows). */
export const leftMsOf = (
  end: number,
  { now, isCopy, longestMs }: { now: number; isCopy: boolean; longestMs: number },
): number => {
  if (end === 0) return 0;
  return isCopy ? Number.POSITIVE_INFINITY : Math.min(longestMs, Math.max(1, end - now));
};

export interface MovePorts {
  /** What the database had of them at the start. */
  readonly before: Iterable<MoveNote>;
  readonly holdMs: number;
  /** For so long the other one may have promised an address to anybody, if the two were apart: it may have been active, too. */
  readonly apartMs: number;
  /** The place of the log. Not asked while a change is being made: SQLite answers nothing from within a trigger. */
  head(): number;
  /** Has the other one everything, and nothing that was promised unheard runs? Otherwise it may be serving, or have served. */
  isTogether(): boolean;
  /** It is not active, and nothing runs that it promised while it was. */
  isSilent(): boolean;
  /** There is no other one that could know anything: only what was told here counts. */
  isAlone(): boolean;
  /** Of a clock that does not jump. */
  mono(): number;
}

export interface Moves {
  /** Whose the address may be for another one than this database; empty when it is as it is known here. */
  formerly(segment: string, address: Ipv4): readonly Owner[];
  /** A reservation is made (`was` is '') or goes. @returns what is to be kept of it */
  changed(segment: string, address: Ipv4, was: Owner): MoveNote;
  /** A client leaves an address whose lease runs for so much longer. */
  left(segment: string, address: Ipv4, lease: Held): MoveNote;
  /** A machine was told that it has the address, by a word that is in no database. */
  told(segment: string, address: Ipv4, word: Held): MoveNote;
  /** The other one has everything up to here. */
  acked(to: number): void;
  /** The line is lost. */
  apart(): void;
  /** The other one has what was before the restart, too. */
  together(): void;
  /** @returns what is over, once each: nothing needs to be kept of it */
  over(): MoveNote[];
}

export interface Held {
  readonly mac: Mac;
  readonly leftMs: number;
}

interface Move extends Omit<MoveNote, 'leftMs'> {
  /** Known to the other one when it has everything up to here; undefined: the log has not been asked yet. */
  at: number | undefined;
  /** The machine may have it until then, known or not. */
  runsUntil: number;
  /** The two were apart before the other one knew of it. */
  apart: boolean;
  /** When it is over; undefined while the other one does not know of it. */
  until: number | undefined;
}

const BEFORE = Number.POSITIVE_INFINITY;
const NOBODY: readonly Owner[] = [];
/** How well two clocks are known to each other. */
const DOUBT_MS = 2000;

export const addressKey = (segment: string, address: Ipv4): string => `${segment} ${address}`;

export function createMoves(ports: MovePorts): Moves {
  const { before, holdMs, apartMs, head, isTogether, isSilent, isAlone, mono } = ports;
  const moves = new Map<string, Move[]>();
  const isOver = ({ kind, until, runsUntil }: Move): boolean => {
    const now = mono();
    if (kind === 'until') return now >= runsUntil;
    if (until !== undefined && now >= until) return true;
    return kind === 'left' && now >= runsUntil + DOUBT_MS && isSilent();
  };
  const enter = (note: MoveNote, how: Pick<Move, 'at' | 'apart'>): MoveNote => {
    const { leftMs, ...of } = note;
    const key = addressKey(of.segment, of.address);
    const list = moves.get(key) ?? [];
    moves.set(key, list);
    let move = list.find((one) => one.was === of.was && one.kind === of.kind);
    if (!move) {
      move = { ...of, at: undefined, runsUntil: 0, apart: false, until: undefined };
      list.push(move);
    }
    Object.assign(move, { at: how.at, until: undefined, apart: move.apart || how.apart });
    if (leftMs > 0) move.runsUntil = Math.max(move.runsUntil, mono() + leftMs);
    return note;
  };
  const note = (move: MoveNote) => enter(move, { at: undefined, apart: !isTogether() });
  for (const one of before) enter(one, { at: BEFORE, apart: true });
  const all = () => [...moves.values()].flat();
  const known = (move: Move): void => {
    const now = mono();
    // Nobody was told of what was nobody's.
    const saidMs = move.kind === 'reserved' && move.was !== '' ? holdMs : 0;
    move.until ??= move.apart ? Math.max(now + apartMs, move.runsUntil) : now + saidMs;
  };
  return {
    formerly(segment, address) {
      if (moves.size === 0) return NOBODY;
      const found = moves.get(addressKey(segment, address)) ?? [];
      const counts = (move: Move) => !isOver(move) && (move.kind === 'until' || !isAlone());
      return found.filter(counts).map(({ was }) => was);
    },
    changed: (segment, address, was) =>
      note({ kind: 'reserved', segment, address, was, leftMs: 0 }),
    left: (segment, address, { mac, leftMs }) =>
      note({ kind: 'left', segment, address, was: mac, leftMs: Math.max(1, leftMs) }),
    told: (segment, address, { mac, leftMs }) =>
      note({ kind: 'until', segment, address, was: mac, leftMs: Math.max(1, leftMs) }),
    acked(to) {
      if (moves.size === 0) return;
      const end = head();
      for (const move of all()) {
        move.at ??= end;
        if (move.at <= to) known(move);
      }
    },
    apart() {
      for (const move of all()) if (move.until === undefined) move.apart = true;
    },
    together() {
      for (const move of all()) if (move.at === BEFORE) known(move);
    },
    over() {
      const over: MoveNote[] = [];
      for (const [key, list] of moves) {
        for (const { kind, segment, address, was } of list.filter(isOver))
          over.push({ kind, segment, address, was, leftMs: 0 });
        const left = list.filter((move) => !isOver(move));
        if (left.length > 0) moves.set(key, left);
        else moves.delete(key);
      }
      return over;
    },
  };
}
