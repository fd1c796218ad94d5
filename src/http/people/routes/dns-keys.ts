/** Keys of signed zones for people: what they are, what parents shall have, rollovers. */
import { z } from 'zod';
import { principalOf } from '../authenticate.ts';
import type { PeopleContext, PeopleServer } from '../context.ts';
import { answers } from '../schemas.ts';
import { deskOf, write } from './dns.ts';

const tags = ['dns'];
const role = z.enum(['zsk', 'ksk']);
const seconds = z.number().int().describe('Seconds since 1970');

const keys = z
  .object({
    keys: z.array(
      z.object({
        tag: z.number().int(),
        role,
        state: z.enum(['published', 'active', 'retired', 'removed']),
        readyAt: seconds,
        publishedAt: seconds,
        activeAt: seconds.nullable(),
        retiredAt: seconds.nullable(),
        removedAt: seconds.nullable(),
        dnskey: z.string(),
      }),
    ),
  })
  .meta({ id: 'DnsKeys' });

const delegations = z
  .object({
    ds: z.array(
      z.object({
        tag: z.number().int(),
        data: z.string(),
        notBefore: seconds,
        wanted: z.boolean().describe('The parent shall have this one'),
      }),
    ),
  })
  .meta({ id: 'DnsDelegation' });

export function addDnsKeyRoutes(app: PeopleServer, context: PeopleContext): void {
  app.route({
    method: 'GET',
    url: '/api/v1/dns/keys',
    config: { access: 'read' },
    schema: { tags, summary: 'Signing keys and their steps', response: answers(keys) },
    handler: async () => ({ keys: deskOf(context).keys() }),
  });
  app.route({
    method: 'GET',
    url: '/api/v1/dns/zones/:zone/ds',
    config: { access: 'read' },
    schema: {
      tags,
      summary: 'DS records for the parent of a signed zone',
      params: z.object({ zone: z.string().min(1).max(253) }),
      response: answers(delegations),
    },
    handler: async ({ params }) => ({ ds: deskOf(context).ds(params.zone) }),
  });
  app.route({
    method: 'POST',
    url: '/api/v1/dns/rollover',
    config: { access: 'operator' },
    schema: {
      tags,
      summary: 'Publish a successor of a key; the rest follows in its time',
      body: z.strictObject({ role }),
      response: answers(keys),
    },
    handler: async (request, reply) =>
      write(context, { request, reply }, () => {
        const desk = deskOf(context);
        desk.rollKey(request.body.role, principalOf(request).who);
        return { body: { keys: desk.keys() } };
      }),
  });
  app.route({
    method: 'POST',
    url: '/api/v1/dns/rollover/confirm',
    config: { access: 'operator' },
    schema: {
      tags,
      summary: 'The parent has the new DS: the old key-signing key may go',
      response: answers(keys),
    },
    handler: async (request, reply) =>
      write(context, { request, reply }, () => {
        const desk = deskOf(context);
        desk.confirmDs(principalOf(request).who);
        return { body: { keys: desk.keys() } };
      }),
  });
}
