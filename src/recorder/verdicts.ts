/**
 * Verdicts: a boot's record judged, and what is found kept as one row and one event; and the boots that wait for theirs.
 */
import { type Diagnosis, diagnose } from '../diagnose/diagnose.ts';
import type { Flight } from '../diagnose/flight.ts';
import type { Inventory } from '../inventory/inventory.ts';
import { limit } from '../limits.ts';
import type { BootId } from '../wire/ids.ts';
import type { Mac } from '../wire/mac.ts';
import type { Clock } from '../wire/time.ts';
import type { Collector } from './collect.ts';
import type { FlightStore } from './store.ts';

export interface Verdicts {
  /**
   * Judges a boot and keeps what is found; says whether there is a diagnosis.
   *
   * @param consoleLateMs how long ago its console may have been read; 0 where nobody looks again
   */
  judge(boot: BootId, consoleLateMs?: number): boolean;
  /** Keeps the diagnosis of a record that is no boot's. */
  keep(flight: Flight, diagnosis: Diagnosis): void;
}

export function createVerdicts({
  inventory,
  store,
  collector,
  clock,
  learned,
}: {
  inventory: Inventory;
  store: FlightStore;
  collector: Collector;
  clock: Clock;
  learned(flight: Flight, diagnosis: Diagnosis): void;
}): Verdicts {
  const keep = (flight: Flight, diagnosis: Diagnosis): void => {
    const { machine, place } = flight;
    const boot = flight.boot === '' ? undefined : (flight.boot as BootId);
    const mac = flight.mac as Mac;
    const hardwarename = machine.hardwarename === '' ? undefined : (machine.hardwarename as never);
    const model = `${machine.manufacturer} ${machine.product}`.trim();
    const { name, title, confidence, evidence, next } = diagnosis;
    inventory.transactionUnsynced(() => {
      // Of a machine that was switched on again, the last time is what counts.
      if (boot === undefined) store.endPower(mac);
      store.found({ boot, mac, hardwarename, diagnosis, place, model });
      inventory.events.append({
        name: 'boot.diagnosed',
        ...{ mac, boot, hardwarename },
        data: { diagnosis: name, title, confidence, place: diagnosis.place, evidence, next },
      });
      learned(flight, diagnosis);
    });
  };
  return {
    keep,
    judge(boot, consoleLateMs) {
      const flight = collector.ofBoot(boot, clock(), consoleLateMs);
      const diagnosis = flight && diagnose(flight);
      if (!diagnosis) return false;
      const kept = store.ofBoot(boot);
      if (kept?.name !== diagnosis.name || kept.endedAt !== undefined) keep(flight, diagnosis);
      return true;
    },
  };
}

interface Waiting {
  readonly until: number;
  /** One that stalled is let go when it moves again. */
  readonly stalled: boolean;
}

/** Between two looks at one boot. */
const LOOK_AGAIN_MS = 900;

/** Boots that have stopped and have no name yet: a bounded number of them is judged at a time, each in its turn. */
export function createUnnamed() {
  /** In the order of their last look. */
  const waiting = new Map<BootId, Waiting & { readonly lookedAt: number }>();
  let dropped = 0;
  return {
    dropped: () => dropped,
    add(id: BootId, one: Waiting): void {
      if (waiting.size >= limit('flightUnnamedMax') && !waiting.has(id)) dropped += 1;
      else waiting.set(id, { ...one, lookedAt: Number.NEGATIVE_INFINITY });
    },
    /** @param judge whether it is done with. @returns whether more are to be looked at now */
    look(now: number, judge: (id: BootId, one: Waiting) => boolean): boolean {
      let left = limit('flightJudgesMax');
      for (const [id, one] of waiting) {
        if (one.lookedAt > now - LOOK_AGAIN_MS) return false;
        if (left === 0) return true;
        left -= 1;
        waiting.delete(id);
        if (!judge(id, one)) waiting.set(id, { ...one, lookedAt: now });
      }
      return false;
    },
  };
}
