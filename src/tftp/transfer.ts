/**
 * One TFTP read as a state machine without I/O: inputs are an ACK, a timeout, an ERROR or the news that the client is
 * gone; an output is a run of blocks to send, or the result.
 *
 * What keeps it right under loss, repetition and reordering:
 * - Blocks are counted in full; only a 16-bit number travels. An ACK counts when it lies in the window that was sent.
 * - In lockstep nothing is ever sent again because of a duplicate ACK (the Sorcerer's Apprentice, RFC 1123 4.2.3.1): a
 *   repetition comes from a timeout.
 * - With a window (RFC 7440 section 4) an ACK inside it names the block that the client lacks, and the window starts again
 *   there. When the first block of a window is the lost one, that ACK looks like a duplicate: it is believed no sooner
 *   than half a round trip after the window left.
 * - A repeated block provokes an ACK, too: edk2 (Mtftp4Rrq.c) answers each one that is not the next with the last that was.
 *   Taken for a loss, it had what is on its way sent again, and that the next, so that one lost block doubled all windows
 *   after it. On a link that keeps the order no block after the last repeated one has been received by then: an ACK beyond
 *   that is about a loss. Any other is ambiguous: what was sent is held to be on its way, only what the window has room for
 *   is sent, and without a better ACK within two round trips the window starts again.
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
  /** All has been sent, and the blocks that are not acknowledged are the last ones. */
  readonly awaitsLast: boolean;
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
  /** The last block that was asked for, and the last that has left: a run may wait for its disk, or never leave. */
  private askedTo = -1;
  private sentTo = -1;
  /** The last block that was sent more than once. */
  private repeatedTo = -1;
  /** The run that leaves next follows an ambiguous ACK. */
  private held = false;
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

  get awaitsLast(): boolean {
    // What has not left, because it waits for its disk, nobody can have.
    return this.acked >= 0 && this.sentTo === this.blocks;
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
    this.sentTo = Math.max(this.sentTo, this.askedTo);
    this.dueAt = now + this.timer.waitMs(this.tries);
    if (this.held) this.hold(now);
  }

  onAck(low: number, now: number): Step {
    if (this.ended) return ENDED;
    if (this.acked < 0) return low === 0 ? this.advance(0, now) : STRAY;
    const windowEnd = this.windowEnd();
    for (let index = this.acked + 1; index <= windowEnd; index++) {
      if (blockNumber(index, this.terms.rollover) === low) return this.advance(index, now);
    }
    if (low !== this.lastAcked()) return this.isOld(low) ? DUPLICATE : STRAY;
    if (this.terms.windowsize > 1) return this.onSameAgain(now);
    return DUPLICATE;
  }

  /** The first block of the window may be lost. */
  private onSameAgain(now: number): Step {
    const { smoothedMs } = this.timer;
    if (this.acked < this.repeatedTo) this.hold(now);
    // Answers to the last repeated block: what follows was sent once, and has all the time of a first try.
    if (this.acked <= this.repeatedTo || smoothedMs === undefined) return DUPLICATE;
    return now - this.sentAt >= smoothedMs / 2 ? this.again() : DUPLICATE;
  }

  onTimeout(now: number): Step {
    if (this.ended) return ENDED;
    if (now - this.progressAt >= this.patienceMs) {
      if (this.acked < 0) return this.fail('the options were never acknowledged');
      return this.fail(
        this.awaitsLast ? 'the last block was never acknowledged' : 'the client stopped answering',
      );
    }
    this.tries += 1;
    return this.again();
  }

  onGone(why: string): Step {
    if (this.ended) return ENDED;
    return this.awaitsLast ? this.end({ ok: true, retransmits: this.retransmits }) : this.fail(why);
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
    const first = this.acked + 1;
    const last = first === 0 ? 0 : this.windowEnd();
    if (first <= this.sentTo) {
      this.repeatedTo = Math.max(this.repeatedTo, Math.min(last, this.sentTo));
    }
    this.askedTo = last;
    this.held = false;
    return { kind: 'send', first, last };
  }

  private windowEnd(): number {
    return Math.min(Math.max(this.acked, 0) + this.terms.windowsize, this.blocks);
  }

  private again(): Run {
    this.retransmits += 1;
    this.repeated = true;
    return this.window();
  }

  private advance(index: number, now: number): Step {
    const whole = index === this.windowEnd();
    const first = this.acked < 0;
    if (!whole && !first && index <= this.repeatedTo) return this.slide(index, now);
    if (!this.repeated && (whole || first)) this.timer.sample(now - this.sentAt);
    if (!whole && !first) this.retransmits += 1;
    // What follows an ACK inside the window is in part a repetition, so its answer is ambiguous too.
    this.repeated = !whole && !first;
    this.progress(index, now);
    return index === this.blocks
      ? this.end({ ok: true, retransmits: this.retransmits })
      : this.window();
  }

  private progress(index: number, now: number): void {
    this.acked = index;
    this.tries = 0;
    this.progressAt = now;
  }

  /** After an ambiguous ACK inside the window. */
  private slide(index: number, now: number): Step {
    this.progress(index, now);
    this.repeated = true;
    const first = Math.max(this.sentTo, index) + 1;
    const last = this.windowEnd();
    if (first > last) {
      this.hold(now);
      return DUPLICATE;
    }
    this.askedTo = last;
    this.held = true;
    return { kind: 'send', first, last };
  }

  /** An ACK of more ends this wait; nothing extends it beyond that of any run. */
  private hold(now: number): void {
    const { tries, timer } = this;
    this.dueAt = Math.min(now + timer.holdMs(tries), this.sentAt + timer.waitMs(tries));
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
