/**
 * What kind of machine is this? Rules over the facts of a report give each machine its hardware type ("High IO"), and
 * the type's bill of materials says what must be in it. Pure.
 */
import { factsOfReport } from './machine-facts.ts';
import type { RecordDoc, RULE_FACTS } from './record-kinds.ts';
import type { ReconReport } from './report.ts';

export type RuleFact = (typeof RULE_FACTS)[number];
export type RuleFacts = Readonly<Record<RuleFact, string | number>>;

export interface TypeRule {
  readonly name: string;
  readonly doc: RecordDoc<'type'>;
}

export interface TypeVerdict {
  /** '' when no rule fits. */
  readonly type: string;
  /** One line; '' when the bill of materials is met. */
  readonly mismatch: string;
  readonly hold: boolean;
}

function ruleFactsOf(report: ReconReport): RuleFacts {
  const { diskBytes, ...facts } = factsOfReport(report);
  return {
    ...facts,
    diskBytes,
    manufacturer: report.dmi.manufacturer ?? '',
    product: report.dmi.product ?? '',
    solidDiskCount: report.disks.filter(({ rotational }) => rotational === false).length,
    fastestNicMbps: Math.max(0, ...report.nics.map(({ speedMbps }) => speedMbps ?? 0)),
    diskFirmware: versionsOf(report.disks),
    nicFirmware: versionsOf(report.nics),
    bmcFirmware: report.bmc?.firmware ?? '',
  };
}

/** What is alike in all of them is one version, however many there are. */
function versionsOf(parts: readonly { readonly firmware?: string | undefined }[]): string {
  const known = parts.flatMap(({ firmware }) => (firmware ? [firmware] : []));
  return [...new Set(known)].sort().join(', ');
}

/** The first rule that fits, by falling priority and then by name. */
export function typeOf(report: ReconReport, rules: readonly TypeRule[]): TypeVerdict {
  const facts = ruleFactsOf(report);
  const ordered = [...rules].sort(
    (a, b) => b.doc.priority - a.doc.priority || (a.name < b.name ? -1 : 1),
  );
  const rule = ordered.find(({ doc }) => doc.conditions.every((one) => holds(one, facts)));
  if (!rule) return { type: '', mismatch: '', hold: false };
  const differences = Object.entries(rule.doc.expect)
    .filter(([fact, expected]) => facts[fact as RuleFact] !== expected)
    .map(([fact, expected]) => `${fact} is ${told(facts[fact as RuleFact])}, not ${expected}`);
  const mismatch = differences.join('; ');
  return { type: rule.name, mismatch, hold: mismatch !== '' && rule.doc.holdOnMismatch };
}

const told = (value: string | number): string => (value === '' ? 'unknown' : `${value}`);

function holds(condition: RecordDoc<'type'>['conditions'][number], facts: RuleFacts): boolean {
  const value = facts[condition.fact];
  const { atLeast, atMost, equals, contains } = condition;
  if (atLeast !== undefined) return Number(value) >= atLeast;
  if (atMost !== undefined) return Number(value) <= atMost;
  if (equals !== undefined) return value === equals;
  return String(value)
    .toLowerCase()
    .includes((contains ?? '').toLowerCase());
}
