/**
 * Figures of the fleet and of each of its sites: machines by state as they are now, and what jobs came to and how many machines came in
 * the last days, by the events that the sites have told.
 */
import type { Clock } from '../wire/time.ts';
import { type SiteView, siteViews } from './fleet-view.ts';
import type { FleetDatabase } from './sql.ts';

export interface Figures {
  /** By state. */
  readonly machines: Record<string, number>;
  readonly jobs: { finished: number; failed: number; cancelled: number };
  arrived: number;
}

export interface Statistics extends Figures {
  readonly days: number;
  readonly sites: readonly (Figures & Pick<SiteView, 'site' | 'freshness' | 'asOf'>)[];
}

export interface FleetStatistics {
  read(days: number): Promise<Statistics>;
}

const DAY_MS = 86_400_000;
/** Word for word those of the index `events_of_work`. */
const COUNTED = "'job.finished', 'job.failed', 'job.cancelled', 'machine.registered'";

const none = (): Figures => ({
  ...{ machines: {}, jobs: { finished: 0, failed: 0, cancelled: 0 }, arrived: 0 },
});

const ENDS: Readonly<Record<string, keyof Figures['jobs']>> = {
  ...{ 'job.finished': 'finished', 'job.failed': 'failed', 'job.cancelled': 'cancelled' },
};

function add(figures: Figures, name: string, count: number): void {
  const end = ENDS[name];
  if (end) figures.jobs[end] += count;
  else figures.arrived += count;
}

export function openFleetStatistics(db: FleetDatabase, clock: Clock): FleetStatistics {
  return {
    async read(days) {
      const now = clock();
      const whole = none();
      const bySite = new Map(
        [...(await siteViews(db, now)).values()]
          .sort((a, b) => (a.site < b.site ? -1 : 1))
          .map(({ site, freshness, asOf }) => [site, { site, freshness, asOf, ...none() }]),
      );
      const both = (site: string) => [whole, bySite.get(site) ?? none()];
      for (const { site, state, count } of await db.all<{
        site: string;
        state: string;
        count: number;
      }>(
        `SELECT site, state, CAST(count(*) AS BIGINT) AS count FROM machines WHERE claimed = 0 GROUP BY site, state`,
      ))
        for (const { machines } of both(site)) machines[state] = (machines[state] ?? 0) + count;
      for (const { site, name, count } of await db.all<{
        site: string;
        name: string;
        count: number;
      }>(
        `SELECT site, name, CAST(count(*) AS BIGINT) AS count FROM events
         WHERE name IN (${COUNTED}) AND at >= ? GROUP BY site, name`,
        [now - days * DAY_MS],
      ))
        for (const figures of both(site)) add(figures, name, count);
      return { days, ...whole, sites: [...bySite.values()] };
    },
  };
}
