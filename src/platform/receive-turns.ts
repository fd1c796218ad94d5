/**
 * When a busy UDP socket is read: in turns, two milliseconds apart, instead of with each datagram.
 *
 * The event loop wakes for a datagram, makes a buffer of 64 KiB for it, reads it, makes another, reads in vain, and waits again: at
 * ten thousand requests a second that costs more than the answers. So once datagrams come one upon the other, the loop is told
 * to look away, and a timer takes what has come. When a few turns find nothing, the loop watches again. A lone datagram is
 * taken at once, as ever; one of many waits two milliseconds at most, for company with which to share what an answer costs.
 */
import type { Socket } from 'node:dgram';

/** What Node's UDP handle can do; none of it is public. */
export interface Watch {
  recvStart(): unknown;
  recvStop(): unknown;
}

export interface ReceiveTurns {
  /** The loop has handed a datagram over, and all that waited behind it was taken. */
  woken(): void;
  close(): void;
}

export interface TurnOptions {
  readonly watch: Watch;
  /** Takes all that waits. @returns how many datagrams */
  take(): number;
}

const TURN_MS = 2;
/** Datagrams that come no further apart than this, so many in a row, are a stream. */
const STREAM_MS = 2;
const STREAM_LENGTH = 8;
/** Turns in vain after which the loop watches again. */
const EMPTY_MAX = 4;

export function createReceiveTurns({ watch, take }: TurnOptions): ReceiveTurns {
  let wokenAt = Number.NEGATIVE_INFINITY;
  let streak = 0;
  let empty = 0;
  let timer: NodeJS.Timeout | undefined;
  const turn = (): void => {
    empty = take() > 0 ? 0 : empty + 1;
    if (timer === undefined) return;
    if (empty < EMPTY_MAX) timer.refresh();
    else {
      timer = undefined;
      streak = 0;
      watch.recvStart();
    }
  };
  return {
    woken() {
      const now = performance.now();
      streak = now - wokenAt <= STREAM_MS ? streak + 1 : 0;
      wokenAt = now;
      if (streak < STREAM_LENGTH || timer) return;
      watch.recvStop();
      empty = 0;
      timer = setTimeout(turn, TURN_MS);
    },
    close() {
      clearTimeout(timer);
      timer = undefined;
    },
  };
}

/** @returns nothing where this Node keeps it elsewhere: then each datagram wakes the loop, and nothing else is different */
export function watchOf(socket: Socket): Watch | undefined {
  const key = Object.getOwnPropertySymbols(socket).find(
    ({ description }) => description === 'state symbol',
  );
  const state = key && (socket as unknown as Record<symbol, { handle?: Partial<Watch> }>)[key];
  const { recvStart, recvStop } = state?.handle ?? {};
  if (typeof recvStart !== 'function' || typeof recvStop !== 'function') return undefined;
  return state?.handle as Watch;
}
