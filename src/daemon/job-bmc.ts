/**
 * What jobs need of the world, over the inventory and IPMI: machines, their BMCs, logins by reference.
 *
 * A session asks for administrator rights only where another credential than the machine's own is named (setting a BMC up);
 * for power and boot devices an operator is enough.
 */
import { AppError } from '../errors.ts';
import type { Inventory } from '../inventory/inventory.ts';
import { setBootDevice } from '../ipmi/boot-device.ts';
import { openSession } from '../ipmi/client.ts';
import { chassisIdentify } from '../ipmi/commands/identify.ts';
import type { Address, IpmiPorts } from '../ipmi/ports.ts';
import { powerIsOn, setPower } from '../ipmi/power.ts';
import { ipmiAccounts } from '../jobs/accounts.ts';
import type { JobBmc, JobWorld, Login } from '../jobs/ports.ts';

const IPMI_PORT = 623;

export interface JobWorldParts {
  readonly inventory: Inventory;
  readonly ports: IpmiPorts;
  /** The credential of a machine that names none of its own; '' for none. */
  readonly siteCredential: string;
  /** Another port than IPMI's, for tests. */
  readonly bmcPort?: number;
}

export function createJobWorld(parts: JobWorldParts): JobWorld {
  const { inventory, ports, siteCredential, bmcPort = IPMI_PORT } = parts;
  const { credentials, editor } = inventory.serverdb;
  return {
    machine: (hardwarename) => inventory.machines.record(hardwarename),
    login: (name) => credentials.open(name),
    async openBmc({ hardwarename, bmcAddress, bmcCredential }, named) {
      const credential = named ?? (bmcCredential || siteCredential);
      if (bmcAddress === '' || credential === '')
        throw new AppError('BMC_MISSING', { detail: hardwarename });
      const at = { address: bmcAddress, port: bmcPort };
      return openIpmi(ports, at, {
        login: credentials.open(credential),
        privilege: named === undefined ? 'operator' : 'administrator',
      });
    },
    adopt(hardwarename, credential, why) {
      editor.edit(hardwarename, { bmcCredential: credential }, { who: 'jobs', why });
    },
  };
}

export async function openIpmi(
  ports: IpmiPorts,
  at: Address,
  { login, privilege }: { login: Login; privilege: 'operator' | 'administrator' },
): Promise<JobBmc> {
  const { username: user, password } = login;
  const session = await openSession(ports, at, { user, password, privilege });
  return {
    powerOn: () => powerIsOn(session),
    setPower: (action) => setPower(session, ports.timers, action),
    async setBoot({ target: device, uefi, persistent }) {
      const { verified, expires } = await setBootDevice(session, { device, uefi, persistent });
      return { verified, expires };
    },
    identify: (seconds) => session.call(chassisIdentify, { seconds }),
    accounts: ipmiAccounts(session),
    close: () => session.close(),
  };
}
