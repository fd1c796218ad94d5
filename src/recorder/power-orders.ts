/**
 * Machines that a job has switched on, until their firmware asks or an operating system comes up instead: how long silence means nothing
 * yet, and whether their BMC was told to boot them from the network. Kept in memory, and read from the events again at a start.
 */
import type { Database } from 'better-sqlite3';
import type { StoredEvent } from '../events.ts';
import type { Inventory } from '../inventory/inventory.ts';
import { limit } from '../limits.ts';
import type { Hardwarename } from '../wire/ids.ts';
import type { PhaseTimes } from './phase-times.ts';

export interface PoweredOn {
  readonly at: number;
  /** From here on silence means something. */
  readonly dueAt: number;
}

export type StepEvent = Extract<StoredEvent, { name: 'job.step' }>;

/** Longer than a server with much memory needs before its firmware asks; known models have a figure of their own. */
const FIRMWARE_MS = 300_000;
/** Before a start: longer than any model takes until its firmware asks. */
const TAKEN_UP_MS = 3_600_000;

const TAKEN_UP = `SELECT id FROM events WHERE id > ? AND at > ? AND (name IN ('job.step', 'boot.started')
  OR (name = 'boot.diagnosed' AND boot IS NULL)
  OR (name = 'dhcp.acked' AND hardwarename IS NOT NULL AND data LIKE '{"client":"os"%')) ORDER BY id`;

export function openPowerOrders(
  db: Database,
  { inventory, times, now }: { inventory: Inventory; times: PhaseTimes; now: number },
) {
  const poweredOn = new Map<Hardwarename, PoweredOn>();
  /** Their BMC was told to boot them from the network at their next start. */
  const ordered = new Set<Hardwarename>();
  const orders = {
    /** A step of a job that switches a machine, or says what it is to boot. */
    step({ at, hardwarename, data: { step, phase } }: StepEvent): void {
      if (!hardwarename || phase !== 'succeeded') return;
      if (step === 'pxe-once') ordered.add(hardwarename);
      if (step === 'power-off') {
        ordered.delete(hardwarename);
        poweredOn.delete(hardwarename);
      }
      if (step !== 'power-on') return;
      const model = inventory.serverdb.quirks.modelOf(hardwarename);
      poweredOn.set(hardwarename, { at, dueAt: at + (times.firmwareMs(model) ?? FIRMWARE_MS) });
    },
    of: (name: Hardwarename) => poweredOn.get(name),
    /** Its firmware has asked. @returns whether it was switched on, and told to boot from the network */
    asked: (name: Hardwarename): boolean => poweredOn.delete(name) && ordered.delete(name),
    /** Nothing is to be waited for any more. */
    forget: (name: Hardwarename) => void poweredOn.delete(name),
    due: (at: number) => [...poweredOn].filter(([, { dueAt }]) => at >= dueAt),
  };

  /**
   * What they may have asked while nobody listened is not known: that time, from the last event on, is added to what they are
   * waited for.
   */
  const takeUp = (): void => {
    const lastId = inventory.events.lastId();
    const [last] = inventory.events.after(lastId - 1, 1);
    const deafMs = last ? Math.max(0, now - last.at) : 0;
    const from = lastId - limit('flightTakenUpEventsMax');
    const since = now - deafMs - TAKEN_UP_MS;
    for (const { id } of db.prepare<[number, number], { id: number }>(TAKEN_UP).all(from, since)) {
      const [event] = inventory.events.after(id - 1, 1);
      if (event?.name === 'job.step') orders.step(event);
      else if (event?.name === 'boot.started' && event.hardwarename)
        orders.asked(event.hardwarename);
      else if (event?.hardwarename) orders.forget(event.hardwarename);
    }
    for (const [name, { at, dueAt }] of poweredOn)
      poweredOn.set(name, { at, dueAt: dueAt + deafMs });
  };
  takeUp();
  return orders;
}
