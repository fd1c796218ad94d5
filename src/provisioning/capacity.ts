/**
 * What a site has: for each hardware type, how many machines are free, warm, or what else. Free is what the matching would
 * take, so a protected machine counts as unfit with its reason. Pure.
 */
import { isCapacity } from '../inventory/states.ts';
import type { Known } from './candidates.ts';
import { type Hardware, unmet } from './hardware.ts';

export interface CapacityRow {
  readonly site: string;
  readonly type: string;
  readonly total: number;
  readonly free: number;
  /** Of the free ones. */
  readonly warm: number;
  /** Available, but not to be taken now. */
  readonly unfit: number;
  readonly states: Readonly<Record<string, number>>;
}

export interface CapacityWish {
  readonly site?: string | undefined;
  readonly hardware: Hardware;
}

type Counts = { -readonly [Name in keyof CapacityRow]: CapacityRow[Name] } & {
  states: Record<string, number>;
};

/** By site, then by type. Machines that do not meet the hardware are left out. */
export function countCapacity(
  known: Iterable<Known>,
  { site, hardware }: CapacityWish,
): CapacityRow[] {
  const rows = new Map<string, Counts>();
  for (const machine of known) {
    if (site !== undefined && machine.site !== site) continue;
    if (unmet(hardware, machine.hardware) !== undefined) continue;
    const { type } = machine.hardware;
    const key = `${machine.site}\n${type}`;
    const zero = { total: 0, free: 0, warm: 0, unfit: 0, states: {} };
    const row: Counts = rows.get(key) ?? { site: machine.site, type, ...zero };
    rows.set(key, row);
    row.total += 1;
    row.states[machine.state] = (row.states[machine.state] ?? 0) + 1;
    if (!isCapacity(machine.state)) continue;
    if (machine.unfit !== '') row.unfit += 1;
    else {
      row.free += 1;
      if (machine.warm) row.warm += 1;
    }
  }
  return [...rows.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, row]) => row);
}
