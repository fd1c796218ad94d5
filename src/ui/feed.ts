/**
 * The appliance's event feed in the page: followed from a cursor, resumed after a gap, handed on in batches.
 *
 * EventSource comes back by itself with the last id that it saw, so nothing is missed over a short gap. When it gives up
 * (the session has ended, the appliance was away for long), it is opened anew from the last id. When the appliance says that
 * what lies behind the cursor is gone, whoever holds state is told to read it anew. A line that dies without a word, as behind a
 * wall of racks, looks like a quiet one to EventSource: the appliance beats, and who hears nothing is not live. Two hundred events a second are handed
 * on as ten batches a second, so that the page draws ten times and not two hundred.
 */
import { signal } from '@preact/signals';
import { EVENT_NAMES, type StoredEvent } from '../events.ts';
import { signInNeeded } from './api.ts';

export type Connection = 'connecting' | 'live' | 'lost';

export const connection = signal<Connection>('connecting');
/** When the appliance was last heard, by this device's clock; 0: not yet. */
export const heardAt = signal(0);
/** The appliance's time, so that elapsed times are right on a phone whose clock is not. */
export const now = signal(Date.now());

type Listener = (events: readonly StoredEvent[]) => void;

const BATCH_MS = 100;
const REOPEN_MS = 2000;
const BEAT_MS = 5000;
/** Two beats and a little. */
const SILENT_MS = 12_500;

const listeners = new Set<Listener>();
const resyncs = new Set<() => void>();
const state = { cursor: 0, resume: '', clockOffsetMs: 0, openedAt: 0, queue: [] as StoredEvent[] };
const timers: { batch?: ReturnType<typeof setTimeout>; open?: ReturnType<typeof setTimeout> } = {};
const current: { source?: EventSource } = {};

/** @returns the way to stop listening */
export function onEvents(listener: Listener): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** Called when events are gone that this page has not seen. */
export function onResync(listener: () => void): () => void {
  resyncs.add(listener);
  return () => resyncs.delete(listener);
}

export function setClock(serverNow: number): void {
  state.clockOffsetMs = serverNow - Date.now();
  tick();
}

/** By how much the appliance's clock is ahead of this device's. */
export const clockOffset = (): number => state.clockOffsetMs;

/** Follows the feed from a cursor on; one feed at a time. */
export function follow({ cursor, epoch }: { cursor: number; epoch: string }): void {
  state.cursor = cursor;
  state.resume = `${cursor}.${epoch}`;
  open();
}

function open(): void {
  clearTimeout(timers.open);
  current.source?.close();
  const source = new EventSource(`/api/v1/events?after=${state.resume}&beatMs=${BEAT_MS}`);
  current.source = source;
  state.openedAt = Date.now();
  const hear = () => {
    connection.value = 'live';
    heardAt.value = Date.now();
  };
  source.onopen = hear;
  source.addEventListener('beat', hear);
  source.onerror = () => {
    connection.value = 'lost';
    if (source.readyState !== EventSource.CLOSED) return;
    timers.open = setTimeout(reopen, REOPEN_MS);
  };
  source.addEventListener('resync', ({ lastEventId }: MessageEvent<string>) => {
    // Numbers of another feed may be lower than those that this page has seen.
    state.cursor = Number.parseInt(lastEventId, 10);
    state.resume = lastEventId;
    for (const listener of resyncs) listener();
  });
  for (const name of EVENT_NAMES) source.addEventListener(name, take);
}

function reopen(): void {
  if (signInNeeded.peek()) timers.open = setTimeout(reopen, REOPEN_MS);
  else open();
}

function take(message: MessageEvent<string>): void {
  const event = JSON.parse(message.data) as StoredEvent;
  if (event.id <= state.cursor) return;
  state.cursor = event.id;
  state.resume = message.lastEventId;
  state.queue.push(event);
  timers.batch ??= setTimeout(flush, BATCH_MS);
}

function flush(): void {
  delete timers.batch;
  const events = state.queue;
  state.queue = [];
  heardAt.value = Date.now();
  for (const listener of listeners) listener(events);
}

function tick(): void {
  now.value = Date.now() + state.clockOffsetMs;
  const silentMs = Date.now() - Math.max(heardAt.peek(), state.openedAt);
  if (!current.source || silentMs <= SILENT_MS) return;
  connection.value = 'lost';
  clearTimeout(timers.open);
  reopen();
}

export function startClock(): void {
  setInterval(tick, 1000);
  // A phone that slept has a dead connection that nobody has told it of.
  addEventListener('online', () => {
    // Before the first reading there is nothing to go on from.
    if (connection.peek() !== 'live' && state.resume !== '') open();
  });
  addEventListener('offline', () => {
    connection.value = 'lost';
  });
}
