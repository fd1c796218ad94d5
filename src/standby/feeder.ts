/**
 * The active appliance's side of following: what the standby is told next, and who waits for it to have it.
 *
 * A standby that can go on from its place is told what changed since; any other one gets the whole file first. At most one
 * telling is under way, so what is committed meanwhile gathers for the next: under load they grow, not their number. Once the standby
 * has everything for the first time, what is promised waits for its word (`confirm`). When the line is lost, those who
 * wait are answered by `release`, which the owner calls when it is settled that nobody else may take over without it.
 */
import type { ChangeLog } from './change-log.ts';
import { type Place, type StandbyMessage, tell } from './protocol.ts';

export interface FeederPorts {
  readonly log: ChangeLog;
  /** Of this log: another one after a restart. */
  readonly run: string;
  send(message: StandbyMessage): void;
  /** Sends the whole database, which holds everything up to this place at least. Resolves when its last byte is in the socket. */
  sendCopy(place: Place): Promise<void>;
  /** It has everything now: whether it may be counted upon is the owner's to say. */
  onWhole(): void;
  onError(error: unknown): void;
}

export interface Feeder {
  /** A standby is there, and is at this place. */
  begin(place: Place | undefined): void;
  /** It has everything up to here on disk. */
  acked(to: number): void;
  /** Something may have been committed. */
  pump(): void;
  /** Is the whole database on its way? What follows it on this line would be lost in it, or be followed by it. */
  isCopying(): boolean;
  /** Has it had everything once, on this line? */
  isWhole(): boolean;
  /** How many changes it does not have. */
  behind(): number;
  /** @returns whether it has everything that is committed so far, when that is asked later: never, on another line */
  mark(): () => boolean;
  /** Calls back when it has everything that is committed so far; at once while there is no standby to wait for. */
  confirm(done: (error?: Error) => void): void;
  /** The same for what the other one must know before anybody is told of it: an error when that is not to be waited for any more. */
  promise(done: (error?: Error) => void): void;
  /** The line is lost. Who waits goes on waiting. */
  end(): void;
  /** Nobody waits any more: what was promised is not to be told; with an error, nothing is. */
  release(error?: Error): void;
  waiting(): number;
  /** Does what is promised now wait? */
  waits(): boolean;
}

interface Waiting {
  readonly at: number;
  readonly isPromise: boolean;
  readonly done: (error?: Error) => void;
}

/** A standby that is so near has the rest within a second: from here on it is waited for. */
const NEARLY = 5000;

const unheard = () =>
  new Error('the standby was lost before it knew of a lease: its client asks again');

export function createFeeder(ports: FeederPorts): Feeder {
  const { log, run } = ports;
  let cursor: number | undefined;
  let acked = 0;
  let whole = false;
  /** Whether promises wait; stays so when the line is lost, until they are released. */
  let waits = false;
  /** Where the log was when promises began to wait: with everything up to here, the standby is whole. */
  let goal: number | undefined;
  let line = 0;
  /** On which line. What is still under way on an older one nobody hears. */
  let copying: number | undefined;
  let queue: Waiting[] = [];
  const pump = (): void => {
    if (cursor === undefined || acked < cursor) return;
    const to = log.head();
    if (to === cursor) return;
    const after = cursor;
    cursor = to;
    for (const message of tell(log.read(after), to)) ports.send(message);
  };
  const wait = (isPromise: boolean, done: Waiting['done']): void => {
    const at = log.head();
    if (!waits || (cursor !== undefined && at <= acked)) done();
    else {
      queue.push({ at, isPromise, done });
      pump();
    }
  };
  return {
    pump,
    begin(place) {
      line += 1;
      const own = line;
      whole = false;
      goal = undefined;
      if (place?.run === run && place.seq >= log.floor() && place.seq <= log.head()) {
        cursor = place.seq;
        acked = place.seq;
        if (cursor === log.head()) ports.send({ kind: 'rows', changes: [], to: cursor });
        return pump();
      }
      const at = log.head();
      cursor = undefined;
      copying = own;
      const sent = ports.sendCopy({ run, seq: at }).finally(() => {
        if (copying === own) copying = undefined;
      });
      sent.then(() => {
        if (own !== line) return;
        cursor = at;
        // Not before it says so itself: what is in the socket is on nobody's disk.
        acked = -1;
        ports.send({ kind: 'rows', changes: [], to: at });
      }, ports.onError);
    },
    acked(to) {
      if (cursor === undefined || to > cursor) return;
      acked = Math.max(acked, to);
      log.forget(acked);
      const served = queue.filter(({ at }) => at <= acked);
      if (served.length > 0) queue = queue.filter(({ at }) => at > acked);
      for (const { done } of served) done();
      if (goal === undefined && log.head() - acked < NEARLY) {
        goal = log.head();
        waits = true;
      }
      if (!whole && goal !== undefined && acked >= goal) {
        whole = true;
        ports.onWhole();
      }
      pump();
    },
    isCopying: () => copying === line,
    isWhole: () => whole,
    behind: () => log.head() - acked,
    mark() {
      const [at, own] = [log.head(), line];
      return () => whole && own === line && acked >= at;
    },
    confirm: (done) => wait(false, done),
    promise: (done) => wait(true, done),
    end() {
      line += 1;
      cursor = undefined;
      whole = false;
    },
    release(error) {
      // One that catches up answers them itself, or its line is lost: with those that left meanwhile it would not be whole.
      const catchesUp = goal !== undefined && cursor !== undefined;
      if (whole || (catchesUp && !error)) return;
      waits = false;
      const served = queue;
      queue = [];
      for (const { done, isPromise } of served) done(error ?? (isPromise ? unheard() : undefined));
    },
    waiting: () => queue.length,
    waits: () => waits,
  };
}
