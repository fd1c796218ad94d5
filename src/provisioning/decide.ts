/**
 * What a request does next, from its fold and from how its jobs stand. Nothing is looked up and nothing done here: what has
 * ended is settled first, then what is called off, the request or some of its places, stops its jobs, then open places are filled as far as they may.
 */
import type { Hardwarename } from '../wire/ids.ts';
import type { Place, RequestEnd, RequestFold } from './fold.ts';

export type ClaimedPlace = Extract<Place, { is: 'claimed' }>;

/** How a place's install job stands. */
export type JobOutcome =
  | { readonly is: 'running'; readonly cancelling: boolean }
  | { readonly is: 'finished' }
  | { readonly is: 'failed' | 'cancelled'; readonly code: string; readonly detail: string };

export interface Settlement {
  readonly place: number;
  readonly machine: Hardwarename;
  readonly hostname: string;
  readonly outcome: Exclude<JobOutcome, { is: 'running' }>;
}

export type RequestAction =
  | { readonly do: 'settle'; readonly all: readonly Settlement[] }
  | { readonly do: 'cancel-jobs'; readonly jobs: readonly string[] }
  | { readonly do: 'end'; readonly status: RequestEnd }
  /** Fill these places, as far as there are machines. `open` is how many there are in all. */
  | { readonly do: 'claim'; readonly places: readonly number[]; readonly open: number }
  | { readonly do: 'nothing' };

export interface RequestFacts {
  outcome(place: ClaimedPlace): JobOutcome;
  /** Installs that may begin now, by the limits of the request and of the site. */
  free(installing: number): number;
}

/** One action at a time: each changes what the next one is decided from. */
export function nextRequestAction(fold: RequestFold, facts: RequestFacts): RequestAction {
  if (fold.ended !== undefined) return { do: 'nothing' };
  const installing = fold.places.flatMap((place, index) =>
    place.is === 'claimed' ? [{ ...place, index, outcome: facts.outcome(place) }] : [],
  );
  const all = installing.flatMap(({ index: place, machine, hostname, outcome }): Settlement[] =>
    outcome.is === 'running' ? [] : [{ place, machine, hostname, outcome }],
  );
  if (all.length > 0) return { do: 'settle', all };
  const jobs = installing.flatMap(({ job, outcome, off = fold.cancelling }) =>
    off && outcome.is === 'running' && !outcome.cancelling ? [job] : [],
  );
  if (jobs.length > 0) return { do: 'cancel-jobs', jobs };
  if (fold.cancelling)
    return installing.length > 0 ? { do: 'nothing' } : { do: 'end', status: 'cancelled' };
  const open = openPlaces(fold.places);
  if (open.length === 0)
    return installing.length > 0 ? { do: 'nothing' } : { do: 'end', status: 'fulfilled' };
  const places = open.slice(0, Math.max(0, facts.free(installing.length)));
  return places.length > 0 ? { do: 'claim', places, open: open.length } : { do: 'nothing' };
}

function openPlaces(places: readonly Place[]): number[] {
  return places.flatMap(({ is }, place) => (is === 'open' ? [place] : []));
}
