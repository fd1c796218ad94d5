/**
 * The newest events, as far as they tell of nothing but addresses that guests were offered and given: thousands a second in a
 * storm, and nothing in them for who reads the feed for machines. Known from what this connection has appended, so who asks
 * need not read them back to see that.
 *
 * Other connections append too (a local command, a standby's copy). That leaves a gap in the numbers, and the run begins anew behind it: what is in
 * the gap was not seen, and is read.
 */
import type { NewEvent } from '../events.ts';

export interface GuestRun {
  /** An event of this number was appended. @returns the number */
  note(id: number, event: NewEvent): number;
  /** The same of many that are of guests (`isOfGuest`), with numbers one behind the other. */
  noteGuests(first: number, last: number): void;
  /** @returns the last event of the run when `after` is in it or right before it, else `after` */
  past(after: number): number;
  /** What was appended may be gone, and its numbers be given again. */
  forget(): void;
}

export function createGuestRun(): GuestRun {
  let from = Number.POSITIVE_INFINITY;
  let to = Number.NEGATIVE_INFINITY;
  const forget = (): void => {
    from = Number.POSITIVE_INFINITY;
    to = Number.NEGATIVE_INFINITY;
  };
  const noteGuests = (first: number, last: number): void => {
    if (first !== to + 1) from = first;
    to = last;
  };
  return {
    note(id, event) {
      if (isOfGuest(event)) noteGuests(id, id);
      else forget();
      return id;
    },
    noteGuests,
    past: (after) => (from <= after + 1 && after < to ? to : after),
    forget,
  };
}

/** Of no machine on record, in no boot, and nobody has lost the address by it. */
export function isOfGuest(event: NewEvent): boolean {
  if (event.hardwarename !== undefined || event.boot !== undefined) return false;
  if (event.name === 'dhcp.acked') return event.data.displaced === undefined;
  return event.name === 'dhcp.offered';
}
