/** The event feed, a page at a time or live, and the boots that are folded from it. */
import { z } from 'zod';
import { AppError } from '../../../errors.ts';
import { assertEventNames, type EventFilter } from '../../../inventory/event-history.ts';
import { parseCursor } from '../../../inventory/feed-epoch.ts';
import { foldTimeline } from '../../../inventory/timeline.ts';
import { limit } from '../../../limits.ts';
import type { BootId, Hardwarename } from '../../../wire/ids.ts';
import { mayStay, whileAllowed } from '../authenticate.ts';
import { readBoard } from '../board.ts';
import type { PeopleContext, PeopleServer } from '../context.ts';
import { answers, eventView, idParams } from '../schemas.ts';
import { createSse } from '../sse.ts';
import { showDiagnosis } from './flights.ts';

const document = z.record(z.string(), z.unknown());

/** A number alone, or with the epoch of its feed. */
const cursorText = z
  .string()
  .regex(/^\d{1,15}(\.[0-9a-f]{1,32})?$/)
  .describe('The number of an event, or a `cursor`: NUMBER.EPOCH');

const feedQuery = z.strictObject({
  after: cursorText.optional(),
  limit: z.coerce.number().int().min(1).max(limit('eventsPageMax')).default(limit('eventsPageMax')),
  names: z.string().max(1024).default('').describe('Divided by commas; `machine.` is all of them'),
  hardwarename: z.string().max(63).optional(),
  mac: z.string().max(17).optional(),
  boot: z.string().max(12).optional(),
  job: z.string().max(64).optional().describe('Of one job: its live log'),
  beatMs: z.coerce
    .number()
    .int()
    .min(1000)
    .max(60_000)
    .optional()
    .describe('Live: an event `beat` so often, for whoever has to see that the line is dead'),
});

export function addEventRoutes(app: PeopleServer, context: PeopleContext): void {
  const { inventory } = context;
  const { history } = inventory.serverdb;
  const sse = createSse(inventory.events, history);
  app.addHook('preClose', async () => sse.close());
  app.route({
    method: 'GET',
    url: '/api/v1/events',
    config: { access: 'read' },
    schema: {
      tags: ['events'],
      summary: 'The feed behind a cursor; with Accept: text/event-stream it stays open',
      querystring: feedQuery,
      response: answers(
        z.object({
          events: z.array(eventView),
          next: z.number().int().describe('The number to go on from'),
          cursor: z.string().describe('The same with the epoch of the feed: hand this back'),
          more: z.boolean(),
        }),
      ),
    },
    handler: async (request, reply) => {
      const { after, limit: count, beatMs, ...rest } = request.query;
      const filter = filterOf(rest);
      const start = after === undefined ? undefined : parseCursor(after);
      if (request.headers.accept?.includes('text/event-stream')) {
        const watched = (end: () => void) =>
          whileAllowed(context, () => mayStay(context, request), end);
        sse.open(request, reply, { after: start, filter, beatMs, watched });
        return reply;
      }
      return reply.send(history.page(start ?? { id: 0 }, count, filter) as never);
    },
  });
}

function filterOf({ names, ...rest }: { names: string } & Omit<EventFilter, 'names'>): EventFilter {
  const list = names === '' ? [] : names.split(',');
  assertEventNames(list);
  return { names: list, ...rest };
}

const BOOTS = limit('boardBootsMax');

export function addBoardRoutes(app: PeopleServer, context: PeopleContext): void {
  const { inventory, clock, site } = context;
  app.route({
    method: 'GET',
    url: '/api/v1/board',
    config: { access: 'read' },
    schema: {
      tags: ['boots'],
      summary: 'A row for each machine seen booting, and the cursor from which the feed goes on',
      response: answers(document),
    },
    handler: async (_request, reply) =>
      reply.send(
        readBoard(inventory, { site, clock, diagnoses: context.recorder?.store }) as never,
      ),
  });
  app.route({
    method: 'GET',
    url: '/api/v1/boots',
    config: { access: 'read' },
    schema: {
      tags: ['boots'],
      summary: 'The newest boots, as timelines: of the site, or of one machine',
      querystring: z.strictObject({
        hardwarename: z.string().max(63).optional(),
        limit: z.coerce.number().int().min(1).max(BOOTS).default(BOOTS),
      }),
      response: answers(z.object({ boots: z.array(document) })),
    },
    handler: async (request, reply) => {
      const { hardwarename, limit: count } = request.query;
      const found =
        hardwarename === undefined
          ? inventory.boots.list(count)
          : inventory.boots.ofMachine(hardwarename as Hardwarename, count);
      const boots = found.map((boot) =>
        foldTimeline(boot, inventory.events.ofBoot(boot.id, limit('stallEventsMax')), clock()),
      );
      return reply.send({ boots } as never);
    },
  });
  app.route({
    method: 'GET',
    url: '/api/v1/boots/:id',
    config: { access: 'read' },
    schema: {
      tags: ['boots'],
      summary: 'One boot with its events',
      params: idParams,
      response: answers(
        z.object({
          timeline: document,
          events: z.array(eventView),
          diagnosis: document.nullable().describe('Why it stopped, where that has a name'),
        }),
      ),
    },
    handler: async (request, reply) => {
      const boot = inventory.boots.byId(request.params.id as BootId);
      if (!boot) throw new AppError('NOT_FOUND', { detail: `No boot ${request.params.id}.` });
      const events = inventory.events.ofBoot(boot.id);
      const kept = context.recorder?.store.ofBoot(boot.id);
      const diagnosis = kept ? showDiagnosis(kept) : null;
      const timeline = foldTimeline(boot, events, clock());
      return reply.send({ timeline, events, diagnosis } as never);
    },
  });
}
