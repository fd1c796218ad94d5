/**
 * The static address of an install: reserved for the NIC that the machine boots from, by the commit that arms the order, so that the
 * system which the order writes never runs with somebody else's. What that NIC had before is in the job's log by then.
 *
 * A job that ends early puts that back for as long as nothing was written. Once a disk may have been, a system may run with
 * the new address whatever has become of the job: it stays the machine's until a person or another install says otherwise.
 */
import { AppError } from '../errors.ts';
import type { WantedAddress } from '../inventory/addresses.ts';
import type { Inventory } from '../inventory/inventory.ts';
import type { Machine } from '../inventory/machines.ts';
import type { Hardwarename } from '../wire/ids.ts';
import { contains, parseCidr, parseIpv4 } from '../wire/ipv4.ts';
import type { Mac } from '../wire/mac.ts';
import type { Output } from './definition.ts';
import type { InstallParams } from './kinds/install-params.ts';
import type { PreparedInstall } from './ports.ts';

export interface InstallAddress {
  /**
   * What is to be reserved, and what the NIC has before that; empty for any other network. Changes nothing.
   * @throws AppError REQUEST_INVALID, ADDRESS_TAKEN
   */
  plan(machine: Machine, params: Pick<InstallParams, 'network'>): Output;
  /** May be repeated. @throws AppError ADDRESS_TAKEN, NOT_FOUND */
  reserve(machine: Hardwarename, planned: Output): void;
  /** @throws AppError ADDRESS_TAKEN when what it had before is another's by now: it keeps the new one then */
  restore(of: PreparedInstall): void;
}

export function createInstallAddress(
  { work, serverdb }: Pick<Inventory, 'work' | 'serverdb'>,
  who: string,
): InstallAddress {
  const { addresses, records } = serverdb;
  return {
    plan({ hardwarename, bootMac: mac }, { network }) {
      if (network?.kind !== 'static') return {};
      const [address = ''] = network.address.split('/');
      const subnet = records.list('subnet').find(({ doc }) => isIn(doc.cidr, address));
      if (!subnet) {
        const detail = `${address} is in no subnet on record: no name could lead there.`;
        throw new AppError('REQUEST_INVALID', { detail, path: '/params/network/address' });
      }
      const wanted = { mac, subnet: subnet.name, address };
      addresses.assertFree({ hardwarename, ...wanted });
      const had = addresses.ofMac(mac);
      return { ...wanted, ...(had && { hadAddress: had.address, hadSubnet: had.subnet }) };
    },
    reserve(machine, planned) {
      const wanted = wantedOf(machine, planned);
      if (wanted) addresses.reserve(wanted, who);
    },
    restore({ job, machine, prepared }) {
      const given = wantedOf(machine, prepared);
      if (!given || (work.ofJob(job)?.destroysAt ?? 0) > 0) return;
      const { mac } = given;
      const has = addresses.ofMac(mac);
      if (has?.hardwarename !== machine || has.address !== given.address) return;
      const { hadAddress: address, hadSubnet: subnet } = prepared;
      if (address === undefined) addresses.free({ mac, owner: machine }, who);
      else addresses.reserve({ ...given, subnet: String(subnet), address: String(address) }, who);
    },
  };
}

function wantedOf(hardwarename: Hardwarename, planned: Output): WantedAddress | undefined {
  const { mac, subnet, address } = planned;
  if (mac === undefined) return undefined;
  return { hardwarename, mac: mac as Mac, subnet: String(subnet), address: String(address) };
}

function isIn(cidr: string, text: string): boolean {
  const [network, address] = [parseCidr(cidr), parseIpv4(text)];
  return network !== undefined && address !== undefined && contains(network, address);
}
