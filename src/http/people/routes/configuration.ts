/** The configuration that is in force, with where each value comes from. Secrets are not in it. */
import { z } from 'zod';
import type { PeopleContext, PeopleServer } from '../context.ts';
import { answers } from '../schemas.ts';

const row = z.object({
  key: z.string().describe('dhcp.segments.0.iface'),
  value: z.string().describe('As JSON; what is secret shows as …'),
  origin: z.enum(['file', 'default']),
});

export function addConfigurationRoutes(app: PeopleServer, { configuration }: PeopleContext): void {
  app.route({
    method: 'GET',
    url: '/api/v1/configuration',
    config: { access: 'technician' },
    schema: {
      tags: ['operations'],
      summary: 'Every value of the configuration, and whether the file or a default gave it',
      response: answers(z.object({ rows: z.array(row) })),
    },
    handler: async () => ({ rows: (configuration ?? []).map((one) => ({ ...one })) }),
  });
}
