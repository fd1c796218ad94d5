/**
 * Changes of machines in the appliance's shapes: each is asked of the machine's site as an intent, and answered when the site has
 * carried it out (asking.ts). Who may is decided here, by the appliance's own rules and what the site has told of the machine; what the
 * machine's state forbids, the site decides. What is not answered yet is 202, with the machine as it was last known and `asked`.
 */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { AppError } from '../errors.ts';
import { siteName } from '../federation/protocol.ts';
import { needEdit, needRole, writableOf } from '../http/people/access-rules.ts';
import { etagOf, versionRead } from '../http/people/commit.ts';
import { changesSchema, machineEntrySchema, moveFields } from '../inventory/machine-schema.ts';
import { text } from '../inventory/record-kinds.ts';
import { limit } from '../limits.ts';
import { asPrincipal, principalOf } from './access.ts';
import type { FleetApp, FleetAppParts } from './app.ts';
import type { Asked } from './asking.ts';
import { addBulkOrders } from './bulk-orders.ts';
import type { FleetMachine } from './fleet-view.ts';
import { askedOf, askerOf, needFleetEdit, needFleetMove, recordOf, seenOf, why } from './orders.ts';

const whyQuery = z.strictObject({ why: why.optional() });
const machineParams = z.object({ hardwarename: z.string().min(1).max(63) });
/** Who may do what with which machine, the rules say. */
const technician = { fleetRole: 'technician' } as const;

export function addOrders(app: FleetApp, parts: FleetAppParts): void {
  addChanges(app, parts);
  addMoves(app, parts);
  addComingAndGoing(app, parts);
  addBulkOrders(app, parts);
}

type Body = Extract<Asked['body'], { target: string }>;

/** Asks for it, and answers with the machine as it is then. @throws AppError what its site says */
async function order(
  { asking, view }: FleetAppParts,
  { request, reply }: { readonly request: FastifyRequest; readonly reply: FastifyReply },
  { known, body }: { readonly known: FleetMachine; readonly body: Body },
): Promise<FastifyReply> {
  const told = await asking.one({ site: known.site, body }, askerOf(request));
  const version = Number(told.result.version ?? 0);
  const machine = await copied({ view }, { known, version });
  if (told.status === 'waiting' || machine.version < version)
    return reply.code(202).send({ ...machine, asked: askedOf(told) });
  return reply.header('etag', etagOf(machine.version)).send(machine);
}

/** The site's answer comes a moment before its record. One that does not come, or goes meanwhile, is as it was. */
async function copied(
  { view }: Pick<FleetAppParts, 'view'>,
  { known, version }: { readonly known: FleetMachine; readonly version: number },
): Promise<FleetMachine> {
  const end = performance.now() + limit('fleetAnswerMs');
  for (;;) {
    const [machine = known] = await view.machine(known.hardwarename);
    if (machine === known || machine.version >= version || performance.now() > end) return machine;
    await new Promise((resolve) => setTimeout(resolve, limit('fleetAnswerLookMs')));
  }
}

function addChanges(app: FleetApp, parts: FleetAppParts): void {
  app.patch(
    '/api/v1/machines/:hardwarename',
    {
      config: technician,
      schema: { params: machineParams, querystring: whyQuery, body: changesSchema },
    },
    async (request, reply) => {
      const machine = await parts.view.living(request.params.hardwarename);
      needFleetEdit(principalOf(request), machine, request.body);
      const { why: reason = 'edited' } = request.query;
      const edit = request.body as Extract<Body, { kind: 'edit' }>['edit'];
      const { hardwarename: target } = machine;
      const by = { ...read(request, true), ...seenOf(machine) };
      const body = { kind: 'edit', target, edit, why: reason, ...by } as const;
      return order(parts, { request, reply }, { known: machine, body });
    },
  );
  app.post(
    '/api/v1/machines/:hardwarename/hostname',
    {
      config: technician,
      schema: {
        params: machineParams,
        body: z.strictObject({ role: text.min(1), why: why.default('named by its role') }),
      },
    },
    async (request, reply) => {
      const machine = await parts.view.living(request.params.hardwarename);
      needFleetEdit(principalOf(request), machine, { hostname: '', role: '' });
      const { hardwarename: target } = machine;
      const by = { ...read(request, false), ...seenOf(machine) };
      const body = { kind: 'name', target, ...request.body, ...by } as const;
      return order(parts, { request, reply }, { known: machine, body });
    },
  );
}

const read = (request: FastifyRequest, isNeeded: boolean): { version?: number } => {
  const version = versionRead(request, isNeeded);
  return version === undefined ? {} : { version };
};

function addMoves(app: FleetApp, parts: FleetAppParts): void {
  app.post(
    '/api/v1/machines/:hardwarename/transitions',
    {
      config: technician,
      schema: { params: machineParams, body: z.strictObject({ ...moveFields, why }) },
    },
    async (request, reply) => {
      const machine = await parts.view.living(request.params.hardwarename);
      const { why: reason, ...rest } = request.body;
      needFleetMove(principalOf(request), machine, rest.to);
      const move = JSON.parse(JSON.stringify(rest));
      const { hardwarename: target } = machine;
      const by = { ...read(request, false), ...seenOf(machine) };
      const body = { kind: 'move', target, move, why: reason, ...by } as const;
      return order(parts, { request, reply }, { known: machine, body });
    },
  );
}

function addComingAndGoing(app: FleetApp, parts: FleetAppParts): void {
  const { asking, fleet, view } = parts;
  app.post(
    '/api/v1/machines',
    {
      config: { fleetRole: 'operator' },
      schema: { querystring: whyQuery, body: machineEntrySchema },
    },
    async (request, reply) => {
      const { site: wanted, ...entry } = request.body;
      const site = siteName.safeParse(wanted).data ?? '';
      if (!(await fleet.site(site))) throw new AppError('SITE_UNKNOWN', { path: '/site' });
      const principal = asPrincipal(principalOf(request), entry.squad ?? '');
      needRole(principal, '', 'operator');
      needEdit(principal, { squad: '' }, writableOf(entry));
      const { why: reason = 'entered' } = request.query;
      const body = {
        kind: 'enter',
        entry: JSON.parse(JSON.stringify(entry)),
        why: reason,
      } as const;
      const told = await asking.one({ site, body }, askerOf(request));
      if (told.status === 'waiting') return reply.code(202).send({ asked: askedOf(told) });
      const { hardwarename, version } = told.result as { hardwarename: string; version: number };
      reply.header('location', `/api/v1/machines/${hardwarename}`).code(201);
      return (await view.machine(hardwarename))[0] ?? { hardwarename, site, version };
    },
  );
  app.delete(
    '/api/v1/machines/:hardwarename',
    {
      config: { fleetRole: 'operator' },
      schema: { params: machineParams, querystring: whyQuery },
    },
    async (request, reply) => {
      const { hardwarename: target } = request.params;
      const asker = askerOf(request);
      // Forgotten with this key already: the machine is not there to be asked about.
      const again = await asking.again(asker);
      if (again?.status === 'done' && isForget(again.body, target)) return reply.code(204).send();
      const machine = await view.living(target);
      const { squad } = recordOf(machine);
      needRole(asPrincipal(principalOf(request), squad), squad, 'operator');
      const { why: reason = 'never came' } = request.query;
      const by = { ...read(request, true), ...seenOf(machine) };
      const body = { kind: 'forget', target, why: reason, ...by } as const;
      const told = await asking.one({ site: machine.site, body }, asker);
      if (told.status === 'waiting') return reply.code(202).send({ asked: askedOf(told) });
      return reply.code(204).send();
    },
  );
}

const isForget = (body: Asked['body'], target: string): boolean =>
  body.kind === 'forget' && body.target === target;
