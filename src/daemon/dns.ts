/** The name server put together: zones from the inventory, the last good ones first. */
import { openDnsKeys } from '../inventory/dns-keys.ts';
import { openDnsSource } from '../inventory/dns-source.ts';
import { openDnsStore } from '../inventory/dns-store.ts';
import { createSecretBox } from '../inventory/secrets.ts';
import type { DnsDesk } from '../nameserver/desk.ts';
import { registerDnsMetrics } from '../nameserver/metrics.ts';
import { planOf, siteDefaults, startDnsServer } from '../nameserver/start.ts';
import { readOrMakeKey } from '../platform/secret-key.ts';
import type { AskedQuestion } from '../recorder/questions.ts';
import { keyFileOf, type Parts, systemClock } from './core.ts';

/** The name server with the last good zones; the inventory is compared with them once the rest has started. */
export async function startDns(parts: Parts): Promise<DnsDesk | undefined> {
  const { config, db, inventory, log, metrics, recorder, askers } = parts;
  if (!config.dns.enabled) return undefined;
  const { events, transaction } = inventory;
  const site = siteDefaults(config.dhcp.segments);
  const plan = planOf(config.dns, site);
  const secrets = createSecretBox(() => readOrMakeKey(keyFileOf(config)));
  const nameserver = await startDnsServer(config.dns, site, {
    ...{ plan, log, follow: events.follow, lastEvent: events.lastId },
    store: openDnsStore({ db, clock: systemClock, events, transaction, soa: plan.soa }),
    source: openDnsSource(db),
    keyStore: openDnsKeys({ db, events, transaction, secrets }),
    nowSeconds: () => Math.floor(systemClock() / 1000),
    asking: { askers, onAsked: (asked) => recorder.asked(asked as AskedQuestion) },
  });
  parts.closers.push(() => nameserver.close());
  registerDnsMetrics(metrics.registry, () => nameserver);
  return nameserver.desk;
}
