/** Webhooks: where events are pushed to, and what could not be delivered. */
import { z } from 'zod';
import { AppError } from '../../../errors.ts';
import type { Principal } from '../../../inventory/access.ts';
import { assertEventNames } from '../../../inventory/event-history.ts';
import { recordName } from '../../../inventory/record-kinds.ts';
import type { Webhook } from '../../../inventory/webhooks.ts';
import { maySee, needRole } from '../access-rules.ts';
import { principalOf } from '../authenticate.ts';
import { commit } from '../commit.ts';
import type { PeopleContext, PeopleServer } from '../context.ts';
import { answers, idParams, nothing } from '../schemas.ts';

const tags = ['webhooks'];
const time = z.number().int().nullable();

const webhookView = z
  .object({
    id: z.string(),
    url: z.string(),
    squad: z.string(),
    names: z.array(z.string()),
    enabled: z.boolean(),
    cursor: z.number().int().describe('The last event that it was told of'),
    attempts: z.number().int(),
    nextAt: time,
    failingSince: time.describe('Since when nothing has got through'),
    lastError: z.string(),
    lastSentAt: time,
    createdBy: z.string(),
    createdAt: z.number().int(),
  })
  .meta({ id: 'Webhook' });

const shown = (webhook: Webhook) => ({ ...webhook, names: [...webhook.names] });

const target = z
  .url({ protocol: /^https?$/ })
  .max(500)
  .refine((url) => URL.canParse(url) && new URL(url).username === '', 'no user in the address');

export function addWebhookRoutes(app: PeopleServer, context: PeopleContext): void {
  addReads(app, context);
  addWrites(app, context);
}

/** Of a squad: its members; of the site: its operators. */
function seen(principal: Principal, { squad }: Webhook): boolean {
  if (squad !== '') return maySee(principal, squad);
  return principal.role === 'operator' || principal.role === 'admin';
}

function found(context: PeopleContext, principal: Principal, id: string): Webhook {
  const webhook = context.inventory.serverdb.webhooks.get(id);
  if (!webhook || !seen(principal, webhook))
    throw new AppError('NOT_FOUND', { detail: `No webhook ${id}.` });
  return webhook;
}

function addReads(app: PeopleServer, context: PeopleContext): void {
  const { webhooks } = context.inventory.serverdb;
  app.route({
    method: 'GET',
    url: '/api/v1/webhooks',
    config: { access: 'any' },
    schema: {
      tags,
      summary: 'Webhooks that you may see',
      response: answers(z.object({ webhooks: z.array(webhookView) })),
    },
    handler: async (request) => {
      const principal = principalOf(request);
      const visible = webhooks.list().filter((webhook) => seen(principal, webhook));
      return { webhooks: visible.map(shown) };
    },
  });
  app.route({
    method: 'GET',
    url: '/api/v1/webhooks/:id/dead-letters',
    config: { access: 'any' },
    schema: {
      tags,
      summary: 'What was given up, newest first',
      params: idParams,
      response: answers(
        z.object({
          deadLetters: z.array(
            z.object({
              id: z.number().int(),
              webhook: z.string(),
              firstEvent: z.number().int(),
              lastEvent: z.number().int(),
              attempts: z.number().int(),
              error: z.string(),
              at: z.number().int(),
              again: z.boolean().describe('It is to be sent again, and will be soon'),
            }),
          ),
        }),
      ),
    },
    handler: async (request) => {
      const { id } = found(context, principalOf(request), request.params.id);
      return { deadLetters: webhooks.letters.of(id).map((letter) => ({ ...letter })) };
    },
  });
}

function addWrites(app: PeopleServer, context: PeopleContext): void {
  const { inventory } = context;
  const { webhooks, records } = inventory.serverdb;
  app.route({
    method: 'POST',
    url: '/api/v1/webhooks',
    config: { access: 'any' },
    schema: {
      tags,
      summary: 'Push events to an address; the signing secret is shown this once',
      body: z.strictObject({
        url: target,
        squad: recordName.or(z.literal('')).default('').describe('Only its machines’ events'),
        names: z.array(z.string().max(64)).max(50).default([]).describe('Names, or `machine.`'),
      }),
      response: answers(z.object({ secret: z.string(), webhook: webhookView }), 201),
    },
    handler: async (request, reply) => {
      const principal = principalOf(request);
      const { squad, names } = request.body;
      needRole(principal, squad, 'operator');
      if (squad !== '' && !records.get('squad', squad))
        throw new AppError('REQUEST_INVALID', { detail: `No squad ${squad}.`, path: '/squad' });
      assertEventNames(names);
      const made = await context.durably(() => webhooks.create(request.body, principal.who));
      return reply.code(201).send({ secret: made.secret, webhook: shown(made.webhook) });
    },
  });
  app.route({
    method: 'PATCH',
    url: '/api/v1/webhooks/:id',
    config: { access: 'any' },
    schema: {
      tags,
      summary: 'Stop a webhook, or let it go on from where it stopped',
      params: idParams,
      body: z.strictObject({ enabled: z.boolean() }),
      response: answers(webhookView),
    },
    handler: async (request, reply) => {
      const principal = principalOf(request);
      const { id, squad } = found(context, principal, request.params.id);
      needRole(principal, squad, 'operator');
      return commit(context, { request, reply }, () => ({
        body: webhooks.setEnabled(id, request.body.enabled, principal.who),
      }));
    },
  });
  app.route({
    method: 'POST',
    url: '/api/v1/webhooks/:id/redeliver',
    config: { access: 'any' },
    schema: {
      tags,
      summary:
        'Send dead letters again, one or all; one that gets through is no dead letter any more',
      params: idParams,
      body: z.strictObject({ letter: z.number().int().min(1).optional() }),
      response: answers(z.object({ letters: z.number().int() })),
    },
    handler: async (request, reply) => {
      const principal = principalOf(request);
      const { id, squad } = found(context, principal, request.params.id);
      needRole(principal, squad, 'operator');
      return commit(context, { request, reply }, () => ({
        body: { letters: webhooks.letters.sendAgain(id, request.body.letter) },
      }));
    },
  });
  app.route({
    method: 'DELETE',
    url: '/api/v1/webhooks/:id',
    config: { access: 'any' },
    schema: {
      tags,
      summary: 'Remove a webhook with its dead letters',
      params: idParams,
      response: answers(nothing, 204),
    },
    handler: async (request, reply) => {
      const principal = principalOf(request);
      const { id, squad } = found(context, principal, request.params.id);
      needRole(principal, squad, 'operator');
      return commit(context, { request, reply }, () => {
        webhooks.remove(id, principal.who);
        return { status: 204 };
      });
    },
  });
}
