/** DNS for people: what is served, every generation with its cause, the way back, records of their own. */
import { Readable } from 'node:stream';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { AppError } from '../../../errors.ts';
import type { DnsDesk } from '../../../nameserver/desk.ts';
import { principalOf } from '../authenticate.ts';
import { commitInParts } from '../commit.ts';
import type { PeopleContext, PeopleServer } from '../context.ts';
import { answers, nothing, pageSize, why, whyQuery } from '../schemas.ts';

const tags = ['dns'];

const fault = z
  .object({ code: z.string(), name: z.string(), why: z.string() })
  .meta({ id: 'DnsFault' });

const status = z
  .object({
    generation: z.number().int().describe('The one that is served'),
    held: z.number().int().nullable().describe('The one that a person holds'),
    faults: z.array(fault).describe('What speaks against the next one'),
    zones: z.array(
      z.object({ name: z.string(), serial: z.number().int(), records: z.number().int() }),
    ),
    udp: z
      .object({
        threads: z.number().int(),
        running: z.number().int(),
        restarts: z.number().int().describe('Threads started in place of one that had ended'),
        silent: z.array(z.string()).describe('Addresses at which nobody answers now'),
      })
      .describe('Threads that answer over UDP; none where the main thread does'),
  })
  .meta({ id: 'DnsStatus' });

const generation = z
  .object({
    id: z.number().int(),
    at: z.number().int(),
    cause: z.string(),
    status: z.enum(['served', 'refused']),
    faults: z.array(fault),
    added: z.number().int(),
    removed: z.number().int(),
  })
  .meta({ id: 'DnsGeneration' });

const newRecord = z.strictObject({
  name: z.string().min(1).max(253).describe('Relative to the site, or with a final dot'),
  type: z.string().min(1).max(16),
  ttl: z.number().int().min(0).max(2_147_483_647).default(300),
  data: z.string().min(1).max(4096).describe('As a zone file has it'),
  note: z.string().max(256).default(''),
});
const record = newRecord.extend({ id: z.string() }).meta({ id: 'DnsRecord' });

const explained = z
  .object({
    question: z.string(),
    zone: z.string().nullable(),
    serial: z.number().int().nullable(),
    rcode: z.string(),
    authoritative: z.boolean(),
    answers: z.array(
      z.object({ name: z.string(), type: z.string(), ttl: z.number().int(), data: z.string() }),
    ),
    origins: z.array(
      z.object({ name: z.string(), owners: z.array(z.string()), records: z.array(z.string()) }),
    ),
  })
  .meta({ id: 'DnsExplained' });

const text = z.object({ text: z.string() });
const byNumber = z.object({ id: z.coerce.number().int().min(1) });
const page = z.strictObject({
  limit: pageSize(50),
  cursor: z.coerce.number().int().min(1).max(Number.MAX_SAFE_INTEGER).optional(),
});

export function addDnsRoutes(app: PeopleServer, context: PeopleContext): void {
  addReads(app, context);
  addGenerations(app, context);
  addRecords(app, context);
}

export function deskOf({ dns }: PeopleContext): DnsDesk {
  const desk = dns?.();
  if (!desk) throw new AppError('NOT_HERE', { detail: 'This appliance serves no DNS.' });
  return desk;
}

/**
 * A write of DNS. Each takes effect in memory too, so it is no part of the transaction of its answer: one that is repeated
 * with the same Idempotency-Key is given the answer of the first.
 */
export async function write(
  context: PeopleContext,
  { request, reply }: { request: FastifyRequest; reply: FastifyReply },
  run: () => { status?: number; body?: unknown },
): Promise<FastifyReply> {
  return commitInParts(context, { request, reply }, run);
}

/** Gives the loop back between pieces: a zone may be long. */
async function* pieces(source: Iterable<string>): AsyncIterableIterator<string> {
  for (const piece of source) {
    yield piece;
    await new Promise((resolve) => setImmediate(resolve));
  }
}

function addReads(app: PeopleServer, context: PeopleContext): void {
  app.route({
    method: 'GET',
    url: '/api/v1/dns',
    config: { access: 'read' },
    schema: {
      tags,
      summary: 'Zones, and what speaks against the next generation',
      response: answers(status),
    },
    handler: async () => deskOf(context).status() as z.output<typeof status>,
  });
  app.route({
    method: 'GET',
    url: '/api/v1/dns/zones/:zone',
    config: { access: 'read' },
    schema: {
      tags,
      summary: 'A zone as a file: its SOA, then its records in no particular order',
      params: z.object({ zone: z.string().min(1).max(253) }),
      querystring: z.object({
        signed: z.stringbool().default(false).describe('With keys, denials and signatures'),
      }),
      response: answers(z.string()),
    },
    handler: async (request, reply) => {
      const { zone } = request.params;
      const desk = deskOf(context);
      const source = request.query.signed ? await desk.signedZoneFile(zone) : desk.zoneFile(zone);
      const first = source.next();
      const rest = first.done ? [] : [first.value];
      const all = (function* () {
        yield* rest;
        yield* source;
      })();
      reply.type('text/dns');
      return reply.send(Readable.from(pieces(all)) as never);
    },
  });
  app.route({
    method: 'GET',
    url: '/api/v1/dns/explain',
    config: { access: 'read' },
    schema: {
      tags,
      summary: 'What is answered to a question, and who put it there',
      querystring: z.object({
        name: z.string().min(1).max(1020),
        type: z.string().max(16).default('A'),
      }),
      response: answers(explained),
    },
    handler: async ({ query }) =>
      deskOf(context).explain(query.name, query.type) as z.output<typeof explained>,
  });
}

function addGenerations(app: PeopleServer, context: PeopleContext): void {
  app.route({
    method: 'GET',
    url: '/api/v1/dns/generations',
    config: { access: 'read' },
    schema: {
      tags,
      summary: 'Generations, newest first, with cause and faults',
      querystring: page,
      response: answers(
        z.object({
          generations: z.array(generation),
          next: z.number().int().optional().describe('The cursor of the next page'),
        }),
      ),
    },
    handler: async ({ query }) => {
      const found = deskOf(context).generations(query.limit + 1, query.cursor);
      const shown = found.slice(0, query.limit) as z.output<typeof generation>[];
      const last = found.length > shown.length ? shown.at(-1) : undefined;
      return { generations: shown, ...(last ? { next: last.id } : {}) };
    },
  });
  app.route({
    method: 'GET',
    url: '/api/v1/dns/generations/:id',
    config: { access: 'read' },
    schema: {
      tags,
      summary: 'What a generation changed, record by record',
      params: byNumber,
      response: answers(text),
    },
    handler: async ({ params }) => ({ text: deskOf(context).diff(params.id) }),
  });
  app.route({
    method: 'GET',
    url: '/api/v1/dns/pending',
    config: { access: 'read' },
    schema: { tags, summary: 'What the next generation would change', response: answers(text) },
    handler: async () => ({ text: deskOf(context).pending() }),
  });
  app.route({
    method: 'POST',
    url: '/api/v1/dns/rollback',
    config: { access: 'operator' },
    schema: {
      tags,
      summary: 'Serve an older generation again, and hold it until resumed',
      body: z.strictObject({ generation: z.number().int().min(1) }),
      response: answers(status),
    },
    handler: async (request, reply) =>
      write(context, { request, reply }, () => {
        const desk = deskOf(context);
        desk.rollback(request.body.generation, principalOf(request).who);
        return { body: desk.status() };
      }),
  });
  app.route({
    method: 'POST',
    url: '/api/v1/dns/accept',
    config: { access: 'operator' },
    schema: {
      tags,
      summary: 'Serve the next generation although zones shrink',
      response: answers(status),
    },
    handler: async (request, reply) =>
      write(context, { request, reply }, () => {
        const desk = deskOf(context);
        desk.accept(principalOf(request).who);
        return { body: desk.status() };
      }),
  });
  app.route({
    method: 'POST',
    url: '/api/v1/dns/resume',
    config: { access: 'operator' },
    schema: {
      tags,
      summary: 'End a hold: the inventory decides again',
      response: answers(status),
    },
    handler: async (request, reply) =>
      write(context, { request, reply }, () => {
        const desk = deskOf(context);
        desk.resume(principalOf(request).who);
        return { body: desk.status() };
      }),
  });
}

function addRecords(app: PeopleServer, context: PeopleContext): void {
  app.route({
    method: 'GET',
    url: '/api/v1/dns/records',
    config: { access: 'read' },
    schema: {
      tags,
      summary: 'Records that people wrote',
      response: answers(z.object({ records: z.array(record) })),
    },
    handler: async () => ({ records: deskOf(context).statics() }),
  });
  app.route({
    method: 'POST',
    url: '/api/v1/dns/records',
    config: { access: 'operator' },
    schema: {
      tags,
      summary: 'Add a record: checked first, then kept and served at once',
      body: newRecord.extend({ why: why.optional() }),
      response: answers(record, 201),
    },
    handler: async (request, reply) =>
      write(context, { request, reply }, () => {
        const { why: reason = '', ...body } = request.body;
        const cause = { who: principalOf(request).who, why: reason };
        return { status: 201, body: deskOf(context).addStatic(body, cause) };
      }),
  });
  app.route({
    method: 'DELETE',
    url: '/api/v1/dns/records/:id',
    config: { access: 'operator' },
    schema: {
      tags,
      summary: 'Remove a record',
      params: z.object({ id: z.string().max(32) }),
      querystring: whyQuery,
      response: answers(nothing, 204),
    },
    handler: async (request, reply) =>
      write(context, { request, reply }, () => {
        const cause = { who: principalOf(request).who, why: request.query.why ?? '' };
        if (!deskOf(context).removeStatic(request.params.id, cause)) {
          throw new AppError('NOT_FOUND', { detail: `No record ${request.params.id}.` });
        }
        return { status: 204 };
      }),
  });
}
