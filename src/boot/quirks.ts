/**
 * What to try next on hardware with a history. Pure: what has worked and failed is handed in, as the inventory keeps it.
 *
 * A value that worked is used at once. Without one, values that failed are passed over, in the order in which they would be
 * tried; when all have failed, the one whose failure is the oldest is tried again, because a fault may have been elsewhere: so
 * each has its turn, and none is given up for good. What a person has
 * configured for a machine or a model is never overridden by what was learned.
 */
import type { Known, QuirkTrait } from '../inventory/quirks.ts';
import type { LocalBootMethod } from './settings.ts';

/** What is known of one trait of one machine, its own experience before that of its model. */
export type Experience = Known;

export const NO_EXPERIENCE: Experience = { works: undefined, fails: new Set() };

export type Trait = QuirkTrait;

export interface Choice<Value extends string> {
  readonly value: Value;
  /** Why it is not the first candidate. */
  readonly why: string | undefined;
}

/** @param candidates in the order in which they are tried; at least one */
export function choose<Value extends string>(
  candidates: readonly [Value, ...Value[]],
  { works, fails }: Experience,
): Choice<Value> {
  const [usual] = candidates;
  const known = candidates.find((one) => one === works);
  if (known !== undefined) {
    return { value: known, why: known === usual ? undefined : 'it worked before' };
  }
  const untried = candidates.find((one) => !fails.has(one));
  if (untried === usual) return { value: usual, why: undefined };
  if (untried !== undefined)
    return { value: untried, why: `${[...fails].join(' and ')} failed before` };
  const oldest = [...fails].flatMap((value) => candidates.find((one) => one === value) ?? [])[0];
  if (oldest === undefined || oldest === usual) return { value: usual, why: undefined };
  return { value: oldest, why: 'all have failed, and this one longest ago' };
}

/** `auto` first: it is right for most firmware. What each does is in docs/dhcp.md. */
export const LOCAL_BOOT_ORDER: readonly [LocalBootMethod, ...LocalBootMethod[]] = [
  'auto',
  'sanboot',
  'exit',
  'exit-success',
];

/** Block sizes that are tried below the one that a client asks for. */
const BLKSIZES = [1024, 512];

/** The largest block to grant; `undefined` when whatever the client asks for is right. */
export function blksizeCap({ works, fails }: Experience): number | undefined {
  if (works !== undefined) return Number(works) || undefined;
  if (fails.size === 0) return undefined;
  const smallest = Math.min(...[...fails].map(Number).filter((size) => size > 0));
  return BLKSIZES.find((size) => size < smallest) ?? BLKSIZES.at(-1);
}

/**
 * Ways to order a network boot of a BMC, in which firmware's words: some follow the order of one kind only, whatever they boot
 * (IPMI 2.0, section 28.13, parameter 5: bit 5 of byte 1 says EFI).
 */
const OVERRIDE_ORDER = ['as-asked', 'other-mode'] as const;
export type Override = (typeof OVERRIDE_ORDER)[number];

export const overrideOf = (experience: Experience): Override =>
  choose(OVERRIDE_ORDER, experience).value;

const FILE_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]*$/;
/** RFC 2348. */
const BLKSIZE = { min: 8, max: 65_464 };

/** Whether a trait can have this value: a row with another one would never be used. */
export function isValueOf(trait: Trait, value: string): boolean {
  switch (trait) {
    case 'binary':
      return FILE_NAME.test(value);
    case 'blksize':
      return /^\d+$/.test(value) && Number(value) >= BLKSIZE.min && Number(value) <= BLKSIZE.max;
    case 'local-boot':
      return LOCAL_BOOT_ORDER.some((one) => one === value);
    case 'override':
      return OVERRIDE_ORDER.some((one) => one === value);
  }
}
