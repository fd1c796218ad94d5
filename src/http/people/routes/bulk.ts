/**
 * Many machines at once: one edit or one change of state for a list or a filter, with a result for each.
 *
 * The call is not one transaction: it goes in chunks, so that DHCP answers in between, and each machine stands alone; one
 * that cannot be changed does not undo the others. What would change is told first with `dryRun`, and the guardrails
 * (guardrails.ts) ask for the count.
 */
import { z } from 'zod';
import { AppError, type ErrorCode } from '../../../errors.ts';
import type { Principal } from '../../../inventory/access.ts';
import type { MachineRecord } from '../../../inventory/machine-fields.ts';
import { needsRelease } from '../../../inventory/states.ts';
import { limit } from '../../../limits.ts';
import type { Hardwarename } from '../../../wire/ids.ts';
import { needEdit, needMove } from '../access-rules.ts';
import { noteRefused, principalOf } from '../authenticate.ts';
import { bulkMachinesBody } from '../bulk-body.ts';
import { commitInParts } from '../commit.ts';
import type { PeopleContext, PeopleServer } from '../context.ts';
import { assertConfirmed } from '../guardrails.ts';
import { filterShape, filtersOf } from '../machine-list-query.ts';
import { answers } from '../schemas.ts';
import { finish, inChunks } from '../slices.ts';

const bulkBody = bulkMachinesBody(filterShape);

const itemResult = z
  .object({
    hardwarename: z.string(),
    ok: z.boolean(),
    version: z.number().int().optional(),
    code: z.string().optional(),
    detail: z.string().optional(),
    path: z.string().optional().describe('A JSON pointer to what is wrong with it'),
    row: z.number().int().optional().describe('Of an import: which row of the sheet, from 1'),
    column: z.string().optional().describe('Of an import: the column that is wrong'),
  })
  .meta({ id: 'ItemResult' });

export interface ItemResult {
  readonly hardwarename: string;
  readonly ok: boolean;
  readonly version?: number;
  readonly code?: ErrorCode;
  readonly detail?: string;
  readonly path?: string;
  readonly row?: number;
  readonly column?: string;
}

export const bulkAnswer = z.object({
  changed: z.number().int(),
  failed: z.number().int(),
  dryRun: z.boolean(),
  results: z.array(itemResult),
});

export function addBulkRoutes(app: PeopleServer, context: PeopleContext): void {
  const { serverdb } = context.inventory;
  app.route({
    method: 'POST',
    url: '/api/v1/machines/bulk',
    bodyLimit: limit('bulkBodyBytesMax'),
    config: { access: 'any' },
    schema: {
      tags: ['machines'],
      summary: 'Edit or move many machines, with a result for each',
      body: bulkBody,
      response: answers(bulkAnswer),
    },
    handler: async (request, reply) => {
      const principal = principalOf(request);
      const { confirm, dryRun } = request.body;
      return commitInParts(context, { request, reply, rehearsal: dryRun }, async () => {
        const names = await selected(context, request.body);
        const records = names.flatMap((name) => context.inventory.machines.record(name) ?? []);
        if (!dryRun) assertConfirmed(records, confirm, serverdb.query);
        const results = await changeAll(context, { names, dryRun }, (record) =>
          changeOne(context, principal, { record, body: request.body }),
        );
        noteRefused(request, results);
        return { body: summary(results, dryRun) };
      });
    },
  });
}

export function summary(results: readonly ItemResult[], dryRun: boolean) {
  const changed = results.filter(({ ok }) => ok).length;
  return { changed, failed: results.length - changed, dryRun, results };
}

type BulkBody = z.output<typeof bulkBody>;

async function selected(
  { inventory }: PeopleContext,
  { machines, filter }: BulkBody,
): Promise<Hardwarename[]> {
  if (machines) return [...new Set(machines)] as Hardwarename[];
  const most = limit('bulkItemsMax');
  const query = {
    filters: filtersOf(filter ?? {}),
    sort: 'hardwarename',
    descending: false,
  } as const;
  const { records, next } = await finish(inventory.serverdb.query.page({ ...query, count: most }));
  if (next !== undefined) {
    throw new AppError('REQUEST_INVALID', {
      detail: `The filter finds more than ${most} machines; narrow it.`,
      path: '/filter',
    });
  }
  return records.map(({ hardwarename }) => hardwarename);
}

async function changeAll(
  { inventory, durably }: PeopleContext,
  { names, dryRun }: { names: readonly Hardwarename[]; dryRun: boolean },
  change: (record: MachineRecord) => number,
): Promise<ItemResult[]> {
  const one = (hardwarename: Hardwarename): ItemResult =>
    attempt(inventory.serverdb.savepoint, hardwarename, () => {
      const record = inventory.machines.record(hardwarename);
      if (!record) throw new AppError('MACHINE_UNKNOWN');
      return { hardwarename, version: change(record) };
    });
  return inChunks(names, limit('bulkChunkMax'), (chunk) => {
    const run = () => chunk.map(one);
    return dryRun ? inventory.rehearse(run) : durably(run);
  });
}

/** One item in a savepoint of its own: its failure is its result, and undoes only what it did. */
export function attempt(
  savepoint: <T>(run: () => T) => T,
  name: string,
  run: () => { hardwarename: string; version: number },
): ItemResult {
  try {
    return { ok: true, ...savepoint(run) };
  } catch (error) {
    if (!(error instanceof AppError) || error.httpStatus >= 500) throw error;
    const { code, message, path } = error;
    const where = path === undefined ? {} : { path };
    return { hardwarename: name, ok: false, code, detail: message, ...where };
  }
}

function changeOne(
  { inventory }: PeopleContext,
  principal: Principal,
  { record, body }: { record: MachineRecord; body: BulkBody },
): number {
  const { editor } = inventory.serverdb;
  const { who } = principal;
  const { edit, move, why } = body;
  if (edit) {
    needEdit(principal, record, edit);
    return editor.edit(record.hardwarename, edit, { who, why }).version;
  }
  if (!move) return record.version;
  needMove(principal, record, move.to);
  const released = move.release.includes(record.hardwarename);
  return editor.move(record.hardwarename, move.to, {
    ...{ why, who, by: needsRelease(record.state) ? 'owner' : 'operator' },
    release: released ? record.hardwarename : undefined,
  }).version;
}
