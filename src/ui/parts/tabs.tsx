/** Tabs as screen readers and keyboards expect them: one stop for Tab, arrows from one to the next, Home and End. */
import type { ComponentChildren } from 'preact';
import { useRef } from 'preact/hooks';

export interface TabsProps {
  readonly label: string;
  readonly tabs: readonly (readonly [value: string, word: string])[];
  readonly chosen: string;
  choose(value: string): void;
  /** Of the tab that is chosen. */
  readonly children: ComponentChildren;
}

/** Where a key leads from this tab, or undefined where it leads nowhere. */
function tabAfter(key: string, from: number, count: number): number | undefined {
  switch (key) {
    case 'ArrowRight':
      return (from + 1) % count;
    case 'ArrowLeft':
      return (from + count - 1) % count;
    case 'Home':
      return 0;
    case 'End':
      return count - 1;
    default:
      return undefined;
  }
}

export function Tabs({ label, tabs, chosen, choose, children }: TabsProps) {
  const list = useRef<HTMLDivElement>(null);
  const at = Math.max(
    0,
    tabs.findIndex(([value]) => value === chosen),
  );
  const onKeyDown = (event: KeyboardEvent) => {
    const next = tabAfter(event.key, at, tabs.length);
    if (next === undefined) return;
    event.preventDefault();
    choose(tabs[next]?.[0] ?? '');
    list.current?.querySelectorAll('button')[next]?.focus();
  };
  return (
    <>
      <div ref={list} class="tabs" role="tablist" aria-label={label} onKeyDown={onKeyDown}>
        {tabs.map(([value, word], index) => (
          <button
            key={value}
            type="button"
            role="tab"
            id={`tab-${value}`}
            aria-controls="tab-panel"
            aria-selected={index === at}
            tabIndex={index === at ? 0 : -1}
            onClick={() => choose(value)}
          >
            {word}
          </button>
        ))}
      </div>
      <div class="panels" role="tabpanel" id="tab-panel" aria-labelledby={`tab-${chosen}`}>
        {children}
      </div>
    </>
  );
}
