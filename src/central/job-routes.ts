/** The fleet's API for jobs on single machines: asked for here, carried out by the machine's site when it hears of it. */
import { z } from 'zod';
import { limit } from '../limits.ts';
import { needSquad, principalOf } from './access.ts';
import type { FleetApp, FleetAppParts } from './app.ts';
import { fleetJobSchema, jobFilterSchema, jobIntent } from './jobs.ts';
import { askerOf, recordOf, seenOf, why } from './orders.ts';

export function addJobs(app: FleetApp, { jobs, view, asking }: FleetAppParts): void {
  const viewer = { fleetRole: 'viewer' } as const;
  const querystring = jobFilterSchema.extend({
    limit: z.coerce.number().int().min(1).max(limit('fleetPageMax')).default(100),
  });
  app.get('/api/v1/jobs', { config: viewer, schema: { querystring } }, async (request) => {
    const { limit: most, ...of } = request.query;
    return { jobs: await jobs.list(of, most) };
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
      const { id } = request.params;
      const { site, target, requester } = await jobs.byId(id);
      // Another site may claim it, too.
      const claims = await view.machine(target.replace('hardwarename=', ''));
      const machine = claims.find((one) => one.site === site);
      const principal = principalOf(request);
      if (requester !== principal.who) needSquad(principal, machine && recordOf(machine).squad);
      const body = { kind: 'cancel-job', job: id, why: request.body.why } as const;
      await asking.one({ site, body }, askerOf(request));
      return reply.code(202).send(await jobs.byId(id));
    },
  );
}
