/**
 * What people do to a machine's record: enter it, change its fields, move it to another state.
 *
 * Each call is one change with one event that says who, why, before and after. It checks what one row cannot: that a
 * hostname is free, that no other machine fills these units or has this BMC, that a squad or credential exists. Who may do it is the
 * caller's question (http/people/access); that it is legal is this file's.
 */
import type { Database } from 'better-sqlite3';
import { AppError } from '../errors.ts';
import type { Hardwarename } from '../wire/ids.ts';
import { type Ipv4, parseIpv4 } from '../wire/ipv4.ts';
import type { Mac } from '../wire/mac.ts';
import type { Addresses } from './addresses.ts';
import type { EventStore } from './event-store.ts';
import type { Hostnames } from './hostnames.ts';
import { hardwarenameOf, isUsableSerial, nameByMac, serialKey } from './identity.ts';
import { emptyReport } from './machine-facts.ts';
import type { MachineChanges, MachineRecord, WritableName } from './machine-fields.ts';
import type { MachineEntry } from './machine-schema.ts';
import type { FieldValues, Machine, Machines, TransitionCause } from './machines.ts';
import type { Holder, Ownership } from './ownership.ts';
import { assertVersion, type Cause, type Records, unusableIn } from './records.ts';
import { assertIdle, endsAssignment, type MachineState, needsRelease } from './states.ts';

export interface MachineEditor {
  /** @throws AppError MACHINE_UNKNOWN, VERSION_CONFLICT, HOSTNAME_TAKEN, UNIT_TAKEN, ADDRESS_TAKEN, REQUEST_INVALID */
  edit(hardwarename: Hardwarename, changes: MachineChanges, cause: Cause): MachineRecord;
  /** A machine without a report: expected, or in service already. @throws AppError ALREADY_EXISTS and those of `edit` */
  enter(entry: MachineEntry, cause: Cause): Machine;
  /**
   * @throws AppError TRANSITION_ILLEGAL, VERSION_CONFLICT, MACHINE_PROTECTED, STILL_REFERENCED while a job works on it, and
   * RELEASE_NEEDED unless `release` is the hardwarename of a machine in use
   */
  move(
    hardwarename: Hardwarename,
    to: MachineState,
    cause: TransitionCause & { version?: number | undefined; release?: string | undefined },
  ): MachineRecord;
  /** Data may be on the disks of a machine that was entered: known from where it comes from, until a recycle has proven it clean. */
  markData(hardwarename: Hardwarename, cause: Cause): void;
  /** Forgets a machine that was entered and never came. @throws AppError STILL_REFERENCED when it has reported */
  forget(hardwarename: Hardwarename, cause: Cause): void;
}

interface Parts {
  readonly db: Database;
  readonly machines: Machines;
  readonly records: Records;
  readonly addresses: Addresses;
  readonly ownership: Ownership;
  readonly hostnames: Pick<Hostnames, 'holderOf'>;
  readonly events: EventStore;
}

export function openMachineEditor(parts: Parts): MachineEditor {
  const { machines, events, addresses } = parts;
  const check = createChecks(parts);
  const unfinished = parts.db.prepare<[string], { id: string }>(
    'SELECT id FROM jobs WHERE target = ? AND ended_at = 0',
  );
  /** A person takes a machine out of an install that nobody carries on; from a job's hands, its cancellation does. */
  const assertNoJob = ({ hardwarename, state }: MachineRecord): void => {
    if (unfinished.get(hardwarename)) assertIdle({ hardwarename, state });
  };
  const read = (hardwarename: Hardwarename): MachineRecord => {
    const record = machines.record(hardwarename);
    if (!record) throw new AppError('MACHINE_UNKNOWN', { detail: hardwarename.slice(0, 64) });
    return record;
  };
  const edit: MachineEditor['edit'] = (hardwarename, changes, { who, why, version }) => {
    const before = read(hardwarename);
    assertVersion(before.version, version);
    const differs = differing(before, changes);
    if (differs.length === 0) return before;
    check(before, changes);
    const placed = differs.some((name) => ['rack', 'unit', 'row', 'hall', 'site'].includes(name));
    const values = Object.fromEntries(differs.map((name) => [name, changes[name]])) as FieldValues;
    machines.write(hardwarename, { ...values, ...(placed ? { locatedBy: 'person' } : {}) });
    // What was reserved for the BMC that it had is nobody's now.
    const isNic = () => machines.nicsOf(hardwarename).some(({ mac }) => mac === before.bmcMac);
    if (differs.includes('bmcMac') && before.bmcMac !== '' && !isNic())
      addresses.free({ mac: before.bmcMac as Mac, owner: hardwarename }, who);
    const pick = (from: MachineChanges) =>
      Object.fromEntries(differs.map((name) => [name, from[name]]));
    const data = { who, why, before: pick(before), after: pick(changes) };
    events.append({ name: 'machine.edited', hardwarename, data });
    return read(hardwarename);
  };

  return {
    edit,
    enter: (entry, cause) => machines.together(() => enter(parts, entry, { ...cause, edit })),
    move(hardwarename, to, { version, release, ...cause }) {
      const before = read(hardwarename);
      assertVersion(before.version, version);
      if (before.protected) throw new AppError('MACHINE_PROTECTED', { detail: hardwarename });
      if (needsRelease(before.state) && release !== hardwarename) {
        const detail = `${hardwarename}${before.hostname ? `, ${before.hostname},` : ''} is ${before.squad || 'somebody'}'s.`;
        throw new AppError('RELEASE_NEEDED', { detail });
      }
      if (to === 'held' && cause.by === 'operator') assertNoJob(before);
      machines.transition(hardwarename, to, cause);
      if (before.state === 'held') settleConflict(parts, before, cause);
      if (endsAssignment(to)) {
        const ended = { hostname: '', role: '', squad: '', owner: '' };
        edit(hardwarename, ended, { who: cause.who ?? cause.by, why: `it is ${to} now` });
      }
      return read(hardwarename);
    },
    markData(hardwarename, { who, why }) {
      machines.write(hardwarename, { mayHoldData: true });
      const data = { who, why, before: { mayHoldData: false }, after: { mayHoldData: true } };
      events.append({ name: 'machine.edited', hardwarename, data });
    },
    forget(hardwarename, { who, why, version }) {
      const before = read(hardwarename);
      assertVersion(before.version, version);
      if (before.protected) throw new AppError('MACHINE_PROTECTED', { detail: hardwarename });
      if (before.reported || needsRelease(before.state)) {
        throw new AppError('STILL_REFERENCED', {
          detail: 'Only a machine that was entered and never came can be forgotten; retire it.',
        });
      }
      assertIdle(before);
      machines.remove(hardwarename);
      const data = { who, why, before: { ...before }, after: {} };
      events.append({ name: 'machine.edited', hardwarename, data });
    },
  };
}

/** A person has settled what it was held for: its collision is over, and so is the other's where that one was not held for it. */
function settleConflict(
  { machines, events }: Parts,
  { hardwarename, conflictWith }: MachineRecord,
  { who, by, why }: TransitionCause,
): void {
  if (conflictWith === '') return;
  const other = machines.record(conflictWith as Hardwarename);
  const isTheirs = other?.conflictWith === hardwarename && other.state !== 'held';
  for (const one of isTheirs ? [hardwarename, other.hardwarename] : [hardwarename]) {
    const before = { conflictWith: machines.record(one)?.conflictWith ?? '' };
    machines.setConflict(one, undefined);
    const data = { who: who ?? by, why, before, after: { conflictWith: '' } };
    events.append({ name: 'machine.edited', hardwarename: one, data });
  }
}

function differing(before: MachineRecord, changes: MachineChanges): WritableName[] {
  return (Object.keys(changes) as WritableName[]).filter(
    (name) =>
      changes[name] !== undefined && JSON.stringify(changes[name]) !== JSON.stringify(before[name]),
  );
}

/** @throws AppError ADDRESS_TAKEN that says who has it */
export function assertOwn(what: string, holder: Holder | undefined, path: string): void {
  if (!holder) return;
  const as = holder.as === 'address' ? 'reserved for' : `the ${holder.as} of`;
  const detail = `${what} is ${as} ${holder.hardwarename}, which is ${holder.state}.`;
  throw new AppError('ADDRESS_TAKEN', { detail, path });
}

function createChecks({ db, hostnames, records, ownership }: Parts) {
  const credential = db.prepare<[string], { name: string }>(
    'SELECT name FROM credentials WHERE name = ?',
  );
  const ipv6Owner = db.prepare<[string, string], { hardwarename: string }>(
    'SELECT hardwarename FROM machine_ipv6 WHERE address = ? AND hardwarename <> ?',
  );
  const inRack = db.prepare<
    [string, string, string],
    { hardwarename: string; unit: number; height: number }
  >(
    `SELECT hardwarename, unit, height FROM machines
     WHERE rack = ? AND site = ? AND unit > 0 AND hardwarename <> ?`,
  );
  const refer = (path: string, known: boolean, value: string) => {
    if (!known)
      throw new AppError('REQUEST_INVALID', { detail: `No ${path} ${value}.`, path: `/${path}` });
  };
  return (before: MachineRecord, changes: MachineChanges): void => {
    const after = { ...before, ...changes } as MachineRecord;
    const { hostname, squad, bmcCredential, rack, unit, height, site } = after;
    if (changes.squad) refer('squad', records.get('squad', squad) !== undefined, squad);
    if (changes.bmcCredential)
      refer('bmcCredential', credential.get(bmcCredential) !== undefined, bmcCredential);
    const namesake = changes.hostname && hostnames.holderOf(hostname, before.hardwarename);
    if (namesake) {
      const detail = `${hostname} is ${namesake}.`;
      throw new AppError('HOSTNAME_TAKEN', { detail, path: '/hostname' });
    }
    for (const address of changes.ipv6 ?? []) {
      const other = ipv6Owner.get(address, before.hardwarename)?.hardwarename;
      if (other === undefined) continue;
      throw new AppError('ADDRESS_TAKEN', { detail: `${address} is of ${other}.`, path: '/ipv6' });
    }
    const { bmcMac, bmcAddress } = changes;
    if (bmcMac) assertOwn(bmcMac, ownership.ofMac(bmcMac as Mac, before.hardwarename), '/bmcMac');
    const unusable = bmcAddress ? unusableIn(records, parseIpv4(bmcAddress) as Ipv4) : undefined;
    if (unusable) {
      const detail = `${bmcAddress} is ${unusable.why} of ${unusable.subnet}.`;
      throw new AppError('REQUEST_INVALID', { detail, path: '/bmcAddress' });
    }
    if (bmcAddress)
      assertOwn(bmcAddress, ownership.ofAddress(bmcAddress, before.hardwarename), '/bmcAddress');
    if (rack === '' || unit === 0) return;
    const units = records.get('rack', rack)?.doc.units;
    if (units !== undefined && unit + height - 1 > units) {
      throw new AppError('REQUEST_INVALID', {
        detail: `Rack ${rack} has ${units} units.`,
        path: '/unit',
      });
    }
    const there = inRack
      .all(rack, site, before.hardwarename)
      .find((other) => other.unit < unit + height && unit < other.unit + other.height);
    if (there)
      throw new AppError('UNIT_TAKEN', {
        detail: `${there.hardwarename} is in ${rack} at ${there.unit}.`,
        path: '/unit',
      });
  };
}

/** What is wrong in there is told with where it stands in the whole. */
export function within<T>(path: string, run: () => T): T {
  try {
    return run();
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    const { code, detail, more } = error;
    throw new AppError(code, {
      ...{ path: `${path}${error.path ?? ''}`, cause: error },
      ...(detail === undefined ? {} : { detail }),
      ...(more === undefined ? {} : { more }),
    });
  }
}

function enter(
  { machines, addresses, ownership }: Parts,
  { hardwarename: called, serial, manufacturer, product, state, nics, ...changes }: MachineEntry,
  { edit, ...cause }: Cause & { edit: MachineEditor['edit'] },
): Machine {
  const usable = isUsableSerial(serial);
  const [first] = nics;
  if (!usable && !first) {
    const detail = `'${serial}' identifies nothing, and there is no NIC.`;
    throw new AppError('REQUEST_INVALID', { detail, path: '/serial' });
  }
  const hardwarename =
    called ?? (usable ? hardwarenameOf(serial) : nameByMac(first?.mac ?? ('' as never)));
  const mayBe = [
    ...(usable ? [hardwarenameOf(serial)] : []),
    ...nics.map(({ mac }) => nameByMac(mac)),
  ];
  if (!mayBe.includes(hardwarename)) {
    const detail = `${hardwarename.slice(0, 64)} is not on record, and this one would be ${mayBe[0]}.`;
    throw new AppError('MACHINE_UNKNOWN', { detail, path: '/hardwarename' });
  }
  const key = usable ? serialKey(serial) : undefined;
  const sameSerial = key === undefined ? [] : machines.namesBySerialKey(key);
  const known = machines.record(hardwarename)?.hardwarename ?? sameSerial[0];
  if (known) {
    const path = usable ? '/serial' : '/nics';
    throw new AppError('ALREADY_EXISTS', { detail: `It is ${known}.`, path });
  }
  for (const [index, { mac }] of nics.entries()) {
    const owner = machines.stateByMac(mac)?.hardwarename;
    const path = `/nics/${index}/mac`;
    if (owner) throw new AppError('ALREADY_EXISTS', { detail: `${mac} is ${owner}'s.`, path });
  }
  for (const [index, { mac }] of nics.entries())
    assertOwn(mac, ownership.ofMac(mac, hardwarename), `/nics/${index}/mac`);
  const report = emptyReport({ manufacturer, product, serial });
  const bootMac = first?.mac ?? report.bootMac;
  machines.insert(
    {
      ...{ hardwarename, serial, serialKey: key, uuid: '', manufacturer, product, bootMac },
      ...{ hardware: { ...report, bootMac }, digest: '' },
    },
    { state, why: cause.why, by: 'operator', who: cause.who, reported: false },
  );
  machines.setNics(
    hardwarename,
    nics.map(({ mac, name }, index) => ({ mac, name: name || `eth${index}` })),
  );
  edit(hardwarename, changes, { who: cause.who, why: cause.why });
  for (const [index, { mac, address, subnet }] of nics.entries()) {
    if (subnet === undefined) continue;
    within(`/nics/${index}`, () =>
      addresses.reserve({ hardwarename, mac, subnet, address }, cause.who),
    );
  }
  machines.touch(hardwarename);
  const machine = machines.byHardwarename(hardwarename);
  if (!machine) throw new Error(`${hardwarename} vanished inside its own transaction`);
  return machine;
}
