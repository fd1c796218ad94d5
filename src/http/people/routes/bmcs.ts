/**
 * BMCs: what is known of a machine's, and what it says now.
 *
 * Reading one takes a session with a slow computer, so it is for technicians and not for the anonymous reader. Whatever
 * changes a machine goes through a job; nothing in here does.
 */
import type { FastifyRequest } from 'fastify';
import type { z } from 'zod';
import { type BmcTarget, targetOf } from '../../../bmc/access.ts';
import { AppError } from '../../../errors.ts';
import type { MachineRecord } from '../../../inventory/machine-fields.ts';
import type { Bmc } from '../../../ipmi/bmc.ts';
import type { Hardwarename } from '../../../wire/ids.ts';
import { isAtLeast, needRole } from '../access-rules.ts';
import { principalOf } from '../authenticate.ts';
import {
  fruView,
  logView,
  machineBmcView,
  powerView,
  sensorsView,
  showMachineBmc,
} from '../bmc-views.ts';
import type { PeopleContext, PeopleServer } from '../context.ts';
import { answers, machineParams } from '../schemas.ts';

const tags = ['bmcs'];

export function addBmcRoutes(app: PeopleServer, context: PeopleContext): void {
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
      const known = context.inventory.serverdb.bmcs.get(targetOf(machine).id);
      return showMachineBmc(machine, known);
    },
  });
  for (const { path, summary, schema, read } of LIVE) {
    app.route({
      method: 'GET',
      url: `/api/v1/machines/:hardwarename/bmc/${path}`,
      config: { access: 'any' },
      schema: { tags, summary, params: machineParams, response: answers(schema) },
      handler: async (request, reply) => {
        const { hardwarename } = request.params as z.output<typeof machineParams>;
        const target = readable(request, machineOf(context, hardwarename));
        const body = await accessOf(context).use(target, async (bmc) => ({
          protocol: bmc.protocol,
          ...(await read(bmc)),
        }));
        return reply.send(body as never);
      },
    });
  }
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
      sensors: (await bmc.sensors()).map(({ name, type, health, value, unit, states }) => ({
        ...{ name, type, health, states },
        ...(value === undefined ? {} : { value, unit }),
      })),
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

function accessOf({ bmcs }: PeopleContext) {
  if (bmcs) return bmcs.access;
  throw new AppError('BMC_MISSING', { detail: 'This process speaks to no BMCs.' });
}
