/**
 * BMCs: what is known of a machine's, and what it says now.
 *
 * Reading one takes a session with a slow computer, so it is for technicians and not for the anonymous reader. Whatever
 * changes a machine goes through a job; nothing in here does.
 */
import type { FastifyRequest } from 'fastify';
import { z } from 'zod';
import { type BmcTarget, targetOf } from '../../../bmc/access.ts';
import type { BmcRegistry } from '../../../bmc/registry.ts';
import { AppError } from '../../../errors.ts';
import type { BmcRecord } from '../../../inventory/bmcs.ts';
import type { MachineRecord } from '../../../inventory/machine-fields.ts';
import type { Bmc } from '../../../ipmi/bmc.ts';
import type { Hardwarename } from '../../../wire/ids.ts';
import { isAtLeast, needEdit, needRole } from '../access-rules.ts';
import { principalOf } from '../authenticate.ts';
import {
  bmcView,
  fruView,
  logView,
  machineBmcView,
  powerView,
  sensorsView,
  showBmc,
  showMachineBmc,
} from '../bmc-views.ts';
import { commit } from '../commit.ts';
import type { BmcService, PeopleContext, PeopleServer } from '../context.ts';
import { answers, hardwarenameText, machineParams, nothing, pageQuery } from '../schemas.ts';

const tags = ['bmcs'];

export function addBmcRoutes(app: PeopleServer, context: PeopleContext): void {
  addBmcReads(app, context);
  addBmcWrites(app, context);
  app.route({
    method: 'GET',
    url: '/api/v1/machines/:hardwarename/bmc',
    config: { access: 'read' },
    schema: {
      tags,
      summary: "What is known of a machine's BMC, without asking it",
      params: machineParams,
      response: answers(machineBmcView),
    },
    handler: async (request) => {
      const machine = machineOf(context, request.params.hardwarename);
      return showBmcOf(context, machine);
    },
  });
  addMachineDecisions(app, context);
  for (const { path, summary, schema, read } of LIVE) {
    app.route({
      method: 'GET',
      url: `/api/v1/machines/:hardwarename/bmc/${path}`,
      config: { access: 'any' },
      schema: { tags, summary, params: machineParams, response: answers(schema) },
      handler: async (request, reply) => {
        const { hardwarename } = request.params as z.output<typeof machineParams>;
        const target = readable(request, machineOf(context, hardwarename));
        const body = await serviceOf(context).access.use(target, async (bmc) => ({
          protocol: bmc.protocol,
          ...(await read(bmc)),
        }));
        return reply.send(body as never);
      },
    });
  }
}

function showBmcOf({ inventory }: PeopleContext, machine: MachineRecord) {
  const { bmcs, bmcClaims } = inventory.serverdb;
  const known = bmcs.get(targetOf(machine).id);
  return showMachineBmc(machine, { known, claim: bmcClaims.of(machine.hardwarename) });
}

/** What people decide about the BMC of a machine: whoever may write its address may. */
const MACHINE_DECISIONS: readonly {
  readonly word: string;
  readonly summary: string;
  decide(service: BmcService, machine: MachineRecord, who: string): void;
}[] = [
  {
    word: 'confirm',
    summary: 'The BMC that this machine reports is its own, although nothing proves it',
    decide: ({ claims }, { hardwarename }, who) => void claims.confirm(hardwarename, who),
  },
  {
    word: 'retry',
    summary: 'Try the logins again that its BMC has refused, and look at the one that it reports',
    decide({ claims, registry }, machine) {
      registry.retry(targetOf(machine).id);
      const claim = claims.retry(machine.hardwarename);
      if (claim) registry.retry(claim.address);
    },
  },
];

function addMachineDecisions(app: PeopleServer, context: PeopleContext): void {
  for (const { word, summary, decide } of MACHINE_DECISIONS)
    app.route({
      method: 'POST',
      url: `/api/v1/machines/:hardwarename/bmc/${word}`,
      config: { access: 'any' },
      schema: { tags, summary, params: machineParams, response: answers(machineBmcView) },
      handler: async (request, reply) => {
        const { hardwarename } = request.params as z.output<typeof machineParams>;
        const machine = machineOf(context, hardwarename);
        const principal = principalOf(request);
        needEdit(principal, machine, { bmcAddress: machine.bmcAddress });
        return commit(context, { request, reply }, () => {
          decide(serviceOf(context), machine, principal.who);
          return { body: showBmcOf(context, machineOf(context, hardwarename)) };
        });
      },
    });
}

/** What a BMC is asked, each in one session. */
const LIVE: readonly {
  readonly path: string;
  readonly summary: string;
  readonly schema: z.ZodType;
  read(bmc: Bmc): Promise<object>;
}[] = [
  {
    path: 'power',
    summary: 'Whether the machine is on, asked now',
    schema: powerView,
    read: async (bmc) => ({ on: await bmc.powerOn() }),
  },
  {
    path: 'sensors',
    summary: 'Its sensors with their values, asked now; a slow BMC needs a minute',
    schema: sensorsView,
    read: async (bmc) => ({
      sensors: (await bmc.sensors()).map(
        ({ name, type, health, value, unit, states, thresholds }) => ({
          ...{ name, type, health, states },
          ...(value === undefined ? {} : { value, unit }),
          ...(thresholds === undefined ? {} : { thresholds }),
        }),
      ),
    }),
  },
  {
    path: 'sel',
    summary: 'Its event log, oldest first, asked now',
    schema: logView,
    read: async (bmc) => ({ entries: await bmc.log() }),
  },
  {
    path: 'fru',
    summary: 'Maker, serial numbers and ids, as the BMC has them',
    schema: fruView,
    read: (bmc) => bmc.inventory(),
  },
];

export function machineOf({ inventory }: PeopleContext, hardwarename: string): MachineRecord {
  const record = inventory.machines.record(hardwarename as Hardwarename);
  if (!record) throw new AppError('MACHINE_UNKNOWN', { detail: hardwarename.slice(0, 64) });
  return record;
}

/** @throws AppError FORBIDDEN to whoever is no technician of the site or of its squad */
function readable(request: FastifyRequest, machine: MachineRecord): BmcTarget {
  const principal = principalOf(request);
  if (!isAtLeast(principal.role, 'technician')) needRole(principal, machine.squad, 'technician');
  return targetOf(machine);
}

function serviceOf({ bmcs }: PeopleContext) {
  if (bmcs) return bmcs;
  throw new AppError('NOT_HERE', { detail: 'This process speaks to no BMCs.' });
}

const bmcParams = z.object({ id: z.string().min(1).max(64) });

function addBmcReads(app: PeopleServer, { inventory }: PeopleContext): void {
  const { bmcs } = inventory.serverdb;
  app.route({
    method: 'GET',
    url: '/api/v1/bmcs',
    config: { access: 'read' },
    schema: {
      tags,
      summary: 'BMCs that were seen, by id',
      querystring: z.strictObject({
        after: z.string().max(64).default(''),
        unmatched: z.stringbool().default(false).describe('Only those without a machine'),
        ...pageQuery,
      }),
      response: answers(z.object({ items: z.array(bmcView), next: z.string().optional() })),
    },
    handler: async (request) => {
      const { after, unmatched, limit: count } = request.query;
      const page = bmcs.list({ after, unmatched, count: count + 1 });
      const items = page.slice(0, count).map(showBmc);
      const next = page.length > count ? items.at(-1)?.id : undefined;
      return { items, ...(next === undefined ? {} : { next }) };
    },
  });
  app.route({
    method: 'GET',
    url: '/api/v1/bmcs/:id',
    config: { access: 'read' },
    schema: { tags, summary: 'One BMC', params: bmcParams, response: answers(bmcView) },
    handler: async (request) => {
      const bmc = bmcs.get(request.params.id);
      if (!bmc) throw new AppError('NOT_FOUND', { detail: `No BMC ${request.params.id}.` });
      return showBmc(bmc);
    },
  });
}

/** What people decide about a BMC, each a POST without a body. */
const DECISIONS: readonly {
  readonly word: string;
  readonly summary: string;
  decide(registry: BmcRegistry, id: string): BmcRecord;
}[] = [
  {
    word: 'wake',
    summary: 'Switch on the machine of a BMC that matches none, to boot from the network',
    decide: (registry, id) => registry.wake(id),
  },
  {
    word: 'look',
    summary: 'Look at it now, instead of when it is its turn',
    decide: (registry, id) => registry.look(id),
  },
  {
    word: 'unpin',
    summary: 'Forget its certificate: the next one that it shows is pinned',
    decide: (registry, id) => registry.unpin(id),
  },
];

function addBmcWrites(app: PeopleServer, context: PeopleContext): void {
  for (const { word, summary, decide } of DECISIONS)
    app.route({
      method: 'POST',
      url: `/api/v1/bmcs/:id/${word}`,
      config: { access: 'operator' },
      schema: { tags, summary, params: bmcParams, response: answers(bmcView) },
      handler: async (request, reply) => {
        const { id } = request.params as z.output<typeof bmcParams>;
        const { registry } = serviceOf(context);
        return commit(context, { request, reply }, () => ({ body: showBmc(decide(registry, id)) }));
      },
    });
  app.route({
    method: 'POST',
    url: '/api/v1/bmcs/:id/trust',
    config: { access: 'operator' },
    schema: {
      tags,
      summary: "Its certificate is its own: the site's logins may be sent to it",
      params: bmcParams,
      body: z.strictObject({
        certificate: z
          .string()
          .regex(/^([0-9a-fA-F]{2}:?){32}$/)
          .describe('SHA-256 of the certificate, in hex, as compared by a person'),
      }),
      response: answers(bmcView),
    },
    handler: async (request, reply) => {
      const { registry } = serviceOf(context);
      const { certificate } = request.body;
      return commit(context, { request, reply }, () => ({
        body: showBmc(registry.trust(request.params.id, certificate)),
      }));
    },
  });
  app.route({
    method: 'POST',
    url: '/api/v1/bmcs/:id/match',
    config: { access: 'operator' },
    schema: {
      tags,
      summary: 'It is the BMC of this machine: outweighs what the BMC says of itself',
      params: bmcParams,
      body: z.strictObject({ hardwarename: hardwarenameText }),
      response: answers(bmcView),
    },
    handler: async (request, reply) => {
      const { who } = principalOf(request);
      const { registry } = serviceOf(context);
      const hardwarename = request.body.hardwarename as Hardwarename;
      return commit(context, { request, reply }, () => ({
        body: showBmc(registry.assign(request.params.id, hardwarename, who)),
      }));
    },
  });
  app.route({
    method: 'DELETE',
    url: '/api/v1/bmcs/:id',
    config: { access: 'operator' },
    schema: {
      tags,
      summary: 'Forget it until it is seen again',
      params: bmcParams,
      response: answers(nothing, 204),
    },
    handler: async (request, reply) => {
      const { registry } = serviceOf(context);
      return commit(context, { request, reply }, () => {
        registry.forget(request.params.id);
        return { status: 204 };
      });
    },
  });
}
