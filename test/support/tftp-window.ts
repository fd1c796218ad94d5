/**
 * A transfer and its receiver with a link between them that keeps the order and takes its time for each block: for what
 * windows cost under loss, which is counted in blocks and in milliseconds of a time of its own.
 *
 * Receivers differ in what they say of a block that is not the next. `each`: the last that was, for each such block (edk2,
 * Mtftp4Rrq.c). `once`: the same, but once until it goes on (U-Boot). Both then count their window anew, say what they said
 * last again after a second of silence, and close their port after the last ACK.
 */
import { negotiate } from '../../src/tftp/negotiate.ts';
import { createTransfer, type Step } from '../../src/tftp/transfer.ts';

export const RECEIVERS = ['each', 'once'] as const;

export interface Passage {
  readonly windowsize: number;
  readonly blocks: number;
  readonly receiver: (typeof RECEIVERS)[number];
  /** One way, in milliseconds. */
  readonly delayMs: number;
  /** What the link and the receiver take for a block. */
  readonly blockMs: number;
  /** What the receiver does beside this one, after this many blocks each time: a screen, a disk. */
  readonly pause?: { readonly afterBlocks: number; readonly ms: number };
  /** Whether this datagram is lost. @param copy how often the block was sent before. */
  lose(what: { readonly block: number; readonly copy: number; readonly isAck: boolean }): boolean;
}

export interface Outcome {
  readonly ok: boolean;
  readonly ms: number;
  readonly blocksSent: number;
  readonly lost: number;
}

interface Arrival {
  readonly at: number;
  readonly block: number;
}

const BLKSIZE_BYTES = 512;
const SAYS_AGAIN_MS = 1000;
/** The service looks for what is due this often (src/daemon/tftp-worker.ts). */
const TICK_MS = 5;

export function passWindows(passage: Passage): Outcome {
  return new Link(passage).run();
}

class Link {
  private readonly passage: Passage;
  private readonly transfer: ReturnType<typeof createTransfer>;
  private now = 0;
  private result: boolean | undefined;
  private readonly down: Arrival[] = [];
  private readonly up: Arrival[] = [];
  private busyUntil = 0;
  private readonly copies: number[] = [];
  private blocksSent = 0;
  private lost = 0;
  private expected = 1;
  private inWindow = 0;
  private said = -1;
  /** The last block that a block out of its order was answered with. */
  private missedAfter = -1;
  private saysAgainAt = Number.POSITIVE_INFINITY;

  constructor(passage: Passage) {
    this.passage = passage;
    const size = (passage.blocks - 1) * BLKSIZE_BYTES + 1;
    const terms = negotiate(new Map([['tsize', '0']]), size);
    this.transfer = createTransfer(size, { ...terms, windowsize: passage.windowsize });
  }

  run(): Outcome {
    this.perform(this.transfer.start(0));
    while (this.result === undefined) this.next();
    const { blocksSent, lost } = this;
    return { ok: this.result, ms: this.now, blocksSent, lost };
  }

  private next(): void {
    const due = Math.ceil(this.transfer.dueAt / TICK_MS) * TICK_MS;
    const down = this.down[0]?.at ?? Number.POSITIVE_INFINITY;
    const up = this.up[0]?.at ?? Number.POSITIVE_INFINITY;
    this.now = Math.min(due, down, up, this.saysAgainAt);
    if (this.now === up) this.hear(this.up.shift()?.block ?? 0);
    else if (this.now === down) this.receive(this.down.shift()?.block ?? 0);
    else if (this.now === due) this.perform(this.transfer.onTimeout(this.now));
    else this.say(this.said);
  }

  /** -1 is the news that the receiver's port is closed. */
  private hear(block: number): void {
    this.perform(
      block < 0 ? this.transfer.onGone('closed') : this.transfer.onAck(block & 0xffff, this.now),
    );
  }

  private perform(step: Step): void {
    if (step.kind === 'end') this.result = step.result.ok;
    if (step.kind !== 'send') return;
    for (let block = step.first; block <= step.last; block++) this.send(block);
    this.transfer.sent(this.now);
  }

  private send(block: number): void {
    const copy = this.copies[block] ?? 0;
    this.copies[block] = copy + 1;
    if (block > 0) this.blocksSent += 1;
    const begun = Math.max(this.now + this.passage.delayMs, this.busyUntil);
    const { blockMs, pause } = this.passage;
    const rests = pause && copy === 0 && block % pause.afterBlocks === 0;
    this.busyUntil = begun + blockMs + (rests ? pause.ms : 0);
    if (!this.isLost({ block, copy, isAck: false })) this.down.push({ at: this.busyUntil, block });
  }

  private isLost(what: Parameters<Passage['lose']>[0]): boolean {
    const lost = this.passage.lose(what);
    if (lost) this.lost += 1;
    return lost;
  }

  private receive(block: number): void {
    const { blocks, windowsize, receiver } = this.passage;
    if (this.expected > blocks) this.up.push({ at: this.now + this.passage.delayMs, block: -1 });
    else if (block === this.expected) {
      this.expected += 1;
      this.inWindow += 1;
      if (this.inWindow === windowsize || this.expected > blocks) this.say(block);
    } else if (block === 0) this.say(0);
    else if (receiver === 'each' || this.missedAfter !== this.expected - 1) {
      this.missedAfter = this.expected - 1;
      this.say(this.missedAfter);
    }
  }

  private say(block: number): void {
    this.inWindow = 0;
    this.said = block;
    const over = this.expected > this.passage.blocks;
    this.saysAgainAt = over ? Number.POSITIVE_INFINITY : this.now + SAYS_AGAIN_MS;
    if (this.isLost({ block, copy: 0, isAck: true })) return;
    this.up.push({ at: this.now + this.passage.delayMs, block });
  }
}
