/**
 * What would change over the fleet, in words: for `reveille config diff`. The appliance makes the comparison
 * (`POST /configuration/diff`); with `-c` it is made here, on a copy of the database, which also works when it does not run.
 */
import type { FleetDiff } from '../daemon/fleet-diff.ts';

export function diffText(diff: FleetDiff, json: boolean): string {
  if (json) return `${JSON.stringify(diff)}\n`;
  const { differences, leases, zones, faults, asked, machines, counts } = diff;
  const changes = [...differences, ...leases];
  const late =
    asked < machines
      ? `only ${asked} of ${machines} machines were asked about: the time was over\n`
      : '';
  if (changes.length + zones.length + faults.length === 0)
    return `${late}nothing changes for any machine on record, no lease and no zone\n`;
  const lines = zones.reduce((sum, { removed, added }) => sum + removed.length + added.length, 0);
  const leftOut = counts.answers + counts.leases + counts.records - changes.length - lines;
  const summary = [
    `${counts.answers} answers change for ${counts.machines} machine(s)`,
    `${counts.leases} lease(s) get another segment or none`,
    `${counts.records} record(s) change in ${zones.length} zone(s)`,
    ...(leftOut > 0 ? [`${leftOut} of these are not shown`] : []),
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
    late,
    `${summary.join('; ')}\n`,
  ].join('');
}

const sides = (sign: string, text: string): string =>
  text === ''
    ? ''
    : text
        .trimEnd()
        .split('\n')
        .map((line) => `  ${sign} ${line}\n`)
        .join('');
