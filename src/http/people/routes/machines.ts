/** Machines: lists, search, one record, entering and changing it, and its way through the states. */
import { z } from 'zod';
import { AppError } from '../../../errors.ts';
import type { MachineRecord } from '../../../inventory/machine-fields.ts';
import {
  changesSchema,
  machineEntrySchema,
  moveFields,
} from '../../../inventory/machine-schema.ts';
import { needsRelease, STATE_RULES, TRANSITIONS } from '../../../inventory/states.ts';
import { limit } from '../../../limits.ts';
import type { Hardwarename } from '../../../wire/ids.ts';
import type { Millis } from '../../../wire/time.ts';
import { needEdit, needMove, needRole, writableOf } from '../access-rules.ts';
import { principalOf } from '../authenticate.ts';
import { commit, etagOf, versionRead } from '../commit.ts';
import type { PeopleContext, PeopleServer } from '../context.ts';
import { burnInView, newestBurnIn } from '../job-views.ts';
import { filterShape, filtersOf, listQueryOf, machineListQuery } from '../machine-list-query.ts';
import {
  answers,
  eventView,
  machineParams,
  machineView,
  nothing,
  stateName,
  why,
  whyQuery,
} from '../schemas.ts';
import { finish } from '../slices.ts';

const tags = ['machines'];

export function addMachineRoutes(app: PeopleServer, context: PeopleContext): void {
  addLists(app, context);
  addReads(app, context);
  addWrites(app, context);
}

/** The record with its NICs, and with its last report where it was asked for. */
export function viewOf(context: PeopleContext, record: MachineRecord, hardware = false) {
  const { machines } = context.inventory;
  const nics = machines.nicsOf(record.hardwarename);
  if (!hardware) return { ...record, nics };
  return { ...record, nics, hardware: machines.hardwareOf(record.hardwarename) };
}

function recordOf({ inventory }: PeopleContext, hardwarename: string): MachineRecord {
  const record = inventory.machines.record(hardwarename as Hardwarename);
  if (!record) throw new AppError('MACHINE_UNKNOWN', { detail: hardwarename.slice(0, 64) });
  return record;
}

function addLists(app: PeopleServer, context: PeopleContext): void {
  const { query } = context.inventory.serverdb;
  const page = z.object({
    machines: z.array(machineView),
    next: z.string().optional().describe('Cursor of the next page; absent on the last one'),
  });
  app.route({
    method: 'GET',
    url: '/api/v1/machines',
    config: { access: 'read' },
    schema: {
      tags,
      summary: 'A page of machines: filters and sorting on every field',
      querystring: machineListQuery,
      response: answers(page),
    },
    handler: async (request, reply) => {
      const { records, next } = await finish(query.page(listQueryOf(request.query)));
      const machines = records.map((record) =>
        viewOf(context, record, request.query.include === 'hardware'),
      );
      return reply.send({ machines, ...(next === undefined ? {} : { next }) } as never);
    },
  });
  app.route({
    method: 'GET',
    url: '/api/v1/machines/count',
    config: { access: 'read' },
    schema: {
      tags,
      summary: 'How many machines pass the filters',
      querystring: z.strictObject(filterShape),
      response: answers(z.object({ count: z.number().int() })),
    },
    handler: async (request) => ({ count: await finish(query.count(filtersOf(request.query))) }),
  });
  app.route({
    method: 'GET',
    url: '/api/v1/machines/search',
    config: { access: 'read' },
    schema: {
      tags,
      summary: 'Machines by what somebody half remembers: a piece of a serial, MAC, name or port',
      querystring: z.strictObject({
        q: z.string().trim().min(1).max(limit('fieldTextCharsMax')),
        limit: z.coerce.number().int().min(1).max(100).default(20),
      }),
      response: answers(
        z.object({
          hits: z.array(
            z.object({
              rank: z
                .number()
                .int()
                .describe('3: it is the name; 2: in it; 1: elsewhere; 0: alike'),
              machine: machineView,
            }),
          ),
        }),
      ),
    },
    handler: async (request, reply) => {
      const { machines } = context.inventory;
      const found = machines.search.find(request.query.q, request.query.limit);
      const hits = found.flatMap(({ hardwarename, rank }) => {
        const record = machines.record(hardwarename);
        return record ? [{ rank, machine: viewOf(context, record) }] : [];
      });
      return reply.send({ hits } as never);
    },
  });
}

const EVENTS_SHOWN = 20;

function addReads(app: PeopleServer, context: PeopleContext): void {
  app.route({
    method: 'GET',
    url: '/api/v1/machines/:hardwarename',
    config: { access: 'read' },
    schema: {
      tags,
      summary: 'One machine, with its last report and its newest events; its ETag is its version',
      params: machineParams,
      querystring: z.strictObject({
        events: z.coerce.number().int().min(0).max(limit('eventsPageMax')).default(EVENTS_SHOWN),
      }),
      response: answers(
        z.object({
          machine: machineView,
          events: z.array(eventView),
          burnIn: burnInView.nullable().describe('Its newest burn-in; null without one'),
        }),
      ),
    },
    handler: async (request, reply) => {
      const record = recordOf(context, request.params.hardwarename);
      const { hardwarename, version } = record;
      reply.header('etag', etagOf(version));
      const count = request.query.events;
      const events = count === 0 ? [] : context.inventory.events.ofMachine(hardwarename, count);
      const burnIn = newestBurnIn(context.jobs.store, hardwarename);
      return reply.send({ machine: viewOf(context, record, true), events, burnIn } as never);
    },
  });
  app.route({
    method: 'GET',
    url: '/api/v1/states',
    config: { access: 'read' },
    schema: {
      tags,
      summary:
        'The states, what each waits for, every legal change, and how many machines are where',
      response: answers(
        z.object({
          states: z.array(
            z.object({
              state: stateName,
              kind: z.enum(['stable', 'waiting']),
              deadlineMs: z.number().int().optional(),
              next: z.string(),
              machines: z.number().int(),
              overdue: z.number().int(),
            }),
          ),
          transitions: z.array(
            z.object({ from: z.string(), to: stateName, by: z.string(), why: z.string() }),
          ),
        }),
      ),
    },
    handler: async () => {
      const counts = new Map(
        context.inventory.machines.countByState().map((row) => [row.state, row]),
      );
      const states = stateName.options.map((state) => {
        const { count: machines = 0, overdue = 0 } = counts.get(state) ?? {};
        return { state, ...STATE_RULES[state], machines, overdue };
      });
      return { states, transitions: TRANSITIONS.map((row) => ({ ...row })) };
    },
  });
}

function addWrites(app: PeopleServer, context: PeopleContext): void {
  const { editor } = context.inventory.serverdb;
  const { machines } = context.inventory;
  app.route({
    method: 'POST',
    url: '/api/v1/machines',
    config: { access: 'operator' },
    schema: {
      tags,
      summary: 'Enter a machine that has not reported: expected, or in service already',
      querystring: whyQuery,
      body: machineEntrySchema,
      response: answers(machineView, 201),
    },
    handler: async (request, reply) => {
      const principal = principalOf(request);
      const { why = 'entered' } = request.query;
      needEdit(principal, { squad: '' }, writableOf(request.body));
      return commit(context, { request, reply }, () => {
        const machine = editor.enter(request.body, { who: principal.who, why });
        reply.header('location', `/api/v1/machines/${machine.hardwarename}`);
        const body = viewOf(context, recordOf(context, machine.hardwarename));
        return { status: 201, body, version: body.version };
      });
    },
  });
  app.route({
    method: 'PATCH',
    url: '/api/v1/machines/:hardwarename',
    config: { access: 'any' },
    schema: {
      tags,
      summary: 'Change fields of a machine, at the version that was read (If-Match)',
      params: machineParams,
      querystring: whyQuery,
      body: changesSchema,
      response: answers(machineView),
    },
    handler: async (request, reply) => {
      const principal = principalOf(request);
      const record = recordOf(context, request.params.hardwarename);
      needEdit(principal, record, request.body);
      const version = versionRead(request);
      const { why = 'edited' } = request.query;
      return commit(context, { request, reply }, () => {
        const { who } = principal;
        const after = editor.edit(record.hardwarename, request.body, { who, why, version });
        return { body: viewOf(context, after), version: after.version };
      });
    },
  });
  app.route({
    method: 'DELETE',
    url: '/api/v1/machines/:hardwarename',
    config: { access: 'operator' },
    schema: {
      tags,
      summary: 'Forget a machine that was entered and never came',
      params: machineParams,
      querystring: whyQuery,
      response: answers(nothing, 204),
    },
    handler: async (request, reply) => {
      const principal = principalOf(request);
      const { hardwarename, squad } = recordOf(context, request.params.hardwarename);
      needRole(principal, squad, 'operator');
      const version = versionRead(request);
      const { why = 'never came' } = request.query;
      return commit(context, { request, reply }, () => {
        editor.forget(hardwarename, { who: principal.who, why, version });
        return { status: 204 };
      });
    },
  });
  app.route({
    method: 'POST',
    url: '/api/v1/machines/:hardwarename/transitions',
    config: { access: 'any' },
    schema: {
      tags,
      summary: 'Move a machine to another state; one in use only with its owner’s explicit release',
      params: machineParams,
      body: z.strictObject({ ...moveFields, why }),
      response: answers(machineView),
    },
    handler: async (request, reply) => {
      const principal = principalOf(request);
      const { to, why, release, deadlineAt, next } = request.body;
      const record = recordOf(context, request.params.hardwarename);
      needMove(principal, record, to);
      const version = versionRead(request, false);
      return commit(context, { request, reply }, () => {
        const { state } = machines.record(record.hardwarename) ?? record;
        const after = editor.move(record.hardwarename, to, {
          ...{ why, release, next, version, who: principal.who },
          by: needsRelease(state) ? 'owner' : 'operator',
          deadlineAt: deadlineAt as Millis | undefined,
        });
        return { body: viewOf(context, after), version: after.version };
      });
    },
  });
}
