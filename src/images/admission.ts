/**
 * Who may fetch an image now, who waits, and how fast each may go: so many machines at once over one uplink (a provisioning
 * network), and what the uplink may carry divided among them.
 *
 * Places are given squad by squad: the next one goes to the squad that has the fewest, and within a squad to whoever has
 * waited longest. So a squad that installs forty machines does not keep another's one waiting (it has a place as soon as
 * one is free), and nobody starves. A machine that waits asks again after a while and is told its place; a free place is
 * kept for the machine whose turn it is until it asks. One whose connection breaks keeps its place for some seconds, so
 * that going on by range does not begin at the end of the queue.
 *
 * The rate of an uplink is divided evenly among the squads that fetch, and a squad's part among its machines. Somebody else
 * sees to it that a connection keeps to it. Pure but for what it remembers; time is handed in.
 */

export interface AdmissionSettings {
  /** Machines at once over one uplink. */
  readonly streamsMax: number;
  /** What one uplink may carry; 0 sets no bound. */
  readonly bytesPerSecond: number;
  /** How long a place is kept for a connection that broke. */
  readonly keepMs: number;
  /** A machine that waits and has not asked for so long has gone. */
  readonly goneMs: number;
  /** How long the next ones wait before they ask again, and how long the others do. */
  readonly soonMs: number;
  readonly laterMs: number;
}

export interface Asking {
  /** The job: a machine that comes back is the same. */
  readonly key: string;
  readonly hardwarename: string;
  readonly uplink: string;
  readonly squad: string;
  readonly leftBytes: number;
}

export type Admitted =
  | { readonly admitted: true }
  | {
      readonly admitted: false;
      /** 1: the next. */
      readonly position: number;
      readonly retryMs: number;
      /** Until it will have its turn, when that can be told. */
      readonly waitMs: number | undefined;
    };

export interface Stream extends Asking {
  /** 0 while it waits for its turn. */
  readonly bytesPerSecond: number;
  readonly state: 'sending' | 'kept' | 'waiting';
  readonly position: number;
  /** Until it will have everything, about; undefined while nothing is known of what the uplink carries. */
  readonly endsInMs: number | undefined;
}

export interface Admission {
  ask(asking: Asking, now: number): Admitted;
  /** Its connection is over: all of it was sent, or its place is kept for a while. */
  ended(key: string, result: { complete: boolean; sentBytes: number }, now: number): void;
  /** What each machine that is being sent something may take, in bytes per second; 0 for no bound. */
  rates(uplink: string, now: number): ReadonlyMap<string, number>;
  list(now: number): Stream[];
}

interface Entry extends Asking {
  since: number;
  leftBytes: number;
  /** When it last asked, or its connection ended. */
  seenAt: number;
  state: 'sending' | 'kept' | 'waiting';
}

export function createAdmission(settings: AdmissionSettings): Admission {
  const entries = new Map<string, Entry>();
  /** Bytes per second that an uplink has carried lately. */
  const carried = new Map<string, number>();

  const forget = (now: number): void => {
    for (const [key, { state, seenAt }] of entries) {
      const gone = { sending: Infinity, kept: settings.keepMs, waiting: settings.goneMs }[state];
      if (now - seenAt > gone) entries.delete(key);
    }
  };
  const on = (uplink: string, waits: boolean): Entry[] =>
    [...entries.values()].filter(
      (one) => one.uplink === uplink && (one.state === 'waiting') === waits,
    );

  const expected = (uplink: string, line: Pick<Line, 'running' | 'queue' | 'now'>) => {
    const bytesPerSecond = settings.bytesPerSecond || carried.get(uplink);
    if (!bytesPerSecond) return new Map<string, Expected>();
    return forecast({ ...line, bytesPerSecond, streamsMax: settings.streamsMax });
  };

  return {
    ask(asking, now) {
      forget(now);
      const before = entries.get(asking.key);
      const entry: Entry = {
        ...asking,
        since: before?.since ?? now,
        seenAt: now,
        state: before?.state ?? 'waiting',
      };
      entries.set(asking.key, entry);
      if (entry.state !== 'waiting') {
        entry.state = 'sending';
        return { admitted: true };
      }
      const running = on(asking.uplink, false);
      const queue = inTurn(on(asking.uplink, true), running);
      const position = queue.indexOf(entry) + 1;
      const free = settings.streamsMax - running.length;
      if (position <= free) {
        entry.state = 'sending';
        return { admitted: true };
      }
      return {
        admitted: false,
        position,
        retryMs: position <= settings.streamsMax ? settings.soonMs : settings.laterMs,
        waitMs: expected(asking.uplink, { running, queue, now }).get(asking.key)?.startsInMs,
      };
    },
    ended(key, { complete, sentBytes }, now) {
      const entry = entries.get(key);
      if (!entry) return;
      const seconds = Math.max(1, now - entry.seenAt) / 1000;
      if (sentBytes > 0) {
        const busy = on(entry.uplink, false).length;
        const rate = (sentBytes / seconds) * busy;
        const before = carried.get(entry.uplink) ?? rate;
        carried.set(entry.uplink, before + (rate - before) * LEARNS);
      }
      if (complete) entries.delete(key);
      else
        Object.assign(entry, {
          state: 'kept',
          seenAt: now,
          leftBytes: entry.leftBytes - sentBytes,
        });
    },
    rates(uplink, now) {
      forget(now);
      return ratesOf(on(uplink, false), settings.bytesPerSecond);
    },
    list(now) {
      forget(now);
      const uplinks = [...new Set([...entries.values()].map(({ uplink }) => uplink))];
      return uplinks.flatMap((uplink) => {
        const running = on(uplink, false);
        const rates = ratesOf(running, settings.bytesPerSecond);
        const queue = inTurn(on(uplink, true), running);
        const ends = expected(uplink, { running, queue, now });
        return [...running, ...queue].map(({ since: _, seenAt: __, ...entry }) => ({
          ...entry,
          endsInMs: ends.get(entry.key)?.endsInMs,
          bytesPerSecond: rates.get(entry.key) ?? 0,
          position: queue.findIndex(({ key }) => key === entry.key) + 1,
        }));
      });
    },
  };
}

/** How much of the newest observation goes into what is remembered. */
const LEARNS = 0.3;

/** Those who wait, in the order in which they will have a place. */
function inTurn(waiting: readonly Entry[], running: readonly Entry[]): Entry[] {
  const places = new Map<string, number>();
  const placesOf = (squad: string) => places.get(squad) ?? 0;
  for (const { squad } of running) places.set(squad, placesOf(squad) + 1);
  const left = [...waiting].sort((a, b) => a.since - b.since);
  const turn: Entry[] = [];
  while (left.length > 0) {
    // The first of the smallest: whoever has waited longest among squads with as many places.
    const next = left.reduce((best, one) =>
      placesOf(one.squad) < placesOf(best.squad) ? one : best,
    );
    left.splice(left.indexOf(next), 1);
    places.set(next.squad, placesOf(next.squad) + 1);
    turn.push(next);
  }
  return turn;
}

interface Line {
  readonly running: readonly Entry[];
  /** In turn. */
  readonly queue: readonly Entry[];
  readonly bytesPerSecond: number;
  readonly streamsMax: number;
  readonly now: number;
}

interface Expected {
  readonly startsInMs: number;
  readonly endsInMs: number;
}

/**
 * When each will have its place and its last byte if all share evenly: whoever has least left ends first, and the next of the
 * queue takes the place.
 */
function forecast({ running, queue, bytesPerSecond, streamsMax, now }: Line) {
  const share = bytesPerSecond / Math.max(1, running.length);
  const found = new Map<string, Expected>();
  const waiting = queue.map(({ key, leftBytes }) => ({ key, left: leftBytes }));
  let atMs = 0;
  let active = running.map(({ key, leftBytes, seenAt, state }) => {
    const sent = state === 'sending' ? ((now - seenAt) / 1000) * share : 0;
    return { key, left: Math.max(0, leftBytes - sent), startsInMs: 0 };
  });
  for (;;) {
    for (const one of waiting.splice(0, Math.max(0, streamsMax - active.length)))
      active.push({ ...one, startsInMs: Math.ceil(atMs) });
    if (active.length === 0) return found;
    const least = active.reduce((min, { left }) => Math.min(min, left), Number.POSITIVE_INFINITY);
    atMs += (least * active.length * 1000) / bytesPerSecond;
    for (const one of active) {
      one.left -= least;
      if (one.left <= 0)
        found.set(one.key, { startsInMs: one.startsInMs, endsInMs: Math.ceil(atMs) });
    }
    active = active.filter(({ left }) => left > 0);
  }
}

function ratesOf(running: readonly Entry[], bytesPerSecond: number): Map<string, number> {
  const sending = running.filter(({ state }) => state === 'sending');
  const sizes = new Map<string, number>();
  for (const { squad } of sending) sizes.set(squad, (sizes.get(squad) ?? 0) + 1);
  return new Map(
    sending.map(({ key, squad }) => [
      key,
      Math.floor(bytesPerSecond / sizes.size / (sizes.get(squad) ?? 1)),
    ]),
  );
}
