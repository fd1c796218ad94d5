/** Serial lines without BMCs, in a time that tests move. */
import type {
  ConsoleMessage,
  ConsoleTimers,
  LineHandlers,
  OpenLine,
  Watcher,
} from '../../src/console/ports.ts';
import type { Hardwarename } from '../../src/wire/ids.ts';

export interface FakeLine extends OpenLine {
  readonly hardwarename: Hardwarename;
  readonly handlers: LineHandlers;
  readonly typed: () => string;
  readonly breaks: () => number;
  /** Takes nothing while it is set. */
  full: boolean;
  readonly isClosed: () => boolean;
  say(text: string): void;
}

export function createFakeLines() {
  const opened: FakeLine[] = [];
  let nowMs = 0;
  const waiting = new Set<{ at: number; callback: () => void }>();
  const timers: ConsoleTimers = {
    nowMs: () => nowMs,
    after(ms, callback) {
      const timer = { at: nowMs + ms, callback };
      waiting.add(timer);
      return () => waiting.delete(timer);
    },
  };
  /** What promises have settled has been seen by whoever waits for it. */
  const settle = () => new Promise<void>((next) => setImmediate(next));
  const lines = {
    opened,
    timers,
    /** What opening fails with, in order; nothing when it is empty. */
    failures: [] as Error[],
    settle,
    last(): FakeLine {
      const line = opened.at(-1);
      if (!line) throw new Error('no line was opened');
      return line;
    },
    async open(hardwarename: Hardwarename, handlers: LineHandlers): Promise<OpenLine> {
      const failure = lines.failures.shift();
      if (failure) throw failure;
      let [typed, breaks, closed] = ['', 0, false];
      const line: FakeLine = {
        ...{ hardwarename, handlers, full: false, typed: () => typed, breaks: () => breaks },
        isClosed: () => closed,
        say: (text) => handlers.onData(Buffer.from(text)),
        write(bytes) {
          if (line.full) return false;
          typed += Buffer.from(bytes).toString('latin1');
          return true;
        },
        break() {
          if (!line.full) breaks += 1;
          return !line.full;
        },
        async close() {
          closed = true;
        },
      };
      opened.push(line);
      return line;
    },
    async pass(ms: number): Promise<void> {
      const untilMs = nowMs + ms;
      for (;;) {
        await settle();
        const [next] = [...waiting].sort((a, b) => a.at - b.at);
        if (!next || next.at > untilMs) break;
        waiting.delete(next);
        nowMs = Math.max(nowMs, next.at);
        next.callback();
      }
      nowMs = untilMs;
    },
  };
  return lines;
}

export interface FakeWatcher extends Watcher {
  readonly seen: () => string;
  readonly told: ConsoleMessage[];
  readonly drains: () => number;
}

export function createFakeWatcher(who: string): FakeWatcher {
  let [seen, drains] = ['', 0];
  const told: ConsoleMessage[] = [];
  return {
    ...{ who, told, seen: () => seen, drains: () => drains },
    data(bytes) {
      seen += Buffer.from(bytes).toString('latin1');
    },
    tell: (message) => void told.push(message),
    drained() {
      drains += 1;
    },
  };
}
