/**
 * The sheet that a datacenter team already has: machines in from CSV or JSON, and out to CSV. An import makes what it does
 * not know and changes what it knows, row by row, with a result for each; `dryRun` says what would happen.
 */
import { Readable } from 'node:stream';
import { z } from 'zod';
import { AppError } from '../../../errors.ts';
import type { Principal } from '../../../inventory/access.ts';
import type { MachineRecord } from '../../../inventory/machine-fields.ts';
import { limit } from '../../../limits.ts';
import { noteRefused, principalOf } from '../authenticate.ts';
import { commitInParts } from '../commit.ts';
import type { PeopleContext, PeopleServer } from '../context.ts';
import { parseCsv, renderCsvRow } from '../csv.ts';
import { assertConfirmed } from '../guardrails.ts';
import { filterShape, filtersOf } from '../machine-list-query.ts';
import {
  columnsOf,
  hasTooMany,
  readHeader,
  readRow,
  rowOf,
  type SheetRow,
} from '../machine-sheet.ts';
import { answers, why } from '../schemas.ts';
import { columnOf, machineOfRow, takeRow } from '../sheet-import.ts';
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
      const principal = principalOf(request);
      const { dryRun, why, confirm } = request.body;
      return commitInParts(context, { request, reply, rehearsal: dryRun }, async () => {
        const rows = rowsOf(request.body);
        const known = rows.flatMap((row) => knownOf(context, row));
        if (!dryRun && known.length > 0) assertConfirmed(known, confirm, inventory.serverdb.query);
        const results = await inChunks(rows, limit('bulkChunkMax'), (chunk) => {
          const run = () => chunk.map((read) => importRow(context, principal, { read, why }));
          return dryRun ? inventory.rehearse(run) : context.durably(run);
        });
        noteRefused(request, results);
        return { body: summary(results, dryRun) };
      });
    },
  });
}

interface ReadRow {
  readonly row: SheetRow;
  /** What is wrong with the row as such. */
  readonly fault?: AppError;
}

function rowsOf({ machines, csv }: z.output<typeof importBody>): ReadRow[] {
  if ((machines === undefined) === (csv === undefined))
    throw new AppError('REQUEST_INVALID', { detail: 'Either machines or csv.', path: '/machines' });
  if (machines) return machines.map((one, index) => ({ row: rowOfObject(one, index + 1) }));
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
  return rows.map((cells, index) => {
    const row = readRow(columns, cells, parsed.numbers[index + 1] ?? 0);
    if (!hasTooMany(columns, cells)) return { row };
    const detail = `It has cells beyond the last column, ${columns.at(-1)}.`;
    return { row, fault: new AppError('REQUEST_INVALID', { detail, path: '' }) };
  });
}

function rowOfObject(
  { hardwarename = '', ...entry }: Readonly<Record<string, unknown>>,
  number: number,
): SheetRow {
  const { serial: _s, manufacturer: _m, product: _p, state = '', nics: _n, ...changes } = entry;
  return {
    ...{ number, entry, changes, isSheet: false },
    hardwarename: typeof hardwarename === 'string' ? hardwarename : '',
    was: { state: String(state), mayHoldData: false },
  };
}

/** For the guardrails: a row that is in doubt changes nothing. */
function knownOf(context: PeopleContext, { row }: ReadRow): MachineRecord[] {
  try {
    const known = machineOfRow(context, row);
    return known ? [known] : [];
  } catch (error) {
    if (error instanceof AppError) return [];
    throw error;
  }
}

function importRow(
  context: PeopleContext,
  principal: Principal,
  { read: { row, fault }, why }: { read: ReadRow; why: string },
): ItemResult {
  const name = row.hardwarename || String(row.entry.serial ?? '');
  const { path, ...result } = attempt(context.inventory.serverdb.savepoint, name, () => {
    if (fault) throw fault;
    const { hardwarename, version } = takeRow(context, principal, { row, why });
    return { hardwarename, version };
  });
  const column = path === undefined || path === '' ? undefined : columnOf(path);
  return { ...result, row: row.number, ...(column === undefined ? {} : { column }) };
}

function addExport(app: PeopleServer, context: PeopleContext): void {
  const { query } = context.inventory.serverdb;
  const pageOf = async (filters: ReturnType<typeof filtersOf>, cursor: string | undefined) =>
    finish(
      query.page({ filters, sort: 'hardwarename', descending: false, count: EXPORT_PAGE, cursor }),
    );
  async function* lines(filters: ReturnType<typeof filtersOf>): AsyncGenerator<string> {
    const columns = columnsOf(await finish(query.customNames(filters)));
    yield renderCsvRow(columns);
    for (let cursor: string | undefined; ; ) {
      const { records, next } = await pageOf(filters, cursor);
      const line = (record: MachineRecord) =>
        renderCsvRow(
          rowOf(columns, record, context.inventory.machines.nicsOf(record.hardwarename)),
        );
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
