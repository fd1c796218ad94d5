/**
 * The sheet that a datacenter team already has: machines in from CSV or JSON, and out to CSV. An import makes what it does
 * not know and changes what it knows, row by row, with a result for each; `dryRun` says what would happen.
 */
import { Readable } from 'node:stream';
import { z } from 'zod';
import { AppError } from '../../../errors.ts';
import type { Principal } from '../../../inventory/access.ts';
import { hardwarenameOf, isUsableSerial } from '../../../inventory/identity.ts';
import type { MachineRecord } from '../../../inventory/machine-fields.ts';
import {
  changesSchema,
  type MachineEntry,
  machineEntrySchema,
} from '../../../inventory/machine-schema.ts';
import { limit } from '../../../limits.ts';
import type { Hardwarename } from '../../../wire/ids.ts';
import { parseMac } from '../../../wire/mac.ts';
import { isAtLeast, needEdit, needRole } from '../access-rules.ts';
import { noteRefused, principalOf } from '../authenticate.ts';
import { keptAnswer, sendText } from '../commit.ts';
import type { PeopleContext, PeopleServer } from '../context.ts';
import { parseCsv, renderCsvRow } from '../csv.ts';
import { assertConfirmed } from '../guardrails.ts';
import { filterShape, filtersOf } from '../machine-list-query.ts';
import { readHeader, readRow, rowOf, SHEET_COLUMNS, type SheetRow } from '../machine-sheet.ts';
import { answers, why } from '../schemas.ts';
import { finish, inChunks } from '../slices.ts';
import { attempt, bulkAnswer, type ItemResult, summary } from './bulk.ts';

const importBody = z.strictObject({
  /** One of the two. */
  machines: z
    .array(z.record(z.string().max(64), z.unknown()))
    .max(limit('bulkItemsMax'))
    .optional()
    .describe('As POST /api/v1/machines takes them; `hardwarename` names one that is known'),
  csv: z.string().max(limit('bulkBodyBytesMax')).optional().describe('A sheet with a header row'),
  why: why.default('imported'),
  confirm: z.number().int().min(1).optional().describe('How many known machines it changes'),
  dryRun: z.boolean().default(false),
});

export function addSheetRoutes(app: PeopleServer, context: PeopleContext): void {
  addImport(app, context);
  addExport(app, context);
}

function addImport(app: PeopleServer, context: PeopleContext): void {
  const { inventory } = context;
  app.route({
    method: 'POST',
    url: '/api/v1/machines/import',
    bodyLimit: limit('bulkBodyBytesMax'),
    config: { access: 'any' },
    schema: {
      tags: ['machines'],
      summary: 'Enter and change machines from a list or a sheet, with a result for each row',
      body: importBody,
      response: answers(bulkAnswer),
    },
    handler: async (request, reply) => {
      const { key, body: kept } = keptAnswer(context, request);
      if (kept !== undefined) return sendText(reply, 200, kept);
      const principal = principalOf(request);
      const { dryRun, why, confirm } = request.body;
      const rows = rowsOf(request.body);
      const known = rows.flatMap((row) => knownOf(context, row) ?? []);
      if (!dryRun && known.length > 0) assertConfirmed(known, confirm, inventory.serverdb.query);
      const results = await inChunks(rows, limit('bulkChunkMax'), (chunk) => {
        const run = () => chunk.map((row) => importRow(context, principal, { row, why }));
        return dryRun ? inventory.rehearse(run) : context.durably(run);
      });
      noteRefused(request, results);
      const text = JSON.stringify(summary(results, dryRun));
      if (key && !dryRun) {
        await context.durably(() =>
          inventory.serverdb.idempotency.keep(key, { status: 200, body: text, etag: '' }),
        );
      }
      return sendText(reply, 200, text);
    },
  });
}

function rowsOf({ machines, csv }: z.output<typeof importBody>): SheetRow[] {
  if ((machines === undefined) === (csv === undefined))
    throw new AppError('REQUEST_INVALID', { detail: 'Either machines or csv.', path: '/machines' });
  if (machines) return machines.map(rowOfObject);
  const parsed = parseCsv(csv ?? '');
  if (!parsed.ok) {
    const detail = `Line ${parsed.line}: ${parsed.why}.`;
    throw new AppError('REQUEST_INVALID', { detail, path: '/csv' });
  }
  const [header, ...rows] = parsed.rows;
  if (!header) throw new AppError('REQUEST_INVALID', { detail: 'No header row.', path: '/csv' });
  if (rows.length > limit('bulkItemsMax')) {
    const detail = `More than ${limit('bulkItemsMax')} rows; divide the sheet.`;
    throw new AppError('REQUEST_INVALID', { detail, path: '/csv' });
  }
  const columns = readHeader(header);
  return rows.map((cells) => readRow(columns, cells));
}

function rowOfObject({ hardwarename = '', ...entry }: Readonly<Record<string, unknown>>): SheetRow {
  const { serial: _s, manufacturer: _m, product: _p, state: _t, nics: _n, ...changes } = entry;
  return { hardwarename: typeof hardwarename === 'string' ? hardwarename : '', entry, changes };
}

/** The machine that a row is about: by its hardwarename, its serial, or the MAC of a NIC. */
function knownOf({ inventory }: PeopleContext, { hardwarename, entry }: SheetRow) {
  const { machines } = inventory;
  const serial = typeof entry.serial === 'string' ? entry.serial : '';
  const byName = hardwarename || (isUsableSerial(serial) ? hardwarenameOf(serial) : '');
  const named = byName === '' ? undefined : machines.record(byName as Hardwarename);
  if (named || !Array.isArray(entry.nics)) return named;
  for (const nic of entry.nics as readonly { mac?: unknown }[]) {
    const mac = typeof nic?.mac === 'string' ? parseMac(nic.mac) : undefined;
    const owner = mac && machines.stateByMac(mac);
    if (owner) return machines.record(owner.hardwarename);
  }
  return undefined;
}

function importRow(
  context: PeopleContext,
  principal: Principal,
  { row, why }: { row: SheetRow; why: string },
): ItemResult {
  const { savepoint, editor } = context.inventory.serverdb;
  const name = row.hardwarename || String(row.entry.serial ?? '');
  return attempt(savepoint, name, () => {
    const cause = { who: principal.who, why };
    const known = knownOf(context, row);
    if (known) {
      const changes = checked(changesSchema, row.changes);
      needEdit(principal, known, changes);
      return editor.edit(known.hardwarename, changes, cause);
    }
    if (row.hardwarename !== '') throw new AppError('MACHINE_UNKNOWN');
    if (!isAtLeast(principal.role, 'operator')) needRole(principal, '', 'operator');
    const entry = checked(machineEntrySchema, row.entry) as MachineEntry;
    needEdit(principal, { squad: '' }, checked(changesSchema, row.changes));
    const { hardwarename, version } = editor.enter(entry, cause);
    return { hardwarename, version };
  });
}

function checked<Schema extends z.ZodType>(schema: Schema, value: unknown): z.output<Schema> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw new AppError('REQUEST_INVALID', {
    detail: `${(issue?.path ?? []).join('.') || 'row'}: ${issue?.message ?? 'wrong form'}`,
  });
}

function addExport(app: PeopleServer, context: PeopleContext): void {
  const { query } = context.inventory.serverdb;
  const pageOf = async (filters: ReturnType<typeof filtersOf>, cursor: string | undefined) =>
    finish(
      query.page({ filters, sort: 'hardwarename', descending: false, count: EXPORT_PAGE, cursor }),
    );
  async function* lines(filters: ReturnType<typeof filtersOf>): AsyncGenerator<string> {
    yield renderCsvRow(SHEET_COLUMNS);
    for (let cursor: string | undefined; ; ) {
      const { records, next } = await pageOf(filters, cursor);
      const line = (record: MachineRecord) =>
        renderCsvRow(rowOf(record, context.inventory.machines.nicsOf(record.hardwarename)));
      yield records.map(line).join('');
      if (next === undefined) return;
      cursor = next;
    }
  }
  app.route({
    method: 'GET',
    url: '/api/v1/machines.csv',
    config: { access: 'read' },
    schema: {
      tags: ['machines'],
      summary: 'Machines as a sheet: every field, the filters of the list',
      querystring: z.strictObject(filterShape),
      response: {
        ...answers(z.string()),
        200: { description: 'text/csv', content: { 'text/csv': { schema: z.string() } } },
      },
    },
    handler: async (request, reply) => {
      reply.header('content-disposition', 'attachment; filename="machines.csv"');
      reply.type('text/csv; charset=utf-8');
      return reply.send(Readable.from(lines(filtersOf(request.query))) as never);
    },
  });
}

const EXPORT_PAGE = 200;
