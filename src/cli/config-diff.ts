/**
 * `reveille config diff FILE`: what would change over the whole fleet if this file were the configuration.
 *
 * Both configurations answer the same made-up questions over the same database, in transactions that are rolled back: the
 * address, its terms and the boot file that each NIC on record would be offered as each kind of client, and the script it would
 * be handed. Beside that, the leases that are held now, by the segment that would look after them, and every record of every
 * zone. What differs is shown, and what would keep the new zones from being served; nothing is changed.
 */
import type { Config } from '../config.ts';
import { openCore, systemClock } from '../daemon/core.ts';
import { zonesOf } from '../daemon/dns.ts';
import { type Stage, stagesOf } from '../dhcp/rehearsal.ts';
import type { BootToken } from '../wire/ids.ts';
import { contains, formatIpv4, type Ipv4 } from '../wire/ipv4.ts';
import { type Mac, parseMac } from '../wire/mac.ts';

export interface Difference {
  readonly machine: string;
  readonly mac: string;
  readonly what: string;
  readonly before: string;
  readonly after: string;
}

export interface ZoneDifference {
  readonly zone: string;
  readonly removed: readonly string[];
  readonly added: readonly string[];
}

export interface FleetDiff {
  readonly differences: readonly Difference[];
  /** Leases that are held now and that another segment, or none, would look after. */
  readonly leases: readonly Difference[];
  readonly zones: readonly ZoneDifference[];
  /** Why the new zones would be refused; what is wrong with the present ones already is not told. */
  readonly faults: readonly string[];
}

interface Answers {
  readonly machines: ReadonlyMap<string, string>;
  readonly leases: ReadonlyMap<string, string>;
  readonly zones: ReadonlyMap<string, readonly string[]>;
  readonly faults: readonly string[];
}

/** Stands for the token that a real boot would have: it is the same before and after. */
const TOKEN = 'x'.repeat(32) as BootToken;
const NO_SEGMENT = 'no segment: it ends when its time is over';

/** The database is the one of `current`, whatever `next` says of it. */
export function diffConfigs(current: Config, next: Config): FleetDiff {
  const before = answersOf(current);
  const after = answersOf({ ...next, database: current.database });
  return {
    differences: differing(before.machines, after.machines),
    leases: differing(before.leases, after.leases),
    zones: zonesDiffering(before.zones, after.zones),
    faults: after.faults.filter((fault) => !before.faults.includes(fault)),
  };
}

function differing(
  before: ReadonlyMap<string, string>,
  after: ReadonlyMap<string, string>,
): Difference[] {
  const keys = new Set([...before.keys(), ...after.keys()]);
  return [...keys].flatMap((key): Difference[] => {
    const [machine = '', mac = '', what = ''] = key.split('\t');
    const [was, is] = [before.get(key) ?? 'nothing', after.get(key) ?? 'nothing'];
    return was === is ? [] : [{ machine, mac, what, before: was, after: is }];
  });
}

function zonesDiffering(before: Answers['zones'], after: Answers['zones']): ZoneDifference[] {
  return [...new Set([...before.keys(), ...after.keys()])].sort().flatMap((zone) => {
    const [was, is] = [new Set(before.get(zone)), new Set(after.get(zone))];
    const removed = [...was].filter((record) => !is.has(record));
    const added = [...is].filter((record) => !was.has(record));
    return removed.length + added.length > 0 ? [{ zone, removed, added }] : [];
  });
}

function answersOf(config: Config): Answers {
  const core = openCore(config);
  const { rehearse } = core.inventory;
  try {
    const machines = new Map<string, string>();
    for (const { hardwarename, nics } of core.inventory.machines.list()) {
      for (const { mac } of nics) {
        const parsed = parseMac(mac);
        if (!parsed) continue;
        for (const stage of stagesOf({ ...core, rehearse }, parsed, systemClock())) {
          machines.set(
            `${hardwarename}\t${mac}\t${stage.client} on ${stage.segment}`,
            offerText(stage),
          );
        }
        machines.set(`${hardwarename}\t${mac}\tscript`, scriptOf(core, parsed));
      }
    }
    return { machines, leases: leasesOf(core), ...zonesOf(config, core) };
  } finally {
    core.close();
  }
}

function offerText({ outcome, address, bootFile, terms }: Stage): string {
  // A token is new with each offer.
  const file = bootFile.replace(/\/boot\/[A-Za-z0-9_-]{32}\//, '/boot/…/');
  if (outcome !== 'offer') return outcome;
  return `${`${address} ${file}`.trim()}${terms ? `, ${terms}` : ''}`;
}

/** By the segment whose network the address is in: that is who renews it. */
function leasesOf({ db, segments }: ReturnType<typeof openCore>): Map<string, string> {
  const held = db
    .prepare<[], { address: Ipv4; mac: string; hardwarename: string | null }>(
      `SELECT address, mac, hardwarename FROM leases LEFT JOIN nics USING (mac)
       WHERE leases.state = 'bound' ORDER BY address`,
    )
    .all();
  return new Map(
    held.map(({ address, mac, hardwarename }) => {
      const home = segments.find(({ cidr }) => contains(cidr, address));
      const key = `${hardwarename ?? ''}\t${mac}\tlease of ${formatIpv4(address)}`;
      return [key, home ? `segment ${home.name}` : NO_SEGMENT];
    }),
  );
}

function scriptOf({ inventory, desk }: ReturnType<typeof openCore>, mac: Mac): string {
  return inventory.rehearse(() => {
    const machine = inventory.machines.stateByMac(mac);
    const sighting = {
      mac,
      client: 'ipxe',
      arch: 'bios',
      hardwarename: machine?.hardwarename,
    } as const;
    const sighted = inventory.boots.sight(sighting);
    return sighted ? desk.scriptFor(sighted.boot, TOKEN, 'http://appliance').script : '';
  });
}

export function diffText(diff: FleetDiff, json: boolean): string {
  if (json) return `${JSON.stringify(diff)}\n`;
  const { differences, leases, zones, faults } = diff;
  const changes = [...differences, ...leases];
  if (changes.length + zones.length + faults.length === 0)
    return 'nothing changes for any machine on record, no lease and no zone\n';
  const machines = new Set(differences.map(({ machine }) => machine)).size;
  const records = zones.reduce((sum, { removed, added }) => sum + removed.length + added.length, 0);
  const counts = [
    `${differences.length} answers change for ${machines} machine(s)`,
    `${leases.length} lease(s) get another segment or none`,
    `${records} record(s) change in ${zones.length} zone(s)`,
  ];
  return [
    ...changes.map(
      ({ machine, mac, what, before, after }) =>
        `${`${machine} ${mac}`.trim()}, ${what}\n${sides('-', before)}${sides('+', after)}`,
    ),
    ...zones.map(
      ({ zone, removed, added }) =>
        `zone ${zone}\n${removed.map((line) => sides('-', line)).join('')}${added.map((line) => sides('+', line)).join('')}`,
    ),
    ...faults.map((fault) => `the new zones would be refused: ${fault}\n`),
    `${counts.join('; ')}\n`,
  ].join('');
}

const sides = (sign: string, text: string): string =>
  text
    .trimEnd()
    .split('\n')
    .map((line) => `  ${sign} ${line}\n`)
    .join('');
