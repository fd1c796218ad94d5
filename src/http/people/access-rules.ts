/**
 * Who may do what, as pure rules. docs/access.md has them as a table for people.
 *
 * A role counts in two places. A principal's own role is for the site: capacity, racks, subnets, and what machines are
 * made of. Its role in a squad is for the machines of that squad, where the role for the site counts nothing: a squad
 * manages its own machines and nobody else's. Only where a machine *is* (rack, cables, warranty) belongs to the site's
 * technicians whoever has the machine. An administrator may do everything.
 */
import { AppError } from '../../errors.ts';
import { type Principal, ROLES, type Role } from '../../inventory/access.ts';
import {
  MACHINE_FIELDS,
  type MachineChanges,
  type MachineRecord,
  type WritableName,
} from '../../inventory/machine-fields.ts';
import { type MachineState, needsRelease } from '../../inventory/states.ts';

export function isAtLeast(role: Role, needed: Role): boolean {
  return ROLES.indexOf(role) >= ROLES.indexOf(needed);
}

/** What a principal is to the machines and secrets of a squad; '' is what no squad owns. */
export function roleIn(principal: Principal, squad: string): Role {
  if (principal.role === 'admin' || squad === '') return principal.role;
  return principal.squads[squad] ?? 'viewer';
}

/** @throws AppError FORBIDDEN that says which role is missing where */
export function needRole(principal: Principal, squad: string, needed: Role): void {
  const detail = missing(principal, squad, needed);
  if (detail !== undefined) throw new AppError('FORBIDDEN', { detail });
}

/** What a machine prints is for the technicians of the site and of the squad that has it. */
export function mayReadConsole(principal: Principal, squad: string): boolean {
  return (
    isAtLeast(principal.role, 'technician') || isAtLeast(roleIn(principal, squad), 'technician')
  );
}

function missing(principal: Principal, squad: string, needed: Role): string | undefined {
  if (isAtLeast(roleIn(principal, squad), needed)) return undefined;
  return squad === '' ? `It takes a site ${needed}.` : `It takes a ${needed} of squad ${squad}.`;
}

/** @throws AppError FORBIDDEN with the field that it is about */
export function needEdit(
  principal: Principal,
  machine: Pick<MachineRecord, 'squad'>,
  changes: MachineChanges,
): void {
  const isSites = (role: Role) => isAtLeast(principal.role, role);
  for (const name of Object.keys(changes) as WritableName[]) {
    const { writer } = MACHINE_FIELDS[name];
    const detail =
      writer === 'admin'
        ? missing(principal, '', 'admin')
        : writer === 'use'
          ? missing(principal, machine.squad, 'operator')
          : isSites('technician')
            ? undefined
            : missing(principal, machine.squad, 'technician');
    if (detail !== undefined) throw new AppError('FORBIDDEN', { detail, path: `/${name}` });
  }
  // Handing a machine to a squad takes that squad's operator, or the site's.
  const { squad } = changes;
  const isHandedOver = squad !== undefined && squad !== '' && squad !== machine.squad;
  const detail =
    isHandedOver && !isSites('operator') ? missing(principal, squad, 'operator') : undefined;
  if (detail !== undefined) throw new AppError('FORBIDDEN', { detail, path: '/squad' });
}

/** The fields of an entry that a patch could write too: the same people may. */
export function writableOf(entry: object): MachineChanges {
  const own = ['serial', 'manufacturer', 'product', 'state', 'nics'];
  return Object.fromEntries(
    Object.entries(entry).filter(([name, value]) => value !== undefined && !own.includes(name)),
  );
}

/**
 * In use, only the squad that has it moves it. Otherwise the site's people do: a technician puts it on hold or calls it
 * broken, an operator does the rest.
 * @throws AppError FORBIDDEN
 */
export function needMove(
  principal: Principal,
  machine: Pick<MachineRecord, 'squad' | 'state'>,
  to: MachineState,
): void {
  if (needsRelease(machine.state)) {
    needRole(principal, machine.squad, 'operator');
    return;
  }
  const technical: readonly MachineState[] = ['held', 'broken'];
  const needed: Role = technical.includes(to) ? 'technician' : 'operator';
  if (!isAtLeast(principal.role, needed)) needRole(principal, machine.squad, needed);
}

/**
 * Where a machine is reached is a matter of its use: of the squad that has it in use, else of the site's operators too. A
 * protected one keeps its addresses.
 * @throws AppError FORBIDDEN, MACHINE_PROTECTED
 */
export function needAddresses(
  principal: Principal,
  machine: Pick<MachineRecord, 'squad' | 'state' | 'hardwarename' | 'protected'>,
): void {
  const { squad, state, hardwarename } = machine;
  if (needsRelease(state) || !isAtLeast(principal.role, 'operator'))
    needRole(principal, squad, 'operator');
  if (machine.protected) throw new AppError('MACHINE_PROTECTED', { detail: hardwarename });
}

/** A squad's secrets and webhooks are seen by its members alone. */
export function maySee(principal: Principal, squad: string): boolean {
  return principal.role === 'admin' || squad === '' || principal.squads[squad] !== undefined;
}
