/**
 * Boots as the board follows them: folded here, event by event, by the same fold that the appliance uses.
 *
 * A boot that began while the page was open is known from its first event. Of one that was running before, the events are
 * fetched once, when it next moves. Events are kept while a boot runs and dropped when it is over; of those that are over the
 * last ones are known by their number alone, so that what is still said of them changes nothing. So memory follows what is
 * happening, not how long the page has been open.
 */
import type { StoredEvent } from '../events.ts';
import type { Boot } from '../inventory/boots.ts';
import { type BootTimeline, foldTimeline } from '../inventory/timeline.ts';
import type { Millis } from '../wire/time.ts';
import { read } from './api.ts';
import { now } from './feed.ts';

const EVENTS_PER_BOOT_MAX = 400;
const FETCHES_MAX = 3;

/** Boots followed at once; the one that was heard of first goes first. */
const BOOTS_MAX = 6000;
/** Boots that are over, of which something may still be heard: at fifteen boots a second, those of the last minute. */
const OVER_MAX = 1000;

interface Followed {
  readonly boot: Boot;
  readonly events: StoredEvent[];
}

const followed = new Map<string, Followed>();
/** What follows changes nothing that the board shows. */
const over = new Set<string>();
const wanted = new Set<string>();
const fetching = new Set<string>();

type Publish = (timeline: BootTimeline) => void;

/** Takes a batch in and publishes the timeline of every boot that moved. */
export function followBoots(events: readonly StoredEvent[], publish: Publish): void {
  const moved = new Set<string>();
  for (const event of events) {
    const { boot: id } = event;
    if (id === undefined || over.has(id)) continue;
    if (event.name === 'boot.started' && !followed.has(id))
      remember(id, { boot: bootOf(event), events: [] });
    const known = followed.get(id);
    if (!known) {
      wanted.add(id);
      continue;
    }
    if ((known.events.at(-1)?.id ?? 0) >= event.id) continue;
    known.events.push(event);
    if (known.events.length > EVENTS_PER_BOOT_MAX) known.events.splice(10, 1);
    moved.add(id);
  }
  for (const id of moved) fold(id, publish);
  fetchWanted(publish);
}

/** Folds anew what a snapshot has told of before; forgets what was followed until then. */
export function forgetBoots(): void {
  followed.clear();
  over.clear();
  wanted.clear();
}

function fold(id: string, publish: Publish): void {
  const known = followed.get(id);
  if (!known) return;
  // An event that is newer than this device believes possible is right, and the device is not.
  const at = Math.max(now.peek(), known.events.at(-1)?.at ?? 0) as Millis;
  const timeline = foldTimeline(known.boot, known.events, at);
  if (isOver(timeline)) forget(id);
  publish(timeline);
}

function remember(id: string, boot: Followed): void {
  followed.set(id, boot);
  if (followed.size <= BOOTS_MAX) return;
  for (const oldest of followed.keys()) {
    followed.delete(oldest);
    return;
  }
}

function forget(id: string): void {
  followed.delete(id);
  over.add(id);
  const [oldest] = over;
  if (over.size > OVER_MAX && oldest !== undefined) over.delete(oldest);
}

const isOver = ({ state }: BootTimeline) => state === 'over' || state === 'done';

function bootOf(event: Extract<StoredEvent, { name: 'boot.started' }>): Boot {
  return {
    id: event.boot ?? ('' as Boot['id']),
    mac: event.mac ?? ('' as Boot['mac']),
    hardwarename: event.hardwarename,
    client: event.data.client,
    arch: event.data.arch,
    startedAt: event.at,
    lastAt: event.at,
    binariesServed: 0,
    ...{ scriptAt: undefined, reportDigest: undefined, stalledAt: undefined },
  };
}

interface BootAnswer {
  readonly timeline: BootTimeline;
  readonly events: readonly StoredEvent[];
}

/** A few at a time: two hundred machines that boot when the page is opened are not two hundred calls at once. */
function fetchWanted(publish: Publish): void {
  for (const id of wanted) {
    if (fetching.size >= FETCHES_MAX) return;
    wanted.delete(id);
    if (fetching.has(id)) continue;
    fetching.add(id);
    read<BootAnswer>(`boots/${id}`)
      .then(({ timeline, events }) => {
        publish(timeline);
        const { boot, mac, hardwarename, arch, startedAt, lastAt } = timeline;
        const none = { scriptAt: undefined, reportDigest: undefined, stalledAt: undefined };
        if (isOver(timeline)) return forget(id);
        remember(id, {
          boot: {
            ...{ id: boot, mac, hardwarename, arch, startedAt, lastAt, client: 'firmware' },
            ...{ binariesServed: 0, ...none },
          },
          events: [...events],
        });
      })
      .catch(() => undefined)
      .finally(() => {
        fetching.delete(id);
        fetchWanted(publish);
      });
  }
}
