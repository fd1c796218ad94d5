/** The fleet's API for machines over several sites: requests, and the squads that get them. */
import { z } from 'zod';
import { etagOf, versionRead } from '../http/people/commit.ts';
import { recordName, squadSchema } from '../inventory/record-kinds.ts';
import { limit } from '../limits.ts';
import { needSquad, principalOf } from './access.ts';
import type { FleetApp, FleetAppParts } from './app.ts';
import { fleetRequestSchema } from './provisioning.ts';
import { pageOf, recordPage, writtenAs } from './record-routes.ts';
import { FLEET_REQUEST_STATUSES } from './request-view.ts';

const idParams = z.object({ id: z.string().min(1).max(64) });
const nameParams = z.object({ name: recordName });
const keyHeaders = z.looseObject({
  'idempotency-key': z.string().min(1).max(128).optional(),
});

export function addRequests(app: FleetApp, parts: FleetAppParts): void {
  addReads(app, parts);
  addWrites(app, parts);
  addSquads(app, parts);
}

function addReads(app: FleetApp, { provisioning }: FleetAppParts): void {
  const config = { fleetRole: 'viewer' } as const;
  const querystring = z.strictObject({
    ...{ squad: recordName.optional(), role: recordName.optional() },
    status: z.enum(FLEET_REQUEST_STATUSES).optional(),
    limit: z.coerce.number().int().min(1).max(limit('fleetPageMax')).default(100),
  });
  app.get('/api/v1/requests', { config, schema: { querystring } }, async (request) => {
    const { limit: most, ...of } = request.query;
    return { requests: await provisioning.list(of, most) };
  });
  app.get('/api/v1/requests/:id', { config, schema: { params: idParams } }, async (request) =>
    provisioning.get(request.params.id),
  );
}

function addWrites(app: FleetApp, { provisioning, view, nudge }: FleetAppParts): void {
  const config = { fleetRole: 'operator' } as const;
  app.post(
    '/api/v1/requests',
    { config, schema: { body: fleetRequestSchema, headers: keyHeaders } },
    async (request, reply) => {
      const principal = principalOf(request);
      needSquad(principal, request.body.squad);
      const key = request.headers['idempotency-key'];
      const made = await provisioning.create(request.body, { who: principal.who, key });
      for (const { site } of made.parts) nudge(site);
      return reply.code(202).send(made);
    },
  );
  app.post(
    '/api/v1/requests/plan',
    { config: { fleetRole: 'viewer' }, schema: { body: fleetRequestSchema } },
    async (request) => {
      const plan = await provisioning.plan(request.body);
      const { missing, waiting } = plan;
      const fitting = request.body.count - missing - waiting;
      const shortOf = missing > 0 ? 'sites that may be asked' : waiting > 0 ? 'free machines' : '';
      const sites = new Map((await view.sites()).map((one) => [one.site, one]));
      const parts = plan.parts.map((part) => {
        const { freshness = 'never', asOf = 0 } = sites.get(part.site) ?? {};
        return { ...part, freshness, asOf };
      });
      // Which machines they are, the sites know.
      return { ...plan, parts, fitting, shortOf, chosen: [], rejected: [] };
    },
  );
  app.post(
    '/api/v1/requests/:id/cancel',
    {
      config,
      schema: { params: idParams, body: z.strictObject({ why: z.string().min(1).max(500) }) },
    },
    async (request) => {
      const principal = principalOf(request);
      const { id } = request.params;
      const { request: found } = await provisioning.get(id);
      needSquad(principal, found.squad);
      const { why } = request.body;
      const cancelled = await provisioning.cancel(id, { who: principal.who, why });
      for (const { site } of cancelled.parts) nudge(site);
      return cancelled;
    },
  );
}

function addSquads(app: FleetApp, { squads, records, view, nudgeAll }: FleetAppParts): void {
  const config = { fleetRole: 'viewer' } as const;
  app.get('/api/v1/squads', { config, schema: { querystring: recordPage } }, async (request) => ({
    items: pageOf(await squads.list(), request.query),
    // What they have is what these have told.
    sites: await view.sites(),
  }));
  app.get(
    '/api/v1/squads/:name',
    { config, schema: { params: nameParams } },
    async (request, reply) => {
      const { name } = request.params;
      const squad = await squads.get(name);
      const sites = await records.told('squad', name);
      return reply.header('etag', etagOf(squad.version)).send({ ...squad, sites });
    },
  );
  app.put(
    '/api/v1/squads/:name',
    {
      config: { fleetRole: 'admin' },
      schema: { params: nameParams, body: writtenAs(squadSchema) },
    },
    async (request) => {
      const { who } = principalOf(request);
      const version = versionRead(request, false);
      const put = await squads.put(request.params.name, request.body, { who, version });
      nudgeAll();
      return put;
    },
  );
}
