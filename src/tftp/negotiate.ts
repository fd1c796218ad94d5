/**
 * Option negotiation (RFC 2347): only what was asked for is answered, numbers may be lowered but never raised, and what
 * is not acceptable is left out of the answer, which tells the client that it is not used.
 *
 * Beside the options of RFC 2348, 2349 and 7440 there is `rollover`, which tftpd-hpa knows: the number that follows block
 * 65,535. Every client at hand counts on to 0 (tftp-hpa, atftp, curl, busybox, iPXE, edk2), which is the default here; the
 * few that restart at 1 can say so for themselves, so no setting of the appliance has to be right for all of them.
 */
import { limit } from '../limits.ts';

export interface TransferTerms {
  /** RFC 2348; 512 without the option. */
  readonly blksizeBytes: number;
  /** RFC 7440: blocks sent before an ACK is awaited. */
  readonly windowsize: number;
  /** The longest wait before a repetition: the timeout option (RFC 2349), or our own. */
  readonly timeoutMs: number;
  /** The block number after 65,535. */
  readonly rollover: 0 | 1;
  /** What goes into the OACK; empty means that the first block is sent at once. */
  readonly accepted: ReadonlyMap<string, string>;
}

const PLAIN_BLKSIZE_BYTES = 512;

export function negotiate(
  options: ReadonlyMap<string, string>,
  sizeBytes: number,
  blksizeBytesMax = limit('tftpBlksizeBytesMax'),
): TransferTerms {
  const accepted = new Map<string, string>();
  const blksize = numberWithin(options.get('blksize'), 8, 65_464);
  const windowsize = numberWithin(options.get('windowsize'), 1, 65_535);
  const timeout = numberWithin(options.get('timeout'), 1, 255);
  const rollover = numberWithin(options.get('rollover'), 0, 1);
  // Who did not ask takes a shorter block for the last one, whatever it bears.
  const blksizeBytes =
    blksize === undefined ? PLAIN_BLKSIZE_BYTES : Math.min(blksize, blksizeBytesMax);
  const window = Math.min(windowsize ?? 1, limit('tftpWindowsizeMax'));
  for (const name of options.keys()) {
    if (name === 'blksize' && blksize !== undefined) accepted.set(name, `${blksizeBytes}`);
    if (name === 'windowsize' && windowsize !== undefined) accepted.set(name, `${window}`);
    if (name === 'timeout' && timeout !== undefined) accepted.set(name, `${timeout}`);
    if (name === 'rollover' && rollover !== undefined) accepted.set(name, `${rollover}`);
    // A read request carries 0 and is answered with the exact size (RFC 2349): loaders allocate from it.
    if (name === 'tsize' && options.get(name) === '0') accepted.set(name, `${sizeBytes}`);
  }
  return {
    blksizeBytes,
    windowsize: window,
    timeoutMs: timeout === undefined ? limit('tftpLongestWaitMs') : timeout * 1000,
    rollover: rollover === 1 ? 1 : 0,
    accepted,
  };
}

function numberWithin(text: string | undefined, min: number, max: number): number | undefined {
  if (text === undefined || !/^\d{1,6}$/.test(text)) return undefined;
  const value = Number(text);
  return value >= min && value <= max ? value : undefined;
}
