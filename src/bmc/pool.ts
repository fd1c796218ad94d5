/**
 * Sessions with BMCs, one at a time on each, kept open for a moment after use.
 *
 * A BMC is a slow computer with four or five session slots, so whoever wants one waits for its turn, and a session that was
 * given back serves the next caller when it suits: the handshake costs more than most of what is asked. A kept session is
 * closed before the BMC would end it; one that has been idle is asked for a sign of life before it is handed on, because a
 * BMC that restarted meanwhile does not say so. What a session is, is the caller's: this file keeps turns and time.
 */
import { AppError } from '../errors.ts';
import type { Timers } from '../ipmi/ports.ts';
import { limit } from '../limits.ts';

/** @typeParam Tag what tells whether a kept session suits a caller: its login, its rights */
export interface Opened<Session, Tag> {
  readonly session: Session;
  readonly tag: Tag;
}

export interface Turn<Session, Tag> {
  /** By the BMC's address. */
  readonly key: string;
  suits(tag: Tag): boolean;
  /** @throws whatever keeps it from being opened: the turn is over then */
  open(): Promise<Opened<Session, Tag>>;
}

export interface Held<Session> {
  readonly session: Session;
  /** Ends the turn; `false` for a session that nobody should use again. Twice is as once. */
  giveBack(reusable: boolean): void;
}

export interface Pool<Session, Tag> {
  /** @throws AppError BMC_BUSY when too many wait or the turn does not come, and what `open` throws */
  take(turn: Turn<Session, Tag>): Promise<Held<Session>>;
  /** Sessions that are open: in use, and kept. */
  count(): { readonly used: number; readonly kept: number };
  /** Closes what is kept and whatever is given back from now on. */
  close(): Promise<void>;
}

export interface PoolOptions<Session> {
  readonly timers: Timers;
  closeSession(session: Session): Promise<void>;
  /** Rejects when the session is over. */
  proveAlive(session: Session): Promise<unknown>;
}

interface Kept<Session, Tag> extends Opened<Session, Tag> {
  readonly sinceMs: number;
  cancelTimer(): void;
}

interface Place {
  waiters: (() => void)[];
}

export function createPool<Session, Tag>(options: PoolOptions<Session>): Pool<Session, Tag> {
  const { timers, closeSession, proveAlive } = options;
  /** BMCs in use, with whoever waits for them. */
  const places = new Map<string, Place>();
  /** In the order in which they were given back. */
  const kept = new Map<string, Kept<Session, Tag>>();
  let closed = false;

  const drop = (key: string): Promise<void> => {
    const old = kept.get(key);
    if (!old) return Promise.resolve();
    kept.delete(key);
    old.cancelTimer();
    return closeSession(old.session);
  };
  const keep = (key: string, opened: Opened<Session, Tag>): void => {
    const sinceMs = timers.nowMs();
    const cancelTimer = timers.at(sinceMs + limit('bmcSessionIdleMs'), () => void drop(key));
    kept.set(key, { ...opened, sinceMs, cancelTimer });
    for (const oldest of kept.keys()) {
      if (kept.size <= limit('bmcSessionsKeptMax')) break;
      void drop(oldest);
    }
  };
  const leave = (key: string): void => {
    const next = places.get(key)?.waiters.shift();
    if (next) next();
    else places.delete(key);
  };
  const reuse = async ({ key, suits }: Turn<Session, Tag>) => {
    const old = kept.get(key);
    if (!old) return undefined;
    if (!suits(old.tag)) {
      await drop(key);
      return undefined;
    }
    kept.delete(key);
    old.cancelTimer();
    if (timers.nowMs() - old.sinceMs <= limit('bmcSessionTrustMs')) return old;
    try {
      await proveAlive(old.session);
      return old;
    } catch {
      await closeSession(old.session);
      return undefined;
    }
  };

  return {
    async take(turn) {
      const { key } = turn;
      await enter(places, key, timers);
      try {
        const opened = (await reuse(turn)) ?? (await turn.open());
        let over = false;
        return {
          session: opened.session,
          giveBack(reusable) {
            if (over) return;
            over = true;
            if (reusable && !closed) {
              keep(key, opened);
              leave(key);
              return;
            }
            // Its slot is free before the next caller asks for one.
            void closeSession(opened.session).finally(() => leave(key));
          },
        };
      } catch (error) {
        leave(key);
        throw error;
      }
    },
    count: () => ({ used: places.size, kept: kept.size }),
    async close() {
      closed = true;
      await Promise.all([...kept.keys()].map(drop));
    },
  };
}

function enter(places: Map<string, Place>, key: string, timers: Timers): Promise<void> {
  const place = places.get(key);
  if (!place) {
    places.set(key, { waiters: [] });
    return Promise.resolve();
  }
  if (place.waiters.length >= limit('bmcWaitersMax')) return Promise.reject(busy(key));
  return new Promise((resolve, reject) => {
    const mine = () => {
      cancel();
      resolve();
    };
    const cancel = timers.at(timers.nowMs() + limit('bmcTurnMs'), () => {
      place.waiters = place.waiters.filter((each) => each !== mine);
      reject(busy(key));
    });
    place.waiters.push(mine);
  });
}

function busy(key: string): AppError {
  return new AppError('BMC_BUSY', { detail: `${key}: others of this appliance are using it.` });
}
