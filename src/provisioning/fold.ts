/**
 * A request's log and what follows from it. The log is append-only and the only truth: which place has which machine, what
 * failed before, whether it waits. An entry that claims a machine is written in the transaction that queues its install job,
 * so that a crash leaves both or neither. Pure.
 */
import type { Hardwarename } from '../wire/ids.ts';
import { unreachable } from '../wire/result.ts';
import type { Millis } from '../wire/time.ts';

export type RequestEnd = 'fulfilled' | 'cancelled';

export type RequestEntry =
  | { readonly is: 'asked' }
  | {
      readonly is: 'claimed';
      readonly place: number;
      readonly machine: Hardwarename;
      readonly hostname: string;
      readonly job: string;
      readonly why: string;
    }
  | { readonly is: 'installed'; readonly place: number }
  /** The machine is out, and the place is to be filled by another. */
  | {
      readonly is: 'failed';
      readonly place: number;
      readonly machine: Hardwarename;
      readonly code: string;
      readonly detail: string;
    }
  /** Nothing more can be claimed for now. */
  | { readonly is: 'waiting'; readonly missing: number; readonly why: string }
  /** These places are wanted no more: what is being installed in one is called off. */
  | {
      readonly is: 'shrunk';
      readonly places: readonly number[];
      readonly who: string;
      readonly why: string;
    }
  | { readonly is: 'cancelling'; readonly who: string; readonly why: string }
  | { readonly is: 'ended'; readonly status: RequestEnd };

export interface LoggedRequestEntry {
  readonly seq: number;
  readonly at: Millis;
  readonly entry: RequestEntry;
}

interface Filled {
  readonly machine: Hardwarename;
  readonly hostname: string;
  readonly job: string;
  readonly why: string;
  readonly sinceAt: Millis;
  /** Machines that had this place, this one included. */
  readonly tries: number;
}

export type Place =
  | { readonly is: 'open'; readonly hostname: string; readonly tries: number }
  /** Wanted no more, and nothing is in it. */
  | { readonly is: 'off'; readonly hostname: string; readonly tries: number }
  /** `off`: wanted no more, and its install is being called off; it may still be the quicker of the two. */
  | ({ readonly is: 'claimed'; readonly off?: true } & Filled)
  | ({ readonly is: 'done' } & Filled);

export interface RequestFold {
  readonly places: readonly Place[];
  /** Machines that have failed for it. */
  readonly failed: readonly Hardwarename[];
  readonly waiting: { readonly missing: number; readonly why: string } | undefined;
  readonly cancelling: boolean;
  readonly ended: RequestEnd | undefined;
}

export function foldRequest(count: number, log: readonly LoggedRequestEntry[]): RequestFold {
  const fresh: RequestFold = {
    places: Array.from({ length: count }, () => ({ is: 'open', hostname: '', tries: 0 })),
    ...{ failed: [], waiting: undefined, cancelling: false, ended: undefined },
  };
  return log.reduce((fold, { at, entry }) => applyRequestEntry(fold, at, entry), fresh);
}

/** @throws Error for an entry that does not fit what was before: a bug of who appended it */
export function applyRequestEntry(fold: RequestFold, at: Millis, entry: RequestEntry): RequestFold {
  switch (entry.is) {
    case 'asked':
      return fold;
    case 'claimed': {
      const { machine, hostname, job, why } = entry;
      const tries = placeOf(fold, entry.place, 'open').tries + 1;
      const place: Place = { is: 'claimed', machine, hostname, job, why, sinceAt: at, tries };
      return { ...withPlace(fold, entry.place, place), waiting: undefined };
    }
    case 'installed': {
      const { off: _, ...place } = placeOf(fold, entry.place, 'claimed');
      return withPlace(fold, entry.place, { ...place, is: 'done' });
    }
    case 'failed': {
      const { hostname, tries, off } = placeOf(fold, entry.place, 'claimed');
      // The machine is as good as it was: another place may have it.
      if (off) return withPlace(fold, entry.place, { is: 'off', hostname, tries });
      const open = withPlace(fold, entry.place, { is: 'open', hostname, tries });
      return { ...open, failed: [...fold.failed, entry.machine] };
    }
    case 'waiting':
      return { ...fold, waiting: { missing: entry.missing, why: entry.why } };
    case 'shrunk': {
      const places = fold.places.map((place, index): Place => {
        if (!entry.places.includes(index)) return place;
        if (place.is === 'open') return { ...place, is: 'off' };
        if (place.is === 'claimed' && !place.off) return { ...place, off: true };
        throw new Error(`place ${index} is ${place.is}: it cannot be given up`);
      });
      // What was short before may not be any more.
      return { ...fold, places, waiting: undefined };
    }
    case 'cancelling':
      return { ...fold, cancelling: true };
    case 'ended':
      return { ...fold, ended: entry.status };
    default:
      return unreachable(entry);
  }
}

/** Its install is being called off. */
const isGivenUp = (place: Place): boolean => place.is === 'claimed' && place.off === true;

/** Places that have a machine, or are to get one. */
export function wantedPlaces({ places }: Pick<RequestFold, 'places'>): number {
  return places.filter((place) => place.is !== 'off' && !isGivenUp(place)).length;
}

function placeOf<Is extends Place['is']>(
  fold: RequestFold,
  index: number,
  is: Is,
): Extract<Place, { is: Is }> {
  const place = fold.places[index];
  if (place?.is !== is) throw new Error(`place ${index} is ${place?.is ?? 'missing'}, not ${is}`);
  return place as Extract<Place, { is: Is }>;
}

function withPlace(fold: RequestFold, index: number, place: Place): RequestFold {
  return { ...fold, places: fold.places.with(index, place) };
}
