/**
 * What machines can have in common that makes them fail together, and whether failures point to one of these things.
 *
 * Machines fail by themselves, some in a hundred; that is replaced and no more said. When a rack loses its power, a switch
 * its uplink, or an image does not boot, replacing eats the spare machines and helps nobody. So each value that several
 * failures share is asked: how probable is it that so many of those who have it failed by accident, given how often the
 * others fail? One that is less probable than `CHANCE`, shared among all values that were asked, is named. Pure.
 */

import { type Place, rackPlace } from '../inventory/rack-place.ts';

const FACTORS = ['rack', 'switch', 'image', 'firmware', 'bmc-firmware', 'type'] as const;
export type Factor = (typeof FACTORS)[number];

export interface FactorValue {
  readonly factor: Factor;
  readonly value: string;
}

/** The values that one machine has of each. */
export type Factors = Readonly<Record<Factor, readonly string[]>>;

/** One install, or one machine at work, within the time that is looked at. */
export interface Exposure {
  readonly failed: boolean;
  readonly factors: Factors;
}

export interface Suspicion extends FactorValue {
  readonly failed: number;
  readonly tried: number;
  readonly failedOthers: number;
  readonly triedOthers: number;
  /** The probability of so many by accident. */
  readonly chance: number;
  /** Other values that the very same machines share: no count can tell them apart. */
  readonly also: readonly FactorValue[];
}

/** Fewer failures than this have nothing in common but bad luck. */
const FAILED_MIN = 3;
/** Once in so many looks a healthy site is suspected wrongly. */
const CHANCE = 1e-4;

export function factorsOf(
  machine: Place & {
    readonly switches: readonly string[];
    readonly biosVersion: string;
    readonly bmcFirmware: string;
    readonly hardware: { readonly type: string; readonly product: string };
    readonly image?: string | undefined;
  },
): Factors {
  const { switches, biosVersion, bmcFirmware, hardware, image = '' } = machine;
  const some = (value: string) => (value === '' ? [] : [value]);
  const of = (version: string) => (version === '' ? [] : [`${hardware.product} ${version}`.trim()]);
  return {
    rack: some(rackPlace(machine)),
    switch: [...new Set(switches)].filter((name) => name !== ''),
    image: some(image),
    firmware: of(biosVersion),
    'bmc-firmware': of(bmcFirmware),
    type: some(hardware.type),
  };
}

/**
 * @param assumedRate share of failures that is normal, where the others are too few to say
 * @returns the least probable of the accidents; `undefined` when all may be accidents
 */
export function findCommonFactor(
  exposures: readonly Exposure[],
  assumedRate: number,
): Suspicion | undefined {
  const groups = groupsOf(exposures);
  const failedAll = exposures.filter(({ failed }) => failed).length;
  const asked = [...groups.values()].filter(({ members }) => members.length >= FAILED_MIN);
  const suspects = asked
    .filter(({ failed }) => failed >= FAILED_MIN)
    .map((group) => {
      const tried = group.members.length;
      const [failedOthers, triedOthers] = [failedAll - group.failed, exposures.length - tried];
      // As if the others had shown the assumed rate twenty times before: a few of them prove little.
      const rate = (failedOthers + 20 * assumedRate) / (triedOthers + 20);
      const usual = Math.max(assumedRate, rate);
      const chance = binomialTail(group.failed, tried, usual);
      return { ...group, tried, failedOthers, triedOthers, chance };
    })
    .filter(({ chance }) => chance < CHANCE / asked.length)
    .sort((a, b) => a.chance - b.chance || FACTORS.indexOf(a.factor) - FACTORS.indexOf(b.factor));
  const [first, ...rest] = suspects;
  if (!first) return undefined;
  const same = rest.filter(({ key }) => key === first.key);
  const { factor, value, failed, tried, failedOthers, triedOthers, chance } = first;
  const also = same.map((one) => ({ factor: one.factor, value: one.value }));
  return { factor, value, failed, tried, failedOthers, triedOthers, chance, also };
}

interface Group extends FactorValue {
  readonly members: number[];
  failed: number;
  /** The same for values that the same machines have. */
  key: string;
}

function groupsOf(exposures: readonly Exposure[]): Map<string, Group> {
  const groups = new Map<string, Group>();
  for (const [index, { failed, factors }] of exposures.entries())
    for (const factor of FACTORS)
      for (const value of factors[factor]) {
        const name = `${factor}/${value}`;
        const group = groups.get(name) ?? { factor, value, members: [], failed: 0, key: '' };
        groups.set(name, group);
        group.members.push(index);
        if (failed) group.failed += 1;
      }
  for (const group of groups.values())
    if (group.failed >= FAILED_MIN) group.key = group.members.join();
  return groups;
}

/**
 * The probability of `hits` or more in `tries` of probability `rate` each. Summed away from the mean, where terms only
 * shrink: one that is too small for a number then belongs to a sum that is as good as nothing, not to one that is nearly 1.
 */
export function binomialTail(hits: number, tries: number, rate: number): number {
  if (hits <= 0) return 1;
  if (hits > tries) return 0;
  const odds = rate / (1 - rate);
  if (hits > tries * rate) {
    const next = (count: number) => ((tries - count) / (count + 1)) * odds;
    return Math.min(1, sumFrom(binomialTerm(hits, tries, rate), next, { at: hits, by: 1 }));
  }
  const next = (count: number) => count / (tries - count + 1) / odds;
  const below = sumFrom(binomialTerm(hits - 1, tries, rate), next, { at: hits - 1, by: -1 });
  return Math.max(0, 1 - below);
}

function binomialTerm(hits: number, tries: number, rate: number): number {
  let log = hits * Math.log(rate) + (tries - hits) * Math.log1p(-rate);
  for (let at = 1; at <= hits; at++) log += Math.log(tries - hits + at) - Math.log(at);
  return Math.exp(log);
}

/** A falling series; its last ratio is 0. */
function sumFrom(
  first: number,
  ratio: (at: number) => number,
  { at, by }: { at: number; by: 1 | -1 },
): number {
  let sum = 0;
  for (let term = first, index = at; term > sum * 1e-12; index += by) {
    sum += term;
    term *= ratio(index);
  }
  return sum;
}
