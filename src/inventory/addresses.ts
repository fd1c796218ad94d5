/**
 * Addresses that belong to one NIC (or one BMC) for good, out of the subnets on record: DHCP reserves them, DNS names
 * them. One owner for an address and one address for a NIC are constraints of the table.
 *
 * The two narrow doors for others are here: `reservationFor` for DHCP, on its packet path, and `pageOfNames` for DNS.
 */
import type { Database } from 'better-sqlite3';
import { AppError } from '../errors.ts';
import type { Hardwarename } from '../wire/ids.ts';
import { formatIpv4, hostsOf, type Ipv4, parseCidr, parseIpv4 } from '../wire/ipv4.ts';
import type { Mac } from '../wire/mac.ts';
import type { Clock } from '../wire/time.ts';
import type { EventStore } from './event-store.ts';
import { knownKeys } from './known-keys.ts';
import type { Ownership } from './ownership.ts';
import { recall } from './recall.ts';
import type { Records } from './records.ts';

export interface Reservation {
  readonly address: Ipv4;
  readonly hardwarename: Hardwarename;
  /** '' while the machine has no role. */
  readonly hostname: string;
}

/** A machine as DNS sees it. */
export interface NamedMachine {
  readonly hardwarename: Hardwarename;
  readonly hostname: string;
  readonly role: string;
  readonly site: string;
  readonly bmcAddress: string;
  readonly addresses: readonly {
    readonly mac: Mac;
    readonly nic: string;
    readonly address: Ipv4;
    readonly subnet: string;
  }[];
}

export interface AddressView {
  readonly address: string;
  readonly subnet: string;
  readonly mac: Mac;
  readonly hardwarename: Hardwarename;
}

export interface WantedAddress {
  readonly hardwarename: Hardwarename;
  readonly mac: Mac;
  readonly subnet: string;
  readonly address?: string | undefined;
}

export interface Addresses {
  /** A subnet is a DHCP segment by having its name. Asked with every packet: remembered until something changes. */
  reservationFor(segment: string, mac: Mac): Reservation | undefined;
  /** The NIC that this address is kept for. */
  reservedAt(segment: string, address: Ipv4): Mac | undefined;
  /** What this NIC has. */
  ofMac(mac: Mac): AddressView | undefined;
  /** Machines by hardwarename, above `after`: a page of at most `count`, so that nobody blocks the loop. */
  pageOfNames(after: string, count: number): NamedMachine[];
  /**
   * Gives this NIC this address, or the lowest free one; `changed` is false when it has it already.
   *
   * @throws AppError ADDRESS_TAKEN, ADDRESSES_EXHAUSTED, NOT_FOUND, REQUEST_INVALID
   */
  reserve(
    wanted: WantedAddress,
    who: string,
  ): { readonly reserved: AddressView; readonly changed: boolean };
  /** Throws what `reserve` would, and changes nothing. */
  assertFree(wanted: WantedAddress): void;
  /** Gives an address back; false when this machine has none for this MAC. */
  free(whose: { mac: Mac; owner: Hardwarename }, who: string): boolean;
  ofSubnet(subnet: string, page: { after: number; count: number }): AddressView[];
  countOf(subnet: string): number;
}

export interface AddressParts {
  readonly clock: Clock;
  readonly events: EventStore;
  readonly records: Records;
  readonly ownership: Ownership;
}

interface Row {
  address: number;
  subnet: string;
  mac: string;
  hardwarename: string;
}

interface NameRow {
  hardwarename: string;
  hostname: string;
  role: string;
  site: string;
  bmc_address: string;
}

export function openAddresses(
  db: Database,
  { clock, events, records, ownership }: AddressParts,
): Addresses {
  const statements = prepare(db);
  const view = ({ address, subnet, mac, hardwarename }: Row): AddressView => ({
    address: formatIpv4(address as Ipv4),
    subnet,
    mac: mac as Mac,
    hardwarename: hardwarename as Hardwarename,
  });
  const hasReservation = knownKeys<Mac>(db, { table: 'addresses', column: 'mac', clock });
  const isReserved = knownKeys<Ipv4>(db, { table: 'addresses', column: 'address', clock });
  const reservationOf = recall(events.changes, (mac: Mac) => statements.reservation.get(mac));
  const ownerOf = recall(events.changes, (address: Ipv4) => statements.byAddress.get(address));
  const note = (name: 'address.reserved' | 'address.freed', row: Row, who: string) => {
    const { address, subnet, mac, hardwarename } = view(row);
    events.append({ name, hardwarename, mac, data: { address, mac, subnet, who } });
  };
  /** @returns `row`, what it is to have: `has` itself when that is what it wants */
  const choose = ({ hardwarename, mac, subnet, address }: WantedAddress) => {
    const range = rangeOf(records, subnet);
    const has = statements.byMac.get(mac);
    if (has && has.hardwarename !== hardwarename) {
      const detail = `${mac} has ${formatIpv4(has.address as Ipv4)}, as a part of ${has.hardwarename}.`;
      throw new AppError('ADDRESS_TAKEN', { detail, path: '/mac' });
    }
    const isWanted = !address || parseIpv4(address) === has?.address;
    if (has?.subnet === subnet && isWanted) return { has, row: has };
    const leasedTo = (one: Ipv4) => statements.leased.get(subnet, one, mac, clock())?.mac;
    const bmcAt = (one: Ipv4) => ownership.ofAddress(formatIpv4(one), hardwarename);
    const chosen =
      address === undefined
        ? lowestFree(statements, range, (one) => !bmcAt(one) && !leasedTo(one))
        : wanted(address, range);
    const taken = statements.byAddress.get(chosen);
    const bmc = taken ? undefined : bmcAt(chosen);
    const client = taken || bmc ? undefined : leasedTo(chosen);
    if (client) {
      const detail = `${formatIpv4(chosen)} is leased to ${client}, or in quarantine after it.`;
      throw new AppError('ADDRESS_TAKEN', { detail });
    }
    if (bmc) {
      const detail = `${formatIpv4(chosen)} is the address of ${bmc.hardwarename}'s BMC.`;
      throw new AppError('ADDRESS_TAKEN', { detail });
    }
    if (taken && taken.mac !== mac) {
      const detail = `${formatIpv4(chosen)} is ${taken.hardwarename}'s, ${taken.mac}.`;
      throw new AppError('ADDRESS_TAKEN', { detail });
    }
    return { has, row: { address: chosen, subnet, mac, hardwarename } };
  };

  return {
    ofMac(mac) {
      const row = statements.byMac.get(mac);
      return row && view(row);
    },
    assertFree: (wanted) => void choose(wanted),
    reservationFor(segment, mac) {
      const found = hasReservation(mac) ? reservationOf(mac) : undefined;
      return found?.subnet === segment ? found : undefined;
    },
    reservedAt(segment, address) {
      const row = isReserved(address) ? ownerOf(address) : undefined;
      return row?.subnet === segment ? (row.mac as Mac) : undefined;
    },
    pageOfNames: (after, count) =>
      statements.names.all(after, count).map((row) => ({
        hardwarename: row.hardwarename as Hardwarename,
        hostname: row.hostname,
        role: row.role,
        site: row.site,
        bmcAddress: row.bmc_address,
        addresses: statements.ofMachine.all(row.hardwarename),
      })),
    reserve(wanted, who) {
      const { has, row } = choose(wanted);
      if (row === has) return { reserved: view(has), changed: false };
      if (has) {
        statements.drop.run(has.mac);
        note('address.freed', has, who);
      }
      const { address, subnet, mac, hardwarename } = row;
      statements.put.run(address, subnet, mac, hardwarename, clock());
      note('address.reserved', row, who);
      return { reserved: view(row), changed: true };
    },
    free({ mac, owner }, who) {
      const row = statements.byMac.get(mac);
      if (row?.hardwarename !== owner) return false;
      statements.drop.run(mac);
      note('address.freed', row, who);
      return true;
    },
    ofSubnet: (subnet, { after, count }) => statements.ofSubnet.all(subnet, after, count).map(view),
    countOf: (subnet) => statements.count.get(subnet)?.count ?? 0,
  };
}

interface Range {
  readonly subnet: string;
  readonly first: number;
  readonly last: number;
  readonly gateway: number | undefined;
  readonly contains: (address: Ipv4) => boolean;
}

function rangeOf(records: Records, subnet: string): Range {
  const record = records.get('subnet', subnet);
  const cidr = record && parseCidr(record.doc.cidr);
  if (!record || !cidr) throw new AppError('NOT_FOUND', { detail: `No subnet ${subnet}.` });
  const { first, last, gateway } = record.doc;
  const [lowest, highest] = hostsOf(cidr);
  return {
    subnet,
    first: Math.max(parseIpv4(first) ?? lowest, lowest),
    last: Math.min(parseIpv4(last) ?? highest, highest),
    gateway: parseIpv4(gateway),
    contains: (address) => address >= lowest && address <= highest,
  };
}

function wanted(text: string, range: Range): Ipv4 {
  const address = parseIpv4(text);
  if (address === undefined || !range.contains(address) || address === range.gateway) {
    const detail =
      address !== undefined && address === range.gateway
        ? `${text} is the gateway of ${range.subnet}.`
        : `${text} is no address for a machine in ${range.subnet}.`;
    throw new AppError('REQUEST_INVALID', { detail, path: '/address' });
  }
  return address;
}

function lowestFree(
  statements: ReturnType<typeof prepare>,
  range: Range,
  isFree: (address: Ipv4) => boolean,
): Ipv4 {
  const usable = (one: number) => one !== range.gateway && isFree(one as Ipv4);
  let next = range.first;
  for (const { address } of statements.taken.iterate(range.first, range.last)) {
    while (next < address && !usable(next)) next += 1;
    if (next < address) break;
    next = address + 1;
  }
  while (next <= range.last && !usable(next)) next += 1;
  if (next > range.last) throw new AppError('ADDRESSES_EXHAUSTED', { detail: range.subnet });
  return next as Ipv4;
}

function prepare(db: Database) {
  return {
    reservation: db.prepare<[string], Reservation & { readonly subnet: string }>(
      `SELECT address, subnet, addresses.hardwarename, hostname FROM addresses JOIN machines USING (hardwarename)
       WHERE mac = ?`,
    ),
    names: db.prepare<[string, number], NameRow>(
      `SELECT hardwarename, hostname, role, site, bmc_address FROM machines WHERE hardwarename > ?
       ORDER BY hardwarename LIMIT ?`,
    ),
    ofMachine: db.prepare<[string], NamedMachine['addresses'][number]>(
      `SELECT addresses.mac, coalesce(nics.name, 'bmc') AS nic, address, subnet FROM addresses
       LEFT JOIN nics ON nics.mac = addresses.mac WHERE addresses.hardwarename = ? ORDER BY address`,
    ),
    byMac: db.prepare<[string], Row>('SELECT * FROM addresses WHERE mac = ?'),
    byAddress: db.prepare<[number], Row>('SELECT * FROM addresses WHERE address = ?'),
    leased: db.prepare<[string, number, string, number], { mac: string }>(
      `SELECT mac FROM leases WHERE segment = ? AND address = ? AND mac <> ? AND state IN ('bound', 'declined')
         AND expires_at > ?`,
    ),
    taken: db.prepare<[number, number], { address: number }>(
      'SELECT address FROM addresses WHERE address BETWEEN ? AND ? ORDER BY address',
    ),
    put: db.prepare(
      'INSERT INTO addresses (address, subnet, mac, hardwarename, at) VALUES (?, ?, ?, ?, ?)',
    ),
    drop: db.prepare('DELETE FROM addresses WHERE mac = ?'),
    ofSubnet: db.prepare<[string, number, number], Row>(
      'SELECT * FROM addresses WHERE subnet = ? AND address > ? ORDER BY address LIMIT ?',
    ),
    count: db.prepare<[string], { count: number }>(
      'SELECT count(*) AS count FROM addresses WHERE subnet = ?',
    ),
  };
}
