/**
 * Machines: one row each, with the NICs that they own. Reads for everybody, writes for ingestion and transitions only.
 */
import type { Database } from 'better-sqlite3';
import { AppError } from '../errors.ts';
import type { Hardwarename } from '../wire/ids.ts';
import type { Mac } from '../wire/mac.ts';
import type { Clock, Millis } from '../wire/time.ts';
import type { EventStore } from './event-store.ts';
import type { ReconReport } from './report.ts';
import { type Actor, assertTransition, type MachineState } from './states.ts';

export interface Machine {
  readonly hardwarename: Hardwarename;
  /** As reported; empty when there was none. */
  readonly serial: string;
  readonly serialKey: string | undefined;
  readonly uuid: string | undefined;
  readonly manufacturer: string;
  readonly product: string;
  readonly state: MachineState;
  readonly stateWhy: string;
  readonly stateAt: Millis;
  readonly conflictWith: Hardwarename | undefined;
  readonly bootMac: Mac;
  readonly hardware: ReconReport;
  readonly nics: readonly { readonly mac: Mac; readonly name: string }[];
  readonly createdAt: Millis;
  readonly updatedAt: Millis;
}

export type MachineFacts = Pick<
  Machine,
  | 'hardwarename'
  | 'serial'
  | 'serialKey'
  | 'uuid'
  | 'manufacturer'
  | 'product'
  | 'bootMac'
  | 'hardware'
> & { readonly digest: string };

export interface Machines {
  byHardwarename(hardwarename: Hardwarename): Machine | undefined;
  byMac(mac: Mac): Machine | undefined;
  /** The packet path's question, in one statement and without parsing the hardware. */
  stateByMac(mac: Mac): { hardwarename: Hardwarename; state: MachineState } | undefined;
  bySerialKey(key: string): Machine[];
  list(): Machine[];
  /** Changes the state with its event, in the caller's transaction. @throws AppError TRANSITION_ILLEGAL, MACHINE_UNKNOWN */
  transition(hardwarename: Hardwarename, to: MachineState, cause: { by: Actor; why: string }): void;
  insert(facts: MachineFacts, state: { state: MachineState; why: string }): void;
  update(facts: MachineFacts): void;
  /** A newer reason for the state that it is in. */
  setReason(hardwarename: Hardwarename, why: string): void;
  setConflict(hardwarename: Hardwarename, other: Hardwarename | undefined): void;
  /** Makes these the machine's NICs; says which other machines lost one. */
  setNics(
    hardwarename: Hardwarename,
    nics: readonly { mac: Mac; name: string }[],
  ): { mac: Mac; from: Hardwarename }[];
}

interface MachineRow {
  hardwarename: string;
  serial: string;
  serial_key: string | null;
  uuid: string | null;
  manufacturer: string;
  product: string;
  state: string;
  state_why: string;
  state_at: number;
  conflict_with: string | null;
  boot_mac: string;
  hardware: string;
  created_at: number;
  updated_at: number;
}

interface NicRow {
  mac: string;
  name: string;
  hardwarename: string;
}

export function openMachines(db: Database, clock: Clock, events: EventStore): Machines {
  const byName = db.prepare<[string], MachineRow>('SELECT * FROM machines WHERE hardwarename = ?');
  const byMac = db.prepare<[string], MachineRow>(
    'SELECT machines.* FROM nics JOIN machines USING (hardwarename) WHERE nics.mac = ?',
  );
  const stateByMac = db.prepare<[string], { hardwarename: Hardwarename; state: MachineState }>(
    'SELECT hardwarename, state FROM nics JOIN machines USING (hardwarename) WHERE nics.mac = ?',
  );
  const bySerial = db.prepare<[string], MachineRow>(
    'SELECT * FROM machines WHERE serial_key = ? ORDER BY created_at, hardwarename',
  );
  const list = db.prepare<[], MachineRow>('SELECT * FROM machines ORDER BY hardwarename');
  const nicsOf = db.prepare<[string], NicRow>(
    'SELECT * FROM nics WHERE hardwarename = ? ORDER BY name, mac',
  );
  const nicByMac = db.prepare<[string], NicRow>('SELECT * FROM nics WHERE mac = ?');
  const insert = db.prepare(
    `INSERT INTO machines (hardwarename, serial, serial_key, uuid, manufacturer, product, state, state_why, state_at,
       boot_mac, hardware, report_digest, created_at, updated_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  );
  const update = db.prepare(
    `UPDATE machines SET serial = ?, serial_key = ?, uuid = ?, manufacturer = ?, product = ?, boot_mac = ?,
       hardware = ?, report_digest = ?, updated_at = ? WHERE hardwarename = ?`,
  );
  const setState = db.prepare(
    'UPDATE machines SET state = ?, state_why = ?, state_at = ?, updated_at = ? WHERE hardwarename = ?',
  );
  const setReason = db.prepare('UPDATE machines SET state_why = ? WHERE hardwarename = ?');
  const setConflict = db.prepare('UPDATE machines SET conflict_with = ? WHERE hardwarename = ?');
  const dropNic = db.prepare('DELETE FROM nics WHERE mac = ? AND hardwarename = ?');
  const putNic = db.prepare(
    `INSERT INTO nics (mac, hardwarename, name, first_at, last_at) VALUES (?, ?, ?, ?, ?)
     ON CONFLICT (mac) DO UPDATE SET hardwarename = excluded.hardwarename, name = excluded.name, last_at = excluded.last_at`,
  );

  const fromRow = (row: MachineRow): Machine => ({
    hardwarename: row.hardwarename as Hardwarename,
    serial: row.serial,
    serialKey: row.serial_key ?? undefined,
    uuid: row.uuid ?? undefined,
    manufacturer: row.manufacturer,
    product: row.product,
    state: row.state as MachineState,
    stateWhy: row.state_why,
    stateAt: row.state_at as Millis,
    conflictWith: (row.conflict_with ?? undefined) as Hardwarename | undefined,
    bootMac: row.boot_mac as Mac,
    hardware: JSON.parse(row.hardware),
    nics: nicsOf.all(row.hardwarename).map(({ mac, name }) => ({ mac: mac as Mac, name })),
    createdAt: row.created_at as Millis,
    updatedAt: row.updated_at as Millis,
  });
  const one = (row: MachineRow | undefined) => (row ? fromRow(row) : undefined);

  return {
    byHardwarename: (hardwarename) => one(byName.get(hardwarename)),
    byMac: (mac) => one(byMac.get(mac)),
    stateByMac: (mac) => stateByMac.get(mac),
    bySerialKey: (key) => bySerial.all(key).map(fromRow),
    list: () => list.all().map(fromRow),
    transition(hardwarename, to, { by, why }) {
      const row = byName.get(hardwarename);
      if (!row) throw new AppError('MACHINE_UNKNOWN', { detail: hardwarename });
      assertTransition(row.state as MachineState, to, by);
      setState.run(to, why, clock(), clock(), hardwarename);
      events.append({
        name: 'machine.state',
        hardwarename,
        data: { from: row.state, to, why, by },
      });
    },
    insert(facts, { state, why }) {
      assertTransition('unknown', state, 'recon');
      const now = clock();
      const { hardwarename, serial, manufacturer, product, bootMac, hardware, digest } = facts;
      insert.run(
        ...[
          hardwarename,
          serial,
          facts.serialKey ?? null,
          facts.uuid ?? null,
          manufacturer,
          product,
        ],
        ...[state, why, now, bootMac, JSON.stringify(hardware), digest, now, now],
      );
      const data = { from: 'unknown', to: state, why, by: 'recon' };
      events.append({ name: 'machine.state', hardwarename, data });
    },
    update(facts) {
      const { hardwarename, serial, manufacturer, product, bootMac, hardware, digest } = facts;
      update.run(
        ...[serial, facts.serialKey ?? null, facts.uuid ?? null, manufacturer, product, bootMac],
        ...[JSON.stringify(hardware), digest, clock(), hardwarename],
      );
    },
    setReason: (hardwarename, why) => void setReason.run(why, hardwarename),
    setConflict: (hardwarename, other) => void setConflict.run(other ?? null, hardwarename),
    setNics(hardwarename, nics) {
      const now = clock();
      const moved: { mac: Mac; from: Hardwarename }[] = [];
      for (const { mac, name } of nics) {
        const owner = nicByMac.get(mac)?.hardwarename as Hardwarename | undefined;
        if (owner !== undefined && owner !== hardwarename) moved.push({ mac, from: owner });
        putNic.run(mac, hardwarename, name, now, now);
      }
      const kept = new Set(nics.map(({ mac }) => mac as string));
      for (const { mac } of nicsOf.all(hardwarename)) {
        if (!kept.has(mac)) dropNic.run(mac, hardwarename);
      }
      return moved;
    },
  };
}
