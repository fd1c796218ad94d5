/** How far a place of a request is, and what its history says, as values that a page draws. Pure: a test holds it. */
import type { Operations } from '../../client/operations.generated.ts';

type Detail = Operations['GET /requests/{id}']['answer'];
export type Place = Detail['places'][number];
export type Entry = Detail['log'][number]['entry'];

/**
 * The share that is done, 0 to 1, by the time that others took; undefined where nobody has seen such an install yet, so that
 * no bar pretends to know.
 */
export function shareOf(place: Place, now: number): number | undefined {
  const { status, sinceAt, remainingMs } = place;
  if (status === 'done') return 1;
  if (status === 'open') return 0;
  if (sinceAt === null || remainingMs === null) return undefined;
  const passedMs = Math.max(0, now - sinceAt);
  const wholeMs = passedMs + Math.max(0, remainingMs);
  // What is still running is never drawn as over.
  return wholeMs === 0 ? 0 : Math.min(0.99, passedMs / wholeMs);
}

/** `open` says too little: it waits for a machine, for the first time or for another one. */
export function placeWord({ status, tries }: Place): string {
  if (status === 'open') return tries > 0 ? 'replacing' : 'wanted';
  return status === 'claimed' ? 'installing' : 'in-use';
}

/** One entry of a request's log as a sentence; places are counted from one, as people do. */
export function entryWords(entry: Entry): string {
  const text = (name: string) => String(entry[name] ?? '');
  const place = `Place ${Number(entry.place ?? 0) + 1}`;
  switch (entry.is) {
    case 'asked':
      return 'It was asked for.';
    case 'claimed':
      return `${place}: ${text('machine')} as ${text('hostname')}, because ${text('why')}`;
    case 'installed':
      return `${place} is in use.`;
    case 'failed':
      // Called off, it has no code.
      return text('code') === ''
        ? `${place}: the install of ${text('machine')} has been called off.`
        : `${place}: ${text('machine')} failed, ${text('code')} ${text('detail')}`;
    case 'waiting':
      return `It waits for ${text('missing')} more: ${text('why')}`;
    case 'shrunk':
      return `${text('who')} wants ${Array.isArray(entry.places) ? entry.places.length : ''} fewer: ${text('why')}`;
    case 'cancelling':
      return `${text('who')} calls it off: ${text('why')}`;
    case 'ended':
      return `It is ${text('status')}.`;
    default:
      return JSON.stringify(entry);
  }
}
