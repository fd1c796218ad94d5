/** Roles and what two of them may together. Who may do what with them is decided in http/people/access-rules.ts. */
export const ROLES = ['viewer', 'technician', 'operator', 'admin'] as const;
export type Role = (typeof ROLES)[number];
export type SquadRoles = Readonly<Record<string, Role>>;

export interface Rights {
  readonly role: Role;
  readonly squads: SquadRoles;
}

/** What both may, the token and whom it stands for or comes from: the lesser role, and the squads of both. */
export function within(token: Rights, user: Rights): Rights {
  const shared = Object.entries(token.squads).flatMap(([squad, role]) => {
    const own = user.role === 'admin' ? 'admin' : user.squads[squad];
    return own === undefined ? [] : [[squad, lesser(role, own)] as const];
  });
  return { role: lesser(token.role, user.role), squads: Object.fromEntries(shared) };
}

const lesser = (a: Role, b: Role): Role => (ROLES.indexOf(a) < ROLES.indexOf(b) ? a : b);
