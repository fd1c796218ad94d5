/** What somebody may do: for the site, and beyond that in single squads. */
import type { Role } from '../../inventory/access.ts';
import { isFleet } from '../session.ts';
import { squadRolesText } from './squad-roles.ts';

export const ROLES: readonly Role[] = ['viewer', 'technician', 'operator', 'admin'];

export interface RoleFieldsProps {
  readonly own: Role;
  readonly squads: Readonly<Record<string, Role>>;
  /** Nobody gives what he does not have. */
  readonly offered: readonly Role[];
}

export function RoleFields({ own, squads, offered }: RoleFieldsProps) {
  return (
    <>
      <label>
        Role for {isFleet.value ? 'the fleet' : 'the site'}
        <select name="role">
          {offered.map((one) => (
            <option key={one} selected={one === own}>
              {one}
            </option>
          ))}
        </select>
      </label>
      <label>
        Roles in squads: squad and role, divided by commas
        <input
          name="squads"
          placeholder="music operator, search viewer"
          autocapitalize="none"
          autocomplete="off"
          spellcheck={false}
          defaultValue={squadRolesText(squads)}
        />
      </label>
    </>
  );
}
