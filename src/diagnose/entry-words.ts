/** One entry of a flight record on a line, for the terminal and the portal: what it says, without what is empty or zero. Pure. */
import type { FlightEntry } from './flight.ts';

export function entryWords({ kind: _kind, at: _at, ...said }: FlightEntry): string {
  return Object.entries(said)
    .filter(([name, value]) => value !== '' && value !== 0 && value !== false && name !== 'xid')
    .map(([name, value]) => `${name}=${typeof value === 'object' ? JSON.stringify(value) : value}`)
    .join(' ');
}
