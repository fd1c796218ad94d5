/**
 * A delivery as slots of racks: where something is still to come, and which machines are not where, or what, the list says.
 * The appliance has compared the lines already (docs/board.md); here they only find their place in a drawing. Pure: a test holds it.
 */
import type { Operations } from '../client/operations.generated.ts';

export type Line = Operations['GET /deliveries/{name}']['answer']['lines'][number];

/** A place in a rack that a machine of the list belongs in, and is not. */
export interface ExpectedSlot {
  readonly serial: string;
  readonly unit: number;
  /** Where it is instead; '' while it is missing. */
  readonly elsewhere: string;
}

export interface Expected {
  readonly byRack: ReadonlyMap<string, readonly ExpectedSlot[]>;
  /** Machines that want somebody, by hardwarename, each with what is wrong. */
  readonly flags: ReadonlyMap<string, string>;
  /** Of the list, but of no slot: they may stand anywhere. */
  readonly anywhere: readonly string[];
}

export const NOTHING_EXPECTED: Expected = { byRack: new Map(), flags: new Map(), anywhere: [] };

export function expectedOf(lines: readonly Line[]): Expected {
  const byRack = new Map<string, ExpectedSlot[]>();
  const flags = new Map<string, string>();
  const anywhere: string[] = [];
  for (const { serial, status, rack, unit, hardwarename, foundRack, foundUnit } of lines) {
    if (status !== 'arrived' && status !== 'missing' && hardwarename !== '')
      flags.set(hardwarename, status);
    if (status !== 'missing' && status !== 'wrong slot') continue;
    if (rack === '') {
      anywhere.push(serial);
      continue;
    }
    const elsewhere = [foundRack, foundUnit > 0 ? `U${foundUnit}` : ''].filter(Boolean).join(' ');
    const slots = byRack.get(rack) ?? [];
    byRack.set(rack, slots);
    slots.push({ serial, unit, elsewhere });
  }
  return { byRack, flags, anywhere };
}

/** Slots that are free in the drawing, and those that have no unit or where something stands already. */
export function freeSlots(
  slots: readonly ExpectedSlot[],
  taken: ReadonlySet<number>,
  units: number,
): { drawn: readonly ExpectedSlot[]; listed: readonly ExpectedSlot[] } {
  const seen = new Set(taken);
  const drawn: ExpectedSlot[] = [];
  const listed: ExpectedSlot[] = [];
  for (const slot of slots) {
    const fits = slot.unit > 0 && slot.unit <= units && !seen.has(slot.unit);
    (fits ? drawn : listed).push(slot);
    seen.add(slot.unit);
  }
  return { drawn, listed };
}
