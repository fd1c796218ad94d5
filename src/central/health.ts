/**
 * What load balancers and Prometheus ask of an instance of central: whether it can answer, and how each site stands. A site that is
 * silent is no fault of an instance, so it is in the metrics and not in the readiness.
 */
import { collectDefaultMetrics, Gauge, Registry } from 'prom-client';
import { limit } from '../limits.ts';
import type { Clock } from '../wire/time.ts';
import type { FleetApp } from './app.ts';
import { type SiteStanding, siteStandings } from './fleet-view.ts';
import type { FleetDatabase } from './sql.ts';

export interface FleetHealth {
  /** Each check by name, ready when all are true, and why where one is not. */
  readiness(): Promise<Readiness>;
  /** Prometheus text. */
  metrics(): Promise<{ readonly contentType: string; readonly text: string }>;
}

export interface Readiness {
  readonly checks: Readonly<Record<string, boolean>>;
  /** For everybody: the log has more. */
  readonly why?: Readonly<Record<string, string>>;
}

/** What a site has not answered. */
type Orders = { count: number; oldest: number };

/** @param lines how many appliances hold a line to this instance */
export function openFleetHealth(
  db: FleetDatabase,
  { clock, lines }: { readonly clock: Clock; readonly lines: () => number },
): FleetHealth {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  new Gauge({
    name: 'reveille_fleet_lines',
    help: 'Appliances that hold a line to this instance',
    registers: [registry],
    collect() {
      this.set(lines());
    },
  });
  const setSites = addSiteMetrics(registry);
  /** What is asked and not answered: who asks meanwhile takes no connection more. */
  let asked: Promise<string> | undefined;
  const ask = (): Promise<string> => {
    asked ??= db
      .all('SELECT 1 AS one')
      .then(
        () => '',
        () => 'It cannot be asked.',
      )
      .finally(() => {
        asked = undefined;
      });
    return asked;
  };
  return {
    async readiness() {
      let over: NodeJS.Timeout | undefined;
      const late = new Promise<string>((resolve) => {
        const says = `It has not answered within ${limit('fleetReadyMs')} ms.`;
        over = setTimeout(() => resolve(says), limit('fleetReadyMs'));
      });
      const database = await Promise.race([ask(), late]);
      clearTimeout(over);
      return {
        checks: { database: database === '' },
        ...(database !== '' && { why: { database } }),
      };
    },
    async metrics() {
      const sites = await siteStandings(db, clock());
      const orders = new Map<string, Orders>();
      for (const { site } of sites) {
        const [row] = await db.all<Orders>(
          `SELECT CAST(count(*) AS INTEGER) AS count, coalesce(min(asked_at), 0) AS oldest FROM intents
           WHERE site = ? AND status = 'waiting'`,
          [site],
        );
        if (row) orders.set(site, row);
      }
      setSites(sites, orders, clock());
      return { contentType: registry.contentType, text: await registry.metrics() };
    },
  };
}

/** @returns enters what the database has said: all of one moment */
function addSiteMetrics(registry: Registry) {
  const labelled = (name: string, help: string, ...labelNames: string[]) =>
    new Gauge({ name: `reveille_fleet_${name}`, help, labelNames, registers: [registry] });
  const freshness = labelled(
    'site_freshness',
    'How fresh what is known of a site is: 1 for what it is (current, catching-up, away, never)',
    ...['site', 'freshness'],
  );
  const heard = labelled(
    'site_heard_timestamp_seconds',
    'When the site was last heard; 0: never',
    'site',
  );
  const behind = labelled(
    'site_behind_events',
    'Events that the site has told of and central does not have yet',
    'site',
  );
  const skew = labelled('site_clock_difference_seconds', 'By how much its clock is off', 'site');
  const waiting = labelled(
    'site_orders_waiting',
    'What the site was asked for and has not answered',
    'site',
  );
  const oldest = labelled(
    'site_orders_waiting_seconds',
    'For how long the oldest of these has waited',
    'site',
  );
  const shut = labelled(
    'site_shut_out',
    'Whether none of its certificates is living: it is not waited for',
    'site',
  );
  const all = [shut, freshness, heard, behind, skew, waiting, oldest];
  return (
    sites: readonly SiteStanding[],
    orders: ReadonlyMap<string, Orders>,
    now: number,
  ): void => {
    for (const gauge of all) gauge.reset();
    for (const { site, ...of } of sites) {
      for (const word of ['current', 'catching-up', 'away', 'never'])
        freshness.set({ site, freshness: word }, Number(word === of.freshness));
      shut.set({ site }, Number(of.shutOut));
      heard.set({ site }, of.asOf / 1000);
      behind.set({ site }, of.behind);
      skew.set({ site }, of.clockSkewMs / 1000);
      const asked = orders.get(site);
      waiting.set({ site }, asked?.count ?? 0);
      oldest.set({ site }, asked?.count ? Math.max(0, now - asked.oldest) / 1000 : 0);
    }
  };
}

export function addHealth(app: FleetApp, { health }: { readonly health: FleetHealth }): void {
  const config = { fleetRole: 'open' } as const;
  app.get('/healthz', { config }, async () => ({ status: 'alive', ok: true }));
  app.get('/readyz', { config }, async (_request, reply) => {
    const { checks, ...why } = await health.readiness();
    const ready = Object.values(checks).every(Boolean);
    return reply.code(ready ? 200 : 503).send({ ready, checks, ...why });
  });
  app.get('/metrics', { config: { fleetRole: 'viewer' } }, async (_request, reply) => {
    const { contentType, text } = await health.metrics();
    return reply.type(contentType).send(text);
  });
}
