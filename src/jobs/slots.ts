/**
 * How many steps may run at once: one on a BMC, a few in a rack, some hundred in a site. A step that may not start yet has a
 * reason, and people are shown it. Pure bookkeeping; a slot is held from the start of a step until it has really ended.
 */
import { rackPlace } from '../inventory/rack-place.ts';
import type { JobMachine } from './ports.ts';

export interface SlotLimits {
  readonly siteMax: number;
  readonly rackMax: number;
}

export interface Slots {
  /** Whether a step on this machine could start now: a glance, by a record that may be old. */
  areFree(machine: JobMachine): boolean;
  /** Why a step on this machine cannot start now; `undefined` when it can. */
  blockedBy(machine: JobMachine): string | undefined;
  /**
   * Looks and takes at once, so that nothing lies between the two: `machine` is the record as it is now.
   * @returns the way to give it back; undefined when there is none
   */
  take(machine: JobMachine, job: string): (() => void) | undefined;
  readonly isFull: () => boolean;
}

export function createSlots({ siteMax, rackMax }: SlotLimits): Slots {
  let running = 0;
  const racks = new Map<string, number>();
  const bmcs = new Map<string, string>();
  const areFree = (machine: JobMachine): boolean =>
    running < siteMax &&
    (machine.rack === '' || (racks.get(rackPlace(machine)) ?? 0) < rackMax) &&
    !bmcs.has(machine.bmcAddress);
  return {
    areFree,
    blockedBy(machine) {
      if (running >= siteMax) return `the site: ${running} steps are running, the most at once`;
      const { rack, bmcAddress } = machine;
      const inRack = racks.get(rackPlace(machine)) ?? 0;
      if (rack !== '' && inRack >= rackMax)
        return `rack ${rack}: ${inRack} steps are running there, the most at once`;
      const by = bmcs.get(bmcAddress);
      return by === undefined ? undefined : `the BMC ${bmcAddress}, which job ${by} is using`;
    },
    take(machine, job) {
      if (!areFree(machine)) return undefined;
      const rack = rackPlace(machine);
      running += 1;
      racks.set(rack, (racks.get(rack) ?? 0) + 1);
      if (machine.bmcAddress !== '') bmcs.set(machine.bmcAddress, job);
      let held = true;
      return () => {
        if (!held) return;
        held = false;
        running -= 1;
        const left = (racks.get(rack) ?? 1) - 1;
        if (left > 0) racks.set(rack, left);
        else racks.delete(rack);
        if (bmcs.get(machine.bmcAddress) === job) bmcs.delete(machine.bmcAddress);
      };
    },
    isFull: () => running >= siteMax,
  };
}
