/** Roles in squads, as they are typed into the form of a user or a token. */
import { describe, expect, it } from 'vitest';
import { readSquadRoles, squadRolesText } from '../../../src/ui/people/squad-roles.ts';

describe('roles in squads', () => {
  it('are read as they are shown', () => {
    const roles = { music: 'operator', 'search-eu': 'viewer' } as const;
    expect(readSquadRoles(squadRolesText(roles))).toEqual(roles);
    expect(readSquadRoles('  music=operator ,, search-eu  viewer ')).toEqual(roles);
    expect(readSquadRoles('')).toEqual({});
  });

  it('are refused by name where one cannot be read, or would be lost', () => {
    expect(() => readSquadRoles('music operator, search root')).toThrow(/'search root'/);
    expect(() => readSquadRoles('operator')).toThrow(/'operator' is not a squad and a role/);
    expect(() => readSquadRoles('music operator viewer')).toThrow(/'music operator viewer'/);
    expect(() => readSquadRoles('music operator, music viewer')).toThrow(/music is there twice/);
  });
});
