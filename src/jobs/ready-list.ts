/**
 * Jobs whose next step could begin, in the order in which they get slots: those that have begun before those that have not,
 * then by priority, then by age. What has begun holds a machine in the middle of something.
 */
import type { Live } from './engine-parts.ts';

export interface ReadyList {
  add(live: Live): void;
  remove(live: Live): void;
  /** A copy: the list may change while it is walked. */
  inOrder(): readonly Live[];
}

export function createReadyList(): ReadyList {
  const list: Live[] = [];
  const listed = new Set<Live>();
  return {
    add(live) {
      if (listed.has(live)) return;
      listed.add(live);
      let low = 0;
      let high = list.length;
      while (low < high) {
        const middle = (low + high) >>> 1;
        const other = list[middle];
        if (other && compare(other, live) <= 0) low = middle + 1;
        else high = middle;
      }
      list.splice(low, 0, live);
    },
    remove(live) {
      if (!listed.delete(live)) return;
      list.splice(list.indexOf(live), 1);
    },
    inOrder: () => [...list],
  };
}

function compare(a: Live, b: Live): number {
  return begun(b) - begun(a) || b.job.priority - a.job.priority || a.job.number - b.job.number;
}

function begun({ fold }: Live): number {
  return Object.keys(fold.anchors).length > 0 ? 1 : 0;
}
