/**
 * What jobs need of the world, over the inventory and the one way to BMCs: machines, sessions, logins by reference.
 *
 * A session has administrator rights only where another credential than the machine's own is named (setting a BMC up);
 * for power and boot devices an operator is enough.
 */
import { type BmcAccess, targetOf } from '../bmc/access.ts';
import type { Inventory } from '../inventory/inventory.ts';
import type { JobWorld } from '../jobs/ports.ts';
import { createJobWork } from '../jobs/work.ts';
import type { Clock } from '../wire/time.ts';

export function createJobWorld(parts: {
  readonly inventory: Inventory;
  readonly access: BmcAccess;
  readonly clock: Clock;
}): JobWorld {
  const { inventory, access, clock } = parts;
  const { credentials, editor } = inventory.serverdb;
  return {
    work: createJobWork(inventory, clock),
    machine: (hardwarename) => inventory.machines.record(hardwarename),
    login: (name) => credentials.open(name),
    openBmc: (machine, credential) =>
      access.open(targetOf(machine), {
        credential,
        privilege: credential === undefined ? 'operator' : 'administrator',
      }),
    adopt(hardwarename, credential, why) {
      editor.edit(hardwarename, { bmcCredential: credential }, { who: 'jobs', why });
    },
  };
}
