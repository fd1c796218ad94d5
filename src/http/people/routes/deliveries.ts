/** Deliveries: packing lists taken in as JSON or as the supplier's sheet, and compared with what has come. */
import { z } from 'zod';
import { AppError } from '../../../errors.ts';
import { type Delivery, LINE_STATUSES } from '../../../inventory/deliveries.ts';
import { text } from '../../../inventory/record-kinds.ts';
import { limit } from '../../../limits.ts';
import { principalOf } from '../authenticate.ts';
import { commit, etagOf, versionRead } from '../commit.ts';
import type { PeopleContext, PeopleServer } from '../context.ts';
import { parseCsv } from '../csv.ts';
import { answers, nameParams, nothing, whyQuery } from '../schemas.ts';

const tags = ['deliveries'];

const unit = z.number().int().min(0).max(100);
const line = z.strictObject({
  serial: text.min(1),
  product: text.default(''),
  rack: text.default('').describe('Where it is to stand; empty: anywhere'),
  unit: unit.default(0).describe('Lowest unit; 0: any'),
});

const body = z.strictObject({
  supplier: text.default(''),
  expectedOn: z.iso.date().or(z.literal('')).default(''),
  notes: z.string().max(limit('notesCharsMax')).default(''),
  lines: z.array(line).max(limit('deliveryLinesMax')).default([]),
  sheet: z
    .string()
    .max(limit('bulkBodyBytesMax'))
    .optional()
    .describe(
      'The same as CSV: a header with serial, and product, rack, unit where they are known',
    ),
});

const counts = z.record(z.enum(LINE_STATUSES), z.number().int());
const deliveryView = z
  .object({
    name: z.string(),
    version: z.number().int(),
    supplier: z.string(),
    expectedOn: z.string(),
    notes: z.string(),
    createdAt: z.number().int(),
    updatedAt: z.number().int(),
    counts: counts.describe('Lines by what has become of them'),
  })
  .meta({ id: 'Delivery' });

const comparedView = z.object({
  line: z.number().int().describe('From 1; 0 for a machine that is in no list'),
  serial: z.string(),
  product: z.string(),
  rack: z.string(),
  unit: z.number().int(),
  status: z.enum(LINE_STATUSES),
  hardwarename: z.string(),
  foundRack: z.string(),
  foundUnit: z.number().int(),
  why: z.string(),
});

export function addDeliveryRoutes(app: PeopleServer, context: PeopleContext): void {
  addReads(app, context);
  addWrites(app, context);
}

function view({ inventory }: PeopleContext, delivery: Delivery) {
  const lines = inventory.serverdb.deliveries.compare(delivery);
  const counted = Object.fromEntries(LINE_STATUSES.map((status) => [status, 0]));
  for (const { status } of lines) counted[status] = (counted[status] ?? 0) + 1;
  return { delivery: { ...delivery, counts: counted as z.output<typeof counts> }, lines };
}

function addReads(app: PeopleServer, context: PeopleContext): void {
  const { deliveries } = context.inventory.serverdb;
  app.route({
    method: 'GET',
    url: '/api/v1/deliveries',
    config: { access: 'read' },
    schema: {
      tags,
      summary: 'Every delivery, newest first, with how much of it has come',
      response: answers(z.object({ deliveries: z.array(deliveryView) })),
    },
    handler: async () => ({
      deliveries: deliveries.list().map((one) => view(context, one).delivery),
    }),
  });
  app.route({
    method: 'GET',
    url: '/api/v1/deliveries/:name',
    config: { access: 'read' },
    schema: {
      tags,
      summary: 'A delivery, each line compared with the machines on record: what is wrong first',
      params: nameParams,
      response: answers(z.object({ delivery: deliveryView, lines: z.array(comparedView) })),
    },
    handler: async (request, reply) => {
      const delivery = deliveries.get(request.params.name);
      if (!delivery) throw new AppError('NOT_FOUND', { detail: 'No delivery of this name.' });
      return reply.header('etag', etagOf(delivery.version)).send(view(context, delivery));
    },
  });
}

function addWrites(app: PeopleServer, context: PeopleContext): void {
  const { deliveries } = context.inventory.serverdb;
  app.route({
    method: 'PUT',
    url: '/api/v1/deliveries/:name',
    bodyLimit: limit('bulkBodyBytesMax'),
    config: { access: 'technician' },
    schema: {
      tags,
      summary: 'Take in a packing list, in the place of the one that was there',
      params: nameParams,
      querystring: whyQuery,
      body,
      response: answers(deliveryView),
    },
    handler: async (request, reply) => {
      const { who } = principalOf(request);
      const version = versionRead(request);
      const { sheet, ...doc } = request.body;
      const lines = sheet === undefined ? doc.lines : linesOf(sheet);
      const { why = 'taken in' } = request.query;
      return commit(context, { request, reply }, () => {
        const made = deliveries.put(request.params.name, { ...doc, lines }, { who, why, version });
        return { body: view(context, made).delivery, version: made.version };
      });
    },
  });
  app.route({
    method: 'DELETE',
    url: '/api/v1/deliveries/:name',
    config: { access: 'technician' },
    schema: {
      tags,
      summary: 'Forget a delivery; machines stay as they are',
      params: nameParams,
      querystring: whyQuery,
      response: answers(nothing, 204),
    },
    handler: async (request, reply) => {
      const { who } = principalOf(request);
      const version = versionRead(request);
      const { why = 'forgotten' } = request.query;
      return commit(context, { request, reply }, () => {
        deliveries.remove(request.params.name, { who, why, version });
        return { status: 204 };
      });
    },
  });
}

/** What suppliers call the columns. */
const COLUMNS: Readonly<Record<string, keyof z.output<typeof line>>> = {
  ...{ serial: 'serial', serialnumber: 'serial', sn: 'serial', servicetag: 'serial' },
  ...{ product: 'product', model: 'product', rack: 'rack', unit: 'unit', u: 'unit' },
};

/** @throws AppError REQUEST_INVALID with the line of the sheet that is wrong */
function linesOf(sheet: string): z.output<typeof line>[] {
  const wrong = (detail: string) => new AppError('REQUEST_INVALID', { detail, path: '/sheet' });
  const parsed = parseCsv(sheet);
  if (!parsed.ok) throw wrong(`Line ${parsed.line}: ${parsed.why}.`);
  const [header = [], ...rows] = parsed.rows;
  const names = header.map((cell) => COLUMNS[cell.toLowerCase().replaceAll(/[^a-z]/g, '')]);
  if (!names.includes('serial')) throw wrong('The first row names no column serial.');
  if (rows.length > limit('deliveryLinesMax')) throw wrong('There are too many lines.');
  return rows.map((cells, index) => {
    const given: Record<string, unknown> = {};
    names.forEach((name, column) => {
      const value = (cells[column] ?? '').trim();
      if (name !== undefined && value !== '') given[name] = name === 'unit' ? Number(value) : value;
    });
    const read = line.safeParse(given);
    if (read.success) return read.data;
    const { path, message } = read.error.issues[0] ?? { path: [], message: 'cannot be read' };
    throw wrong(`Row ${index + 2}, ${path.join('.')}: ${message}.`);
  });
}
