/**
 * Jobs: asked for one by one or for many machines, followed, called off; the queue paused; what they have done so far.
 *
 * Who may: an operator of the squad that has the machine, or of the site for what no squad has. Pausing is an operator's.
 */
import type { FastifyRequest } from 'fastify';
import { z } from 'zod';
import { AppError } from '../../../errors.ts';
import type { Principal } from '../../../inventory/access.ts';
import type { Job } from '../../../jobs/store.ts';
import { JOB_STATUSES, type JobStatus } from '../../../jobs/store.ts';
import { limit } from '../../../limits.ts';
import type { Hardwarename } from '../../../wire/ids.ts';
import { isAtLeast, needRole } from '../access-rules.ts';
import { noteRefused, principalOf } from '../authenticate.ts';
import { commit, commitInParts } from '../commit.ts';
import type { PeopleContext, PeopleServer } from '../context.ts';
import { assertConfirmed } from '../guardrails.ts';
import {
  jobDetail,
  jobStatsView,
  jobView,
  queueView,
  showJob,
  showProgress,
  showWithProgress,
  timeOf,
} from '../job-views.ts';
import { answers, hardwarenameText, idParams, pageQuery, why } from '../schemas.ts';
import { inChunks } from '../slices.ts';

const targetText = z
  .string()
  .min(1)
  .max(80)
  .transform((text) => text.replace(/^hardwarename=/, '') as Hardwarename)
  .describe('hardwarename=C0MPUT3, or the hardwarename alone');

const wanted = {
  action: z.string().min(1).max(63).describe('A kind of job: GET /jobs/kinds lists them'),
  params: z.record(z.string().max(63), z.unknown()).default({}),
  priority: z.number().int().min(-1000).max(1000).default(0).describe('Higher goes first'),
  user: z.string().min(1).max(100).optional().describe('For whom; the requester when absent'),
};

const jobBody = z.strictObject({
  ...wanted,
  target: targetText,
  release: hardwarenameText.optional().describe('The hardwarename again, of a machine in use'),
});

const bulkBody = z.strictObject({
  ...wanted,
  targets: z.array(targetText).min(1).max(limit('jobBulkMax')),
  release: z
    .array(hardwarenameText)
    .max(limit('jobBulkMax'))
    .default([])
    .describe('The hardwarenames of the machines in use that are released'),
  confirm: z.number().int().min(1).optional().describe('How many machines it is for'),
});

const bulkAnswer = z.object({
  created: z.number().int(),
  refused: z.number().int(),
  results: z.array(
    z.object({
      target: z.string(),
      ok: z.boolean(),
      id: z.string().optional(),
      code: z.string().optional(),
      detail: z.string().optional(),
    }),
  ),
});

const listQuery = z.strictObject({
  status: z.string().max(100).default('').describe('Any of these, divided by commas'),
  action: z.string().max(63).optional(),
  target: targetText.optional(),
  requester: z.string().max(100).optional(),
  ids: z.string().max(4000).optional().describe('These, divided by commas: a hundred at most'),
  include: z.enum(['progress']).optional().describe('How far those are that have not ended'),
  cursor: z.coerce.number().int().min(1).max(Number.MAX_SAFE_INTEGER).optional(),
  ...pageQuery,
});

/** As many as take a few milliseconds. */
const CHUNK_JOBS = 100;

const tags = ['jobs'];

export function addJobRoutes(app: PeopleServer, context: PeopleContext): void {
  const { jobs } = context;
  app.route({
    method: 'GET',
    url: '/api/v1/jobs',
    config: { access: 'read' },
    schema: {
      tags,
      summary: 'Jobs, newest first',
      querystring: listQuery,
      response: answers(
        z.object({
          jobs: z.array(jobView),
          next: z.number().int().optional().describe('The cursor of the next page'),
        }),
      ),
    },
    handler: async (request, reply) => {
      const { limit: count, cursor: below, action: kind, status, include, ...rest } = request.query;
      const { ids, ...others } = rest;
      const filter = { ...others, kind, below, status: statusesOf(status), ids: idsOf(ids) };
      const page = jobs.store.page(filter, count + 1);
      const shown = page.slice(0, count);
      const next = page.length > count ? { next: shown.at(-1)?.number } : {};
      const show = (job: Job) =>
        include && job.endedAt === 0 ? showWithProgress(job, jobs.progress(job)) : showJob(job);
      // Each one's progress is folded from its log.
      const views = await inChunks(shown, CHUNK_JOBS, (chunk) => chunk.map(show));
      return reply.send({ jobs: views, ...next } as never);
    },
  });
  app.route({
    method: 'POST',
    url: '/api/v1/jobs',
    config: { access: 'any' },
    schema: {
      tags,
      summary: 'Ask for a job on one machine',
      body: jobBody,
      response: answers(jobView, 202),
    },
    handler: async (request, reply) =>
      commit(context, { request, reply }, () => {
        const { target, release, ...body } = request.body;
        const job = create(context, principalOf(request), { ...body, target, release });
        return { status: 202, body: showJob(job) };
      }),
  });
  addBulkRoute(app, context);
  addSingleRoutes(app, context);
}

function statusesOf(text: string): JobStatus[] | undefined {
  if (text === '') return undefined;
  const list = text.split(',');
  const known = JOB_STATUSES.filter((status) => list.includes(status));
  if (known.length === new Set(list).size) return known;
  const detail = `A status is one of: ${JOB_STATUSES.join(', ')}.`;
  throw new AppError('REQUEST_INVALID', { detail, path: '/status' });
}

function idsOf(text: string | undefined): string[] | undefined {
  const ids = text?.split(',');
  if (ids === undefined || ids.length <= limit('jobIdsMax')) return ids;
  const detail = `${limit('jobIdsMax')} jobs at most.`;
  throw new AppError('REQUEST_INVALID', { detail, path: '/ids' });
}

type Wanted = Omit<z.output<typeof jobBody>, 'target'> & { target: Hardwarename };

function create({ inventory, jobs }: PeopleContext, principal: Principal, body: Wanted): Job {
  const record = inventory.machines.record(body.target);
  if (!record) throw new AppError('MACHINE_UNKNOWN', { detail: body.target.slice(0, 64) });
  const light = jobs.kinds.newest(body.action)?.forTechnicians === true;
  const place = light && isAtLeast(principal.role, 'technician');
  if (!place) needRole(principal, record.squad, light ? 'technician' : 'operator');
  return jobs.create({ ...body, requester: principal.who });
}

function addBulkRoute(app: PeopleServer, context: PeopleContext): void {
  const { inventory } = context;
  const { savepoint, query } = inventory.serverdb;
  app.route({
    method: 'POST',
    url: '/api/v1/jobs/bulk',
    bodyLimit: limit('bulkBodyBytesMax'),
    config: { access: 'any' },
    schema: {
      tags,
      summary: 'Ask for a job on each of many machines, with a result for each',
      body: bulkBody,
      response: answers(bulkAnswer),
    },
    handler: async (request, reply) => {
      const principal = principalOf(request);
      const { targets, release, confirm, ...body } = request.body;
      return commitInParts(context, { request, reply }, async () => {
        const names = [...new Set(targets)];
        const records = names.flatMap((name) => inventory.machines.record(name) ?? []);
        assertConfirmed(records, confirm, query);
        const released = new Set<string>(release);
        const one = (target: Hardwarename) => {
          try {
            const given = { ...body, target, release: released.has(target) ? target : undefined };
            return { target, ok: true, id: savepoint(() => create(context, principal, given)).id };
          } catch (error) {
            if (!(error instanceof AppError) || error.httpStatus >= 500) throw error;
            return { target, ok: false, code: error.code, detail: error.message };
          }
        };
        const results = await inChunks(names, limit('bulkChunkMax'), (chunk) =>
          context.durably(() => chunk.map(one)),
        );
        noteRefused(request, results);
        const created = results.filter(({ ok }) => ok).length;
        return { body: { created, refused: results.length - created, results } };
      });
    },
  });
}

function addSingleRoutes(app: PeopleServer, context: PeopleContext): void {
  const { jobs, inventory } = context;
  app.route({
    method: 'GET',
    url: '/api/v1/jobs/:id',
    config: { access: 'read' },
    schema: {
      tags,
      summary: 'One job: its steps, what it waits for, its log',
      params: idParams,
      response: answers(jobDetail),
    },
    handler: async (request, reply) => {
      const job = jobs.get(request.params.id);
      const log = jobs.store.logOf(job.number).map(({ seq, at, entry }) => ({
        ...{ seq, at: timeOf(at) ?? '' },
        entry: { ...entry },
      }));
      return reply.send({ job: showJob(job), ...showProgress(jobs.progress(job)), log } as never);
    },
  });
  app.route({
    method: 'POST',
    url: '/api/v1/jobs/:id/cancel',
    config: { access: 'any' },
    schema: {
      tags,
      summary: 'Stop a job; what it has changed is undone first',
      params: idParams,
      body: z.strictObject({ why }),
      response: answers(jobView, 202),
    },
    handler: async (request, reply) =>
      commit(context, { request, reply }, () => {
        const principal = principalOf(request);
        const job = jobs.get(request.params.id);
        const squad = inventory.machines.record(job.target)?.squad ?? '';
        if (job.requester !== principal.who) needRole(principal, squad, 'operator');
        const cause = { who: principal.who, why: request.body.why };
        return { status: 202, body: showJob(jobs.cancel(job.id, cause)) };
      }),
  });
}

const kindView = z.object({
  action: z.string(),
  version: z.number().int(),
  says: z.string(),
  steps: z.array(z.string()),
  allowedFrom: z.array(z.string()),
  interrupts: z.boolean(),
  destructive: z.boolean(),
  params: z.record(z.string(), z.unknown()).describe('JSON Schema'),
});

export function addJobQueueRoutes(app: PeopleServer, context: PeopleContext): void {
  const { jobs } = context;
  app.route({
    method: 'GET',
    url: '/api/v1/jobs/kinds',
    config: { access: 'read' },
    schema: {
      tags,
      summary: 'Every kind of job, with its steps and parameters',
      response: answers(z.object({ kinds: z.array(kindView) })),
    },
    handler: async (_request, reply) => {
      const kinds = jobs.kinds.list().map(({ kind, steps, params, allowedFrom, ...rest }) => ({
        ...{ action: kind, version: rest.version, says: rest.says, allowedFrom: [...allowedFrom] },
        ...{ interrupts: rest.interrupts, destructive: rest.destructive },
        steps: steps.map(({ name }) => name),
        params: z.toJSONSchema(params, { io: 'input' }) as Record<string, unknown>,
      }));
      return reply.send({ kinds });
    },
  });
  app.route({
    method: 'GET',
    url: '/api/v1/jobs/stats',
    config: { access: 'read' },
    schema: {
      tags,
      summary: 'Success, durations by kind, hardware type and step, and the BMCs with most trouble',
      response: answers(jobStatsView),
    },
    handler: async (_request, reply) => reply.send(jobs.stats.read() as never),
  });
  app.route({
    method: 'GET',
    url: '/api/v1/jobs/queue',
    config: { access: 'read' },
    schema: {
      tags,
      summary: 'Whether the queue runs, and how many jobs are in which status',
      response: answers(queueView),
    },
    handler: async (_request, reply) => reply.send(showQueue(context) as never),
  });
  for (const turn of ['pause', 'resume'] as const)
    app.route({
      method: 'POST',
      url: `/api/v1/jobs/${turn}`,
      config: { access: 'operator' },
      schema: {
        tags,
        summary: turn === 'pause' ? 'Begin no step of any job' : 'Go on with all jobs',
        body: z.strictObject({ why }),
        response: answers(queueView),
      },
      handler: async (request, reply) =>
        commit(context, { request, reply }, () => {
          jobs[turn]({ who: whoOf(request), why: request.body.why });
          return { body: showQueue(context) };
        }),
    });
}

const whoOf = (request: FastifyRequest): string => principalOf(request).who;

function showQueue({ jobs }: PeopleContext) {
  const { pausedAt, who, why: reason } = jobs.store.queue();
  const counts = jobs.store.countByStatus();
  return { paused: pausedAt > 0, paused_at: timeOf(pausedAt), who, why: reason, counts };
}
