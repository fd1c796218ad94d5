/** The segments that DHCP serves now: the configuration with the inventory's subnets over it. */
import { z } from 'zod';
import { AppError } from '../../../errors.ts';
import type { PeopleContext, PeopleServer } from '../context.ts';
import { answers } from '../schemas.ts';

const served = z
  .object({
    segments: z.array(
      z.object({
        name: z.string(),
        origin: z
          .enum(['file', 'file and subnet', 'subnet'])
          .describe('Who says so: the configuration, a subnet over it, or a subnet alone'),
        kind: z.string(),
        mode: z.string(),
        iface: z.string().nullable().describe('null: reached through relays'),
        cidr: z.string(),
        server: z.string().describe('The address of the appliance that clients are told'),
        pools: z.array(z.object({ first: z.string(), last: z.string() })),
        addresses: z.number().int().describe('In the pools'),
        routers: z.array(z.string()),
        dns: z.array(z.string()),
        domain: z.string(),
      }),
    ),
    refused: z
      .array(z.object({ subnet: z.string(), path: z.string(), why: z.string() }))
      .describe('Subnets on record that contradict the configuration: the configuration holds'),
  })
  .meta({ id: 'ServedSegments' });

export type ServedSegments = z.output<typeof served>;

export function addSegmentRoutes(app: PeopleServer, { servedSegments }: PeopleContext): void {
  app.route({
    method: 'GET',
    url: '/api/v1/segments',
    config: { access: 'read' },
    schema: {
      tags: ['subnets'],
      summary: 'What DHCP serves now: the configuration with the subnets over it',
      response: answers(served),
    },
    handler: async () => {
      if (!servedSegments)
        throw new AppError('NOT_HERE', { detail: 'This appliance serves no DHCP.' });
      return servedSegments();
    },
  });
}
