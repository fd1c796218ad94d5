/**
 * What a site's zones hold besides machines: NS at every zone's name and at every delegation between our own zones, the
 * addresses of the name servers and their reverse names, and the catalog zone (RFC 9432) by which secondaries learn of zones that appear.
 */
import { createHash } from 'node:crypto';
import { type DnsPlan, reverseRecords } from './generate.ts';
import { type DnsName, nameOf, parentOf, parseName } from './name.ts';
import type { Rdata } from './rdata.ts';
import { parseAddress, zonesOfNetwork } from './reverse.ts';
import { TYPE } from './types.ts';
import { nodeOf, type ZoneNode, type ZoneRecord, zoneFor } from './zones.ts';

/** Zones that exist without any machine. */
export function standingZones(plan: DnsPlan): DnsName[] {
  const zones = [plan.domain, ...plan.networks.flatMap(zonesOfNetwork)];
  if (plan.catalog !== undefined) zones.push(plan.catalog);
  return zones;
}

function nsRecords(name: DnsName, plan: DnsPlan): ZoneRecord[] {
  const ttl = plan.ttl.infrastructure;
  return plan.nameservers.map((server) => ({
    ...{ name, type: TYPE.NS, ttl, rdata: server.name as string as Rdata },
  }));
}

/** NS at a zone's own name, as the zone has them and as its parent repeats them. */
export function delegation(zone: DnsName, plan: DnsPlan): ZoneNode {
  return nodeOf(zone === plan.catalog ? [] : nsRecords(zone, plan));
}

/** Our name servers by name and by address, and what the catalog says of itself. */
export function siteRecords(plan: DnsPlan, zones: ReadonlySet<DnsName>): ZoneRecord[] {
  const records: ZoneRecord[] = [];
  const ttl = plan.ttl.infrastructure;
  for (const { name, addresses } of plan.nameservers) {
    if (zoneFor(name, zones) === undefined) continue;
    for (const text of addresses) {
      const address = parseAddress(text);
      if (address === undefined) continue;
      const type = address.length === 4 ? TYPE.A : TYPE.AAAA;
      records.push({ name, type, ttl, rdata: address as Rdata });
      records.push(...reverseRecords(name, address, plan));
    }
  }
  if (plan.catalog === undefined) return records;
  // RFC 9432 section 4: the version, and the NS that says "not for resolving".
  const invalid = parseName('invalid.') as string as Rdata;
  const version = nameOf(['version'], plan.catalog) as DnsName;
  records.push({ name: plan.catalog, type: TYPE.NS, ttl: 0, rdata: invalid });
  records.push({ name: version, type: TYPE.TXT, ttl: 0, rdata: '\x012' as Rdata });
  return records;
}

/** What there is because of one zone: its NS, and that it is a member of the catalog. */
export function recordsOfZone(zone: DnsName, plan: DnsPlan): ZoneRecord[] {
  if (zone === plan.catalog) return [];
  const records = nsRecords(zone, plan);
  if (plan.catalog === undefined) return records;
  // The same zone keeps its label for ever: another one would make secondaries drop and fetch it anew.
  const label = createHash('sha256').update(zone, 'latin1').digest('hex').slice(0, 32);
  const name = nameOf([label, 'zones'], plan.catalog) as DnsName;
  return [...records, { name, type: TYPE.PTR, ttl: 0, rdata: zone as string as Rdata }];
}

/** The zone above a zone that is ours too. */
export function parentZone(zone: DnsName, zones: ReadonlySet<DnsName>): DnsName | undefined {
  const above = parentOf(zone);
  return above === undefined ? undefined : zoneFor(above, zones);
}
