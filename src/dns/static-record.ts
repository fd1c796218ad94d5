/** Records that people wrote, from presentation form to a record of a zone of ours, or to the fault that they are. */
import type { Fault } from './check.ts';
import type { DnsPlan } from './generate.ts';
import { type DnsName, parseName } from './name.ts';
import type { StaticRecord } from './ports.ts';
import { parseRdata, splitWords } from './rdata-text.ts';
import { isMetaType, parseType, TYPE } from './types.ts';
import { type ZoneRecord, zoneFor } from './zones.ts';

export function readStatic(
  record: StaticRecord,
  plan: DnsPlan,
  zones: ReadonlySet<DnsName>,
): ZoneRecord | Fault {
  const fault = (why: string): Fault => ({ code: 'static', name: record.name, why });
  const name = parseName(record.name, plan.domain);
  if (name === undefined) return fault('is no name');
  if (zoneFor(name, zones) === undefined) return fault('lies in no zone of ours');
  const type = parseType(record.type);
  if (type === undefined || isMetaType(type) || type === TYPE.SOA) {
    return fault(`cannot have a record of type '${record.type}'`);
  }
  const words = splitWords(record.data);
  const rdata = words && parseRdata(type, words, plan.domain);
  if (rdata === undefined) return fault(`has data that is not valid for ${record.type}`);
  return { name, type, ttl: record.ttl, rdata };
}
