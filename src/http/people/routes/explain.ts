/**
 * What a machine would be offered at each stage of a boot, and why: the answers of the code that would give them, asked without
 * a packet. A boot token that an answer has is none: it was rolled back with the answer, and is not shown either.
 */
import { z } from 'zod';
import { AppError } from '../../../errors.ts';
import type { Hardwarename } from '../../../wire/ids.ts';
import { type Mac, parseMac } from '../../../wire/mac.ts';
import type { ExplainedStage, PeopleContext, PeopleServer } from '../context.ts';
import { answers, machineParams, stateName } from '../schemas.ts';

const explained = z
  .object({
    hardwarename: z.string().describe('Empty: no machine on record has this NIC'),
    mac: z.string().describe('The NIC that was asked for'),
    state: stateName.or(z.literal('unknown')),
    stateWhy: z.string(),
    stages: z.array(
      z.object({
        segment: z.string(),
        client: z.string().describe('The kind of client: firmware, iPXE, an operating system'),
        outcome: z.string().describe('`offer`, or why there is none'),
        address: z.string(),
        bootFile: z.string(),
        terms: z.string(),
        why: z.string(),
      }),
    ),
  })
  .meta({ id: 'Explained' });

const TOKEN = /\/boot\/[A-Za-z0-9_-]{32}\//;

/** @throws AppError NOT_HERE */
function stagesFor({ explain }: PeopleContext, mac: Mac): ExplainedStage[] {
  if (!explain) throw new AppError('NOT_HERE', { detail: 'Nothing boots from here.' });
  return explain(mac).map(({ bootFile, ...stage }) => ({
    ...stage,
    bootFile: bootFile.replace(TOKEN, '/boot/…/'),
  }));
}

export function addExplainRoutes(app: PeopleServer, context: PeopleContext): void {
  const { inventory, explain } = context;
  app.route({
    method: 'GET',
    url: '/api/v1/nics/:mac/explain',
    config: { access: 'read' },
    schema: {
      tags: ['machines'],
      summary: 'What a NIC would be offered, on record or not, at each stage of a boot, and why',
      params: z.object({ mac: z.string().min(12).max(17) }),
      response: answers(explained),
    },
    handler: async ({ params }) => {
      const mac = parseMac(params.mac);
      if (!mac)
        throw new AppError('REQUEST_INVALID', {
          detail: `'${params.mac}' is no MAC.`,
          path: '/mac',
        });
      const machine = inventory.machines.byMac(mac);
      const stages = stagesFor(context, mac);
      if (!machine)
        return { hardwarename: '', mac, state: 'unknown' as const, stateWhy: '', stages };
      const { hardwarename, state, stateWhy } = machine;
      return { hardwarename, mac, state, stateWhy, stages };
    },
  });
  app.route({
    method: 'GET',
    url: '/api/v1/machines/:hardwarename/explain',
    config: { access: 'read' },
    schema: {
      tags: ['machines'],
      summary: 'What it would be offered at each stage of a boot, and why; changes nothing',
      params: machineParams,
      querystring: z.strictObject({
        mac: z.string().max(17).optional().describe('Another of its NICs than it boots from'),
      }),
      response: answers(explained),
    },
    handler: async ({ params, query }) => {
      const hardwarename = params.hardwarename as Hardwarename;
      const machine = inventory.machines.record(hardwarename);
      if (!machine) throw new AppError('MACHINE_UNKNOWN', { detail: hardwarename.slice(0, 64) });
      if (!explain) throw new AppError('NOT_HERE', { detail: 'Nothing boots from here.' });
      const own = inventory.machines.nicsOf(hardwarename).map(({ mac }) => mac);
      const wanted = query.mac === undefined ? undefined : parseMac(query.mac);
      if (query.mac !== undefined && (!wanted || !own.includes(wanted)))
        throw new AppError('REQUEST_INVALID', { detail: 'It has no such NIC.', path: '/mac' });
      const mac = wanted ?? (parseMac(machine.bootMac) || own[0]);
      if (!mac) throw new AppError('NOT_FOUND', { detail: 'No NIC of it is known.' });
      const { state, stateWhy } = machine;
      return { hardwarename, mac, state, stateWhy, stages: stagesFor(context, mac) };
    },
  });
}
