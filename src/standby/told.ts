/**
 * What this member has told machines while it was not active: no database that lasts has it, and it holds to it all the same,
 * as the follower of another database, apart, or active, until it is over; also after a restart. When it becomes active its words
 * become notes of the database (`moves.ts`): the other one serves from that next.
 */
import type { Ipv4 } from '../wire/ipv4.ts';
import type { Mac } from '../wire/mac.ts';
import { addressKey } from './moves.ts';

export interface ToldOne {
  readonly address: string;
  readonly mac: Mac;
  /** For how much longer. */
  readonly leftMs: number;
}

export interface Told {
  tell(segment: string, address: Ipv4, to: { readonly mac: Mac; readonly seconds: number }): void;
  /** Another machine than this one has been told that the address is its own. */
  isAnothers(segment: string, address: Ipv4, mac: Mac): boolean;
  /** What has been told and is not over. */
  running(): ToldOne[];
  /** The time of day was set, by which it is kept: to be kept anew. */
  clockSet(): void;
  /** Calls back when everything that was told is kept. */
  whenKept(done: (error?: Error) => void): void;
}

export interface ToldPorts {
  readonly before: readonly ToldOne[];
  /** Of a clock that does not jump. */
  mono(): number;
  /** On disk when it returns. */
  keep(told: ToldOne[]): void;
  /** Runs a task soon, together with others that wait. */
  soon(task: () => void): void;
}

const KEPT_MAX = 10_000;

export function createTold({ before, mono, keep, soon }: ToldPorts): Told {
  const told = new Map(
    before.map(({ address, mac, leftMs }) => [address, { mac, until: mono() + leftMs }]),
  );
  let isKept = true;
  let waiting: ((error?: Error) => void)[] = [];
  const tidy = (): void => {
    for (const [key, { until }] of told) if (mono() >= until) told.delete(key);
  };
  const running = (): ToldOne[] => {
    tidy();
    return [...told].map(([address, { mac, until }]) => ({ address, mac, leftMs: until - mono() }));
  };
  const flush = (): void => {
    const served = waiting;
    waiting = [];
    let failed: Error | undefined;
    try {
      keep(running());
      isKept = true;
    } catch (error) {
      failed = error as Error;
    }
    for (const done of served) done(failed);
  };
  return {
    tell(segment, address, { mac, seconds }) {
      if (told.size >= KEPT_MAX) tidy();
      told.set(addressKey(segment, address), { mac, until: mono() + seconds * 1000 });
      isKept = false;
    },
    isAnothers(segment, address, mac) {
      if (told.size === 0) return false;
      const one = told.get(addressKey(segment, address));
      return one !== undefined && one.mac !== mac && mono() < one.until;
    },
    running,
    clockSet() {
      if (told.size > 0) isKept = false;
    },
    whenKept(done) {
      if (isKept) return done();
      if (waiting.push(done) === 1) soon(flush);
    },
  };
}
