/**
 * The `peopleHttp.oidc` section: a site's own identity provider, and which of its groups may do what here.
 *
 * Rights come from groups alone, and are set anew at every sign-in: the provider says who somebody is and where they belong,
 * this file says what that means. Nobody comes in without a group that is named here, unless `everyone` says so.
 */
import { z } from 'zod';
import { ROLES, type Role, type SquadRoles } from '../../inventory/access.ts';

const role = z.enum(ROLES);
const rights = {
  /** On machines that no squad owns, and on what belongs to all. */
  role: role.default('viewer'),
  squads: z.record(z.string().min(1).max(63), role).default({}),
};

export const OIDC_CALLBACK = '/api/v1/login/oidc/callback';

const url = z
  .url({ protocol: /^https?$/ })
  .refine(
    (text) => !URL.canParse(text) || isSafe(new URL(text)),
    'must be https, or http on loopback',
  );

export const oidcSchema = z.strictObject({
  /** The issuer identifier, to which /.well-known/openid-configuration is added (OpenID Connect Discovery 1.0, section 4). */
  issuer: url,
  clientId: z.string().min(1).max(256),
  /** Without one the client is public, and PKCE alone protects the code. */
  clientSecretFile: z.string().min(1).optional(),
  /** Where browsers reach this appliance, as it is registered at the provider. */
  redirectUrl: url.refine(
    (text) => !URL.canParse(text) || new URL(text).pathname === OIDC_CALLBACK,
    `must end in ${OIDC_CALLBACK}`,
  ),
  /** What the button says. */
  label: z.string().min(1).max(64).default('Single sign-on'),
  scopes: z
    .array(z.string().regex(/^[!#-[\]-~]+$/))
    .max(16)
    .default(['openid', 'profile', 'email']),
  userClaim: z.string().min(1).max(64).default('preferred_username'),
  /** Names end in @DOMAIN at the provider, and not here. */
  userDomain: z.string().min(1).max(253).optional(),
  groupsClaim: z.string().min(1).max(64).default('groups'),
  groups: z.array(z.strictObject({ group: z.string().min(1).max(256), ...rights })).default([]),
  everyone: z.strictObject(rights).optional(),
});

export type OidcSettings = z.output<typeof oidcSchema>;

/** RFC 8252, section 8.3: only loopback may do without TLS. */
function isSafe({ protocol, hostname }: URL): boolean {
  return protocol === 'https:' || /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(hostname);
}

/** All that the groups give, the highest role where several do; undefined when none of them may come in. */
export function rightsOf(
  groups: readonly string[],
  { groups: rules, everyone }: Pick<OidcSettings, 'groups' | 'everyone'>,
): { role: Role; squads: SquadRoles } | undefined {
  const given = [
    ...rules.filter(({ group }) => groups.includes(group)),
    ...(everyone ? [everyone] : []),
  ];
  if (given.length === 0) return undefined;
  const squads: Record<string, Role> = {};
  for (const each of given) {
    for (const [squad, its] of Object.entries(each.squads))
      squads[squad] = highest([its, squads[squad] ?? 'viewer']);
  }
  return { role: highest(given.map((each) => each.role)), squads };
}

const highest = (roles: readonly Role[]): Role =>
  [...ROLES].reverse().find((one) => roles.includes(one)) ?? 'viewer';
