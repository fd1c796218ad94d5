/**
 * Records from the inventory: what one machine contributes to DNS, and which zones that needs. Pure and deterministic:
 * the same machine and plan give the same records, in whatever order machines are asked for.
 *
 * - hostname: A and AAAA at its name; a name of several labels below the site's domain lives in a zone of its own
 *   (`web1.fancy.lon.example` in `fancy.lon.example`), which thereby appears by itself;
 * - hardwarename: A and AAAA below the site's domain;
 * - BMC: A and AAAA in the subdomain of BMCs;
 * - reverse: one PTR for each address, to the best name that has it (hostname, then hardwarename, then BMC);
 * - role: the addresses of all its machines at each alias, and an SRV record for each service.
 *
 * A name that is no hostname (RFC 1123 section 2.1) is folded into one: lower case, what is not a letter, digit or hyphen
 * becomes a hyphen. Two machines that end up with one name are a fault of the generation, found by the assembly.
 */
import { type DnsName, isWithin, nameOf, parentOf, parseName } from './name.ts';
import type { MachineName, NamedMachine, NameKind } from './ports.ts';
import type { Rdata } from './rdata.ts';
import { bigEndian } from './rdata-text.ts';
import {
  classlessName,
  inNetwork,
  isClassless,
  parseAddress,
  type ReverseNetwork,
  reverseName,
} from './reverse.ts';
import { TYPE } from './types.ts';
import type { SoaSettings, ZoneRecord } from './zones.ts';

export interface RoleAlias {
  readonly role: string;
  /** Relative to the site's domain. */
  readonly name: string;
}

export interface RoleService extends RoleAlias {
  readonly port: number;
  readonly priority: number;
  readonly weight: number;
}

/** The site's decisions about its names; the configuration, parsed. TTLs are in seconds. */
export interface DnsPlan {
  readonly domain: DnsName;
  readonly bmcDomain: DnsName;
  readonly nameservers: readonly {
    readonly name: DnsName;
    readonly addresses: readonly string[];
  }[];
  readonly networks: readonly ReverseNetwork[];
  readonly ttl: Readonly<Record<NameKind | 'reverse' | 'role' | 'infrastructure', number>>;
  readonly aliases: readonly RoleAlias[];
  readonly services: readonly RoleService[];
  /** The zone that lists all others for secondaries (RFC 9432). */
  readonly catalog: DnsName | undefined;
  readonly soa: SoaSettings;
}

/** What one owner puts into DNS. */
export interface Contribution {
  /** Names that belong to this owner alone. */
  readonly own: readonly ZoneRecord[];
  /** Names that it shares with others of its role. */
  readonly shared: readonly ZoneRecord[];
  /** Zones that must exist for its names. */
  readonly zones: readonly DnsName[];
}

export const NOTHING: Contribution = { own: [], shared: [], zones: [] };

const KINDS: readonly NameKind[] = ['hostname', 'hardwarename', 'bmc'];

export function contribute(machine: NamedMachine, plan: DnsPlan): Contribution {
  const own: ZoneRecord[] = [];
  const zones = new Set<DnsName>();
  const named = new Set<string>();
  const sorted = [...machine.names].sort((a, b) => KINDS.indexOf(a.kind) - KINDS.indexOf(b.kind));
  for (const entry of sorted) {
    const name = hostName(entry, plan);
    const addresses = entry.addresses
      .map(parseAddress)
      .filter((address) => address !== undefined)
      .sort();
    if (name === undefined || addresses.length === 0) continue;
    const zone = zoneOfHost(name, plan);
    if (zone === undefined) continue;
    zones.add(zone);
    for (const address of addresses) {
      own.push(addressRecord(name, plan.ttl[entry.kind], address));
      // The first name of the best kind is the one that the address is called by.
      if (!named.has(address)) own.push(...reverseRecords(name, address, plan));
      named.add(address);
    }
  }
  return { own: unique(own), shared: roleRecords(machine, sorted, plan), zones: [...zones] };
}

function unique(records: readonly ZoneRecord[]): ZoneRecord[] {
  const seen = new Map(
    records.map((record) => [`${record.type} ${record.name} ${record.rdata}`, record]),
  );
  return [...seen.values()];
}

function addressRecord(name: DnsName, ttl: number, address: string): ZoneRecord {
  const type = address.length === 4 ? TYPE.A : TYPE.AAAA;
  return { name, type, ttl, rdata: address as Rdata };
}

/** The absolute name, every label folded into LDH; `undefined` when nothing is left of one. */
function hostName({ kind, name }: MachineName, plan: DnsPlan): DnsName | undefined {
  const under = kind === 'bmc' ? plan.bmcDomain : plan.domain;
  const absolute = name.endsWith('.');
  const labels = (absolute ? name.slice(0, -1) : name).split('.').map(hostLabel);
  if (labels.includes('')) return undefined;
  const whole = nameOf(labels);
  // A hostname on record may carry the site's domain already.
  if (absolute || (whole !== undefined && isWithin(whole, plan.domain))) return whole;
  return nameOf(labels, under);
}

/** A label of letters, digits and hyphens, of at most 63, with a letter or digit at both ends. */
export function hostLabel(text: string): string {
  return text
    .toLowerCase()
    .replace(/[^a-z0-9-]+/g, '-')
    .slice(0, 63)
    .replace(/^-+|-+$/g, '');
}

/** The parent of the host's name, if that is the site's domain or below it; a name elsewhere is not ours to serve. */
function zoneOfHost(name: DnsName, { domain }: DnsPlan): DnsName | undefined {
  const parent = parentOf(name);
  return parent !== undefined && isWithin(parent, domain) ? parent : undefined;
}

/** PTR in the narrowest network that is ours; with a classless one inside a zone that is ours too, also the alias. */
export function reverseRecords(target: DnsName, address: string, plan: DnsPlan): ZoneRecord[] {
  const networks = plan.networks
    .filter((network) => inNetwork(address, network))
    .sort((a, b) => b.bits - a.bits);
  const [narrowest] = networks;
  if (!narrowest) return [];
  const ttl = plan.ttl.reverse;
  const full = reverseName(address);
  const rdata = target as string as Rdata;
  if (!isClassless(narrowest)) return [{ name: full, type: TYPE.PTR, ttl, rdata }];
  const inner = classlessName(address, narrowest);
  const records: ZoneRecord[] = [{ name: inner, type: TYPE.PTR, ttl, rdata }];
  if (networks.some((network) => !isClassless(network))) {
    records.push({ name: full, type: TYPE.CNAME, ttl, rdata: inner as string as Rdata });
  }
  return records;
}

function roleRecords(
  machine: NamedMachine,
  names: readonly MachineName[],
  plan: DnsPlan,
): ZoneRecord[] {
  const main = names.find(({ kind, addresses }) => kind !== 'bmc' && addresses.length > 0);
  const target = main && hostName(main, plan);
  if (machine.role === undefined || !main || target === undefined) return [];
  const ttl = plan.ttl.role;
  const records: ZoneRecord[] = [];
  for (const { name } of plan.aliases.filter(({ role }) => role === machine.role)) {
    const owner = parseName(name, plan.domain);
    for (const text of main.addresses) {
      const address = parseAddress(text);
      if (owner !== undefined && address !== undefined) {
        records.push(addressRecord(owner, ttl, address));
      }
    }
  }
  for (const service of plan.services.filter(({ role }) => role === machine.role)) {
    const owner = parseName(service.name, plan.domain);
    const numbers = [service.priority, service.weight, service.port];
    const rdata = (numbers.map((n) => bigEndian(n, 2)).join('') + target) as Rdata;
    if (owner !== undefined) records.push({ name: owner, type: TYPE.SRV, ttl, rdata });
  }
  return records;
}
