/**
 * Which requests are not served at all, and what the client is told: the ERROR is often all that a technician sees on the
 * console, so it says what to do.
 *
 * A loader asks for nothing else until it is told that a file is not there: edk2 asks again after 4 s, GRUB after 0.4. So a whole
 * hall is told, however many ask at once; what is bounded beyond a hall is who made-up senders are answered, and what is left
 * of it all in the record.
 */
import { limit } from '../limits.ts';
import { cleanFileName, inCase } from './file-name.ts';
import { OPCODE, TFTP_ERROR, type TftpRequest } from './packet.ts';

/** What the client is told: an error code (RFC 1350 section 5) and a sentence. */
export interface Refusal {
  readonly code: number;
  readonly why: string;
}

/** The file that a request names, or why it is not served. */
export function check(request: TftpRequest): { readonly name: string } | Refusal {
  if (request.opcode === OPCODE.wrq)
    return { code: TFTP_ERROR.access, why: 'this server is read-only' };
  if (request.mode !== 'octet') {
    const why = `mode ${request.mode.slice(0, 16)} is not served, use octet`;
    return { code: TFTP_ERROR.undefined, why };
  }
  const name = cleanFileName(request.file);
  return name === undefined
    ? { code: TFTP_ERROR.access, why: 'this path is not served' }
    : { name };
}

export function notFound(name: string): Refusal {
  return { code: TFTP_ERROR.notFound, why: `there is no file ${name}` };
}

/** What becomes of a refusal: an ERROR and an event, an ERROR alone and the reason that is counted, or nothing. */
export type Verdict = 'told' | 'optional-file' | 'refusals-untold' | 'refusals-limited';

export interface Refusals {
  /** @param now milliseconds of a monotonic clock */
  weigh(name: string, refusal: Refusal, now: number): Verdict;
  /** Whether one more ERROR is worth sending, whatever it says. */
  worthAnswering(now: number): boolean;
}

/** Of one network. */
export function createRefusals(): Refusals {
  let since = Number.NEGATIVE_INFINITY;
  let count = 0;
  let events: number = limit('tftpRefusalEventsBurstMax');
  let filledAt = 0;
  const worthAnswering = (now: number): boolean => {
    if (now - since >= 1000) [since, count] = [now, 0];
    count += 1;
    return count <= limit('tftpRefusalsPerSecond');
  };
  const worthTelling = (now: number): boolean => {
    const more = ((now - filledAt) * limit('tftpRefusalEventsPerSecond')) / 1000;
    events = Math.min(limit('tftpRefusalEventsBurstMax'), events + more);
    filledAt = now;
    if (events < 1) return false;
    events -= 1;
    return true;
  };
  return {
    worthAnswering,
    weigh(name, { code }, now) {
      if (!worthAnswering(now)) return 'refusals-limited';
      if (code === TFTP_ERROR.notFound && inCase(name) !== undefined) return 'optional-file';
      return worthTelling(now) ? 'told' : 'refusals-untold';
    },
  };
}
