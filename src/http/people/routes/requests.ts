/**
 * Provisioning requests: asked for, rehearsed, followed, called off; the capacity that there is, and the breakers that keep
 * machines out of it.
 *
 * Who may: an operator of the squad that gets the machines, or of the site where no squad is named. Calling off is for
 * whoever asked too. Closing a breaker is a site operator's: it decides over machines of everybody.
 */
import { z } from 'zod';
import { AppError } from '../../../errors.ts';
import type { Principal } from '../../../inventory/access.ts';
import { recordName } from '../../../inventory/record-kinds.ts';
import { countCapacity } from '../../../provisioning/capacity.ts';
import type { RequestDesk } from '../../../provisioning/desk.ts';
import { type RequestBody, readHardware, requestSchema } from '../../../provisioning/request.ts';
import { REQUEST_STATUSES, type RequestStatus } from '../../../provisioning/store.ts';
import { needRole } from '../access-rules.ts';
import { principalOf } from '../authenticate.ts';
import { commit } from '../commit.ts';
import type { PeopleContext, PeopleServer } from '../context.ts';
import {
  breakerView,
  planView,
  requestDetail,
  requestView,
  showBreaker,
  showDetail,
  showPlan,
  showRequest,
} from '../provisioning-views.ts';
import { answers, idParams, pageQuery, why } from '../schemas.ts';

const tags = ['requests'];

export function addRequestRoutes(app: PeopleServer, context: PeopleContext): void {
  addAsking(app, context);
  addReads(app, context);
  addCancel(app, context);
  addCapacity(app, context);
  addBreakers(app, context);
}

/** @throws AppError NOT_HERE where nothing is provisioned */
function deskOf({ provisioning }: PeopleContext): RequestDesk {
  if (!provisioning) throw new AppError('NOT_HERE', { detail: 'Nothing is provisioned here.' });
  return provisioning;
}

function mayAsk(principal: Principal, { squad = '' }: Pick<RequestBody, 'squad'>): void {
  needRole(principal, squad, 'operator');
}

function addAsking(app: PeopleServer, context: PeopleContext): void {
  app.route({
    method: 'POST',
    url: '/api/v1/requests',
    config: { access: 'any' },
    schema: {
      tags,
      summary: 'Ask for machines: they are chosen, named, installed, and replaced when they fail',
      body: requestSchema,
      response: answers(requestView, 202),
    },
    handler: async (request, reply) =>
      commit(context, { request, reply }, () => {
        const principal = principalOf(request);
        mayAsk(principal, request.body);
        const made = deskOf(context).create(request.body, { requester: principal.who });
        return { status: 202, body: showRequest(made) };
      }),
  });
  app.route({
    method: 'POST',
    url: '/api/v1/requests/plan',
    config: { access: 'any' },
    schema: {
      tags,
      summary: 'Which machines a request would get now, why these, and why not the others',
      body: requestSchema,
      response: answers(planView),
    },
    handler: async (request, reply) => {
      const principal = principalOf(request);
      mayAsk(principal, request.body);
      const desk = deskOf(context);
      const doc = desk.prepare(request.body, principal.who);
      return reply.send(showPlan(doc, desk.plan(doc, request.body.count)) as never);
    },
  });
}

const listQuery = z.strictObject({
  status: z.string().max(100).default('').describe('Any of these, divided by commas'),
  pool: recordName.optional(),
  role: recordName.optional(),
  squad: recordName.optional(),
  cursor: z.coerce.number().int().min(1).max(Number.MAX_SAFE_INTEGER).optional(),
  ...pageQuery,
});

function addReads(app: PeopleServer, context: PeopleContext): void {
  app.route({
    method: 'GET',
    url: '/api/v1/requests',
    config: { access: 'read' },
    schema: {
      tags,
      summary: 'Requests, newest first',
      querystring: listQuery,
      response: answers(
        z.object({
          requests: z.array(requestView),
          next: z.number().int().optional().describe('The cursor of the next page'),
        }),
      ),
    },
    handler: async (request, reply) => {
      const { limit: count, cursor: below, status, ...filter } = request.query;
      const wanted = { ...filter, below, status: statusesOf(status) };
      const page = deskOf(context).store.page(wanted, count + 1);
      const shown = page.slice(0, count);
      const next = page.length > count ? { next: shown.at(-1)?.number } : {};
      return reply.send({ requests: shown.map(showRequest), ...next } as never);
    },
  });
  app.route({
    method: 'GET',
    url: '/api/v1/requests/:id',
    config: { access: 'read' },
    schema: {
      tags,
      summary:
        'One request: its places with machine, progress and estimated end; its whole history',
      params: idParams,
      response: answers(requestDetail),
    },
    handler: async (request, reply) => {
      const desk = deskOf(context);
      const { jobs } = context;
      const detail = showDetail(desk.get(request.params.id), { desk, jobs });
      return reply.send(detail as never);
    },
  });
}

function statusesOf(text: string): RequestStatus[] | undefined {
  if (text === '') return undefined;
  const list = text.split(',');
  const known = REQUEST_STATUSES.filter((status) => list.includes(status));
  if (known.length === new Set(list).size) return known;
  const detail = `A status is one of: ${REQUEST_STATUSES.join(', ')}.`;
  throw new AppError('REQUEST_INVALID', { detail, path: '/status' });
}

function addCancel(app: PeopleServer, context: PeopleContext): void {
  app.route({
    method: 'POST',
    url: '/api/v1/requests/:id/cancel',
    config: { access: 'any' },
    schema: {
      tags,
      summary: 'Call a request off: installs are stopped, machines in use stay',
      params: idParams,
      body: z.strictObject({ why }),
      response: answers(requestView, 202),
    },
    handler: async (request, reply) =>
      commit(context, { request, reply }, () => {
        const principal = principalOf(request);
        const desk = deskOf(context);
        const { id, requester, squad } = desk.get(request.params.id);
        if (requester !== principal.who) mayAsk(principal, { squad });
        const cause = { who: principal.who, why: request.body.why };
        return { status: 202, body: showRequest(desk.cancel(id, cause)) };
      }),
  });
}

const capacityView = z.object({
  rows: z.array(
    z.object({
      site: z.string(),
      type: z.string(),
      total: z.number().int(),
      free: z.number().int().describe('What a request may take now'),
      warm: z.number().int().describe('Of the free: they wait in pxeimage'),
      unfit: z.number().int().describe('Available, but not to be taken now'),
      states: z.record(z.string(), z.number().int()),
    }),
  ),
});

function addCapacity(app: PeopleServer, context: PeopleContext): void {
  app.route({
    method: 'GET',
    url: '/api/v1/capacity',
    config: { access: 'read' },
    schema: {
      tags,
      summary: 'Machines by site and hardware type: free, warm, in which states',
      querystring: z.strictObject({
        site: z.string().min(1).max(63).optional(),
        hardware: z.string().max(1000).default('').describe('In words: only machines that meet it'),
      }),
      response: answers(capacityView),
    },
    handler: async (request, reply) => {
      const { site, hardware } = request.query;
      const wanted = { site, hardware: readHardware(hardware) };
      return reply.send({
        rows: countCapacity(deskOf(context).candidates.read(), wanted),
      } as never);
    },
  });
}

const BREAKERS_SHOWN = 200;

function addBreakers(app: PeopleServer, context: PeopleContext): void {
  app.route({
    method: 'GET',
    url: '/api/v1/breakers',
    config: { access: 'read' },
    schema: {
      tags,
      summary: 'What too many failures had in common, newest first; open ones keep machines out',
      response: answers(z.object({ breakers: z.array(breakerView) })),
    },
    handler: async (_request, reply) =>
      reply.send({
        breakers: deskOf(context).breakers.list(BREAKERS_SHOWN).map(showBreaker),
      } as never),
  });
  app.route({
    method: 'POST',
    url: '/api/v1/breakers/:number/close',
    config: { access: 'operator' },
    schema: {
      tags,
      summary: 'The cause is gone: what failed before this moment counts no more',
      params: z.object({ number: z.coerce.number().int().min(1).max(Number.MAX_SAFE_INTEGER) }),
      body: z.strictObject({ why }),
      response: answers(breakerView),
    },
    handler: async (request, reply) =>
      commit(context, { request, reply }, () => {
        const cause = { who: principalOf(request).who, why: request.body.why };
        const closed = deskOf(context).breakers.close(request.params.number, cause);
        return { body: showBreaker(closed) };
      }),
  });
}
