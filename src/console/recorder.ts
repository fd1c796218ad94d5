/**
 * Records the console of a machine while it boots, so that the last words of one that failed can be read afterwards.
 *
 * It follows the event feed: a step of a job that switches a machine on, or a boot that begins, opens the machine's line and
 * begins a recording; the boot that is seen next gives it its name; a boot after that begins another. A recording ends when
 * the machine has been quiet for a while. It is an offer: where the BMC has no session left for a job, it gives its own up,
 * and it never takes a console over from anybody.
 */
import type { StoredEvent } from '../events.ts';
import type { ConsoleStore } from '../inventory/consoles.ts';
import { limit } from '../limits.ts';
import type { Hardwarename } from '../wire/ids.ts';
import type { ConsoleHub } from './hub.ts';
import type { ConsoleTimers } from './ports.ts';

export interface RecorderParts {
  readonly hub: ConsoleHub;
  readonly store: ConsoleStore;
  readonly timers: ConsoleTimers;
  readonly events: {
    ofMachinesAfter(after: number, count: number): { events: StoredEvent[]; through: number };
    lastId(): number;
    follow(wake: () => void, only?: 'machines'): () => void;
  };
  /** Whether this machine has a BMC that can be asked. */
  hasBmc(hardwarename: Hardwarename): boolean;
  /** A change that nobody is told of and that may be committed a little later. */
  soon(change: () => void): void;
  transaction<T>(run: () => T): T;
  onError(error: unknown): void;
  /** A recording has ended and was kept. */
  onKept?(number: number): void;
}

interface Recording {
  readonly number: number;
  boot: string;
  readonly beganMs: number;
  waiting: Uint8Array[];
  waitingBytes: number;
  cancelFlush: (() => void) | undefined;
  cancelQuiet: (() => void) | undefined;
}

/** Steps of jobs after which a machine prints something new. */
const POWER_STEPS: readonly string[] = ['power-on', 'reset'];
const PAGE = 200;

export class ConsoleRecorder {
  private readonly parts: RecorderParts;
  private readonly recordings = new Map<Hardwarename, Recording>();
  /** Machines whose job needs the only session that their BMC has. */
  private readonly yielded = new Map<Hardwarename, string>();
  private readonly unfollow: () => void;
  private cursor: number;
  private woken = false;

  constructor(parts: RecorderParts) {
    this.parts = parts;
    parts.transaction(() => parts.store.closeLeftOpen());
    this.cursor = parts.events.lastId();
    this.unfollow = parts.events.follow(() => this.wake(), 'machines');
  }

  stop(): void {
    this.unfollow();
    for (const hardwarename of [...this.recordings.keys()])
      this.end(hardwarename, 'the appliance stops');
  }

  /** Out of the committing call: what opens a line must not run inside somebody's transaction. */
  private wake(): void {
    if (this.woken) return;
    this.woken = true;
    this.parts.timers.after(0, () => this.read());
  }

  private read(): void {
    this.woken = false;
    const { events: page, through } = this.parts.events.ofMachinesAfter(this.cursor, PAGE);
    for (const event of page) {
      this.cursor = event.id;
      try {
        this.see(event);
      } catch (error) {
        this.parts.onError(error);
      }
    }
    this.cursor = through;
    if (page.length === PAGE) this.wake();
  }

  private see(event: StoredEvent): void {
    const { hardwarename } = event;
    if (hardwarename === undefined) return;
    const recording = this.recordings.get(hardwarename);
    switch (event.name) {
      case 'job.step': {
        const { phase, step, action, attempt = 1 } = event.data;
        // Another attempt at the same step belongs to the same boot.
        const again = recording?.boot === '' && attempt > 1;
        if (phase === 'started' && POWER_STEPS.includes(step) && !again)
          this.begin(hardwarename, { boot: '', why: action });
        break;
      }
      case 'boot.started': {
        const { boot = '' } = event;
        if (recording?.boot === '') {
          recording.boot = boot;
          this.parts.soon(() => this.parts.store.name(recording.number, boot));
        } else this.begin(hardwarename, { boot, why: 'boot' });
        break;
      }
      case 'job.retry':
        if (event.data.code !== 'BMC_BUSY') break;
        this.yielded.set(hardwarename, event.data.job);
        this.end(hardwarename, 'a job needed the session of its BMC');
        break;
      case 'job.finished':
      case 'job.failed':
      case 'job.cancelled':
        if (this.yielded.get(hardwarename) === event.data.job) this.yielded.delete(hardwarename);
        break;
      default:
        break;
    }
  }

  private begin(hardwarename: Hardwarename, of: { boot: string; why: string }): void {
    const { hub, store, timers, transaction, hasBmc } = this.parts;
    if (this.yielded.has(hardwarename) || !hasBmc(hardwarename)) return;
    this.conclude(hardwarename, 'the next boot began');
    const line = hub.line(hardwarename);
    const number = transaction(() => store.begin({ hardwarename, ...of }));
    const recording: Recording = {
      ...{ number, boot: of.boot, beganMs: timers.nowMs(), waiting: [], waitingBytes: 0 },
      ...{ cancelFlush: undefined, cancelQuiet: undefined },
    };
    this.recordings.set(hardwarename, recording);
    line.lastByteMs = timers.nowMs();
    line.record({
      data: (bytes) => this.take(recording, bytes),
      lost: (why) => this.conclude(hardwarename, why),
    });
    this.watchQuiet(hardwarename, recording);
  }

  private take(recording: Recording, bytes: Uint8Array): void {
    recording.waiting.push(bytes);
    recording.waitingBytes += bytes.length;
    if (recording.waitingBytes >= limit('consoleFlushBytesMax')) this.flush(recording);
    else
      recording.cancelFlush ??= this.parts.timers.after(limit('consoleFlushMs'), () =>
        this.flush(recording),
      );
  }

  private flush(recording: Recording): void {
    recording.cancelFlush?.();
    recording.cancelFlush = undefined;
    if (recording.waitingBytes === 0) return;
    const bytes = Buffer.concat(recording.waiting);
    recording.waiting = [];
    recording.waitingBytes = 0;
    this.parts.soon(() => this.parts.store.append(recording.number, bytes));
  }

  private watchQuiet(hardwarename: Hardwarename, recording: Recording): void {
    const { hub, timers } = this.parts;
    recording.cancelQuiet = timers.after(limit('consoleQuietMs'), () => {
      const quietMs = timers.nowMs() - (hub.existing(hardwarename)?.lastByteMs ?? 0);
      if (quietMs >= limit('consoleQuietMs')) this.end(hardwarename, 'it has become quiet');
      else if (timers.nowMs() - recording.beganMs >= limit('consoleRecordMs'))
        this.end(hardwarename, 'it has been recorded for as long as it may');
      else this.watchQuiet(hardwarename, recording);
    });
  }

  private end(hardwarename: Hardwarename, why: string): void {
    this.conclude(hardwarename, why);
    this.parts.hub.existing(hardwarename)?.record(undefined);
  }

  /** Ends the recording; the line is somebody else's matter. */
  private conclude(hardwarename: Hardwarename, why: string): void {
    const { soon, store, onKept } = this.parts;
    const recording = this.recordings.get(hardwarename);
    if (!recording) return;
    this.recordings.delete(hardwarename);
    recording.cancelQuiet?.();
    this.flush(recording);
    soon(() => {
      if (store.end(recording.number, why)) onKept?.(recording.number);
    });
  }
}
