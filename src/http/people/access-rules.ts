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
  if (isAtLeast(roleIn(principal, squad), needed)) return;
  throw new AppError('FORBIDDEN', {
    detail: squad === '' ? `It takes a site ${needed}.` : `It takes a ${needed} of squad ${squad}.`,
  });
}

/** @throws AppError FORBIDDEN */
export function needEdit(
  principal: Principal,
  machine: Pick<MachineRecord, 'squad'>,
  changes: MachineChanges,
): void {
  for (const name of Object.keys(changes) as WritableName[]) {
    switch (MACHINE_FIELDS[name].writer) {
      case 'place':
        if (!isAtLeast(principal.role, 'technician'))
          needRole(principal, machine.squad, 'technician');
        break;
      case 'use':
        needRole(principal, machine.squad, 'operator');
        break;
      case 'admin':
        needRole(principal, '', 'admin');
        break;
    }
  }
  // Handing a machine to a squad takes that squad's operator, or the site's.
  const { squad } = changes;
  if (squad && squad !== machine.squad && !isAtLeast(principal.role, 'operator'))
    needRole(principal, squad, 'operator');
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

/** A squad's secrets and webhooks are seen by its members alone. */
export function maySee(principal: Principal, squad: string): boolean {
  return principal.role === 'admin' || squad === '' || principal.squads[squad] !== undefined;
}
