/**
 * From a flight record to its diagnosis. Pure and total: the same record gives the same answer here and on a laptop.
 *
 * A boot that goes well, or that still may, has none. One cause wins; what else fits is told beside it, for those who
 * have ruled the first out.
 */
import { type Facts, type Place, readFacts } from './facts.ts';
import type { Flight } from './flight.ts';
import type { Confidence, Remedy, Rule } from './rule.ts';
import { RULES } from './table.ts';

export interface Diagnosis {
  readonly name: string;
  readonly title: string;
  readonly confidence: Confidence;
  /** Where the boot stood. */
  readonly place: Place;
  readonly evidence: readonly string[];
  readonly says: string;
  readonly next: string;
  readonly not: Readonly<Record<string, string>>;
  readonly remedy?: Remedy;
  /** Names of other rules that fit. */
  readonly also: readonly string[];
}

/** @param final judge as if nothing more was ever heard of the machine */
export function diagnose(flight: Flight, final = false): Diagnosis | undefined {
  const facts = readFacts(flight, final);
  const fitting = RULES.flatMap((rule) => {
    const evidence = fits(rule, facts);
    return evidence ? [{ rule, evidence }] : [];
  });
  const [first, ...others] = fitting;
  if (!first) return undefined;
  const { name, title, confidence, says, next, not, remedy } = first.rule;
  const also = [...new Set(others.map(({ rule }) => rule.name))].filter((one) => one !== name);
  return {
    ...{ name, title, confidence, place: facts.place, evidence: first.evidence, says, next, not },
    ...(remedy === undefined ? {} : { remedy }),
    also,
  };
}

function fits(rule: Rule, facts: Facts): readonly string[] | undefined {
  if (rule.places && !rule.places.includes(facts.place)) return undefined;
  return facts.quietMs >= rule.waitMs ? rule.evidence(facts) : undefined;
}
