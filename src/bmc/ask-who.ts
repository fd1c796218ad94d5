/** What a BMC is asked to find out whose it is, in one session. */
import type { BmcFacts, BmcRecord } from '../inventory/bmcs.ts';
import type { Bmc } from '../ipmi/bmc.ts';
import type { BmcTarget } from './access.ts';

export interface Said {
  readonly facts: BmcFacts;
  /** Of the BMC itself; '' when it does not say. */
  readonly mac: string;
  readonly power: 'on' | 'off';
}

export async function askWho(session: Bmc): Promise<Said> {
  const { uuids, macs, serial, manufacturer, product, ...rest } = await session.inventory();
  const power = (await session.powerOn()) ? 'on' : 'off';
  const facts = { uuids, macs, serial, manufacturer, product, firmware: rest.bmcFirmware };
  return { facts, power, mac: rest.bmcMac };
}

/** A BMC that no machine is known to have. */
export function strangerOf({ id, address, vendorClass, facts }: BmcRecord): BmcTarget {
  const vendor = facts.manufacturer || vendorClass;
  const nobody = { hardwarename: '', hardwareType: '', credential: '', stranger: true } as const;
  return { id, address, vendor, ...nobody };
}
