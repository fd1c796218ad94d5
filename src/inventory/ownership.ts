/**
 * Who has this MAC, this address? A MAC is one machine's, as a NIC or as its BMC; an address is one machine's, reserved for
 * one of its MACs or noted as its BMC's. Whoever writes one of them asks here first, be it a person's edit, a sheet, discovery
 * or a report, so that there are never two owners.
 *
 * Several machines may be behind one BMC address where the site has said how they are told apart: by the port or the system
 * of a BMC profile that names the machine.
 */
import type { Database } from 'better-sqlite3';
import type { Hardwarename } from '../wire/ids.ts';
import { type Ipv4, parseIpv4 } from '../wire/ipv4.ts';
import type { Mac } from '../wire/mac.ts';
import { bmcProfileSchema } from './record-kinds.ts';
import type { Records } from './records.ts';
import { keepsParts, type MachineState } from './states.ts';

export interface Holder {
  readonly hardwarename: Hardwarename;
  readonly state: MachineState;
  /** What of it this is: `NIC`, `BMC` or `address` (one that is reserved). */
  readonly as: 'NIC' | 'BMC' | 'address';
  /** It is past the intake, or protected (states.ts). */
  readonly keeps: boolean;
}

export interface Ownership {
  /** The other machine that has this MAC, as a NIC or as its BMC. */
  ofMac(mac: Mac, but: Hardwarename): Holder | undefined;
  /** The other machine whose BMC is at this address, or for whom it is reserved; text that is no usable address is nobody's. */
  ofAddress(address: string, but: Hardwarename): Holder | undefined;
}

interface Row {
  readonly hardwarename: Hardwarename;
  readonly state: MachineState;
  readonly protected: number;
  readonly may_hold_data: number;
}

/**
 * False for what many have at once: 0.0.0.0 of a BMC that was never set up, loopback and link-local (RFC 6890), of which
 * each wire has its own, multicast, and text that is no IPv4 address.
 */
function isOwnable(address: string): boolean {
  const parsed = parseIpv4(address);
  if (parsed === undefined) return false;
  const [first, second] = [Math.floor(parsed / 2 ** 24), Math.floor(parsed / 2 ** 16) % 256];
  return first > 0 && first < 224 && first !== 127 && !(first === 169 && second === 254);
}

const USUAL = bmcProfileSchema.parse({});

export function openOwnership(db: Database, records: Pick<Records, 'list'>): Ownership {
  const machine = 'SELECT hardwarename, state, protected, may_hold_data FROM machines';
  const find = (condition: string) =>
    db.prepare<[string | number, string], Row>(`${machine} WHERE ${condition}`);
  const byNic = find(
    'hardwarename = (SELECT hardwarename FROM nics WHERE mac = ?) AND hardwarename <> ?',
  );
  const byBmcMac = find(`bmc_mac <> '' AND bmc_mac = ? AND hardwarename <> ?`);
  const byBmcAddress = find(`bmc_address <> '' AND bmc_address = ? AND hardwarename <> ?`);
  const byReservation = find(
    'hardwarename = (SELECT hardwarename FROM addresses WHERE address = ?) AND hardwarename <> ?',
  );
  const holder = (row: Row | undefined, as: Holder['as']): Holder | undefined =>
    row && {
      ...{ hardwarename: row.hardwarename, state: row.state, as },
      keeps: keepsParts({
        state: row.state,
        protected: row.protected === 1,
        mayHoldData: row.may_hold_data === 1,
      }),
    };
  /** How a BMC profile that names this machine tells it from others at its address. */
  const endpointOf = (hardwarename: Hardwarename): string => {
    const own = records.list('bmc').find(({ doc }) => doc.machines.includes(hardwarename))?.doc;
    const { port, redfishPort, systemId } = own ?? USUAL;
    return `${port} ${redfishPort} ${systemId}`;
  };
  return {
    ofMac: (mac, but) =>
      holder(byNic.get(mac, but), 'NIC') ?? holder(byBmcMac.get(mac, but), 'BMC'),
    ofAddress(address, but) {
      if (!isOwnable(address)) return undefined;
      const reserved = byReservation.get(parseIpv4(address) as Ipv4, but);
      if (reserved) return holder(reserved, 'address');
      const endpoint = endpointOf(but);
      const others = byBmcAddress.all(address, but);
      return holder(
        others.find((one) => endpointOf(one.hardwarename) === endpoint),
        'BMC',
      );
    },
  };
}
