/** The name server put together: zones from the inventory, the last good ones first. */
import type { Config } from '../config.ts';
import type { DnsSource } from '../dns/ports.ts';
import type { NewEvent } from '../events.ts';
import { openDnsKeys } from '../inventory/dns-keys.ts';
import { openDnsSource } from '../inventory/dns-source.ts';
import { openDnsStore } from '../inventory/dns-store.ts';
import type { EventStore } from '../inventory/event-store.ts';
import { createSecretBox } from '../inventory/secrets.ts';
import type { DnsDesk } from '../nameserver/desk.ts';
import { type DryZones, dryZones } from '../nameserver/dry-run.ts';
import { registerDnsMetrics } from '../nameserver/metrics.ts';
import { planOf, siteDefaults, startDnsServer } from '../nameserver/start.ts';
import type { ThreadChange } from '../nameserver/udp-threads.ts';
import { readOrMakeKey } from '../platform/secret-key.ts';
import type { AskedQuestion } from '../recorder/questions.ts';
import { keyFileOf, type openCore, type Parts, systemClock } from './core.ts';
import { ifacesOf } from './http.ts';
import { onceOurs } from './interfaces.ts';

type Core = Pick<ReturnType<typeof openCore>, 'db' | 'inventory'>;

/**
 * The name server with the last good zones; the inventory is compared with them once the rest has started.
 * @param frozen the zones are another appliance's; `onZones` is given what shows those that have come since
 */
export async function startDns(
  parts: Parts,
  { frozen, onZones }: { readonly frozen?: boolean; onZones?(show: () => void): void } = {},
): Promise<DnsDesk | undefined> {
  const { config, db, inventory, log, metrics, recorder, askers, segments } = parts;
  if (!config.dns.enabled) return undefined;
  const { events, transaction } = inventory;
  const site = siteDefaults(config.dhcp.segments);
  const plan = planOf(config.dns, site);
  const secrets = createSecretBox(() => readOrMakeKey(keyFileOf(config)));
  const source = openDnsSource(db);
  const nameserver = await startDnsServer(config.dns, site, {
    ...{ plan, log, lastEvent: events.lastId, frozen: frozen ?? false },
    follow: (wake) => events.follow(wake, 'machines'),
    store: openDnsStore({ db, clock: systemClock, events, transaction, soa: plan.soa }),
    source: { ...source, changedSince: passingGuests(source, events) },
    keyStore: openDnsKeys({ db, events, transaction, secrets }),
    onceOurs: (address, open) =>
      onceOurs(
        { address, ifaces: ifacesOf(segments, address), what: 'DNS over TCP', ...parts },
        open,
      ),
    nowSeconds: () => Math.floor(systemClock() / 1000),
    onThread(change) {
      if (!frozen) transaction(() => events.append(threadEvent(change)));
    },
    asking: { askers, onAsked: (asked) => recorder.asked(asked as AskedQuestion) },
  });
  parts.closers.push(() => nameserver.close());
  onZones?.(() => nameserver.keeper.reload());
  registerDnsMetrics(metrics.registry, () => nameserver);
  return nameserver.desk;
}

/** What guests are offered and given names nobody: in a storm that is all there is, and the table is not asked about it. */
function passingGuests(source: DnsSource, events: EventStore): DnsSource['changedSince'] {
  return (id) => {
    const eventId = events.pastGuests(id);
    return eventId > id ? { eventId, machines: [], networks: false } : source.changedSince(id);
  };
}

function threadEvent(change: ThreadChange): NewEvent {
  const { address } = change;
  if (change.kind === 'restarted') {
    return { name: 'dns.thread-restarted', data: { address, downMs: change.downMs } };
  }
  const { why, againInMs } = change;
  return { name: 'dns.thread-ended', data: { address, why, againInMs } };
}

/** The zones that this configuration makes of the records in this database; none where DNS is off. Serves nothing. */
export function zonesOf(config: Config, { db, inventory }: Core): DryZones {
  if (!config.dns.enabled) return { zones: new Map(), faults: [] };
  const { events, transaction } = inventory;
  const plan = planOf(config.dns, siteDefaults(config.dhcp.segments));
  const store = openDnsStore({ db, clock: systemClock, events, transaction, soa: plan.soa });
  return dryZones(plan, { source: openDnsSource(db), statics: store.statics() });
}
