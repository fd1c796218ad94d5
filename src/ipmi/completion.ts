/**
 * Completion codes (IPMI 2.0 table 5-2), in words, and the error that carries one. Codes 0x80 to 0xbe mean something
 * else for each command; a command's file names those that it knows.
 */
import { AppError } from '../errors.ts';

export const COMPLETION = {
  ok: 0x00,
  busy: 0xc0,
  invalidCommand: 0xc1,
  timeout: 0xc3,
  reservationCancelled: 0xc5,
  lengthInvalid: 0xc7,
  fieldTooLong: 0xc8,
  outOfRange: 0xc9,
  tooManyBytes: 0xca,
  notPresent: 0xcb,
  invalidField: 0xcc,
  noResponse: 0xce,
  duplicate: 0xcf,
  privilege: 0xd4,
  wrongState: 0xd5,
  disabled: 0xd6,
  unspecified: 0xff,
} as const;

const MEANING: Readonly<Record<number, string>> = {
  192: 'busy',
  193: 'invalid command',
  194: 'command invalid for this LUN',
  195: 'timeout while processing',
  196: 'out of space',
  197: 'reservation cancelled',
  198: 'request data truncated',
  199: 'request data length invalid',
  200: 'request data field too long',
  201: 'parameter out of range',
  202: 'cannot return that many bytes',
  203: 'requested sensor, data or record not present',
  204: 'invalid data field',
  205: 'command illegal for this sensor or record type',
  206: 'response could not be provided',
  207: 'duplicate request',
  208: 'SDR repository in update mode',
  209: 'device in firmware update mode',
  210: 'BMC initialisation in progress',
  211: 'destination unavailable',
  212: 'insufficient privilege',
  213: 'not supported in present state',
  214: 'command disabled',
  255: 'unspecified error',
};

/** What a completion code says, for people. */
export function completionText(
  completion: number,
  specific: Readonly<Record<number, string>> = {},
): string {
  const hex = `0x${completion.toString(16).padStart(2, '0')}`;
  return `${specific[completion] ?? MEANING[completion] ?? 'command-specific or OEM code'} (${hex})`;
}

/** A command that the BMC answered with a code other than 0. */
export class CompletionError extends AppError {
  readonly completion: number;

  constructor(command: string, completion: number, specific?: Readonly<Record<number, string>>) {
    super('BMC_REFUSED', { detail: `${command}: ${completionText(completion, specific)}.` });
    this.completion = completion;
  }
}
