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
  | { readonly is: 'cancelling'; readonly who: string; readonly why: string }
  | { readonly is: 'ended'; readonly status: RequestEnd };

export interface LoggedRequestEntry {
  readonly seq: number;
  readonly at: Millis;
  readonly entry: RequestEntry;
}

export type Place =
  | { readonly is: 'open'; readonly hostname: string; readonly tries: number }
  | {
      readonly is: 'claimed' | 'done';
      readonly machine: Hardwarename;
      readonly hostname: string;
      readonly job: string;
      readonly why: string;
      readonly sinceAt: Millis;
      /** Machines that had this place, this one included. */
      readonly tries: number;
    };

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
      const place = placeOf(fold, entry.place, 'claimed');
      return withPlace(fold, entry.place, { ...place, is: 'done' } as Place);
    }
    case 'failed': {
      const { hostname, tries } = placeOf(fold, entry.place, 'claimed');
      const open = withPlace(fold, entry.place, { is: 'open', hostname, tries });
      return { ...open, failed: [...fold.failed, entry.machine] };
    }
    case 'waiting':
      return { ...fold, waiting: { missing: entry.missing, why: entry.why } };
    case 'cancelling':
      return { ...fold, cancelling: true };
    case 'ended':
      return { ...fold, ended: entry.status };
    default:
      return unreachable(entry);
  }
}

function placeOf(fold: RequestFold, index: number, is: Place['is']): Place {
  const place = fold.places[index];
  if (place?.is !== is) throw new Error(`place ${index} is ${place?.is ?? 'missing'}, not ${is}`);
  return place;
}

function withPlace(fold: RequestFold, index: number, place: Place): RequestFold {
  return { ...fold, places: fold.places.with(index, place) };
}
