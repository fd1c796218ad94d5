/** Machines by what a BMC may say of itself: the view that `src/bmc/match.ts` decides on. */
import type { Database } from 'better-sqlite3';
import type { Hardwarename } from '../wire/ids.ts';

interface Row {
  readonly hardwarename: Hardwarename;
  readonly bmcMac: string;
}

export interface BmcFinder {
  byBmcMac(mac: string): Row[];
  byBmcAddress(address: string): Row[];
  byUuid(uuid: string): Row[];
  bySerialKey(key: string): Row[];
  byNic(mac: string): Row[];
}

/** Retired machines have left; their parts may be in others. */
const WHO = `SELECT hardwarename, bmc_mac AS bmcMac FROM machines WHERE state <> 'retired' AND`;

export function openBmcFinder(db: Database): BmcFinder {
  const finder = (condition: string) => {
    const statement = db.prepare<[string], Row>(
      `${WHO} ${condition} ORDER BY hardwarename LIMIT 3`,
    );
    return (key: string) => statement.all(key);
  };
  return {
    byBmcMac: finder(`bmc_mac <> '' AND bmc_mac = ?`),
    byBmcAddress: finder(`bmc_address <> '' AND bmc_address = ?`),
    byUuid: finder(`uuid <> '' AND uuid = ?`),
    bySerialKey: finder('serial_key = ?'),
    byNic: finder('hardwarename = (SELECT hardwarename FROM nics WHERE mac = ?)'),
  };
}
