/**
 * What an IPMI command is, for the files in `commands/`: its numbers, how its request is encoded and how the data of its
 * response is decoded. One file holds one command, or the get and set of one thing.
 *
 * A decoder is strict about what it needs and lenient about what follows: the specification lets later revisions append
 * bytes, and real BMCs append and omit optional ones.
 */
import { Reader } from '../wire/cursor.ts';
import { type Decoded, decoded, malformed } from '../wire/result.ts';

export interface Command<Request, Response> {
  readonly name: string;
  readonly netFn: number;
  readonly command: number;
  encode(request: Request): Uint8Array;
  decode(data: Uint8Array): Decoded<Response>;
  /** Sent again after a lost reply. Where false, the caller has to look before it asks again. */
  readonly repeatable: boolean;
  /** Meanings of command-specific completion codes. */
  readonly completions?: Readonly<Record<number, string>>;
}

/** Whatever can carry commands: a session, or a fake in a test. */
export interface Caller {
  /**
   * @throws CompletionError when the BMC answers with a code other than 0
   * @throws AppError BMC_TIMEOUT, BMC_PROTOCOL
   */
  call<Request, Response>(command: Command<Request, Response>, request: Request): Promise<Response>;
}

/** A decoder that reads top to bottom and fails when the data was too short. */
export function reading<T>(read: (reader: Reader) => T): (data: Uint8Array) => Decoded<T> {
  return (data) => {
    const reader = new Reader(data);
    const value = read(reader);
    return reader.failedAt === undefined ? decoded(value) : malformed('too-short', reader.failedAt);
  };
}

/** For commands that answer with nothing but their code. */
export const nothing = (): Decoded<void> => decoded(undefined);
