/** API tokens of central in the appliance's shapes, for administrators: a token is called by its name, and has one role, for the fleet or for some squads. */
import { z } from 'zod';
import { AppError } from '../errors.ts';
import { role, squadRoles } from '../http/people/schemas.ts';
import { recordName } from '../inventory/record-kinds.ts';
import type { FleetToken } from './access.ts';
import type { FleetApp, FleetAppParts } from './app.ts';

const tokenBody = z.strictObject({
  name: recordName,
  role: role.default('viewer'),
  squads: squadRoles.default({}),
});

const shown = ({ name, role: own, squads, madeAt }: FleetToken) => ({
  ...{ id: name, name, user: '', role: squads.length > 0 ? 'viewer' : own },
  squads: Object.fromEntries(squads.map((squad) => [squad, own])),
  ...{ parent: null, createdBy: '', createdAt: madeAt },
  ...{ expiresAt: null, lastUsedAt: null, revokedAt: null },
});

export function addTokens(app: FleetApp, { access }: FleetAppParts): void {
  const config = { fleetRole: 'admin' } as const;
  app.get('/api/v1/tokens', { config }, async () => ({
    tokens: (await access.tokens()).map(shown),
  }));
  app.post('/api/v1/tokens', { config, schema: { body: tokenBody } }, async (request, reply) => {
    const { name, role: ofFleet, squads } = request.body;
    const own = Object.values(squads);
    const [ofSquads = ofFleet] = own;
    if (own.some((one) => one !== ofSquads) || (own.length > 0 && ofFleet !== 'viewer')) {
      const detail = 'A token is for the fleet, or has one role for each of its squads.';
      throw new AppError('REQUEST_INVALID', { detail, path: '/squads' });
    }
    const secret = await access.makeToken(name, ofSquads, Object.keys(squads));
    const made = (await access.tokens()).find((token) => token.name === name);
    return reply.code(201).send({ secret, token: made && shown(made) });
  });
  const params = z.object({ id: recordName });
  app.delete('/api/v1/tokens/:id', { config, schema: { params } }, async (request, reply) => {
    await access.endToken(request.params.id);
    return reply.code(204).send();
  });
}
