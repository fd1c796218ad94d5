/**
 * One row of a sheet, or one machine of a list, taken in: what it is about, what of it is new, and who may.
 *
 * A row is about the machine that its hardwarename names, else the only one with its serial, else the one that is named after
 * its first NIC. It is never guessed: a serial that two records have, or a MAC that is somebody's under another name, is
 * refused with the column that would say more. A machine that is not on record is entered, under the name that it had where
 * the sheet comes from.
 */
import type { z } from 'zod';
import { AppError } from '../../errors.ts';
import type { Principal } from '../../inventory/access.ts';
import { isUsableSerial, nameByMac, serialKey } from '../../inventory/identity.ts';
import { within } from '../../inventory/machine-edit.ts';
import type { MachineChanges, MachineRecord } from '../../inventory/machine-fields.ts';
import {
  changesSchema,
  type MachineEntry,
  machineEntrySchema,
  nicEntries,
} from '../../inventory/machine-schema.ts';
import { ENTERED_AS, type MachineState } from '../../inventory/states.ts';
import type { Hardwarename } from '../../wire/ids.ts';
import { type Mac, parseMac } from '../../wire/mac.ts';
import { isAtLeast, needAddresses, needEdit, needRole } from './access-rules.ts';
import type { PeopleContext } from './context.ts';
import type { SheetRow } from './machine-sheet.ts';

interface Cause {
  readonly who: string;
  readonly why: string;
}

const refused = (column: string, detail: string) =>
  new AppError('REQUEST_INVALID', { detail, path: `/${column}` });

/** The machine that a row is about; `undefined`: it is new. @throws AppError REQUEST_INVALID with the column that is in doubt */
export function machineOfRow(
  { inventory }: PeopleContext,
  { hardwarename, entry }: SheetRow,
): MachineRecord | undefined {
  const { machines } = inventory;
  const serial = typeof entry.serial === 'string' ? entry.serial : '';
  const key = isUsableSerial(serial) ? serialKey(serial) : undefined;
  const same = key === undefined ? [] : machines.namesBySerialKey(key);
  const named = machines.record(hardwarename as Hardwarename);
  if (named) {
    if (key === undefined || serialKey(named.serial) === key) return named;
    throw refused('serial', `${hardwarename} has the serial '${named.serial}'.`);
  }
  const [first] = same;
  if (hardwarename !== '') {
    if (first === undefined) return undefined;
    throw refused('hardwarename', `It is not on record, and its serial is that of ${first}.`);
  }
  if (first !== undefined && same.length > 1)
    throw refused('serial', `${same.join(' and ')} have it: say in hardwarename which.`);
  if (first !== undefined) return machines.record(first);
  return key === undefined ? byFirstNic(inventory, entry) : undefined;
}

function byFirstNic(
  { machines }: PeopleContext['inventory'],
  entry: SheetRow['entry'],
): MachineRecord | undefined {
  const macs = macsOf(entry);
  const [first] = macs;
  const own = first && machines.record(nameByMac(first));
  if (own) return own;
  for (const mac of macs) {
    const owner = machines.stateByMac(mac)?.hardwarename;
    if (owner) throw refused('nics', `${mac} is ${owner}'s: say in hardwarename that it is meant.`);
  }
  return undefined;
}

function macsOf({ nics }: SheetRow['entry']): Mac[] {
  if (!Array.isArray(nics)) return [];
  return (nics as readonly { mac?: unknown }[]).flatMap(
    (nic) => (typeof nic?.mac === 'string' ? parseMac(nic.mac) : undefined) ?? [],
  );
}

/** @throws AppError with the path of what is wrong; all inside the caller's savepoint */
export function takeRow(
  context: PeopleContext,
  principal: Principal,
  { row, why }: { row: SheetRow; why: string },
): { hardwarename: string; version: number } {
  const cause = { who: principal.who, why };
  const known = machineOfRow(context, row);
  return known
    ? changeKnown(context, principal, { known, row, cause })
    : enterNew(context, principal, { row, cause });
}

function changeKnown(
  context: PeopleContext,
  principal: Principal,
  { known, row, cause }: { known: MachineRecord; row: SheetRow; cause: Cause },
): MachineRecord {
  const { editor, addresses } = context.inventory.serverdb;
  const { machines } = context.inventory;
  const given = checked(changesSchema, row.changes);
  // A sheet has a column for each field of a site's own: those that it lacks stay.
  const custom = given.custom && row.isSheet ? { ...known.custom, ...given.custom } : given.custom;
  const changes: MachineChanges = { ...given, ...(custom && { custom }) };
  needEdit(principal, known, changed(known, changes));
  const { hardwarename } = known;
  const after = editor.edit(hardwarename, changes, cause);
  const nics = checked(nicEntries, row.entry.nics ?? [], '/nics');
  const own = machines.nicsOf(hardwarename);
  let moved = false;
  for (const [index, { mac, address, subnet }] of nics.entries()) {
    const path = `/nics/${index}`;
    const has = own.find((nic) => nic.mac === mac);
    if (!has) {
      const detail = `${mac} is no NIC of ${hardwarename}; \`reveille machines nic\` adds one.`;
      throw new AppError('REQUEST_INVALID', { detail, path });
    }
    if (subnet === undefined || (has.subnet === subnet && has.address === address)) continue;
    within(path, () => {
      needAddresses(principal, known);
      addresses.reserve({ hardwarename, mac, subnet, address }, cause.who);
    });
    moved = true;
  }
  if (!moved) return after;
  machines.touch(hardwarename);
  return machines.record(hardwarename) ?? after;
}

/** Cells that say what is on record already ask for no right. */
function changed(known: MachineRecord, changes: MachineChanges): MachineChanges {
  const differs = (name: keyof MachineChanges) =>
    JSON.stringify(known[name]) !== JSON.stringify(changes[name]);
  return Object.fromEntries(
    Object.entries(changes).filter(([name]) => differs(name as keyof MachineChanges)),
  );
}

function enterNew(
  context: PeopleContext,
  principal: Principal,
  { row, cause }: { row: SheetRow; cause: Cause },
): { hardwarename: string; version: number } {
  const { inventory } = context;
  const { editor } = inventory.serverdb;
  const { entry, hardwarename: called, was, changes } = row;
  if (called === '' && !entry.serial && macsOf(entry).length === 0)
    throw refused('hardwarename', 'It names no machine: no hardwarename, serial or NIC.');
  if (!isUsableSerial(String(entry.serial ?? '')) && macsOf(entry).length === 0 && called !== '') {
    const detail = `${called.slice(0, 64)} is not on record, and there is no serial or NIC to enter it by.`;
    throw new AppError('MACHINE_UNKNOWN', { detail, path: '/hardwarename' });
  }
  if (!isAtLeast(principal.role, 'operator')) needRole(principal, '', 'operator');
  needEdit(principal, { squad: '' }, checked(changesSchema, changes));
  const state = was.state === '' ? 'held' : was.state;
  const way = Object.hasOwn(ENTERED_AS, state) ? ENTERED_AS[state as MachineState] : undefined;
  if (!way) throw refused('state', `'${state.slice(0, 64)}' is no state.`);
  const { protected: isProtected, ...rest } = checked(machineEntrySchema, {
    ...entry,
    state: way.as,
  }) as MachineEntry;
  const hardwarename = called === '' ? undefined : (called as Hardwarename);
  const made = editor.enter({ ...rest, hardwarename }, cause);
  const name = made.hardwarename;
  if ((was.mayHoldData || way.mayHoldData) && !made.mayHoldData) editor.markData(name, cause);
  if (way.onTo) editor.move(name, way.onTo, { ...cause, by: 'operator' });
  // Last: a protected machine changes no state.
  if (isProtected) editor.edit(name, { protected: true }, cause);
  const record = inventory.machines.record(name);
  return { hardwarename: name, version: record?.version ?? made.version };
}

function checked<Schema extends z.ZodType>(
  schema: Schema,
  value: unknown,
  under = '',
): z.output<Schema> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const unknown = issue?.code === 'unrecognized_keys' ? issue.keys.slice(0, 1) : [];
  const path = [...(issue?.path ?? []), ...unknown].map((part) => `/${String(part).slice(0, 64)}`);
  throw new AppError('REQUEST_INVALID', {
    detail: `${issue?.message ?? 'Wrong form'}.`,
    path: `${under}${path.join('')}`,
  });
}

/** `/nics/0/mac` is in the column `nics`, `/custom/purpose` in `custom.purpose`. */
export function columnOf(path: string): string {
  const [, field = '', name = ''] = path.split('/');
  return field === 'custom' && name !== '' ? `custom.${name}` : field;
}
