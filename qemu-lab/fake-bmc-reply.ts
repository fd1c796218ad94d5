/**
 * The shape of a simulated BMC's commands: a request's data in, a completion code and data out.
 */
import { Reader } from '../src/wire/cursor.ts';
import type { BmcState } from './fake-bmc-state.ts';

export interface Reply {
  readonly completion: number;
  readonly data: Uint8Array;
}

/** What a command may know of the session that it came in by. */
export interface CommandContext {
  readonly state: BmcState;
  readonly privilege: number;
}

export interface FakeCommand {
  /** The least privilege: 2 user, 3 operator, 4 administrator. */
  readonly privilege: number;
  readonly run: (request: Uint8Array, context: CommandContext) => Reply;
}

export type CommandTable = Readonly<Record<string, FakeCommand>>;

export const ok = (...data: readonly number[]): Reply => ({
  completion: 0,
  data: Uint8Array.from(data),
});
export const okBytes = (data: Uint8Array): Reply => ({ completion: 0, data });
export const refuse = (completion: number): Reply => ({ completion, data: new Uint8Array() });

/** Reads a request that has to be whole; `undefined` when it is shorter. */
export function fields<T>(request: Uint8Array, read: (reader: Reader) => T): T | undefined {
  const reader = new Reader(request);
  const value = read(reader);
  return reader.failedAt === undefined ? value : undefined;
}
