/** What the boot desk needs of ServerDb, from the stores that have it: tests decide boots over the same wiring. */
import type { Database } from 'better-sqlite3';
import type { DeskRecords } from '../boot/desk.ts';
import { openBootFacts } from '../inventory/boot-facts.ts';
import type { Inventory } from '../inventory/inventory.ts';
import { takeInstaller } from './installers.ts';

/** @param domain of the site's machines */
export const openBootRecords = (
  db: Database,
  inventory: Inventory,
  domain?: string,
): DeskRecords => ({
  machineByMac: inventory.machines.stateByMac,
  sight: inventory.boots.sight,
  mint: inventory.tokens.mint,
  append: (event) => void inventory.events.append(event),
  workOf: inventory.work.standing,
  takeInstaller: takeInstaller(inventory, domain),
  ...openBootFacts(db),
  experience: inventory.serverdb.quirks.known,
});
