/**
 * What jobs need of the world, over the inventory and the one way to BMCs: machines, sessions, logins by reference.
 *
 * A session has administrator rights only where another credential than the machine's own is named (setting a BMC up);
 * for power and boot devices an operator is enough.
 */
import { type BmcAccess, targetOf } from '../bmc/access.ts';
import { type Override, overrideOf } from '../boot/quirks.ts';
import type { Inventory } from '../inventory/inventory.ts';
import type { JobBmc, JobWorld } from '../jobs/ports.ts';
import { createJobWork } from '../jobs/work.ts';
import type { Mac } from '../wire/mac.ts';
import type { Clock } from '../wire/time.ts';

export function createJobWorld(parts: {
  readonly inventory: Inventory;
  readonly access: BmcAccess;
  readonly clock: Clock;
}): JobWorld {
  const { inventory, access, clock } = parts;
  const { credentials, editor, quirks } = inventory.serverdb;
  return {
    work: createJobWork(inventory, clock),
    machine: (hardwarename) => inventory.machines.record(hardwarename),
    login: (name) => credentials.open(name),
    async openBmc(machine, credential) {
      const bmc = await access.open(targetOf(machine), {
        credential,
        privilege: credential === undefined ? 'operator' : 'administrator',
      });
      const { hardwarename } = machine;
      const mac = inventory.machines.byHardwarename(hardwarename)?.bootMac as Mac | undefined;
      return bootedAs(bmc, () =>
        mac ? overrideOf(quirks.known('override', mac, hardwarename)) : 'as-asked',
      );
    },
    adopt(hardwarename, credential, why) {
      editor.edit(hardwarename, { bmcCredential: credential }, { who: 'jobs', why });
    },
  };
}

/** A network boot is ordered in the way that this machine is known to follow (docs/diagnoses.md). */
function bootedAs(bmc: JobBmc, way: () => Override): JobBmc {
  return {
    powerOn: () => bmc.powerOn(),
    setPower: (action) => bmc.setPower(action),
    startMark: () => bmc.startMark(),
    startedSince: (mark) => bmc.startedSince(mark),
    identify: (seconds) => bmc.identify(seconds),
    setBoot(wish) {
      const other = wish.target === 'pxe' && way() === 'other-mode';
      return bmc.setBoot(other ? { ...wish, uefi: !wish.uefi } : wish);
    },
    accounts: bmc.accounts,
    upkeep: bmc.upkeep,
    close: () => bmc.close(),
  };
}
