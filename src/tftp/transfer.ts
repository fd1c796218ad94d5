/**
 * One TFTP read as a state machine without I/O: inputs are an ACK, a timeout, an ERROR or the news that the client is
 * gone; an output is a run of blocks to send, or the result.
 *
 * What keeps it right under loss, repetition and reordering:
 * - Blocks are counted in full; only a 16-bit number travels. An ACK counts when it lies in the window that was sent.
 * - In lockstep nothing is ever sent again because of a duplicate ACK (the Sorcerer's Apprentice, RFC 1123 4.2.3.1): a
 *   repetition comes from a timeout.
 * - With a window (RFC 7440 section 4) an ACK inside it names the block that the client lacks, and the window starts again
 *   there. When the first block of a window is the lost one, that ACK looks like a duplicate. It is believed once, no
 *   sooner than half a round trip after the window left, and not again before two more windows have arrived: a repeated
 *   window provokes repeated ACKs, and those must not provoke a third.
 * - The wait adapts to the link (`rtt.ts`). Giving up is a matter of time without progress, not of a count of tries.
 */
import { limit } from '../limits.ts';
import { blockNumber } from '../wire/block-number.ts';
import type { TransferTerms } from './negotiate.ts';
import { TFTP_ERROR } from './packet.ts';
import { createRetransmitTimer } from './rtt.ts';

export type TransferResult =
  | { readonly ok: true; readonly retransmits: number }
  | {
      readonly ok: false;
      readonly why: string;
      /** The last block that the client acknowledged. */
      readonly block: number;
      /** Firmware asks for the size only, and aborts right after the OACK: nothing is wrong. */
      readonly probe: boolean;
    };

/** What a transfer that failed leaves behind: how far its client came. */
export interface Progress {
  /** -1 when not even the options were acknowledged. */
  readonly acked: number;
  readonly retransmits: number;
  /** Of these, those since the last sign of the client: they say nothing of the link before. */
  readonly tries: number;
}

/** Blocks `first` to `last`, by full number, to be sent now; block 0 is the OACK. */
export interface Run {
  readonly kind: 'send';
  readonly first: number;
  readonly last: number;
}

export type Step =
  | Run
  /** Nothing to do. `duplicate`: an ACK that told nothing new; `stray`: one for a block that was never sent. */
  | { readonly kind: 'nothing'; readonly why: 'duplicate' | 'stray' | 'ended' }
  | { readonly kind: 'end'; readonly result: TransferResult };

export interface Transfer extends Progress {
  readonly blocks: number;
  /** The last block that was acknowledged; -1 before the OACK was. */
  readonly acked: number;
  /** When `onTimeout` is due, in milliseconds of the caller's clock. */
  readonly dueAt: number;
  /** When the current run was sent. */
  readonly sentAt: number;
  start(now: number): Step;
  /** The client repeats its request: it has not seen our first answer. */
  onAskedAgain(now: number): Step;
  /** The run that was asked for has left: the wait begins now. */
  sent(now: number): void;
  /** @param low the 16-bit number of the ACK. */
  onAck(low: number, now: number): Step;
  onTimeout(now: number): Step;
  onError(code: number, message: string): Step;
  /** The client's port is closed. Loaders leave without acknowledging the last block: then they have the whole file. */
  onGone(why: string): Step;
}

const DUPLICATE: Step = { kind: 'nothing', why: 'duplicate' };
const STRAY: Step = { kind: 'nothing', why: 'stray' };
const ENDED: Step = { kind: 'nothing', why: 'ended' };

export function createTransfer(sizeBytes: number, terms: TransferTerms): Transfer {
  return new TransferMachine(sizeBytes, terms);
}

class TransferMachine implements Transfer {
  readonly blocks: number;
  acked: number;
  dueAt = Number.POSITIVE_INFINITY;
  sentAt = 0;
  private readonly terms: TransferTerms;
  private readonly timer: ReturnType<typeof createRetransmitTimer>;
  private readonly patienceMs: number;
  private progressAt = 0;
  tries = 0;
  retransmits = 0;
  /** Karn's rule: an ACK of what was sent twice measures nothing. */
  private repeated = false;
  /** A duplicate ACK is believed from this block on. */
  private believeFrom = 0;
  private ended = false;

  constructor(sizeBytes: number, terms: TransferTerms) {
    this.terms = terms;
    // A last block is always shorter than blksize, if need be empty (RFC 1350 section 6).
    this.blocks = Math.floor(sizeBytes / terms.blksizeBytes) + 1;
    this.acked = terms.accepted.size > 0 ? -1 : 0;
    this.timer = createRetransmitTimer(terms.timeoutMs);
    // A client that asked for long waits may itself repeat as seldom: four of its turns, within bounds.
    this.patienceMs = Math.min(
      Math.max(limit('tftpSilenceMs'), 4 * terms.timeoutMs),
      4 * limit('tftpSilenceMs'),
    );
  }

  start(now: number): Step {
    this.progressAt = now;
    return this.window();
  }

  onAskedAgain(now: number): Step {
    if (this.ended || this.acked > 0) return DUPLICATE;
    this.progressAt = now;
    return this.again();
  }

  sent(now: number): void {
    this.sentAt = now;
    this.dueAt = now + this.timer.waitMs(this.tries);
  }

  onAck(low: number, now: number): Step {
    if (this.ended) return ENDED;
    if (this.acked < 0) return low === 0 ? this.advance(0, now) : STRAY;
    const windowEnd = Math.min(this.acked + this.terms.windowsize, this.blocks);
    for (let index = this.acked + 1; index <= windowEnd; index++) {
      if (blockNumber(index, this.terms.rollover) === low) return this.advance(index, now);
    }
    if (low !== this.lastAcked()) return this.isOld(low) ? DUPLICATE : STRAY;
    const { smoothedMs } = this.timer;
    const believable =
      this.terms.windowsize > 1 &&
      this.acked >= this.believeFrom &&
      smoothedMs !== undefined &&
      now - this.sentAt >= smoothedMs / 2;
    if (!believable) return DUPLICATE;
    this.believeFrom = this.acked + 2 * this.terms.windowsize;
    return this.again();
  }

  onTimeout(now: number): Step {
    if (this.ended) return ENDED;
    if (now - this.progressAt >= this.patienceMs) {
      if (this.acked < 0) return this.fail('the options were never acknowledged');
      const last = this.acked + this.terms.windowsize >= this.blocks;
      return this.fail(
        last ? 'the last block was never acknowledged' : 'the client stopped answering',
      );
    }
    this.tries += 1;
    return this.again();
  }

  onGone(why: string): Step {
    if (this.ended) return ENDED;
    const last = this.acked >= 0 && this.acked + this.terms.windowsize >= this.blocks;
    return last ? this.end({ ok: true, retransmits: this.retransmits }) : this.fail(why);
  }

  onError(code: number, message: string): Step {
    if (this.ended) return ENDED;
    // edk2 sends error 8 and Intel's ROM error 0 ("TFTP Aborted") once the OACK has told the size.
    const probe =
      this.acked <= 0 &&
      this.terms.accepted.has('tsize') &&
      (code === TFTP_ERROR.options || code === TFTP_ERROR.undefined);
    const why = probe ? 'size probe' : `the client aborted: ${message || `error ${code}`}`;
    return this.fail(why, probe);
  }

  private window(): Run {
    if (this.acked < 0) return { kind: 'send', first: 0, last: 0 };
    const last = Math.min(this.acked + this.terms.windowsize, this.blocks);
    return { kind: 'send', first: this.acked + 1, last };
  }

  private again(): Run {
    this.retransmits += 1;
    this.repeated = true;
    return this.window();
  }

  private advance(index: number, now: number): Step {
    const whole = index === Math.min(Math.max(this.acked, 0) + this.terms.windowsize, this.blocks);
    const first = this.acked < 0;
    if (!this.repeated && (whole || first)) this.timer.sample(now - this.sentAt);
    if (!whole && !first) this.retransmits += 1;
    // What follows an ACK inside the window is in part a repetition, so its answer is ambiguous too.
    this.repeated = !whole && !first;
    this.acked = index;
    this.tries = 0;
    this.progressAt = now;
    return index === this.blocks
      ? this.end({ ok: true, retransmits: this.retransmits })
      : this.window();
  }

  private lastAcked(): number {
    return this.acked === 0 ? 0 : blockNumber(this.acked, this.terms.rollover);
  }

  /** Whether this could be the number of a block that was acknowledged before. */
  private isOld(low: number): boolean {
    return this.acked >= 65_535 || low <= this.acked;
  }

  private end(result: TransferResult): Step {
    this.ended = true;
    this.dueAt = Number.POSITIVE_INFINITY;
    return { kind: 'end', result };
  }

  private fail(why: string, probe = false): Step {
    return this.end({ ok: false, why, block: Math.max(this.acked, 0), probe });
  }
}
