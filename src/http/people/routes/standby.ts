/** The other appliance of the site: how the two stand, and changing their places. */
import { z } from 'zod';
import { AppError } from '../../../errors.ts';
import { principalOf } from '../authenticate.ts';
import type { PairDesk, PeopleContext, PeopleServer } from '../context.ts';
import { answers } from '../schemas.ts';

const status = z
  .object({
    member: z.enum(['a', 'b']),
    mode: z
      .enum(['active', 'following', 'apart', 'waiting'])
      .describe('apart: serves from its copy without changing anything'),
    epoch: z.number().int().describe('Goes up each time that one of the two becomes active'),
    partner: z.object({
      address: z.string(),
      inTouch: z.boolean(),
      current: z.boolean().describe('It has everything that was promised here'),
      behind: z.number().int().describe('Changes that it does not have'),
      touchAt: z.number().describe('When the two were last in touch; 0: never'),
      clockAheadMs: z.number().describe('By how much the clock here is ahead of its'),
      version: z.string().describe("Of its program; '' while it is not known"),
    }),
    standby: z
      .object({
        current: z.boolean().describe('It has everything, and may take over'),
        behindMs: z.number().nullable().describe('How old what it has is, where that is known'),
        images: z
          .object({ missing: z.number().int(), bytes: z.number() })
          .describe('Files of images that it does not have yet'),
      })
      .describe('The one of the two that follows'),
    takeOvers: z.number().int().describe('How often this one has become active since its start'),
    version: z.string(),
    addresses: z
      .enum(['whole', 'half', 'read-only', 'none'])
      .describe(
        'Which addresses DHCP may give: all, those of its own half, none that are new, nothing at all',
      ),
    unwritten: z
      .string()
      .describe("Why what it has to note cannot be written (the disk is full); '': nothing waits"),
    wholeFrom: z.number().nullable().describe('From when on all of them, where that is known'),
    witness: z.enum(['none', 'heard', 'silent']),
    why: z.string().describe('Why this one is, or was last, active'),
  })
  .meta({ id: 'PairStatus' });

const order = z.strictObject({ why: z.string().min(1).max(500) });
const fencedOrder = order.extend({
  fenced: z.string().max(500).default('').describe('Why the other one is known to be off'),
});

export function addStandbyRoutes(app: PeopleServer, { standby }: PeopleContext): void {
  const desk = (): PairDesk => {
    if (!standby) throw new AppError('NOT_HERE', { detail: 'It is the only one of its site.' });
    return standby;
  };
  app.route({
    method: 'GET',
    url: '/api/v1/standby',
    config: { access: 'read' },
    schema: {
      tags: ['operations'],
      summary: 'How this appliance and its standby stand',
      response: answers(status),
    },
    handler: async () => desk().status(),
  });
  app.route({
    method: 'POST',
    url: '/api/v1/standby/take-over',
    config: { access: 'admin' },
    schema: {
      tags: ['operations'],
      summary: 'Become active, or have all addresses because the other one is off',
      body: fencedOrder,
      response: answers(status),
    },
    handler: async (request) => {
      await desk().takeOver({ ...request.body, who: principalOf(request).who });
      return desk().status();
    },
  });
  app.route({
    method: 'POST',
    url: '/api/v1/standby/hand-back',
    config: { access: 'admin' },
    schema: {
      tags: ['operations'],
      summary: 'Give the right to be active to the other appliance, which has everything',
      body: order,
      response: answers(status),
    },
    handler: async (request) => {
      await desk().handBack({ ...request.body, who: principalOf(request).who });
      return desk().status();
    },
  });
}
