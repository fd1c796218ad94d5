/** What a console needs of the world, and what it says to whoever watches. */
import type { Hardwarename } from '../wire/ids.ts';

/** A serial line that is open. */
export interface OpenLine {
  /** False when its buffer is full: nothing was taken. */
  write(bytes: Uint8Array): boolean;
  /** A serial break; false while something is on its way. */
  break(): boolean;
  close(): Promise<void>;
}

export interface LineHandlers {
  /** Ends the session of somebody else instead of being refused. */
  readonly takeOver: boolean;
  onData(bytes: Uint8Array): void;
  /** Something that was asked of the line could not be done; the line goes on. */
  onRefused(detail: string): void;
  /** The line is dead: it was not closed from here. */
  onEnd(error: Error): void;
}

/** Opens the serial line of a machine. @throws AppError CONSOLE_TAKEN, BMC_*, MACHINE_UNKNOWN */
export type OpenLinePort = (
  hardwarename: Hardwarename,
  handlers: LineHandlers,
) => Promise<OpenLine>;

export interface ConsoleTimers {
  /** @returns the way to forget it */
  after(ms: number, callback: () => void): () => void;
  nowMs(): number;
}

/** What a watcher is told beside the bytes: docs/console.md has it as a table. */
export type ConsoleMessage =
  | {
      readonly type: 'state';
      readonly state: 'connecting' | 'open' | 'waiting';
      readonly detail?: string;
    }
  | { readonly type: 'writer'; readonly who: string; readonly you: boolean }
  | { readonly type: 'closed'; readonly code: string; readonly detail: string };

export interface Watcher {
  readonly who: string;
  /** Never waits: a reader that is slow loses bytes, not the others. */
  data(bytes: Uint8Array): void;
  tell(message: ConsoleMessage): void;
  /** What it typed has been accepted so far: it may go on. */
  drained(): void;
}

/** Who is told what a line prints beside its watchers: the recorder. */
export interface LineSink {
  data(bytes: Uint8Array): void;
  /** The line cannot be opened, or not any more. */
  lost(why: string): void;
}
