/** The prepared statements of the machines' table, and the shapes of their rows. */
import type { Database } from 'better-sqlite3';
import type { Hardwarename } from '../wire/ids.ts';
import { formatIpv4, type Ipv4 } from '../wire/ipv4.ts';
import type { Mac } from '../wire/mac.ts';
import { FIELD_COLUMNS, type SqlValue } from './machine-fields.ts';
import type { MachineState } from './states.ts';

export interface MachineNic {
  readonly mac: Mac;
  readonly name: string;
  /** Dotted decimal; '' without a reserved address. */
  readonly address: string;
  readonly subnet: string;
  /** The neighbour that LLDP named when it last reported. */
  readonly switch: string;
  readonly port: string;
  readonly speedMbps: number;
}

export type MachineRow = Record<string, SqlValue | null> & {
  id: number;
  serial_key: string | null;
};

interface NicRow {
  mac: string;
  name: string;
  hardwarename: string;
  switch: string;
  port: string;
  speed_mbps: number;
  address: number | null;
  subnet: string | null;
}

export function nicFromRow(row: NicRow): MachineNic {
  return {
    mac: row.mac as Mac,
    name: row.name,
    address: row.address === null ? '' : formatIpv4(row.address as Ipv4),
    subnet: row.subnet ?? '',
    switch: row.switch,
    port: row.port,
    speedMbps: row.speed_mbps,
  };
}

export function prepareMachines(db: Database) {
  const select = `SELECT machines.id, machines.serial_key, ${FIELD_COLUMNS} FROM machines`;
  return {
    byName: db.prepare<[string], MachineRow>(`${select} WHERE machines.hardwarename = ?`),
    byHostname: db.prepare<[string], MachineRow>(`${select} WHERE hostname = ? AND hostname <> ''`),
    byMac: db.prepare<[string], MachineRow>(
      `${select} WHERE machines.hardwarename = (SELECT hardwarename FROM nics WHERE mac = ?)`,
    ),
    stateByMac: db.prepare<[string], { hardwarename: Hardwarename; state: MachineState }>(
      'SELECT hardwarename, state FROM nics JOIN machines USING (hardwarename) WHERE nics.mac = ?',
    ),
    bySerial: db.prepare<[string], MachineRow>(
      `${select} WHERE serial_key = ? ORDER BY machines.created_at, machines.hardwarename`,
    ),
    namesBySerial: db.prepare<[string], { hardwarename: Hardwarename }>(
      'SELECT hardwarename FROM machines WHERE serial_key = ? LIMIT 3',
    ),
    unindexed: db.prepare<[], { hardwarename: Hardwarename }>(
      'SELECT hardwarename FROM machines WHERE id NOT IN (SELECT rowid FROM machine_search)',
    ),
    list: db.prepare<[], MachineRow>(`${select} ORDER BY machines.hardwarename`),
    // Each half is answered by an index alone.
    counts: db.prepare<[], { state: MachineState; count: number; overdue: number }>(
      `SELECT state, count(*) AS count,
         (SELECT count(*) FROM machines AS late WHERE late.overdue = 1 AND late.state = machines.state) AS overdue
       FROM machines GROUP BY state`,
    ),
    hardwareOf: db.prepare<[string], { hardware: string }>(
      `SELECT hardware FROM machine_hardware
       WHERE machine = (SELECT id FROM machines WHERE hardwarename = ?)`,
    ),
    hardware: db.prepare<[number], { hardware: string }>(
      'SELECT hardware FROM machine_hardware WHERE machine = ?',
    ),
    putHardware: db.prepare(
      `INSERT INTO machine_hardware (machine, hardware, report_digest) VALUES (?, ?, ?)
       ON CONFLICT (machine) DO UPDATE SET hardware = excluded.hardware, report_digest = excluded.report_digest`,
    ),
    nicsOf: db.prepare<[string], NicRow>(
      `SELECT nics.*, address, subnet FROM nics LEFT JOIN addresses ON addresses.mac = nics.mac
       WHERE nics.hardwarename = ? ORDER BY name, nics.mac`,
    ),
    nicByMac: db.prepare<[string], { hardwarename: string }>(
      'SELECT hardwarename FROM nics WHERE mac = ?',
    ),
    dropNic: db.prepare('DELETE FROM nics WHERE mac = ? AND hardwarename = ?'),
    putNic: db.prepare(
      `INSERT INTO nics (mac, hardwarename, name, first_at, last_at, switch, port, speed_mbps)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?)
       ON CONFLICT (mac) DO UPDATE SET hardwarename = excluded.hardwarename, name = excluded.name,
         last_at = excluded.last_at, switch = excluded.switch, port = excluded.port, speed_mbps = excluded.speed_mbps`,
    ),
    dropAddress: db.prepare<[string, string], { address: Ipv4; subnet: string }>(
      'DELETE FROM addresses WHERE mac = ? AND hardwarename = ? RETURNING address, subnet',
    ),
    dropAddresses: db.prepare('DELETE FROM addresses WHERE hardwarename = ?'),
    dropNics: db.prepare('DELETE FROM nics WHERE hardwarename = ?'),
    drop: db.prepare('DELETE FROM machines WHERE hardwarename = ?'),
  };
}

export type MachineStatements = ReturnType<typeof prepareMachines>;
