/**
 * Pools: so many machines of a role, kept so; and rolling resets of a pool or of all pools of a site.
 *
 * Who may: an operator of the squad that has the pool, or of the site where no squad does. A reset of a whole site is a
 * site operator's. A smaller pool wipes machines that somebody uses, so that asks for `confirm`: how many go.
 */
import type { FastifyRequest } from 'fastify';
import { z } from 'zod';
import { AppError } from '../../../errors.ts';
import type { Principal } from '../../../inventory/access.ts';
import { recordName } from '../../../inventory/record-kinds.ts';
import { formatHardware } from '../../../provisioning/hardware-text.ts';
import { type PoolBody, poolSchema, resetSchema } from '../../../provisioning/pool.ts';
import type { PoolDesk } from '../../../provisioning/pool-desk.ts';
import { type Pool, RESET_STATUSES, type Reset } from '../../../provisioning/pool-store.ts';
import { needRole } from '../access-rules.ts';
import { principalOf } from '../authenticate.ts';
import { type Answer, commit, etagOf, versionRead } from '../commit.ts';
import type { PeopleContext, PeopleServer } from '../context.ts';
import { answers, nameParams, nothing, why, whyQuery } from '../schemas.ts';

const tags = ['pools'];
const time = z.number().int().describe('Milliseconds since 1970, UTC');

const poolView = z
  .object({
    name: z.string(),
    version: z.number().int(),
    role: z.string(),
    site: z.string(),
    squad: z.string(),
    image: z.string(),
    hardware: z.string(),
    count: z.number().int(),
    healthy: z.number().int(),
    members: z.number().int(),
    why: z.string().describe('What keeps it from its size; empty when nothing does'),
    who: z.string(),
    updatedAt: time,
  })
  .meta({ id: 'Pool' });

const poolDetail = z
  .object({
    pool: poolView,
    members: z.array(
      z.object({
        hardwarename: z.string(),
        hostname: z.string(),
        rack: z.string(),
        joinedAt: time,
        unhealthyAt: time.nullable(),
        held: z.boolean().describe('It has failed, and a breaker keeps it from being replaced'),
        why: z.string(),
      }),
    ),
    requests: z.array(z.string()).describe('Open requests for it'),
  })
  .meta({ id: 'PoolDetail' });

const resetView = z
  .object({
    id: z.number().int(),
    pool: z.string().describe('Empty: all pools of the site'),
    site: z.string(),
    status: z.enum(RESET_STATUSES),
    why: z.string(),
    who: z.string(),
    atOnceMax: z.number().int(),
    startedAt: time,
    deadlineAt: time,
    endedAt: time.nullable(),
    machines: z.array(
      z.object({
        hardwarename: z.string(),
        pool: z.string(),
        status: z.string(),
        job: z.string(),
        code: z.string(),
      }),
    ),
  })
  .meta({ id: 'Reset' });

export function addPoolRoutes(app: PeopleServer, context: PeopleContext): void {
  addReads(app, context);
  addWrites(app, context);
  addResets(app, context);
}

/** @throws AppError NOT_HERE where nothing is provisioned */
function deskOf({ pools }: PeopleContext): PoolDesk {
  if (!pools) throw new AppError('NOT_HERE', { detail: 'Nothing is provisioned here.' });
  return pools;
}

function mayWrite(principal: Principal, { squad = '' }: { squad?: string | undefined }): void {
  needRole(principal, squad, 'operator');
}

function showPool({ doc, createdAt: _, ...pool }: Pool, desk: PoolDesk) {
  const { role, site = '', squad = '', image, hardware, count } = doc;
  const members = desk.store.members(pool.name);
  const healthy = members.filter(({ unhealthyAt }) => unhealthyAt === 0).length;
  const words = typeof hardware === 'string' ? hardware : formatHardware(hardware);
  const counts = { count, healthy, members: members.length };
  return { ...pool, role, site, squad, image, hardware: words, ...counts };
}

function showReset({ doc, endedAt, ...reset }: Reset, desk: PoolDesk) {
  const machines = desk.store.resetMachines(reset.id).map(({ endedAt: _, ...one }) => one);
  return { ...reset, atOnceMax: doc.atOnceMax, endedAt: endedAt || null, machines };
}

function addReads(app: PeopleServer, context: PeopleContext): void {
  app.route({
    method: 'GET',
    url: '/api/v1/pools',
    config: { access: 'read' },
    schema: {
      tags,
      summary: 'All pools, by name',
      response: answers(z.object({ pools: z.array(poolView) })),
    },
    handler: async (_request, reply) => {
      const desk = deskOf(context);
      return reply.send({ pools: desk.store.pools().map((pool) => showPool(pool, desk)) } as never);
    },
  });
  app.route({
    method: 'GET',
    url: '/api/v1/pools/:name',
    config: { access: 'read' },
    schema: {
      tags,
      summary: 'One pool with its machines; its ETag is its version',
      params: nameParams,
      response: answers(poolDetail),
    },
    handler: async (request, reply) => {
      const desk = deskOf(context);
      const pool = desk.get(request.params.name);
      const members = desk.store.members(pool.name).map(({ pool: _, unhealthyAt, ...member }) => {
        const record = context.inventory.machines.record(member.hardwarename);
        const { hostname = '', rack = '' } = record ?? {};
        return { ...member, hostname, rack, unhealthyAt: unhealthyAt || null };
      });
      const open = context.provisioning?.store.openOfPool(pool.name) ?? [];
      const body = { pool: showPool(pool, desk), members, requests: open.map(({ id }) => id) };
      return reply.header('etag', etagOf(pool.version)).send(body as never);
    },
  });
}

const putQuery = z.strictObject({
  ...whyQuery.shape,
  confirm: z.coerce.number().int().min(1).max(1_000_000).optional(),
});

type PutRequest = FastifyRequest<{
  Params: z.output<typeof nameParams>;
  Querystring: z.output<typeof putQuery>;
}>;

/** @throws AppError FORBIDDEN, CONFIRMATION_NEEDED when machines would go, and what the desk says */
function write(context: PeopleContext, request: PutRequest, body: PoolBody): Answer {
  const desk = deskOf(context);
  const principal = principalOf(request);
  const { name } = request.params;
  const before = desk.store.pool(name);
  mayWrite(principal, body);
  if (before) mayWrite(principal, before.doc);
  const { why: reason = 'changed', confirm } = request.query;
  desk.assertConfirmed(name, body.count, confirm);
  const cause = { who: principal.who, why: reason, version: versionRead(request) };
  const pool = desk.put(name, body, cause);
  return { body: showPool(pool, desk), version: pool.version };
}

function addWrites(app: PeopleServer, context: PeopleContext): void {
  app.route({
    method: 'PUT',
    url: '/api/v1/pools/:name',
    config: { access: 'any' },
    schema: {
      tags,
      summary: 'Make or change a pool: If-Match is the version that was read, "0" for a new one',
      params: nameParams,
      querystring: putQuery,
      body: poolSchema,
      response: answers(poolView),
    },
    handler: async (request, reply) =>
      commit(context, { request, reply }, () => write(context, request, request.body)),
  });
  app.route({
    method: 'PUT',
    url: '/api/v1/pools/:name/size',
    config: { access: 'any' },
    schema: {
      tags,
      summary: 'Make a pool larger or smaller, and change nothing else of it',
      params: nameParams,
      querystring: putQuery,
      body: poolSchema.pick({ count: true }),
      response: answers(poolView),
    },
    handler: async (request, reply) =>
      commit(context, { request, reply }, () => {
        const { doc } = deskOf(context).get(request.params.name);
        return write(context, request, { ...doc, ...request.body });
      }),
  });
  app.route({
    method: 'DELETE',
    url: '/api/v1/pools/:name',
    config: { access: 'any' },
    schema: {
      tags,
      summary: 'Forget a pool: its requests are called off, its machines stay in use',
      params: nameParams,
      querystring: whyQuery,
      response: answers(nothing, 204),
    },
    handler: async (request, reply) =>
      commit(context, { request, reply }, () => {
        const desk = deskOf(context);
        const principal = principalOf(request);
        const { name } = request.params;
        mayWrite(principal, desk.get(name).doc);
        const { why: reason = 'removed' } = request.query;
        desk.remove(name, { who: principal.who, why: reason, version: versionRead(request) });
        return { status: 204 };
      }),
  });
}

const RESETS_SHOWN = 50;
const TURNS = { pause: 'paused', resume: 'running', abort: 'aborted' } as const;

function addResets(app: PeopleServer, context: PeopleContext): void {
  app.route({
    method: 'GET',
    url: '/api/v1/resets',
    config: { access: 'read' },
    schema: {
      tags,
      summary: 'Rolling resets, newest first',
      response: answers(z.object({ resets: z.array(resetView) })),
    },
    handler: async (_request, reply) => {
      const desk = deskOf(context);
      const resets = desk.store.resets(RESETS_SHOWN).map((reset) => showReset(reset, desk));
      return reply.send({ resets } as never);
    },
  });
  app.route({
    method: 'POST',
    url: '/api/v1/resets',
    config: { access: 'any' },
    schema: {
      tags,
      summary: 'Install the machines of a pool or of a site’s pools anew, one after the other',
      body: resetSchema.extend({
        pool: recordName.optional().describe('All pools of the site when absent'),
        site: z.string().min(1).max(63).optional(),
      }),
      response: answers(resetView, 202),
    },
    handler: async (request, reply) =>
      commit(context, { request, reply }, () => {
        const desk = deskOf(context);
        const principal = principalOf(request);
        const { pool = '', site = context.site, ...body } = request.body;
        mayWrite(principal, pool === '' ? {} : desk.get(pool).doc);
        const reset = desk.reset({ pool, site }, body, principal.who);
        return { status: 202, body: showReset(reset, desk) };
      }),
  });
  for (const turn of ['pause', 'resume', 'abort'] as const)
    app.route({
      method: 'POST',
      url: `/api/v1/resets/:number/${turn}`,
      config: { access: 'any' },
      schema: {
        tags,
        summary: { pause: 'Begin no more', resume: 'Go on', abort: 'End it here' }[turn],
        params: z.object({ number: z.coerce.number().int().min(1).max(Number.MAX_SAFE_INTEGER) }),
        body: z.strictObject({ why }),
        response: answers(resetView),
      },
      handler: async (request, reply) =>
        commit(context, { request, reply }, () => {
          const desk = deskOf(context);
          const principal = principalOf(request);
          const { id, pool } = desk.store.reset(request.params.number);
          mayWrite(principal, pool === '' ? {} : (desk.store.pool(pool)?.doc ?? {}));
          const cause = { who: principal.who, why: request.body.why };
          return { body: showReset(desk.store.turnReset(id, TURNS[turn], cause), desk) };
        }),
    });
}
