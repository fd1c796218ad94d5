/** Where the page is: the address bar as a signal, links that do not reload, and the parameters of a path. */
import { computed, signal } from '@preact/signals';

export const place = signal(location.pathname + location.search);
export const path = computed(() => place.value.split('?')[0] ?? '/');
export const query = computed(() => new URLSearchParams(place.value.split('?')[1] ?? ''));

export function go(to: string, { replace = false } = {}): void {
  if (to === place.peek()) return;
  history[replace ? 'replaceState' : 'pushState'](null, '', to);
  place.value = to;
  if (!replace) scrollTo(0, 0);
}

/** Sets or clears parameters of the current address, without a step of history. */
export function setQuery(changes: Readonly<Record<string, string>>): void {
  const next = new URLSearchParams(query.peek());
  for (const [key, value] of Object.entries(changes)) {
    if (value === '') next.delete(key);
    else next.set(key, value);
  }
  const text = next.toString();
  go(text === '' ? path.peek() : `${path.peek()}?${text}`, { replace: true });
}

export const machinePath = (hardwarename: string): string =>
  `/machines/${encodeURIComponent(hardwarename)}`;

export function startRouter(): void {
  addEventListener('popstate', () => {
    place.value = location.pathname + location.search;
  });
  document.addEventListener('click', (event) => {
    if (event.defaultPrevented || event.button !== 0) return;
    if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    const link = (event.target as Element).closest('a');
    if (link?.target !== '' || link.hasAttribute('download')) return;
    if (link.origin !== location.origin || link.pathname.startsWith('/api/')) return;
    event.preventDefault();
    go(link.pathname + link.search);
  });
}
