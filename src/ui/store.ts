/**
 * The page's state: the last board document, and whether it is live.
 *
 * The document is a snapshot with a cursor. The feed is followed from that cursor; each event makes the snapshot old, and
 * it is read anew, at most a few times a second. When the connection drops, the page says so and keeps what it has;
 * EventSource comes back by itself, and a fresh snapshot closes the gap.
 */
import { computed, signal } from '@preact/signals';
import type { Board, BoardRow } from '../http/people/board.ts';

export type Connection = 'connecting' | 'live' | 'lost';

export const board = signal<Board | undefined>(undefined);
export const connection = signal<Connection>('connecting');
export const filter = signal('');
/** The server's time now, so that elapsed times are right on a phone whose clock is not. */
export const now = signal(Date.now());

/** Sorting words of a row: what it is, not how it looks. */
export function kindOf({
  timeline,
  machine,
  diagnosis,
}: BoardRow): 'stalled' | 'held' | 'registered' | 'booting' {
  if (timeline.state === 'stalled' || diagnosis) return 'stalled';
  if (machine?.state === 'held' || machine?.state === 'broken') return 'held';
  return timeline.state === 'running' ? 'booting' : 'registered';
}

export const rows = computed(() => {
  const wanted = filter.value.trim().toLowerCase();
  const all = board.value?.rows ?? [];
  return wanted === '' ? all : all.filter((row) => searchText(row).includes(wanted));
});

export const counts = computed(() => {
  const totals = { stalled: 0, held: 0, booting: 0, registered: 0 };
  for (const row of board.value?.rows ?? []) totals[kindOf(row)] += 1;
  return totals;
});

function searchText({ timeline, machine }: BoardRow): string {
  const parts = [timeline.mac, machine?.hardwarename, machine?.serial, machine?.product];
  return [...parts, ...(machine?.nics.map(({ mac }) => mac) ?? [])].join(' ').toLowerCase();
}

const REFRESH_MS = 250;
const RETRY_MS = 2000;

let clockOffsetMs = 0;
let pending = false;
let busy = false;

export async function refresh(): Promise<void> {
  if (busy) {
    pending = true;
    return;
  }
  busy = true;
  try {
    const answer = await fetch('api/v1/board', { headers: { accept: 'application/json' } });
    if (!answer.ok) throw new Error(`HTTP ${answer.status}`);
    const next = (await answer.json()) as Board;
    clockOffsetMs = next.now - Date.now();
    board.value = next;
    tick();
  } catch {
    connection.value = 'lost';
    setTimeout(refresh, RETRY_MS);
  } finally {
    busy = false;
    if (pending) {
      pending = false;
      setTimeout(refresh, REFRESH_MS);
    }
  }
}

export async function start(): Promise<void> {
  await refresh();
  const feed = new EventSource(`api/v1/events?after=${board.value?.cursor ?? 0}`);
  feed.onopen = () => {
    connection.value = 'live';
    refresh();
  };
  feed.onerror = () => {
    connection.value = 'lost';
  };
  for (const name of WATCHED) feed.addEventListener(name, () => void refresh());
  setInterval(tick, 1000);
}

function tick(): void {
  now.value = Date.now() + clockOffsetMs;
}

/** Server-Sent Events are named after the event, so each name has to be listened to. */
const WATCHED = [
  'boot.started boot.stalled boot.resumed boot.diagnosed dhcp.offered dhcp.acked dhcp.refused dhcp.exhausted tftp.started tftp.sent tftp.failed',
  'ipxe.script http.started http.sent http.aborted agent.progress recon.received recon.refused',
  'machine.registered machine.state machine.changed machine.conflict nic.moved',
].flatMap((names) => names.split(' '));
