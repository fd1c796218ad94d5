/**
 * Merge and split: a person says that two records are one machine, and can take it back.
 *
 * A conflict or a swapped board leaves two records of one machine. The merge moves the NICs, addresses and boots of the
 * record that goes to the one that is kept, its IPv6 addresses, and its BMC where that one has none, and keeps a snapshot; the split puts the
 * snapshot back, with whatever of it the kept record still has and nobody else was given since. Nothing is ever merged by itself. How much two records have in common is told by weights,
 * as evidence for the person (`likenessOf`).
 */
import type { Database } from 'better-sqlite3';
import { AppError } from '../errors.ts';
import type { Hardwarename } from '../wire/ids.ts';
import type { Mac } from '../wire/mac.ts';
import type { Clock } from '../wire/time.ts';
import type { Addresses } from './addresses.ts';
import type { EventStore } from './event-store.ts';
import { isUsableSerial } from './identity.ts';
import type { Machine, Machines } from './machines.ts';
import type { Ownership } from './ownership.ts';
import { assertIdle, isCapacity, needsRelease } from './states.ts';

export interface MergeRecord {
  readonly id: number;
  readonly kept: Hardwarename;
  readonly gone: Hardwarename;
  readonly at: number;
  readonly who: string;
  readonly why: string;
  readonly undone: boolean;
}

export interface Merges {
  /** @throws AppError MACHINE_UNKNOWN, REQUEST_INVALID, MACHINE_PROTECTED, RELEASE_NEEDED for a machine in use */
  merge(kept: Hardwarename, gone: Hardwarename, cause: { who: string; why: string }): MergeRecord;
  /**
   * @throws AppError NOT_FOUND, ALREADY_EXISTS when it was undone or the name is taken again, MACHINE_PROTECTED, and
   * RELEASE_NEEDED unless `release` is the hardwarename of a kept machine that is in use: it loses NICs
   */
  split(id: number, cause: { who: string; why: string; release?: string | undefined }): MergeRecord;
  /** A merge, and the squads that have a say in it: of the record that is kept, and of the one that went. */
  find(id: number): { readonly merge: MergeRecord; readonly squads: readonly string[] } | undefined;
  ofMachine(hardwarename: Hardwarename): MergeRecord[];
  likeness(a: Hardwarename, b: Hardwarename): Likeness;
}

export interface Likeness {
  /** 0 to 100. */
  readonly score: number;
  readonly shared: readonly string[];
  readonly differing: readonly string[];
}

interface Row {
  id: number;
  kept: string;
  gone: string;
  at: number;
  who: string;
  why: string;
  snapshot: string;
  undone_at: number;
}

interface Snapshot {
  readonly machine: Record<string, string | number | null>;
  readonly hardware: { hardware: string; report_digest: string };
  readonly nics: readonly { mac: string }[];
  readonly boots: readonly string[];
}

export interface MergeParts {
  readonly clock: Clock;
  readonly events: EventStore;
  readonly machines: Machines;
  readonly addresses: Addresses;
  readonly ownership: Ownership;
}

export function openMerges(db: Database, parts: MergeParts): Merges {
  const { clock, events, machines, addresses } = parts;
  const sql = prepare(db);
  const fromRow = (row: Row): MergeRecord => ({
    id: row.id,
    kept: row.kept as Hardwarename,
    gone: row.gone as Hardwarename,
    at: row.at,
    who: row.who,
    why: row.why,
    undone: row.undone_at > 0,
  });
  const known = (hardwarename: Hardwarename): Machine => {
    const machine = machines.byHardwarename(hardwarename);
    if (!machine) throw new AppError('MACHINE_UNKNOWN', { detail: hardwarename.slice(0, 64) });
    return machine;
  };
  const told = (name: 'machine.merged' | 'machine.split', row: MergeRecord, cause: Told) => {
    const { id: merge, kept, gone } = row;
    for (const hardwarename of [kept, gone]) {
      if (name === 'machine.merged')
        events.append({ name, hardwarename, data: { kept, gone, merge, ...cause } });
      else events.append({ name, hardwarename, data: { kept, back: gone, merge, ...cause } });
    }
  };

  return {
    ofMachine: (hardwarename) => sql.ofMachine.all(hardwarename, hardwarename).map(fromRow),
    likeness: (a, b) => likenessOf(known(a), known(b)),
    merge(kept, gone, cause) {
      const [keeper, goer] = [known(kept), known(gone)];
      if (kept === gone) throw new AppError('REQUEST_INVALID', { detail: 'It is one record.' });
      for (const { protected: isProtected, hardwarename } of [keeper, goer])
        if (isProtected) throw new AppError('MACHINE_PROTECTED', { detail: hardwarename });
      if (needsRelease(goer.state)) {
        throw new AppError('RELEASE_NEEDED', { detail: `${gone} is in use: keep that one.` });
      }
      assertIdle(goer);
      const machine = sql.machine.get(gone) as Snapshot['machine'];
      const snapshot: Snapshot = {
        machine,
        hardware: sql.hardware.get(Number(machine.id)) as Snapshot['hardware'],
        nics: goer.nics,
        boots: sql.boots.all(gone).map(({ id }) => id),
      };
      const adopts = keeper.bmcMac === '' && keeper.bmcAddress === '';
      const { bmcMac, bmcAddress } = goer;
      if (!adopts && bmcMac !== keeper.bmcMac && !hasNic(goer, bmcMac))
        addresses.free({ mac: bmcMac as Mac, owner: gone }, cause.who);
      for (const statement of [sql.moveNics, sql.moveAddresses, sql.moveBoots])
        statement.run(kept, gone);
      machines.remove(gone);
      for (const { hardwarename } of sql.inConflict.all(gone))
        endConflict(parts, { hardwarename, gone, kept }, cause);
      // One machine now: what may be on the disks of either may be on its disks.
      const mayHoldData = keeper.mayHoldData || goer.mayHoldData;
      const ipv6 = [...new Set([...keeper.ipv6, ...goer.ipv6])].sort();
      machines.write(kept, { mayHoldData, ipv6 });
      if (adopts && bmcMac + bmcAddress !== '') setBmc(parts, kept, { bmcMac, bmcAddress }, cause);
      const values = [kept, gone, clock(), cause.who, cause.why, JSON.stringify(snapshot)];
      const id = Number(sql.put.run(...values).lastInsertRowid);
      const row = fromRow(sql.get.get(id) as Row);
      told('machine.merged', row, cause);
      return row;
    },
    find(id) {
      const row = sql.get.get(id);
      if (!row) return undefined;
      const { machine } = JSON.parse(row.snapshot) as Snapshot;
      const kept = machines.record(row.kept as Hardwarename)?.squad ?? '';
      return { merge: fromRow(row), squads: [kept, String(machine.squad)] };
    },
    split(id, { release, ...cause }) {
      const row = sql.get.get(id);
      if (!row) throw new AppError('NOT_FOUND', { detail: `No merge ${id}.` });
      if (row.undone_at > 0 || machines.record(row.gone as Hardwarename)) {
        throw new AppError('ALREADY_EXISTS', { detail: `${row.gone} has a record of its own.` });
      }
      const keeper = known(row.kept as Hardwarename);
      const { hardwarename: name, state } = keeper;
      if (keeper.protected) throw new AppError('MACHINE_PROTECTED', { detail: name });
      if (needsRelease(state) && release !== name)
        throw new AppError('RELEASE_NEEDED', { detail: `${name} is in use, and loses NICs.` });
      assertIdle(keeper);
      restore(db, { ...parts, sql }, { row, keeper, cause });
      sql.undo.run(clock(), id);
      const split = fromRow(sql.get.get(id) as Row);
      machines.touch(split.gone);
      machines.touch(split.kept);
      told('machine.split', split, cause);
      return split;
    },
  };
}

type Told = { readonly who: string; readonly why: string };

const hasNic = ({ nics }: Machine, mac: string): boolean => nics.some((nic) => nic.mac === mac);

function setBmc(
  { machines, events }: MergeParts,
  hardwarename: Hardwarename,
  after: { readonly bmcMac: string; readonly bmcAddress: string },
  { who, why }: Told,
): void {
  const { bmcMac = '', bmcAddress = '' } = machines.record(hardwarename) ?? {};
  machines.write(hardwarename, after);
  const data = { who, why, before: { bmcMac, bmcAddress }, after };
  events.append({ name: 'machine.edited', hardwarename, data });
}

/** Whom it named is no more. A change like any other: whoever follows the events is told of it. */
function endConflict(
  { machines, events }: MergeParts,
  { hardwarename, kept, gone }: Record<'hardwarename' | 'kept' | 'gone', Hardwarename>,
  { who, why }: Told,
): void {
  machines.setConflict(hardwarename, undefined);
  // Of the kept one the merge itself tells.
  if (hardwarename === kept) return;
  const data = { who, why, before: { conflictWith: gone }, after: { conflictWith: '' } };
  events.append({ name: 'machine.edited', hardwarename, data });
}

function restore(
  db: Database,
  parts: MergeParts & { readonly sql: ReturnType<typeof prepare> },
  { row, keeper, cause }: { row: Row; keeper: Machine; cause: Told },
): void {
  const { sql, machines, ownership } = parts;
  const { machine, hardware, nics, boots } = JSON.parse(row.snapshot) as Snapshot;
  const bmcMac = String(machine.bmc_mac);
  const isBack = bmcMac !== '' && keeper.bmcMac === bmcMac;
  if (isBack) setBmc(parts, keeper.hardwarename, { bmcMac: '', bmcAddress: '' }, cause);
  // Its number may be another's by now.
  const { id: _, ...columns } = machine;
  const said = JSON.parse(String(machine.ipv6 ?? '[]')) as string[];
  const ipv6 = JSON.stringify(said.filter((address) => keeper.ipv6.includes(address)));
  const left = keeper.ipv6.filter((address) => !said.includes(address));
  machines.write(keeper.hardwarename, { ipv6: left });
  // Nobody can tell which disks went with which record, so what may be on them may be on both; an erase since the merge was of
  // one machine. Capacity is empty, so that one with the mark is not it.
  const marked = keeper.mayHoldData || Number(machine.may_hold_data) > 0;
  const values = {
    ...{ ...columns, ...whatIsTaken(sql, machine), bmc_mac: '', bmc_address: '', ipv6 },
    may_hold_data: marked ? 1 : 0,
  };
  const names = Object.keys(values);
  const { lastInsertRowid } = db
    .prepare(
      `INSERT INTO machines (${names.map((name) => `"${name}"`).join()}) VALUES (${names.map(() => '?').join()})`,
    )
    .run(...Object.values(values));
  sql.putHardware.run(lastInsertRowid, hardware.hardware, hardware.report_digest);
  for (const { mac } of nics) {
    sql.moveNic.run(row.gone, mac, row.kept);
    sql.moveAddress.run(row.gone, mac, row.kept);
  }
  if (isBack) sql.moveAddress.run(row.gone, bmcMac, row.kept);
  for (const boot of boots) sql.moveBoot.run(row.gone, boot, row.kept);
  const gone = row.gone as Hardwarename;
  const bmcAddress = String(machine.bmc_address);
  const isTaken =
    (bmcMac !== '' && ownership.ofMac(bmcMac as Mac, gone)) ||
    ownership.ofAddress(bmcAddress, gone);
  if (!isTaken) machines.write(gone, { bmcMac, bmcAddress });
  const { state } = machines.record(gone) ?? {};
  if (marked && state && isCapacity(state)) {
    const why = `split from ${row.kept}; data may be on its disks: recycle it`;
    machines.transition(gone, 'held', { by: 'operator', who: cause.who, why });
  }
}

/** What somebody else has been given since: its hostname, its place in the rack. */
function whatIsTaken(
  sql: ReturnType<typeof prepare>,
  machine: Snapshot['machine'],
): Record<string, string | number> {
  const text = (column: string) => String(machine[column]);
  const [unit, height] = [Number(machine.unit), Number(machine.height)];
  const place = [text('rack'), text('site'), unit + height, unit] as [
    string,
    string,
    number,
    number,
  ];
  return {
    ...(sql.hostname.get(text('hostname')) ? { hostname: '' } : {}),
    ...(unit > 0 && sql.inPlace.get(...place) ? { unit: 0 } : {}),
  };
}

function prepare(db: Database) {
  return {
    machine: db.prepare<[string], Snapshot['machine']>(
      'SELECT * FROM machines WHERE hardwarename = ?',
    ),
    hardware: db.prepare<[number], Snapshot['hardware']>(
      'SELECT hardware, report_digest FROM machine_hardware WHERE machine = ?',
    ),
    boots: db.prepare<[string], { id: string }>('SELECT id FROM boots WHERE hardwarename = ?'),
    moveNics: db.prepare('UPDATE nics SET hardwarename = ? WHERE hardwarename = ?'),
    moveAddresses: db.prepare('UPDATE addresses SET hardwarename = ? WHERE hardwarename = ?'),
    moveBoots: db.prepare('UPDATE boots SET hardwarename = ? WHERE hardwarename = ?'),
    inConflict: db.prepare<[string], { hardwarename: Hardwarename }>(
      'SELECT hardwarename FROM machines WHERE conflict_with = ?',
    ),
    moveNic: db.prepare('UPDATE nics SET hardwarename = ? WHERE mac = ? AND hardwarename = ?'),
    moveAddress: db.prepare(
      'UPDATE addresses SET hardwarename = ? WHERE mac = ? AND hardwarename = ?',
    ),
    moveBoot: db.prepare('UPDATE boots SET hardwarename = ? WHERE id = ? AND hardwarename = ?'),
    putHardware: db.prepare(
      'INSERT INTO machine_hardware (machine, hardware, report_digest) VALUES (?, ?, ?)',
    ),
    hostname: db.prepare<[string], { hardwarename: string }>(
      `SELECT hardwarename FROM machines WHERE hostname = ? AND hostname <> ''`,
    ),
    inPlace: db.prepare<[string, string, number, number], { hardwarename: string }>(
      `SELECT hardwarename FROM machines WHERE rack = ? AND rack <> '' AND site = ? AND unit > 0
       AND unit < ? AND ? < unit + height`,
    ),
    put: db.prepare(
      'INSERT INTO merges (kept, gone, at, who, why, snapshot) VALUES (?, ?, ?, ?, ?, ?)',
    ),
    get: db.prepare<[number], Row>('SELECT * FROM merges WHERE id = ?'),
    undo: db.prepare('UPDATE merges SET undone_at = ? WHERE id = ?'),
    ofMachine: db.prepare<[string, string], Row>(
      'SELECT * FROM merges WHERE kept = ? OR gone = ? ORDER BY id',
    ),
  };
}

/** What identifies a machine, by how much it weighs; a key that either lacks says nothing. */
const KEYS: readonly {
  readonly key: string;
  readonly weight: number;
  readonly of: (machine: Machine) => readonly string[];
}[] = [
  { key: 'serial', weight: 30, of: ({ serialKey }) => [serialKey ?? ''] },
  {
    key: 'board serial',
    weight: 20,
    of: ({ hardware }) => [hardware.dmi.board?.serial ?? ''].filter(isUsableSerial),
  },
  { key: 'UUID', weight: 15, of: ({ uuid }) => [uuid] },
  { key: 'BMC MAC', weight: 15, of: ({ bmcMac }) => [bmcMac] },
  { key: 'NICs', weight: 15, of: ({ nics }) => nics.map(({ mac }: { mac: Mac }) => mac) },
  {
    key: 'disks',
    weight: 10,
    of: ({ hardware }) => hardware.disks.map(({ wwn, serial }) => wwn || serial || ''),
  },
  {
    key: 'switch port',
    weight: 10,
    of: ({ nics }) => nics.map(({ switch: name, port }) => (name && port ? `${name} ${port}` : '')),
  },
];

/** How much speaks for one machine: the share of the weights of all keys that both have. Pure. */
function likenessOf(a: Machine, b: Machine): Likeness {
  const shared: string[] = [];
  const differing: string[] = [];
  let [agree, all] = [0, 0];
  for (const { key, weight, of } of KEYS) {
    const [mine, theirs] = [of(a).filter(Boolean), new Set(of(b).filter(Boolean))];
    if (mine.length === 0 || theirs.size === 0) continue;
    all += weight;
    const same = mine.some((value) => theirs.has(value));
    if (same) agree += weight;
    (same ? shared : differing).push(key);
  }
  return { score: all === 0 ? 0 : Math.round((100 * agree) / all), shared, differing };
}
