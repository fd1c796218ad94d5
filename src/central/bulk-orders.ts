/**
 * Orders for many machines at once, over all sites: an intent for each machine, all of them kept or none, and what has come of each
 * within a moment. The guardrails are the appliance's: many machines, or a fifth of a rack, a role or a site, ask for `confirm`.
 */
import type { FastifyRequest } from 'fastify';
import { z } from 'zod';
import { AppError } from '../errors.ts';
import { bulkMachinesBody } from '../http/people/bulk-body.ts';
import { assertConfirmed, groupsOf } from '../http/people/guardrails.ts';
import { limit } from '../limits.ts';
import { type FleetPrincipal, needSquad, principalOf } from './access.ts';
import type { FleetApp, FleetAppParts } from './app.ts';
import { type Asked, refusalOf, type Told } from './asking.ts';
import type { FleetMachine, FleetView } from './fleet-view.ts';
import { fleetJobSchema, jobIntent } from './jobs.ts';
import { askedOf, askerOf, needFleetEdit, needFleetMove, recordOf, seenOf } from './orders.ts';
import { fleetFilter } from './sheet-routes.ts';

const names = z.array(z.string().min(1).max(63));

const machinesBody = bulkMachinesBody(fleetFilter);
type MachinesBody = z.output<typeof machinesBody>;

const jobsBody = fleetJobSchema.omit({ target: true, release: true }).extend({
  targets: names.min(1).max(limit('jobBulkMax')),
  release: names.max(limit('jobBulkMax')).default([]),
  confirm: z.number().int().min(1).optional(),
});

export function addBulkOrders(app: FleetApp, parts: FleetAppParts): void {
  app.post(
    '/api/v1/machines/bulk',
    {
      bodyLimit: limit('bulkBodyBytesMax'),
      config: { fleetRole: 'technician' },
      schema: { body: machinesBody },
    },
    async (request) => {
      const { body } = request;
      const principal = principalOf(request);
      const found = await selected(parts.view, body);
      if (!body.dryRun) await confirmed(parts.view, found, body.confirm);
      const rows = found.map((one) => tried(one, (machine) => orderFor(machine, principal, body)));
      const results = body.dryRun
        ? rows.map((row) => ({ ...row.shown, ok: row.order !== undefined }))
        : await answered(parts, request, rows);
      const changed = results.filter(({ ok }) => ok).length;
      const waiting = results.filter((one) => 'asked' in one).length;
      const failed = results.length - changed - waiting;
      return { changed, failed, waiting, dryRun: body.dryRun, results };
    },
  );
  app.post(
    '/api/v1/jobs/bulk',
    {
      bodyLimit: limit('bulkBodyBytesMax'),
      config: { fleetRole: 'operator' },
      schema: { body: jobsBody },
    },
    async (request) => {
      const { targets, release, confirm, ...body } = request.body;
      const principal = principalOf(request);
      const found = await named(parts.view, targets);
      await confirmed(parts.view, found, confirm);
      const released = new Set(release);
      const rows = found.map((one) =>
        tried(one, (machine) => {
          needSquad(principal, recordOf(machine).squad);
          const target = machine.hardwarename;
          const word = released.has(target) ? { release: target } : {};
          return { ...jobIntent({ ...body, ...word, target }), ...seenOf(machine) };
        }),
      );
      const orders = rows.flatMap(({ order }) => order ?? []);
      const told = await parts.asking.ask(orders, askerOf(request));
      const results = rows.map(({ order, shown: { hardwarename: target, ...rest } }) => {
        const one = order && told[orders.indexOf(order)];
        if (one?.unasked) return { target, ok: false, ...rest, ...refusalOf(one.result) };
        const id = one?.id;
        return { target, ok: id !== undefined, ...rest, ...(id !== undefined && { id }) };
      });
      const created = results.filter(({ ok }) => ok).length;
      return { created, refused: results.length - created, results };
    },
  );
}

/** A machine that is known, or the name of one that is not. */
type Found = FleetMachine | string;

async function named(view: FleetView, given: readonly string[]): Promise<Found[]> {
  const names = [...new Set(given.map((name) => name.replace(/^hardwarename=/, '')))];
  const found = await view.named(names);
  return names.map((name) => found.get(name) ?? name);
}

/** @throws AppError REQUEST_INVALID when there are too many */
async function selected(view: FleetView, { machines, filter }: MachinesBody): Promise<Found[]> {
  if (machines) return named(view, machines);
  const most = limit('bulkItemsMax');
  const found: FleetMachine[] = [];
  for (let cursor: string | undefined; ; ) {
    const page = await view.machines(filter ?? {}, { count: limit('fleetPageMax'), cursor });
    found.push(...page.machines.filter(({ claimed }) => !claimed));
    if (found.length > most) {
      const detail = `The filter finds more than ${most} machines; narrow it.`;
      throw new AppError('REQUEST_INVALID', { detail, path: '/filter' });
    }
    cursor = page.next;
    if (cursor === undefined) return found;
  }
}

/** @throws AppError CONFIRMATION_NEEDED */
async function confirmed(
  view: FleetView,
  found: readonly Found[],
  confirm: number | undefined,
): Promise<void> {
  const records = found.flatMap((one) => (typeof one === 'string' ? [] : recordOf(one)));
  const sizes = new Map<string, number>();
  for (const { group } of groupsOf(records))
    sizes.set(JSON.stringify(group), await view.sizeOf(group));
  assertConfirmed(records, confirm, {
    sizeOf: (group) => sizes.get(JSON.stringify(group)) ?? 0,
  });
}

interface Row {
  readonly shown: {
    readonly hardwarename: string;
    readonly site?: string;
    readonly code?: string;
    readonly detail?: string;
  };
  /** Undefined: it is refused here. */
  readonly order: Asked | undefined;
}

function tried(found: Found, make: (machine: FleetMachine) => Asked['body']): Row {
  const refused = (hardwarename: string, { code, message: detail }: AppError): Row => ({
    ...{ shown: { hardwarename, code, detail }, order: undefined },
  });
  if (typeof found === 'string') return refused(found, new AppError('MACHINE_UNKNOWN'));
  const { hardwarename, site } = found;
  try {
    return { shown: { hardwarename, site }, order: { site, body: make(found) } };
  } catch (error) {
    if (error instanceof AppError) return refused(hardwarename, error);
    throw error;
  }
}

/** @throws AppError FORBIDDEN */
function orderFor(
  machine: FleetMachine,
  principal: FleetPrincipal,
  { edit, move, why: reason }: MachinesBody,
): Asked['body'] {
  const { hardwarename: target } = machine;
  if (move) {
    needFleetMove(principal, machine, move.to);
    const release = move.release.includes(target) ? { release: target } : {};
    return {
      ...{ kind: 'move', target, move: { to: move.to, ...release }, why: reason },
      ...seenOf(machine),
    };
  }
  needFleetEdit(principal, machine, edit ?? {});
  return {
    ...{ kind: 'edit', target, edit: JSON.parse(JSON.stringify(edit)), why: reason },
    ...seenOf(machine),
  };
}

/** What the sites have said to each within a moment. */
async function answered({ asking }: FleetAppParts, request: FastifyRequest, rows: readonly Row[]) {
  const orders = rows.flatMap(({ order }) => order ?? []);
  const told = await asking.settled(await asking.ask(orders, askerOf(request)));
  return rows.map(({ shown, order }) => {
    const one = order && told[orders.indexOf(order)];
    return one ? { ...shown, ...resultOf(one) } : { ...shown, ok: false };
  });
}

function resultOf(told: Told) {
  if (told.status === 'done') return { ok: true, version: Number(told.result.version ?? 0) };
  if (told.status === 'refused') return { ok: false, ...refusalOf(told.result) };
  const detail = `${told.site} has not answered yet`;
  return { ok: false, asked: askedOf(told), detail };
}
