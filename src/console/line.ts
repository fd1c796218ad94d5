/**
 * The console of one machine: one session with its BMC, however many watch. Opened when the first one comes, and closed a few
 * seconds after the last has gone; opened again, slower each time, when it breaks while somebody is there.
 *
 * One watcher types at a time and the others see it; whoever wants to type takes the pen when it is free, or takes it away
 * and both are told. A refusal that will not pass (a wrong password, somebody else's session) ends the watching and says so;
 * silence is waited out. Nothing a watcher does or omits holds up another, or the recording.
 */
import { AppError, type ErrorCode } from '../errors.ts';
import { limit } from '../limits.ts';
import type { Hardwarename } from '../wire/ids.ts';
import type { ConsoleTimers, LineSink, OpenLine, OpenLinePort, Watcher } from './ports.ts';

/** What passes by itself: the BMC restarts, is full for a minute, or the network is away. */
const PASSING: readonly ErrorCode[] = ['BMC_UNREACHABLE', 'BMC_TIMEOUT', 'BMC_BUSY'];
/** How much is offered to the line at once, and how long a full one is left alone. */
const PIECE_BYTES = 1024;
const FULL_MS = 50;

export interface LineParts {
  readonly hardwarename: Hardwarename;
  readonly open: OpenLinePort;
  readonly timers: ConsoleTimers;
  /** Nobody is here any more, and the session is closed. */
  onIdle(): void;
}

export class ConsoleLine {
  /** When the machine last printed. */
  lastByteMs: number;
  private readonly parts: LineParts;
  private readonly watchers = new Set<Watcher>();
  private sink: LineSink | undefined;
  private writer: Watcher | undefined;
  private line: OpenLine | undefined;
  private state: 'closed' | 'connecting' | 'open' | 'waiting' = 'closed';
  /** Counts sessions: what an earlier one still says is not listened to. */
  private epoch = 0;
  /** Whoever wants somebody else's console ended for this line: until it is open, or they have left. */
  private takesOver: Watcher | undefined;
  private retryMs = limit('consoleRetryMs');
  /** The last of what was printed, in the pieces in which it came. */
  private replay: Uint8Array[] = [];
  private replayBytes = 0;
  private input: Uint8Array = new Uint8Array();
  private breakWanted = false;
  private cancelTimer: (() => void) | undefined;
  private cancelInput: (() => void) | undefined;

  constructor(parts: LineParts) {
    this.parts = parts;
    this.lastByteMs = parts.timers.nowMs();
  }

  get watched(): number {
    return this.watchers.size;
  }

  /** Who types; '' for nobody. */
  get writtenBy(): string {
    return this.writer?.who ?? '';
  }

  /** @throws AppError TOO_MANY_READERS */
  watch(watcher: Watcher, wish: { readonly write: boolean; readonly takeOver: boolean }): void {
    if (this.watchers.size >= limit('consoleWatchersMax')) throw new AppError('TOO_MANY_READERS');
    this.watchers.add(watcher);
    // A line that is open already has what could be taken over.
    if (wish.takeOver && this.state !== 'open') this.takesOver = watcher;
    if (this.state === 'open' || this.state === 'waiting') watcher.tell(this.stateNow());
    if (this.replayBytes > 0)
      watcher.data(Buffer.concat(this.replay).subarray(-limit('consoleReplayBytesMax')));
    if (wish.write && !this.writer) this.give(watcher);
    else this.tellWriter(watcher);
    // Somebody who has just come does not wait for what the last attempt is waiting for.
    if (this.state !== 'open' && this.state !== 'connecting') this.connect();
  }

  leave(watcher: Watcher): void {
    if (!this.watchers.delete(watcher)) return;
    if (this.takesOver === watcher) this.takesOver = undefined;
    if (this.writer === watcher) this.give(undefined);
    this.closeWhenUnused();
  }

  /** Starts or, without one, ends recording. */
  record(sink: LineSink | undefined): void {
    this.sink = sink;
    if (sink && this.state === 'closed') this.connect();
    if (!sink) this.closeWhenUnused();
  }

  get recorded(): boolean {
    return this.sink !== undefined;
  }

  /** Takes the pen; with `force` also from somebody else. @returns whether this watcher has it now */
  claim(watcher: Watcher, force: boolean): boolean {
    // Whoever has left may still be heard: its socket takes a moment to close.
    if (!this.watchers.has(watcher)) return false;
    if (this.writer !== watcher && (force || !this.writer)) this.give(watcher);
    else this.tellWriter(watcher);
    return this.writer === watcher;
  }

  release(watcher: Watcher): void {
    if (this.writer === watcher) this.give(undefined);
  }

  /** @returns false when the watcher has to wait until it is told `drained`; what it typed is kept */
  type(watcher: Watcher, bytes: Uint8Array): boolean {
    if (!this.watchers.has(watcher)) return true;
    if (this.writer !== watcher) {
      this.tellWriter(watcher);
      return true;
    }
    this.input = Buffer.concat([this.input, bytes]);
    this.pump();
    return this.input.length < limit('consoleInputBytesMax');
  }

  break(watcher: Watcher): void {
    if (!this.watchers.has(watcher)) return;
    if (this.writer === watcher) {
      this.breakWanted = true;
      this.pump();
    } else this.tellWriter(watcher);
  }

  /** Ends everything: the appliance stops, or the line has to make room. */
  async shut(why: string): Promise<void> {
    for (const watcher of this.watchers)
      watcher.tell({ type: 'closed', code: 'TOO_MANY_READERS', detail: why });
    this.watchers.clear();
    this.sink?.lost(why);
    this.sink = undefined;
    await this.close();
  }

  private connect(): void {
    this.cancelTimer?.();
    this.epoch += 1;
    const mine = this.epoch;
    this.enter('connecting');
    const takeOver = this.takesOver !== undefined;
    const current = () => mine === this.epoch;
    this.parts
      .open(this.parts.hardwarename, {
        takeOver,
        onData: (bytes) => current() && this.heard(bytes),
        onRefused: (detail) => current() && this.enter('open', detail),
        onEnd: (error) => current() && this.failed(error),
      })
      .then(
        (line) => {
          if (!current()) return void line.close();
          this.line = line;
          this.takesOver = undefined;
          this.retryMs = limit('consoleRetryMs');
          this.enter('open');
          this.pump();
          this.closeWhenUnused();
        },
        (error: Error) => current() && this.failed(error, takeOver),
      );
  }

  /** @param tookOver whether this attempt would have ended somebody else's console */
  private failed(error: Error, tookOver = false): void {
    this.epoch += 1;
    this.line = undefined;
    const code = error instanceof AppError ? error.code : 'INTERNAL';
    if (this.watchers.size === 0 && !this.sink) return void this.close();
    // Whoever came while an attempt without it was under way has asked for just this.
    if (code === 'CONSOLE_TAKEN' && this.takesOver && !tookOver) return void this.connect();
    if (!PASSING.includes(code)) {
      for (const watcher of this.watchers)
        watcher.tell({ type: 'closed', code, detail: error.message });
      this.watchers.clear();
      this.sink?.lost(`${code}: ${error.message}`);
      this.sink = undefined;
      return void this.close();
    }
    this.enter('waiting', error.message);
    this.cancelTimer = this.parts.timers.after(this.retryMs, () => this.connect());
    this.retryMs = Math.min(2 * this.retryMs, limit('consoleRetryMsMax'));
  }

  private heard(bytes: Uint8Array): void {
    this.lastByteMs = this.parts.timers.nowMs();
    this.replay.push(bytes);
    this.replayBytes += bytes.length;
    for (let [first] = this.replay; first; [first] = this.replay) {
      if (this.replayBytes - first.length < limit('consoleReplayBytesMax')) break;
      this.replayBytes -= first.length;
      this.replay.shift();
    }
    for (const watcher of this.watchers) watcher.data(bytes);
    this.sink?.data(bytes);
  }

  /** Offers what was typed, piece by piece, for as long as the line takes it. */
  private pump(): void {
    this.cancelInput?.();
    const { line } = this;
    if (!line) return;
    const before = this.input.length;
    if (this.breakWanted && line.break()) this.breakWanted = false;
    while (this.input.length > 0 && line.write(this.input.subarray(0, PIECE_BYTES)))
      this.input = this.input.subarray(PIECE_BYTES);
    if (this.input.length === 0 && before > 0) this.writer?.drained();
    if (this.input.length > 0 || this.breakWanted)
      this.cancelInput = this.parts.timers.after(FULL_MS, () => this.pump());
  }

  private give(watcher: Watcher | undefined): void {
    const before = this.writer;
    this.writer = watcher;
    this.input = new Uint8Array();
    this.breakWanted = false;
    // One that was waiting to go on must not wait for ever.
    before?.drained();
    for (const each of this.watchers) this.tellWriter(each);
  }

  private tellWriter(watcher: Watcher): void {
    const who = this.writer?.who ?? '';
    watcher.tell({ type: 'writer', who, you: this.writer === watcher });
  }

  private stateNow(detail?: string) {
    const state = this.state === 'closed' ? 'waiting' : this.state;
    return { type: 'state', state, ...(detail === undefined ? {} : { detail }) } as const;
  }

  private enter(state: 'connecting' | 'open' | 'waiting', detail?: string): void {
    this.state = state;
    for (const watcher of this.watchers) watcher.tell(this.stateNow(detail));
  }

  private closeWhenUnused(): void {
    if (this.watchers.size > 0 || this.sink || this.state === 'closed') return;
    this.cancelTimer?.();
    this.cancelTimer = this.parts.timers.after(limit('consoleLingerMs'), () => {
      if (this.watchers.size === 0 && !this.sink) void this.close();
    });
  }

  private async close(): Promise<void> {
    this.epoch += 1;
    this.cancelTimer?.();
    this.cancelInput?.();
    const { line } = this;
    this.line = undefined;
    this.writer = undefined;
    this.takesOver = undefined;
    this.input = new Uint8Array();
    this.breakWanted = false;
    this.state = 'closed';
    this.parts.onIdle();
    await line?.close();
  }
}
