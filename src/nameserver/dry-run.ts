/**
 * The zones that a plan makes of the inventory, without serving or keeping any of them: what a change of the configuration would
 * mean, asked before it is made. The same contributions, assembly and checks as the keeper's; only the serials mean nothing.
 */
import { Assembly } from '../dns/assembly.ts';
import { checkGeneration } from '../dns/check.ts';
import { contribute, type DnsPlan } from '../dns/generate.ts';
import { nextGeneration } from '../dns/generation.ts';
import { formatName } from '../dns/name.ts';
import { withNetworks } from '../dns/plan.ts';
import type { DnsSource, StaticRecord } from '../dns/ports.ts';
import { readStatic } from '../dns/static-record.ts';
import { TYPE } from '../dns/types.ts';
import { formatRecord } from '../dns/zone-file.ts';
import { zoneRecords } from '../dns/zones.ts';

export interface DryZones {
  /** Records of each zone in presentation form, sorted, without the SOA; by the zone's name. */
  readonly zones: ReadonlyMap<string, readonly string[]>;
  /** What would keep them from being served. */
  readonly faults: readonly string[];
}

const PAGE = 500;

export function dryZones(
  configured: DnsPlan,
  { source, statics }: { source: DnsSource; statics: readonly StaticRecord[] },
): DryZones {
  const plan = withNetworks(configured, source.networks());
  const assembly = new Assembly(plan);
  for (let after = ''; ; ) {
    const page = source.page(after, PAGE);
    for (const machine of page)
      assembly.set(`machine:${machine.hardwarename}`, contribute(machine, plan));
    const last = page.at(-1);
    if (!last) break;
    after = last.hardwarename;
  }
  const unread = statics.flatMap((record) => {
    const read = readStatic(record, plan, assembly.zones());
    if ('code' in read) return [read];
    assembly.set(`record:${record.id}`, { own: [], shared: [read], zones: [] });
    return [];
  });
  const { zones, diffs } = nextGeneration(assembly, new Map(), 1);
  const pointers = assembly.pointers.bind(assembly);
  const checks = { shrinkShareMax: 1, shrinkFloor: 0, acceptShrink: true };
  const faults = [
    ...[...assembly.clashes(), ...unread],
    ...checkGeneration({ after: zones, diffs, pointers, largest: () => 0 }, checks),
  ];
  const linesOf = (zone: Parameters<typeof zoneRecords>[0]) =>
    [...zoneRecords(zone)]
      .filter(({ type }) => type !== TYPE.SOA)
      .map((record) => formatRecord(record).replaceAll('\t', ' '))
      .sort();
  return {
    zones: new Map([...zones.values()].map((zone) => [formatName(zone.name), linesOf(zone)])),
    faults: faults.map(({ code, name, why }) => `${name} ${why} (${code})`),
  };
}
