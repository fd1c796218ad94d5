/** What a row of `reveille bmc` is: words to a value, and how a person reads it. */
import type { BmcSession } from '../ipmi/client.ts';
import type { Timers } from '../ipmi/ports.ts';
import type { QuirkName } from '../ipmi/quirks.ts';

export interface CommandOutput {
  readonly value: unknown;
  readonly text: string;
}

export interface Context {
  readonly session: BmcSession;
  readonly timers: Timers;
  readonly quirks: ReadonlySet<QuirkName>;
  /** What follows the command. */
  readonly words: readonly string[];
  /** The password that an account is to have; '' where none was given. @throws AppError REQUEST_INVALID */
  newPassword(): string;
  /** This machine's clock, seconds since 1970. */
  nowSeconds(): number;
}

export type Act = (context: Context) => Promise<CommandOutput>;
