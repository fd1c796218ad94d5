/**
 * The inventory as DNS sees it: which machine is called what, at which addresses.
 *
 * A machine's addresses are those that are reserved for its NICs; a machine without any has those that its NICs hold by
 * lease, the boot NIC's first. Beside them stand its static IPv6 addresses. A lease that has run out keeps its address until DHCP gives that to somebody else, so a
 * name does not vanish because a machine is switched off. Reserved addresses of a BMC are its own, not the machine's.
 */
import type { Database } from 'better-sqlite3';
import type { DnsSource, MachineName, NamedMachine } from '../dns/ports.ts';
import { formatIpv4, type Ipv4 } from '../wire/ipv4.ts';

interface MachineRow {
  hardwarename: string;
  hostname: string;
  role: string;
  bmc_address: string;
}

interface AddressRow {
  address: number;
}

/** Events after which names, addresses or roles may be others. */
const RELEVANT = `(name LIKE 'machine.%' OR name LIKE 'nic.%' OR name LIKE 'address.%'
  OR name IN ('dhcp.acked', 'dhcp.released', 'dhcp.declined'))`;

/** What is declined belongs to nobody, and is not in the index: without saying so, all leases would be looked through. */
export const LEASED = `SELECT address FROM leases JOIN nics USING (mac) JOIN machines USING (hardwarename)
  WHERE hardwarename = ? AND leases.state <> 'declined' AND leases.state IN ('bound', 'released')
  ORDER BY leases.mac <> boot_mac, address`;

const COLUMNS = 'hardwarename, hostname, role, bmc_address';

/** Events looked at in one go; more are taken up by the next. As many machines are one generation's work at most. */
const EVENTS_PAGE = 500;

export function openDnsSource(db: Database): DnsSource {
  const page = db.prepare<[string, number], MachineRow>(
    `SELECT ${COLUMNS} FROM machines WHERE hardwarename > ? ORDER BY hardwarename LIMIT ?`,
  );
  const one = db.prepare<[string], MachineRow>(
    `SELECT ${COLUMNS} FROM machines WHERE hardwarename = ?`,
  );
  const reserved = db.prepare<[string], AddressRow & { bmc: number }>(
    `SELECT address, mac NOT IN (SELECT mac FROM nics) AS bmc FROM addresses
     WHERE hardwarename = ? ORDER BY address`,
  );
  const leased = db.prepare<[string], AddressRow>(LEASED);
  const ipv6 = db
    .prepare<[string], string>(
      'SELECT address FROM machine_ipv6 WHERE hardwarename = ? ORDER BY address',
    )
    .pluck();
  const newest = db.prepare<[number, number], { id: number }>(
    `SELECT max(id) AS id FROM (SELECT id FROM events WHERE id > ? ORDER BY id LIMIT ?)`,
  );
  // Who loses an address to another is changed as much as that one: else both would claim it.
  const changed = db.prepare<[number, number, number, number], { hardwarename: string }>(
    `SELECT DISTINCT coalesce(e.hardwarename, n.hardwarename) AS hardwarename
     FROM events e LEFT JOIN nics n ON n.mac = e.mac
     WHERE e.id > ? AND e.id <= ? AND ${RELEVANT.replaceAll('name ', 'e.name ')}
       AND coalesce(e.hardwarename, n.hardwarename) IS NOT NULL
     UNION
     SELECT n.hardwarename FROM events e JOIN nics n ON n.mac = e.data ->> 'displaced'
     WHERE e.id > ? AND e.id <= ? AND e.name = 'dhcp.acked'`,
  );
  const subnetChanged = db.prepare<[number, number], { one: number }>(
    `SELECT 1 AS one FROM events WHERE id > ? AND id <= ? AND name = 'record.changed'
       AND data ->> 'kind' = 'subnet' LIMIT 1`,
  );
  const subnets = db.prepare<[], { cidr: string }>(
    `SELECT doc ->> 'cidr' AS cidr FROM records WHERE kind = 'subnet' ORDER BY name`,
  );
  const toMachine = (row: MachineRow): NamedMachine => {
    const { hardwarename, hostname, role } = row;
    const rows = reserved.all(hardwarename);
    const own = rows.filter(({ bmc }) => bmc === 0);
    const v4 = format(own.length > 0 ? own : leased.all(hardwarename));
    const addresses = [...v4, ...ipv6.all(hardwarename)];
    const bmc = new Set(format(rows.filter((address) => address.bmc === 1)));
    if (row.bmc_address !== '') bmc.add(row.bmc_address);
    const names: MachineName[] = [
      { kind: 'hardwarename', name: hardwarename, addresses },
      { kind: 'bmc', name: hardwarename, addresses: [...bmc] },
    ];
    if (hostname !== '') names.unshift({ kind: 'hostname', name: hostname, addresses });
    return { hardwarename, role: role === '' ? undefined : role, names };
  };
  return {
    machine(hardwarename) {
      const row = one.get(hardwarename);
      return row && toMachine(row);
    },
    page: (after, count) => page.all(after, count).map(toMachine),
    networks: () => subnets.all().map(({ cidr }) => cidr),
    changedSince(eventId) {
      const last = newest.get(eventId, EVENTS_PAGE)?.id ?? eventId;
      if (last === eventId) return { eventId, machines: [], networks: false };
      const machines = changed.all(eventId, last, eventId, last).map((row) => row.hardwarename);
      const networks = subnetChanged.get(eventId, last) !== undefined;
      return { eventId: last, machines, networks };
    },
  };
}

function format(rows: readonly AddressRow[]): string[] {
  return rows.map(({ address }) => formatIpv4(address as Ipv4));
}
