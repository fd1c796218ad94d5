/**
 * A list of thousands of rows of which only those on the screen exist. Heights are known before a row is drawn, so the
 * scroll bar never lies. It scrolls with the page, which lets a phone hide its address bar.
 */
import type { JSX } from 'preact';
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';

interface Props<Item> {
  readonly items: readonly Item[];
  readonly label: string;
  keyOf(item: Item): string;
  /** In rem. */
  heightOf(item: Item): number;
  draw(item: Item): JSX.Element;
}

const BEYOND_PX = 600;

export function VirtualList<Item>({ items, label, keyOf, heightOf, draw }: Props<Item>) {
  const list = useRef<HTMLOListElement>(null);
  const [view, setView] = useState({ top: 0, bottom: 2000 });
  const rem = useMemo(
    () => Number.parseFloat(getComputedStyle(document.documentElement).fontSize) || 16,
    [],
  );
  const tops = useMemo(() => {
    const sums = new Float64Array(items.length + 1);
    items.forEach((item, index) => {
      sums[index + 1] = (sums[index] ?? 0) + heightOf(item) * rem;
    });
    return sums;
  }, [items, heightOf, rem]);
  useEffect(() => {
    let frame = 0;
    const look = () => {
      frame = 0;
      const box = list.current?.getBoundingClientRect();
      if (!box) return;
      const top = Math.max(0, -box.top - BEYOND_PX);
      const bottom = -box.top + innerHeight + BEYOND_PX;
      setView((old) =>
        Math.abs(old.top - top) + Math.abs(old.bottom - bottom) < 120 ? old : { top, bottom },
      );
    };
    const soon = () => {
      frame ||= requestAnimationFrame(look);
    };
    look();
    addEventListener('scroll', soon, { passive: true });
    addEventListener('resize', soon);
    return () => {
      cancelAnimationFrame(frame);
      removeEventListener('scroll', soon);
      removeEventListener('resize', soon);
    };
  }, []);
  const first = Math.max(0, firstBelow(tops, view.top) - 1);
  const last = Math.min(items.length, firstBelow(tops, view.bottom));
  return (
    <ol
      ref={list}
      class="virtual"
      aria-label={label}
      style={{ height: `${tops[items.length] ?? 0}px` }}
    >
      {items.slice(first, last).map((item, index) => (
        <li
          key={keyOf(item)}
          aria-setsize={items.length}
          aria-posinset={first + index + 1}
          style={{
            transform: `translateY(${tops[first + index] ?? 0}px)`,
            height: `${heightOf(item) * rem}px`,
          }}
        >
          {draw(item)}
        </li>
      ))}
    </ol>
  );
}

/** Index of the first row that begins at or below `y`. */
function firstBelow(tops: Float64Array, y: number): number {
  let low = 0;
  let high = tops.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((tops[middle] ?? 0) < y) low = middle + 1;
    else high = middle;
  }
  return low;
}
