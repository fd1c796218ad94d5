/** The fleet's API for jobs on single machines: asked for here, carried out by the machine's site when it hears of it. */
import { z } from 'zod';
import { AppError } from '../errors.ts';
import { limit } from '../limits.ts';
import { needSquad } from './access.ts';
import { type FleetApp, type FleetAppParts, principalOf } from './app.ts';
import { fleetJobSchema, jobFilterSchema } from './jobs.ts';

export function addJobs(app: FleetApp, { jobs, view, nudge }: FleetAppParts): void {
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
      const principal = principalOf(request);
      const { target } = request.body;
      const [machine] = await view.machine(target);
      if (!machine) throw new AppError('MACHINE_UNKNOWN', { detail: target });
      needSquad(principal, typeof machine.squad === 'string' ? machine.squad : '');
      const id = await jobs.ask(machine, request.body, principal.who);
      nudge(machine.site);
      const { job } = (await jobs.get(id)) as { job: object };
      return reply.code(202).send(job);
    },
  );
}
