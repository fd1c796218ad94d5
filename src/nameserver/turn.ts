/**
 * Turns of the event loop, shared out: work of one kind takes at most so long in each, and what is left waits in a queue.
 *
 * TCP questions, signatures for them and transfers are made on the thread that also answers DHCP. However many clients
 * send however much, DHCP's sockets are looked at again after one share. Nothing is refused and nothing is slower for it:
 * when there is no other work, the next turn comes at once.
 */
export class Turns {
  private readonly shareMs: number;
  private readonly now: () => number;
  private readonly queue: (() => void)[] = [];
  private startedAt = 0;
  private running = false;

  constructor(shareMs: number, now: () => number = () => performance.now()) {
    this.shareMs = shareMs;
    this.now = now;
  }

  /** To be asked before work begins: wait for this first, if it is there. */
  enter(): Promise<void> | undefined {
    if (!this.running) this.begin();
    return this.queue.length > 0 || this.spent() ? this.wait() : undefined;
  }

  /** To be asked between pieces of work: then it is another's turn, and one has to `wait`. */
  spent(): boolean {
    if (!this.running) this.begin();
    return this.now() - this.startedAt >= this.shareMs;
  }

  /** Behind all who wait already. */
  wait(): Promise<void> {
    return new Promise((resolve) => this.queue.push(resolve));
  }

  private begin(): void {
    this.running = true;
    this.startedAt = this.now();
    setImmediate(() => void this.next());
  }

  private async next(): Promise<void> {
    this.running = false;
    if (this.queue.length === 0) return;
    this.begin();
    for (let go = this.queue.shift(); go; go = this.queue.shift()) {
      go();
      // Who was let go works in a microtask that comes before this one goes on.
      await undefined;
      if (this.spent()) return;
    }
  }
}
