/**
 * Machines: one row each, with the NICs that they own. Reads for everybody; writes for ingestion, transitions, and the
 * editor (machine-edit.ts). Every write counts the record's version up and keeps the search index in step.
 */
import type { Database, Statement } from 'better-sqlite3';
import { AppError } from '../errors.ts';
import type { Hardwarename } from '../wire/ids.ts';
import { formatIpv4 } from '../wire/ipv4.ts';
import type { Mac } from '../wire/mac.ts';
import type { Clock, Millis } from '../wire/time.ts';
import type { EventStore } from './event-store.ts';
import { type FactName, factsOfReport } from './machine-facts.ts';
import {
  type FieldName,
  MACHINE_FIELDS,
  type MachineRecord,
  recordFromRow,
  type SqlValue,
  toColumn,
} from './machine-fields.ts';
import { type MachineSearch, openMachineSearch } from './machine-search.ts';
import {
  type MachineNic,
  type MachineRow,
  type MachineStatements,
  nicFromRow,
  prepareMachines,
} from './machine-statements.ts';
import type { ReconReport } from './report.ts';
import {
  type Actor,
  assertEmpty,
  assertTransition,
  bringsData,
  type MachineState,
  STATE_RULES,
} from './states.ts';

export type { MachineNic };

export interface Machine extends MachineRecord {
  /** The serial folded for comparison; absent when it identifies nothing. */
  readonly serialKey: string | undefined;
  readonly hardware: ReconReport;
  readonly nics: readonly MachineNic[];
}

export interface MachineFacts
  extends Pick<
    Machine,
    | 'hardwarename'
    | 'serial'
    | 'serialKey'
    | 'uuid'
    | 'manufacturer'
    | 'product'
    | 'bootMac'
    | 'hardware'
  > {
  readonly digest: string;
}

export interface NicFacts {
  readonly mac: Mac;
  readonly name: string;
  readonly switch?: string;
  readonly port?: string;
  readonly speedMbps?: number;
}

/** Why a change is made, and by whom: `who` is a person or token, `by` the part that they play in the table of states. */
export interface TransitionCause {
  readonly by: Actor;
  readonly why: string;
  readonly who?: string | undefined;
  /** Another deadline than the state's own; 0 for none. */
  readonly deadlineAt?: Millis | undefined;
  readonly next?: string | undefined;
}

export interface Machines {
  byHardwarename(hardwarename: Hardwarename): Machine | undefined;
  byMac(mac: Mac): Machine | undefined;
  byHostname(hostname: string): Machine | undefined;
  /** The record without hardware and NICs: what a check needs. */
  record(hardwarename: Hardwarename): MachineRecord | undefined;
  nicsOf(hardwarename: Hardwarename): MachineNic[];
  /** The last report alone: with `record` and `nicsOf`, each part of a machine is read once. */
  hardwareOf(hardwarename: Hardwarename): ReconReport | null;
  /** The packet path's question, in one statement and without parsing the hardware. */
  stateByMac(mac: Mac): { hardwarename: Hardwarename; state: MachineState } | undefined;
  bySerialKey(key: string): Machine[];
  /** The records with this serial, three at most, in one look at the index. */
  namesBySerialKey(key: string): Hardwarename[];
  /** Every machine with its hardware: for tests and small labs; lists page (machine-query.ts). */
  list(): Machine[];
  countByState(): { state: MachineState; count: number; overdue: number }[];
  /** Changes the state with its event, in the caller's transaction. @throws AppError TRANSITION_ILLEGAL, DISKS_NOT_CLEAN, MACHINE_UNKNOWN */
  transition(hardwarename: Hardwarename, to: MachineState, cause: TransitionCause): void;
  insert(
    facts: MachineFacts,
    state: { state: MachineState; why: string; by?: Actor; who?: string; reported?: boolean },
  ): void;
  update(facts: MachineFacts): void;
  /** A newer reason for the state that it is in. */
  setReason(hardwarename: Hardwarename, why: string): void;
  setConflict(hardwarename: Hardwarename, other: Hardwarename | undefined): void;
  /**
   * Makes these the machine's NICs, or adds them to those that it keeps; says which other machines lost one. An address
   * that was reserved for a NIC that goes is freed.
   */
  setNics(
    hardwarename: Hardwarename,
    nics: readonly NicFacts[],
    options?: { readonly add: boolean },
  ): { mac: Mac; from: Hardwarename }[];
  /** Without its address, which the caller has given back. */
  dropNic(hardwarename: Hardwarename, mac: Mac): void;
  /** Writes fields as they are, without an event: the caller appends one. */
  write(hardwarename: Hardwarename, values: FieldValues): void;
  /** Something that belongs to it (an address) has changed: its version counts up and it is indexed anew. */
  touch(hardwarename: Hardwarename): void;
  remove(hardwarename: Hardwarename): void;
  /** Runs several writes and indexes each record that they touched once, at the end. */
  together<T>(run: () => T): T;
  readonly search: MachineSearch;
}

export type FieldValues = { readonly [Name in FieldName]?: MachineRecord[Name] | undefined };

const FACT_NAMES: readonly FactName[] = [
  'cpuModel',
  'cpuCount',
  'coreCount',
  'threadCount',
  'memoryBytes',
  'diskCount',
  'diskBytes',
  'nicCount',
  'gpuCount',
  'biosVersion',
];

export function openMachines(db: Database, clock: Clock, events: EventStore): Machines {
  const statements = prepareMachines(db);
  const reads = openReads(statements);
  const writes = openWrites(db, { clock, statements, reads });
  const { rowOf } = reads;
  const { writeColumns, reindex } = writes;
  // Records that came by a migration are not in the index yet.
  const missing = statements.unindexed.all();
  if (missing.length > 0)
    db.transaction(() => {
      for (const { hardwarename } of missing) reindex(hardwarename);
    }).immediate();

  const freeAddress = (mac: Mac, hardwarename: Hardwarename): void => {
    const row = statements.dropAddress.get(mac, hardwarename);
    if (!row) return;
    const data = { address: formatIpv4(row.address), subnet: row.subnet, mac, who: 'recon' };
    events.append({ name: 'address.freed', hardwarename, mac, data });
  };

  return {
    ...reads,
    ...writes,
    transition(hardwarename, to, cause) {
      const { state: from, mayHoldData } = recordFromRow(rowOf(hardwarename));
      assertTransition(from, to, cause.by);
      assertEmpty({ hardwarename, mayHoldData }, to);
      const { why, by, who } = cause;
      writeColumns(hardwarename, stateColumns(to, cause, clock()));
      const data = { from, to, why, by, ...(who === undefined ? {} : { who }) };
      events.append({ name: 'machine.state', hardwarename, data });
    },
    insert(facts, { state, why, by = 'recon', who, reported = true }) {
      assertTransition('unknown', state, by);
      const now = clock();
      const { hardwarename } = facts;
      writes.create(facts, {
        ...{ hardwarename, ...factColumns(facts), reported: reported ? 1 : 0 },
        ...stateColumns(state, { by, why, who }, now),
        ...{ created_at: now, updated_at: now },
      });
      const data = { from: 'unknown', to: state, why, by, ...(who === undefined ? {} : { who }) };
      events.append({ name: 'machine.state', hardwarename, data });
    },
    update(facts) {
      const { id } = rowOf(facts.hardwarename);
      writeColumns(facts.hardwarename, { ...factColumns(facts), reported: 1 });
      statements.putHardware.run(id, JSON.stringify(facts.hardware), facts.digest);
      reindex(facts.hardwarename);
    },
    setReason: (hardwarename, why) => writeColumns(hardwarename, { state_why: why }),
    setConflict: (hardwarename, other) =>
      writeColumns(hardwarename, { conflict_with: other ?? '' }),
    setNics(hardwarename, nics, { add } = { add: false }) {
      const now = clock();
      const moved: { mac: Mac; from: Hardwarename }[] = [];
      for (const nic of nics) {
        const owner = statements.nicByMac.get(nic.mac)?.hardwarename as Hardwarename | undefined;
        if (owner !== undefined && owner !== hardwarename) {
          moved.push({ mac: nic.mac, from: owner });
          freeAddress(nic.mac, owner);
        }
        const { mac, name, switch: neighbour = '', port = '', speedMbps = 0 } = nic;
        statements.putNic.run(mac, hardwarename, name, now, now, neighbour, port, speedMbps);
      }
      const kept = new Set(nics.map(({ mac }) => mac as string));
      for (const { mac } of add ? [] : statements.nicsOf.all(hardwarename)) {
        if (kept.has(mac)) continue;
        freeAddress(mac as Mac, hardwarename);
        statements.dropNic.run(mac, hardwarename);
      }
      for (const { from } of moved) reindex(from);
      reindex(hardwarename);
      return moved;
    },
    dropNic: (hardwarename, mac) => void statements.dropNic.run(mac, hardwarename),
    remove(hardwarename) {
      const { id } = rowOf(hardwarename);
      writes.search.forget(id);
      statements.dropAddresses.run(hardwarename);
      statements.dropNics.run(hardwarename);
      statements.drop.run(hardwarename);
    },
  };
}

type Reads = ReturnType<typeof openReads>;

function openReads(statements: MachineStatements) {
  const nicsOf = (hardwarename: string): MachineNic[] =>
    statements.nicsOf.all(hardwarename).map(nicFromRow);
  const fromRow = (row: MachineRow): Machine => ({
    ...recordFromRow(row),
    serialKey: row.serial_key ?? undefined,
    hardware: JSON.parse(statements.hardware.get(row.id)?.hardware ?? 'null'),
    nics: nicsOf(String(row.hardwarename)),
  });
  const one = (row: MachineRow | undefined) => (row ? fromRow(row) : undefined);
  return {
    nicsOf,
    fromRow,
    rowOf(hardwarename: Hardwarename): MachineRow {
      const row = statements.byName.get(hardwarename);
      if (!row) throw new AppError('MACHINE_UNKNOWN', { detail: hardwarename.slice(0, 64) });
      return row;
    },
    hardwareOf: (hardwarename: Hardwarename): ReconReport | null =>
      JSON.parse(statements.hardwareOf.get(hardwarename)?.hardware ?? 'null'),
    byHardwarename: (hardwarename: Hardwarename) => one(statements.byName.get(hardwarename)),
    byMac: (mac: Mac) => one(statements.byMac.get(mac)),
    byHostname: (hostname: string) => one(statements.byHostname.get(hostname)),
    record(hardwarename: Hardwarename) {
      const row = statements.byName.get(hardwarename);
      return row && recordFromRow(row);
    },
    stateByMac: (mac: Mac) => statements.stateByMac.get(mac),
    bySerialKey: (key: string) => statements.bySerial.all(key).map(fromRow),
    namesBySerialKey: (key: string) =>
      statements.namesBySerial.all(key).map(({ hardwarename }) => hardwarename),
    list: () => statements.list.all().map(fromRow),
    countByState: () => statements.counts.all(),
  };
}

function openWrites(
  db: Database,
  { clock, statements, reads }: { clock: Clock; statements: MachineStatements; reads: Reads },
) {
  const search = openMachineSearch(db);
  let postponed: Set<Hardwarename> | undefined;
  const reindex = (hardwarename: Hardwarename): void => {
    if (postponed) return void postponed.add(hardwarename);
    const row = reads.rowOf(hardwarename);
    const { nics, hardware, ...record } = reads.fromRow(row);
    search.index(row.id, record, {
      hardware,
      macs: nics.map(({ mac }) => mac),
      addresses: nics.map(({ address }) => address),
    });
  };
  /** Statements by their SQL: a patch of the same fields is prepared once. */
  const prepared = new Map<string, Statement>();
  const run = (sql: string, values: readonly (SqlValue | null)[]) => {
    const statement = prepared.get(sql) ?? db.prepare(sql);
    prepared.set(sql, statement);
    return statement.run(...values);
  };
  const writeColumns = (
    hardwarename: Hardwarename,
    columns: Record<string, SqlValue | null>,
  ): void => {
    const sets = Object.keys(columns).map((name) => `"${name}" = ?, `);
    const sql = `UPDATE machines SET ${sets.join('')}version = version + 1, updated_at = ? WHERE hardwarename = ?`;
    run(sql, [...Object.values(columns), clock(), hardwarename]);
  };
  const write = (hardwarename: Hardwarename, values: FieldValues): void => {
    const entries = Object.entries(values).filter(([, value]) => value !== undefined);
    const columns = entries.map(([name, value]) => [
      MACHINE_FIELDS[name as FieldName].column,
      toColumn(name as FieldName, value),
    ]);
    writeColumns(hardwarename, Object.fromEntries(columns));
    reindex(hardwarename);
  };
  return {
    search,
    reindex,
    writeColumns,
    write,
    touch: (hardwarename: Hardwarename) => write(hardwarename, {}),
    create(facts: MachineFacts, columns: Record<string, SqlValue | null>): void {
      const names = Object.keys(columns);
      const sql = `INSERT INTO machines (${names.join()}) VALUES (${names.map(() => '?').join()})`;
      const { lastInsertRowid } = run(sql, Object.values(columns));
      statements.putHardware.run(lastInsertRowid, JSON.stringify(facts.hardware), facts.digest);
      reindex(facts.hardwarename);
    },
    together<T>(run: () => T): T {
      if (postponed) return run();
      postponed = new Set();
      try {
        const result = run();
        const touched = [...postponed];
        postponed = undefined;
        for (const hardwarename of touched) reindex(hardwarename);
        return result;
      } finally {
        postponed = undefined;
      }
    },
  };
}

/** The columns of a state: a waiting state has a deadline and a next step, and nothing is overdue yet. */
function stateColumns(
  to: MachineState,
  cause: Omit<TransitionCause, 'by'> & { by: Actor },
  now: Millis,
): Record<string, SqlValue> {
  const rule = STATE_RULES[to];
  const until = rule.deadlineMs === undefined ? 0 : now + rule.deadlineMs;
  return {
    state: to,
    state_why: cause.why,
    state_by: cause.who ?? cause.by,
    state_at: now,
    state_next: cause.next ?? rule.next,
    state_deadline: cause.deadlineAt ?? until,
    overdue: 0,
    ...(bringsData(to) ? { may_hold_data: 1 } : {}),
  };
}

function factColumns(facts: MachineFacts) {
  const derived = factsOfReport(facts.hardware);
  return {
    serial: facts.serial,
    serial_key: facts.serialKey ?? null,
    uuid: facts.uuid,
    manufacturer: facts.manufacturer,
    product: facts.product,
    boot_mac: facts.bootMac,
    ...Object.fromEntries(
      FACT_NAMES.map((name) => [MACHINE_FIELDS[name].column, toColumn(name, derived[name])]),
    ),
    ...bmcColumns(facts.hardware),
  };
}

/**
 * A report without a BMC says nothing about the one on record: it may only have been silent. Its address and MAC are what a
 * machine claims, and go on the record only once the BMC has proven them (src/bmc/claims.ts).
 */
function bmcColumns({ bmc }: ReconReport): Record<string, SqlValue> {
  const known = { bmc_vendor: bmc?.manufacturer, bmc_firmware: bmc?.firmware };
  return Object.fromEntries(
    Object.entries(known).filter((entry): entry is [string, string] => Boolean(entry[1])),
  );
}
