/**
 * From settings to a running name server: what the configuration leaves open is taken from the DHCP segments.
 */
import { randomBytes } from 'node:crypto';
import type { DnsPlan } from '../dns/generate.ts';
import { type DnsName, parseName } from '../dns/name.ts';
import { makePlan } from '../dns/plan.ts';
import type { DnsSource, GenerationStore, KeyStore } from '../dns/ports.ts';
import { parseAddress, parseNetwork, type ReverseNetwork } from '../dns/reverse.ts';
import type { DnsSettings } from '../dns/settings.ts';
import type { TsigKey } from '../dns/tsig.ts';
import { AppError } from '../errors.ts';
import type { Log } from '../platform/log.ts';
import { type Cidr, formatCidr, formatIpv4, type Ipv4 } from '../wire/ipv4.ts';
import { type DnssecOptions, zoneNames } from './dnssec.ts';
import { type Nameserver, type NameserverOptions, startNameserver } from './server.ts';

/** What the DHCP segments say, for what the `dns` part leaves open. */
export interface SiteDefaults {
  readonly domain: string;
  readonly addresses: readonly string[];
  readonly networks: readonly string[];
}

export function siteDefaults(
  segments: readonly {
    readonly relayed: boolean;
    readonly address: Ipv4;
    readonly cidr: Cidr;
    readonly domain: string;
  }[],
): SiteDefaults {
  // A segment that is reached through relays has no address of ours to listen on.
  const ours = segments.filter(({ relayed }) => !relayed);
  return {
    domain: segments[0]?.domain ?? 'lab.example',
    addresses: [...new Set(ours.map(({ address }) => formatIpv4(address)))],
    networks: [...new Set(segments.map(({ cidr }) => formatCidr(cidr)))],
  };
}

/** @throws AppError CONFIG_INVALID */
export function planOf(settings: DnsSettings, site: SiteDefaults): DnsPlan {
  const plan = makePlan({
    ...settings,
    domain: settings.domain ?? site.domain,
    contact: settings.contact,
    catalog: settings.catalog,
    networks: settings.networks.length > 0 ? settings.networks : site.networks,
    addresses: settings.listen.length > 0 ? settings.listen : site.addresses,
  });
  if (typeof plan === 'string') throw invalid(plan);
  return plan;
}

function invalid(why: string): AppError {
  return new AppError('CONFIG_INVALID', { detail: `dns: ${why}` });
}

export interface DnsParts {
  readonly plan: DnsPlan;
  readonly store: GenerationStore;
  readonly source: DnsSource;
  readonly keyStore: KeyStore;
  readonly log: Log;
  readonly asking?: NameserverOptions['asking'];
  readonly onThread?: NameserverOptions['onThread'];
  readonly frozen?: boolean;
  readonly onceOurs?: NameserverOptions['onceOurs'];
  lastEvent(): number;
  nowSeconds(): number;
  follow(wake: () => void): () => void;
}

/** Serves the last good zones at once. @throws AppError CONFIG_INVALID, LISTEN_FAILED */
export function startDnsServer(
  settings: DnsSettings,
  site: SiteDefaults,
  parts: DnsParts,
): Promise<Nameserver> {
  const { signed, ...read } = readSettings(settings, site, parts.plan);
  return startNameserver({
    ...parts,
    ...read,
    ...{ port: settings.port, threads: settings.threads },
    shrinkShareMax: settings.shrinkShareMax,
    dnssec: settings.dnssec.enabled ? dnssecOf(settings, { ...parts, signed }) : undefined,
    responsesPerSecond: settings.responsesPerSecond,
    responder: {
      cookieSecret: randomBytes(16),
      version: settings.version,
      nsid: settings.nsid,
    },
  });
}

/** Looks at all that the start would refuse, and opens nothing. @throws AppError CONFIG_INVALID */
export function checkDns(settings: DnsSettings, site: SiteDefaults): void {
  readSettings(settings, site, planOf(settings, site));
}

/** @throws AppError CONFIG_INVALID */
function readSettings(settings: DnsSettings, site: SiteDefaults, { domain }: DnsPlan) {
  const { dnssec, secondaries } = settings;
  const keys = keysOf(settings);
  const listen = settings.listen.length > 0 ? settings.listen : site.addresses;
  const wrong = [...listen, ...secondaries.map(({ address }) => address)].find(
    (address) => parseAddress(address) === undefined,
  );
  if (wrong !== undefined) throw invalid(`'${wrong}' is no address`);
  if (dnssec.enabled && dnssec.renewDays >= dnssec.signatureDays)
    throw invalid('dnssec.renewDays must be less than dnssec.signatureDays');
  return {
    ...{ listen, keys },
    signed: dnssec.enabled ? zoneNames(dnssec.zones, domain) : new Set<DnsName>(),
    transferTo: settings.transferTo.map(networkOf),
    secondaries: secondaries.map(({ address, port, key }) => ({
      ...{ address, port },
      key: key === undefined ? undefined : keyNamed(keys, key),
    })),
  };
}

const DAY_SECONDS = 86_400;

function dnssecOf(
  { dnssec, ttl }: DnsSettings,
  { plan, store, keyStore, signed }: DnsParts & { readonly signed: ReadonlySet<DnsName> },
): DnssecOptions {
  const ttls = [...Object.values(ttl), ...store.statics().map((record) => record.ttl)];
  return {
    store: keyStore,
    validitySeconds: dnssec.signatureDays * DAY_SECONDS,
    renewSeconds: dnssec.renewDays * DAY_SECONDS,
    policy: {
      zskSeconds: dnssec.zskDays * DAY_SECONDS,
      kskSeconds: dnssec.kskDays * DAY_SECONDS,
      ttlSeconds: Math.max(...ttls),
      dnskeyTtlSeconds: ttl.infrastructure,
      dsTtlSeconds: dnssec.dsTtlSeconds,
      propagationSeconds: dnssec.propagationSeconds,
      parentPropagationSeconds: dnssec.parentPropagationSeconds,
    },
    signed: (zone) => zone !== plan.catalog && (signed.size === 0 || signed.has(zone)),
  };
}

function networkOf(text: string): ReverseNetwork {
  const network = parseNetwork(text);
  if (!network) throw invalid(`'${text}' is no network`);
  return network;
}

function keysOf({ keys }: DnsSettings): TsigKey[] {
  return keys.map(({ name: text, algorithm, secret }) => {
    const name = parseName(`${text.replace(/\.$/, '')}.`);
    if (name === undefined) throw invalid(`'${text}' is no name for a key`);
    return { name, algorithm, secret: Buffer.from(secret, 'base64') };
  });
}

function keyNamed(keys: readonly TsigKey[], text: string): TsigKey {
  const key = keys.find(({ name }) => name === parseName(`${text.replace(/\.$/, '')}.`));
  if (!key) throw invalid(`a secondary names the key '${text}', which is not in dns.keys`);
  return key;
}
