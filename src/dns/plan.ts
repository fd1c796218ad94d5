/**
 * From configuration to plan: names and networks parsed once, with defaults that follow from each other.
 */
import type { DnsPlan, RoleAlias, RoleService } from './generate.ts';
import { type DnsName, nameOf, parseName } from './name.ts';
import type { NameKind } from './ports.ts';
import { inNetwork, parseNetwork, type ReverseNetwork } from './reverse.ts';

/** The part of the configuration that decides about zones, in text. */
export interface PlanSettings {
  readonly domain: string;
  readonly bmcSubdomain: string;
  readonly contact: string | undefined;
  readonly nameservers: readonly { readonly name: string; readonly addresses: readonly string[] }[];
  readonly networks: readonly string[];
  readonly ttl: Readonly<Record<NameKind | 'reverse' | 'role' | 'infrastructure', number>>;
  readonly aliases: readonly RoleAlias[];
  readonly services: readonly RoleService[];
  readonly catalog: string | undefined;
  /** Addresses of our own listeners, for the name server that is assumed when none is named. */
  readonly addresses: readonly string[];
}

/**
 * SOA timers after RIPE-203 and what checkers ask for: refresh of 4 hours (NOTIFY makes it a fall-back), retry of one,
 * expiry of two weeks; an answer "there is no such name" may be kept for five minutes.
 */
const TIMERS = { refresh: 14_400, retry: 3600, expire: 1_209_600, minimum: 300 } as const;

/** @returns the plan, or what is wrong with the settings */
export function makePlan(settings: PlanSettings): DnsPlan | string {
  const domain = parseName(`${settings.domain.replace(/\.$/, '')}.`);
  if (domain === undefined) return `'${settings.domain}' is no domain`;
  const bmcDomain = parseName(settings.bmcSubdomain, domain);
  if (bmcDomain === undefined) return `'${settings.bmcSubdomain}' is no subdomain`;
  const contact = parseName(settings.contact ?? 'hostmaster', domain);
  if (contact === undefined) return `'${settings.contact}' is no name for a contact`;
  const given =
    settings.nameservers.length > 0
      ? settings.nameservers
      : [{ name: 'ns1', addresses: settings.addresses }];
  const nameservers: { name: DnsName; addresses: readonly string[] }[] = [];
  for (const { name, addresses } of given) {
    const parsed = parseName(name, domain);
    if (parsed === undefined) return `'${name}' is no name for a name server`;
    nameservers.push({ name: parsed, addresses });
  }
  const networks = settings.networks.map(parseNetwork);
  const wrong = networks.indexOf(undefined);
  if (wrong >= 0) return `'${settings.networks[wrong]}' is no network`;
  const bad = [...settings.aliases, ...settings.services].find(
    ({ name }) => parseName(name, domain) === undefined,
  );
  if (bad) return `'${bad.name}' is no name for an alias or a service`;
  const catalog = settings.catalog === undefined ? undefined : parseName(settings.catalog, domain);
  if (settings.catalog !== undefined && catalog === undefined)
    return `'${settings.catalog}' is no name for a catalog zone`;
  const mname = nameservers[0]?.name ?? (nameOf(['ns1'], domain) as DnsName);
  return {
    ...{ domain, bmcDomain, nameservers, catalog, ttl: settings.ttl },
    ...{ aliases: settings.aliases, services: settings.services },
    networks: networks.filter((network) => network !== undefined),
    soa: { ttl: settings.ttl.infrastructure, mname, rname: contact, ...TIMERS },
  };
}

/**
 * The plan with networks of the inventory beside its own. One that lies in another has its names there already. A single
 * address (/32) is nobody's network.
 */
export function withNetworks(plan: DnsPlan, texts: readonly string[]): DnsPlan {
  const found = texts
    .map(parseNetwork)
    .filter((network): network is ReverseNetwork => network !== undefined && network.bits < 32)
    .sort((a, b) => a.bits - b.bits);
  const networks = [...plan.networks];
  for (const network of found) {
    const covers = (other: ReverseNetwork) =>
      other.bits <= network.bits && inNetwork(network.address, other);
    if (!networks.some(covers)) networks.push(network);
  }
  return { ...plan, networks };
}
