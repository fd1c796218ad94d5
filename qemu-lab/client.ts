/** The lab's view of the appliance: its people-facing API, read with patience, because scenarios kill the daemon. */
import type { StoredEvent } from '../src/events.ts';
import type { Board } from '../src/http/people/board.ts';
import type { Machine } from '../src/inventory/machines.ts';
import type { BootTimeline } from '../src/inventory/timeline.ts';

export interface Client {
  board(): Promise<Board>;
  machines(): Promise<Machine[]>;
  boots(): Promise<BootTimeline[]>;
  /** Every event so far. */
  events(): Promise<StoredEvent[]>;
  /** Whatever a reader may get below `/api/v1`. */
  read<T>(path: string): Promise<T>;
}

const PATIENCE_MS = 15_000;

export function createClient(api: string): Client {
  const get = async <T>(path: string): Promise<T> => {
    const deadline = Date.now() + PATIENCE_MS;
    for (;;) {
      try {
        const answer = await fetch(api + path, { signal: AbortSignal.timeout(5000) });
        if (answer.ok) return (await answer.json()) as T;
        throw new Error(`${path}: HTTP ${answer.status}`);
      } catch (error) {
        if (Date.now() > deadline) throw error;
        await new Promise((next) => setTimeout(next, 100));
      }
    }
  };
  const seen: StoredEvent[] = [];
  const readOn = async (): Promise<void> => {
    for (;;) {
      const after = seen.at(-1)?.id ?? 0;
      const page = await get<{ events: StoredEvent[] }>(`/api/v1/events?after=${after}`);
      seen.push(...page.events);
      if (page.events.length === 0) return;
    }
  };
  // One reader at a time: two would add the same page twice.
  let reading: Promise<void> = Promise.resolve();
  return {
    read: (path) => get(`/api/v1${path}`),
    board: () => get<Board>('/api/v1/board'),
    machines: async () =>
      (await get<{ machines: Machine[] }>('/api/v1/machines?limit=1000&include=hardware')).machines,
    boots: async () => (await get<{ boots: BootTimeline[] }>('/api/v1/boots')).boots,
    async events() {
      reading = reading.catch(() => undefined).then(readOn);
      await reading;
      return seen;
    },
  };
}
