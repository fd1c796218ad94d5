/** Roles in squads as a person writes and reads them. Pure: a test holds it. */
import type { Role } from '../../inventory/access.ts';

const ROLE = /^(viewer|technician|operator|admin)$/;

/** `music operator, search viewer`. @throws Error that names what cannot be read */
export function readSquadRoles(text: string): Record<string, Role> {
  const roles: Record<string, Role> = {};
  for (const part of text.split(',').map((word) => word.trim())) {
    if (part === '') continue;
    const [squad = '', role = '', ...rest] = part.split(/[\s=]+/);
    if (!ROLE.test(role) || rest.length > 0)
      throw new Error(`'${part}' is not a squad and a role, as in music operator.`);
    if (Object.hasOwn(roles, squad)) throw new Error(`${squad} is there twice.`);
    roles[squad] = role as Role;
  }
  return roles;
}

export const squadRolesText = (squads: Readonly<Record<string, Role>>): string =>
  Object.entries(squads)
    .map(([squad, role]) => `${squad} ${role}`)
    .join(', ');

export const squadWords = (squads: Readonly<Record<string, string>>): string =>
  Object.entries(squads)
    .map(([squad, role]) => `${role} of ${squad}`)
    .join(', ');
