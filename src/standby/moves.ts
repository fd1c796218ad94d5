/**
 * Addresses that have left a machine here, and that the other appliance may still know as that machine's, or have told it so.
 *
 * Either of the two gives a reserved address to its machine, also the one that is not active. So when a person moves a reservation,
 * the address is nobody else's than its former machine's until the other one has the change on disk, and what it may have said by
 * then is over (`reservedHoldSeconds`). While the two are apart that is until they have met. An address of which the other one thinks
 * that it is reserved for nobody is one of a half until then (`gate.ts`).
 *
 * A client that leaves its lease for another one, or gives it back, may go to the other one while they are apart, which lets it have
 * the old one for what was left of it: so that time has to be over, once they have been apart before the other one knew.
 */
import type { Ipv4 } from '../wire/ipv4.ts';
import type { Mac } from '../wire/mac.ts';

/** For whom an address was reserved; '' for nobody. */
export type Owner = Mac | '';

/** A move as it is kept over a restart. */
export interface MoveNote {
  /** Segment, address and owner. */
  readonly text: string;
  /** For how much longer the lease runs; 0 for a reservation. */
  readonly leftMs: number;
}

export interface MovePorts {
  /** Of what was before a restart. */
  readonly before: Iterable<MoveNote>;
  readonly holdMs: number;
  /** For so long the other one may have promised an address to anybody, if the two were apart: it may have been active, too. */
  readonly apartMs: number;
  /** The place of the log. Not asked while a change is being made: SQLite answers nothing from within a trigger. */
  head(): number;
  /** Is the other one there, with everything? Otherwise it may be serving. */
  isCurrent(): boolean;
  /** Of a clock that does not jump. */
  mono(): number;
}

export interface Moves {
  /** Whose the address is as far as the other one knows, or may have told; empty when it is as it is known here. */
  formerly(segment: string, address: Ipv4): readonly Owner[];
  /** A reservation is made (`was` is '') or goes. @returns what is to be kept of it */
  changed(segment: string, address: Ipv4, was: Owner): MoveNote;
  /** A client leaves an address whose lease runs for so much longer. */
  left(
    segment: string,
    address: Ipv4,
    lease: { readonly mac: Mac; readonly leftMs: number },
  ): MoveNote;
  /** The other one has everything up to here. */
  acked(to: number): void;
  /** The line is lost. */
  apart(): void;
  /** The other one has what was before the restart, too. */
  together(): void;
  /** @returns the texts of what is over, once each: nothing needs to be kept of it */
  over(): string[];
}

interface Move {
  readonly was: Owner;
  /** Known to the other one when it has everything up to here; undefined: the log has not been asked yet. */
  at: number | undefined;
  /** Of a reservation: for how long it counts when it is known. */
  holdMs: number;
  /** Of a lease: when it ends. */
  runsUntil: number;
  /** The two were apart before the other one knew of it. */
  apart: boolean;
  /** When it is over; undefined while the other one does not know of it. */
  until: number | undefined;
}

const BEFORE = Number.POSITIVE_INFINITY;
const NOBODY: readonly Owner[] = [];

export const addressKey = (segment: string, address: Ipv4): string => `${segment} ${address}`;

export function createMoves(ports: MovePorts): Moves {
  const { before, holdMs, apartMs, head, isCurrent, mono } = ports;
  const moves = new Map<string, Move[]>();
  const isOver = ({ until }: Move): boolean => until !== undefined && mono() >= until;
  const note = (key: string, was: Owner, how: Pick<Move, 'at' | 'apart'> & { leftMs: number }) => {
    const list = moves.get(key) ?? [];
    moves.set(key, list);
    let move = list.find((one) => one.was === was);
    if (!move) {
      move = { was, at: undefined, holdMs: 0, runsUntil: 0, apart: false, until: undefined };
      list.push(move);
    }
    const { at, apart, leftMs } = how;
    Object.assign(move, { at, until: undefined, apart: move.apart || apart });
    if (leftMs > 0) move.runsUntil = Math.max(move.runsUntil, mono() + leftMs);
    else if (was !== '') move.holdMs = holdMs;
    return { text: `${key} ${was}`, leftMs };
  };
  for (const { text, leftMs } of before) {
    const end = text.lastIndexOf(' ');
    const how = { at: BEFORE, apart: true, leftMs };
    note(text.slice(0, end), text.slice(end + 1) as Owner, how);
  }
  const all = () => [...moves.values()].flat();
  const known = (move: Move): void => {
    const now = mono();
    move.until ??= move.apart ? Math.max(now + apartMs, move.runsUntil) : now + move.holdMs;
  };
  const now = (leftMs: number) => ({ at: undefined, apart: !isCurrent(), leftMs });
  return {
    formerly(segment, address) {
      if (moves.size === 0) return NOBODY;
      const found = moves.get(addressKey(segment, address)) ?? [];
      return found.filter((move) => !isOver(move)).map(({ was }) => was);
    },
    changed: (segment, address, was) => note(addressKey(segment, address), was, now(0)),
    left: (segment, address, { mac, leftMs }) =>
      note(addressKey(segment, address), mac, now(Math.max(1, leftMs))),
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
      const over: string[] = [];
      for (const [key, list] of moves) {
        over.push(...list.filter(isOver).map(({ was }) => `${key} ${was}`));
        const left = list.filter((move) => !isOver(move));
        if (left.length > 0) moves.set(key, left);
        else moves.delete(key);
      }
      return over;
    },
  };
}
