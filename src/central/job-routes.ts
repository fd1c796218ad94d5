/**
 * The fleet's API for jobs: those of all sites are seen here; on single machines they are asked for here, and carried out by the machine's
 * site when it hears of it.
 */
import { z } from 'zod';
import { limit } from '../limits.ts';
import { needSquad, principalOf } from './access.ts';
import type { FleetApp, FleetAppParts } from './app.ts';
import { fleetJobSchema, jobFilterSchema, jobIntent } from './jobs.ts';
import { askedOf, askerOf, recordOf, seenOf, why } from './orders.ts';

export function addJobs(app: FleetApp, { jobs, view, asking }: FleetAppParts): void {
  const viewer = { fleetRole: 'viewer' } as const;
  const querystring = jobFilterSchema.extend({
    limit: z.coerce.number().int().min(1).max(limit('fleetPageMax')).default(100),
    cursor: z.string().max(100).optional(),
  });
  app.get('/api/v1/jobs', { config: viewer, schema: { querystring } }, async (request) => {
    const { limit: count, cursor, ...of } = request.query;
    return jobs.page(of, { count, cursor });
  });
  app.get(
    '/api/v1/jobs/:id(^[0-9a-f-]{36}$)',
    { config: viewer, schema: { params: z.object({ id: z.uuid() }) } },
    async (request) => jobs.get(request.params.id),
  );
  app.post(
    '/api/v1/jobs',
    { config: { fleetRole: 'operator' }, schema: { body: fleetJobSchema } },
    async (request, reply) => {
      const { target } = request.body;
      const machine = await view.living(target);
      needSquad(principalOf(request), recordOf(machine).squad);
      const body = { ...jobIntent(request.body), ...seenOf(machine) };
      const { id } = await asking.askOne({ site: machine.site, body }, askerOf(request));
      return reply.code(202).send(await jobs.byId(id));
    },
  );
  app.post(
    '/api/v1/jobs/:id/cancel',
    {
      config: { fleetRole: 'operator' },
      schema: { params: z.object({ id: z.uuid() }), body: z.strictObject({ why }) },
    },
    async (request, reply) => {
      const { id, site, siteJob, target, requester } = await jobs.byId(request.params.id);
      // Another site may claim it, too.
      const claims = await view.machine(target.replace('hardwarename=', ''));
      const machine = claims.find((one) => one.site === site);
      const squad = machine && recordOf(machine).squad;
      const principal = principalOf(request);
      const isOwn = id === siteJob;
      // Who asked for it at its site may be somebody else of that name.
      if (isOwn || requester !== principal.who) needSquad(principal, squad);
      const { why: reason } = request.body;
      const body = isOwn
        ? ({ kind: 'stop-job', job: id, squad: squad ?? '', why: reason } as const)
        : ({ kind: 'cancel-job', job: id, why: reason } as const);
      const told = await asking.one({ site, body }, askerOf(request));
      const asked = told.status === 'waiting' && { asked: askedOf(told) };
      return reply.code(202).send({ ...(await jobs.byId(id)), ...asked });
    },
  );
}
