/**
 * One TFTP read as a state machine without I/O: inputs are an ACK, a timeout or an ERROR; outputs are datagrams, the time
 * to wait, and at last a result.
 *
 * Nothing is ever sent again because of a duplicate ACK (the Sorcerer's Apprentice): a repetition comes from a timeout,
 * or from an ACK inside the window, which says which block the client lacks (RFC 7440 section 4). Blocks are counted in
 * full and only their low 16 bits travel, so a file may be larger than 65,535 blocks; the counter wraps to 0.
 */
import { limit } from '../limits.ts';
import type { TransferTerms } from './negotiate.ts';
import { encodeData, encodeOack, TFTP_ERROR } from './packet.ts';

export type TransferResult =
  | { readonly ok: true; readonly retransmits: number }
  | {
      readonly ok: false;
      readonly why: string;
      /** The last block that the client acknowledged. */
      readonly block: number;
      /** UEFI firmware asks for the size only, and aborts right after the OACK: nothing is wrong. */
      readonly probe: boolean;
    };

export interface Step {
  readonly send: readonly Uint8Array[];
  /** Wait this long for the next input before `onTimeout`; `undefined` when the transfer has ended. */
  readonly waitMs?: number;
  readonly result?: TransferResult;
}

export interface Transfer {
  start(): Step;
  onAck(block: number): Step;
  onTimeout(): Step;
  onError(code: number, message: string): Step;
  /** The client's port is closed. Loaders leave without acknowledging the last block: then they have the whole file. */
  onGone(why: string): Step;
}

const NOTHING: Step = { send: [] };

export function createTransfer(bytes: Uint8Array, terms: TransferTerms): Transfer {
  const { blksizeBytes, windowsize, timeoutMs, accepted } = terms;
  // A last block is always shorter than blksize, if need be empty (RFC 1350 section 6).
  const blocks = Math.floor(bytes.length / blksizeBytes) + 1;
  const negotiating = accepted.size > 0;
  let acked = negotiating ? -1 : 0;
  let tries = 0;
  let retransmits = 0;
  let ended = false;

  const block = (index: number) =>
    encodeData(index, bytes.subarray((index - 1) * blksizeBytes, index * blksizeBytes));
  const outstanding = (): Uint8Array[] => {
    if (acked < 0) return [encodeOack(accepted)];
    const last = Math.min(acked + windowsize, blocks);
    return Array.from({ length: last - acked }, (_, offset) => block(acked + 1 + offset));
  };
  const waitMs = () => timeoutMs * 2 ** tries;
  const end = (result: TransferResult): Step => {
    ended = true;
    return { send: [], result };
  };
  const fail = (why: string, probe = false) =>
    end({ ok: false, why, block: Math.max(acked, 0), probe });

  return {
    start: () => ({ send: outstanding(), waitMs: waitMs() }),
    onAck(low) {
      if (ended) return NOTHING;
      const index = acked < 0 ? (low === 0 ? 0 : undefined) : fullIndex(low, acked, windowsize);
      if (index === undefined || index > blocks || index <= acked) return NOTHING;
      const windowEnd = Math.min(Math.max(acked, 0) + windowsize, blocks);
      if (acked >= 0 && index < windowEnd) retransmits += 1;
      acked = index;
      tries = 0;
      if (acked === blocks) return end({ ok: true, retransmits });
      return { send: outstanding(), waitMs: waitMs() };
    },
    onTimeout() {
      if (ended) return NOTHING;
      tries += 1;
      retransmits += 1;
      if (tries > limit('tftpRetriesMax')) {
        return fail(
          acked < 0 ? 'the options were never acknowledged' : 'the client stopped answering',
        );
      }
      return { send: outstanding(), waitMs: waitMs() };
    },
    onGone(why) {
      if (ended) return NOTHING;
      return acked >= 0 && acked + windowsize >= blocks
        ? end({ ok: true, retransmits })
        : fail(why);
    },
    onError(code, message) {
      if (ended) return NOTHING;
      const probe = acked <= 0 && code === TFTP_ERROR.options;
      return fail(
        probe ? 'size probe' : `the client aborted: ${message || `error ${code}`}`,
        probe,
      );
    },
  };
}

/** The full number of an acknowledged block: the one in (acked, acked + window] with these low 16 bits. */
function fullIndex(low: number, acked: number, windowsize: number): number | undefined {
  const ahead = (low - acked) & 0xffff;
  return ahead >= 1 && ahead <= windowsize ? acked + ahead : undefined;
}
