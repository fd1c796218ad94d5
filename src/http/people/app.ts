/**
 * The people-facing HTTP listener: the board, the read-only API, health and metrics.
 *
 * Everything in this version reads. It listens apart from the machines' listener, and its pages load nothing from
 * anywhere else: the content security policy says so to the browser.
 */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import fastifyStatic from '@fastify/static';
import Fastify, { type FastifyBaseLogger, type FastifyInstance, LogController } from 'fastify';
import { z } from 'zod';
import { AppError } from '../../errors.ts';
import type { Inventory } from '../../inventory/inventory.ts';
import { foldTimeline } from '../../inventory/timeline.ts';
import { limit } from '../../limits.ts';
import type { BootId, Hardwarename } from '../../wire/ids.ts';
import type { Clock } from '../../wire/time.ts';
import { installProblems } from '../problem.ts';
import { readBoard } from './board.ts';
import { createSse } from './sse.ts';

export interface PeopleAppOptions {
  readonly inventory: Inventory;
  readonly clock: Clock;
  readonly log: FastifyBaseLogger;
  readonly site: string;
  /** Folder of the built board. */
  readonly uiRoot: string;
  /** Each check by name; ready when all are true. */
  readiness(): Record<string, boolean>;
  /** Prometheus text. */
  metrics(): Promise<{ contentType: string; text: string }>;
}

const CONTENT_SECURITY_POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const page = z.object({
  after: z.coerce.number().int().min(0).optional(),
  limit: z.coerce.number().int().min(1).max(limit('eventsPageMax')).default(limit('eventsPageMax')),
});

export async function createPeopleApp(options: PeopleAppOptions): Promise<FastifyInstance> {
  const app = Fastify({
    loggerInstance: options.log,
    logController: new LogController({ disableRequestLogging: true }),
    http: { maxHeaderSize: limit('httpHeaderBytesMax') },
    forceCloseConnections: true,
  });
  installProblems(app);
  app.addHook('onRequest', async (_request, reply) => {
    reply.headers({
      'content-security-policy': CONTENT_SECURITY_POLICY,
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'no-referrer',
    });
  });
  addOperationsRoutes(app, options);
  addEventRoutes(app, options);
  addInventoryRoutes(app, options);
  if (existsSync(options.uiRoot)) {
    await app.register(fastifyStatic, { root: resolve(options.uiRoot), wildcard: false });
  } else {
    options.log.warn({ uiRoot: options.uiRoot }, 'the board is not built: run `npm run build`');
  }
  return app;
}

function addOperationsRoutes(app: FastifyInstance, options: PeopleAppOptions): void {
  app.get('/healthz', () => ({ status: 'alive' }));
  app.get('/readyz', (_request, reply) => {
    const checks = options.readiness();
    const ready = Object.values(checks).every(Boolean);
    return reply.code(ready ? 200 : 503).send({ ready, checks });
  });
  app.get('/metrics', async (_request, reply) => {
    const { contentType, text } = await options.metrics();
    return reply.type(contentType).send(text);
  });
}

function addEventRoutes(app: FastifyInstance, { inventory }: PeopleAppOptions): void {
  const sse = createSse(inventory.events);
  app.addHook('preClose', async () => sse.close());
  app.get('/api/v1/events', (request, reply) => {
    const query = page.safeParse(request.query);
    if (!query.success) {
      const issue = query.error.issues[0];
      throw new AppError('REQUEST_INVALID', {
        path: `/${(issue?.path ?? []).join('/')}`,
        ...(issue ? { detail: issue.message } : {}),
      });
    }
    if (request.headers.accept?.includes('text/event-stream')) {
      sse.open(request, reply, query.data.after);
      return reply;
    }
    const events = inventory.events.after(query.data.after ?? 0, query.data.limit);
    return reply.send({ events, next: events.at(-1)?.id ?? query.data.after ?? 0 });
  });
}

function addInventoryRoutes(app: FastifyInstance, options: PeopleAppOptions): void {
  const { inventory, clock, site } = options;
  app.get('/api/v1/board', () => readBoard(inventory, { site, clock }));

  app.get('/api/v1/boots', () => ({
    boots: inventory.boots
      .list(limit('boardBootsMax'))
      .map((boot) => foldTimeline(boot, inventory.events.ofBoot(boot.id), clock())),
  }));
  app.get<{ Params: { id: string } }>('/api/v1/boots/:id', (request) => {
    const boot = inventory.boots.byId(request.params.id as BootId);
    if (!boot)
      throw new AppError('NOT_FOUND', { detail: `No boot ${request.params.id.slice(0, 64)}.` });
    const events = inventory.events.ofBoot(boot.id);
    return { timeline: foldTimeline(boot, events, clock()), events };
  });

  app.get('/api/v1/machines', () => ({ machines: inventory.machines.list() }));
  app.get<{ Params: { hardwarename: string } }>('/api/v1/machines/:hardwarename', (request) => {
    const hardwarename = request.params.hardwarename as Hardwarename;
    const machine = inventory.machines.byHardwarename(hardwarename);
    if (!machine) throw new AppError('MACHINE_UNKNOWN', { detail: hardwarename.slice(0, 64) });
    return { machine, events: inventory.events.ofMachine(hardwarename, limit('eventsPageMax')) };
  });
}
