/** Events for tests of the feed: the chatter of boots, and its compaction. */
import { compact } from '../../src/http/people/housekeeping.ts';
import type { People } from './people.ts';

export const DAY_MS = 86_400_000;

/** So many events that only matter while a boot is looked at. */
export function chatter(people: People, count: number): void {
  const { events, transaction } = people.world.inventory;
  transaction(() => {
    for (let n = 0; n < count; n++)
      events.append({ name: 'dhcp.released', data: { address: `10.0.0.${n % 250}` } });
  });
}

/** Compacts until there is nothing left to do. @returns how many were deleted */
export function compactAll(people: People, keepDays = { boot: 90, other: 1095 }): number {
  const { inventory, clock } = people.world;
  let deleted = 0;
  for (;;) {
    const step = compact({ inventory, clock, keepDays });
    deleted += step.deleted;
    if (!step.more) return deleted;
  }
}
