/**
 * What squads have of what they may have. It counts as the appliance does when it matches (src/provisioning/quota.ts): a
 * machine that is broken or retired is nobody's to use, and takes no part of a quota. Pure: a test holds it.
 */

export interface Used {
  readonly squad: string;
  readonly state: string;
  readonly hardwareType: string;
}

export interface Usage {
  readonly machines: number;
  readonly types: ReadonlyMap<string, number>;
  /** On the squad's name, and not counted. */
  readonly out: number;
}

export const NO_USAGE: Usage = { machines: 0, types: new Map(), out: 0 };

/** By squad; '' is what no squad has. */
export function usageOf(machines: Iterable<Used>): ReadonlyMap<string, Usage> {
  const squads = new Map<string, { machines: number; types: Map<string, number>; out: number }>();
  for (const { squad, state, hardwareType } of machines) {
    const sums = squads.get(squad) ?? { machines: 0, types: new Map(), out: 0 };
    squads.set(squad, sums);
    if (state === 'broken' || state === 'retired') {
      sums.out += 1;
      continue;
    }
    sums.machines += 1;
    sums.types.set(hardwareType, (sums.types.get(hardwareType) ?? 0) + 1);
  }
  return squads;
}

export interface Quota {
  readonly machines?: number | undefined;
  readonly types?: Readonly<Record<string, number>> | undefined;
}

/** Quotas as a person writes them: `gpu 4, high-io 20`. @throws Error that names what cannot be read */
export function readTypeQuotas(text: string): Record<string, number> {
  const types: Record<string, number> = {};
  for (const part of text.split(',').map((word) => word.trim())) {
    if (part === '') continue;
    const [, type, count] = /^(\S+)\s*[= ]\s*(\d{1,6})$/.exec(part) ?? [];
    if (type === undefined) throw new Error(`'${part}' is not a type and a number, as in gpu 4.`);
    types[type] = Number(count);
  }
  return types;
}

export const typeQuotaText = (types: Readonly<Record<string, number>> = {}): string =>
  Object.entries(types)
    .map(([type, count]) => `${type} ${count}`)
    .join(', ');
