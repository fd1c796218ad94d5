/**
 * Option negotiation (RFC 2347): only what was asked for is answered, numbers may be lowered but never raised, and what
 * is not acceptable is left out of the answer, which tells the client that it is not used.
 */
import { limit } from '../limits.ts';

export interface TransferTerms {
  /** RFC 2348; 512 without the option. */
  readonly blksizeBytes: number;
  /** RFC 7440: blocks sent before an ACK is awaited. */
  readonly windowsize: number;
  /** RFC 2349: the first retransmission comes after this. */
  readonly timeoutMs: number;
  /** What goes into the OACK; empty means that the first block is sent at once. */
  readonly accepted: ReadonlyMap<string, string>;
}

export const PLAIN_BLKSIZE_BYTES = 512;
const FIRST_TIMEOUT_MS = 1000;

export function negotiate(options: ReadonlyMap<string, string>, sizeBytes: number): TransferTerms {
  const accepted = new Map<string, string>();
  const blksize = numberWithin(options.get('blksize'), 8, 65_464);
  const windowsize = numberWithin(options.get('windowsize'), 1, 65_535);
  const timeout = numberWithin(options.get('timeout'), 1, 255);
  const blksizeBytes = Math.min(blksize ?? PLAIN_BLKSIZE_BYTES, limit('tftpBlksizeBytesMax'));
  const window = Math.min(windowsize ?? 1, limit('tftpWindowsizeMax'));
  for (const name of options.keys()) {
    if (name === 'blksize' && blksize !== undefined) accepted.set(name, `${blksizeBytes}`);
    if (name === 'windowsize' && windowsize !== undefined) accepted.set(name, `${window}`);
    if (name === 'timeout' && timeout !== undefined) accepted.set(name, `${timeout}`);
    // A read request carries 0 and is answered with the exact size (RFC 2349): loaders allocate from it.
    if (name === 'tsize' && options.get(name) === '0') accepted.set(name, `${sizeBytes}`);
  }
  const timeoutMs = timeout === undefined ? FIRST_TIMEOUT_MS : timeout * 1000;
  return { blksizeBytes, windowsize: window, timeoutMs, accepted };
}

function numberWithin(text: string | undefined, min: number, max: number): number | undefined {
  if (text === undefined || !/^\d{1,6}$/.test(text)) return undefined;
  const value = Number(text);
  return value >= min && value <= max ? value : undefined;
}
