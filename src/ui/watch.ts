/** Machines that a person waits for: by serial or hardwarename, kept on this device, announced when they arrive or stall. */
import { signal } from '@preact/signals';
import type { StoredEvent } from '../events.ts';
import { onEvents } from './feed.ts';
import { fleet } from './fleet.ts';
import { chime, tell } from './notices.ts';
import { machinePath } from './router.ts';

const KEY = 'reveille.watched';
const WATCHED_MAX = 200;

export const watched = signal<ReadonlySet<string>>(readKept());

function readKept(): Set<string> {
  try {
    const kept: unknown = JSON.parse(localStorage.getItem(KEY) ?? '[]');
    return new Set(Array.isArray(kept) ? kept.map(String).slice(0, WATCHED_MAX) : []);
  } catch {
    return new Set();
  }
}

export function toggleWatch(name: string): void {
  const next = new Set(watched.peek());
  if (!next.delete(name)) next.add(name);
  watched.value = next;
  try {
    localStorage.setItem(KEY, JSON.stringify([...next].slice(-WATCHED_MAX)));
  } catch {
    // A private window keeps nothing; the watch lasts as long as the page.
  }
}

export function startWatching(): void {
  onEvents((events) => {
    if (watched.peek().size === 0) return;
    for (const event of events) announce(event);
  });
}

function announce(event: StoredEvent): void {
  const name = event.hardwarename ?? '';
  switch (event.name) {
    case 'machine.registered':
      if (!watched.peek().has(name) && !watched.peek().has(event.data.serial)) return;
      tell(`${name} has arrived.`, 'good', machinePath(name));
      chime(true);
      return;
    case 'machine.state': {
      // A machine's first state comes with its arrival, which is told once.
      if (!watched.peek().has(name) || event.data.from === 'unknown') return;
      const good = event.data.to !== 'held' && event.data.to !== 'broken';
      tell(
        `${name} is ${event.data.to}: ${event.data.why}`,
        good ? 'good' : 'bad',
        machinePath(name),
      );
      chime(good);
      return;
    }
    case 'boot.stalled': {
      const key = name || (event.mac ?? '');
      const known =
        watched.peek().has(key) || watched.peek().has(fleet.get(key)?.machine?.serial ?? '-');
      if (!known) return;
      tell(`${key} has stalled: ${event.data.cause}`, 'bad', name ? machinePath(name) : '/');
      chime(false);
      return;
    }
    default:
      return;
  }
}
