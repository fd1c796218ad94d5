/** Simulated time: a heap of timers that jumps from one to the next, and random numbers that are the same for a seed. */

export interface SimTime {
  now(): number;
  at(timeMs: number, callback: () => void): () => void;
  /** Timers of one life: those of a dead one never fire. */
  timersOf(alive: () => boolean): Pick<SimTime, 'at'>;
  random(): number;
  randomBytes(count: number): Uint8Array;
  /** Lets time pass until it is so. @throws Error when nothing is left to happen, or at `untilMs` */
  run(done: () => boolean, untilMs: number): Promise<void>;
  pass(ms: number): Promise<void>;
}

interface Timer {
  readonly at: number;
  readonly order: number;
  callback: (() => void) | undefined;
}

export function createSimTime(seed: number): SimTime {
  const heap: Timer[] = [];
  let now = 1000;
  let orders = 0;
  let state = seed >>> 0;
  // Mulberry32.
  const random = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const before = (a: Timer, b: Timer) => a.at < b.at || (a.at === b.at && a.order < b.order);
  const push = (timer: Timer) => {
    let index = heap.push(timer) - 1;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      const above = heap[parent] as Timer;
      if (!before(timer, above)) break;
      heap[index] = above;
      index = parent;
    }
    heap[index] = timer;
  };
  const pop = (): Timer | undefined => {
    const first = heap[0];
    const last = heap.pop();
    if (!first || !last || heap.length === 0) return first;
    let index = 0;
    for (;;) {
      let child = index * 2 + 1;
      if (child >= heap.length) break;
      const right = heap[child + 1];
      if (right && before(right, heap[child] as Timer)) child += 1;
      if (!before(heap[child] as Timer, last)) break;
      heap[index] = heap[child] as Timer;
      index = child;
    }
    heap[index] = last;
    return first;
  };
  const at = (timeMs: number, callback: () => void) => {
    orders += 1;
    const timer: Timer = { at: Math.max(now, Math.ceil(timeMs)), order: orders, callback };
    push(timer);
    return () => {
      timer.callback = undefined;
    };
  };
  const turn = () => new Promise<void>((resolve) => setImmediate(resolve));
  const jump = (untilMs: number): boolean => {
    while (heap[0] && heap[0].callback === undefined) pop();
    const next = heap[0];
    if (!next || next.at > untilMs) return false;
    now = next.at;
    while (heap[0] && heap[0].at <= now) pop()?.callback?.();
    return true;
  };
  return {
    now: () => now,
    at,
    timersOf: (alive) => ({
      at: (timeMs, callback) => at(timeMs, () => void (alive() && callback())),
    }),
    random,
    randomBytes: (count) => Uint8Array.from({ length: count }, () => Math.floor(random() * 256)),
    async run(done, untilMs) {
      for (;;) {
        await turn();
        if (done()) return;
        if (!jump(untilMs)) throw new Error(`it is not so at ${Math.round(now / 1000)} s`);
      }
    },
    async pass(ms) {
      const untilMs = now + ms;
      do await turn();
      while (jump(untilMs));
      now = untilMs;
    },
  };
}
