/** NICs of a machine by a person's word: one that the record lacks, one that it has no more. */
import { z } from 'zod';
import { AppError } from '../../../errors.ts';
import type { MachineRecord } from '../../../inventory/machine-fields.ts';
import { macText } from '../../../inventory/machine-schema.ts';
import { text } from '../../../inventory/record-kinds.ts';
import { needsRelease } from '../../../inventory/states.ts';
import type { Hardwarename } from '../../../wire/ids.ts';
import { parseMac } from '../../../wire/mac.ts';
import { isAtLeast, needRole } from '../access-rules.ts';
import { principalOf } from '../authenticate.ts';
import { commit, versionRead } from '../commit.ts';
import type { PeopleContext, PeopleServer } from '../context.ts';
import { answers, hardwarenameText, machineParams, machineView, nothing, why } from '../schemas.ts';
import { viewOf } from './machines.ts';

const tags = ['machines'];

export function addMachineNicRoutes(app: PeopleServer, context: PeopleContext): void {
  const { nics } = context.inventory.serverdb;
  app.route({
    method: 'POST',
    url: '/api/v1/machines/:hardwarename/nics',
    config: { access: 'any' },
    schema: {
      tags,
      summary: 'Put a NIC on record that no machine has',
      params: machineParams,
      body: z.strictObject({ mac: macText, name: text.default(''), why: why.default('added') }),
      response: answers(machineView, 201),
    },
    handler: async (request, reply) => {
      const { mac, name, why } = request.body;
      const { hardwarename, who, version } = asked(context, request);
      return commit(context, { request, reply }, () => {
        nics.add(hardwarename, { mac, name }, { who, why, version });
        const body = viewOf(context, recordOf(context, hardwarename));
        return { status: 201, body, version: body.version };
      });
    },
  });
  app.route({
    method: 'DELETE',
    url: '/api/v1/machines/:hardwarename/nics/:mac',
    config: { access: 'any' },
    schema: {
      tags,
      summary: 'Take a NIC off the record, with its address: it is in another machine, or in none',
      params: z.object({ hardwarename: hardwarenameText, mac: z.string().max(32) }),
      querystring: z.strictObject({
        why: why.optional().describe('Why; stands in the history'),
        release: hardwarenameText.optional().describe('The hardwarename, of a machine in use'),
      }),
      response: answers(nothing, 204),
    },
    handler: async (request, reply) => {
      const { why = 'removed', release } = request.query;
      const { hardwarename, who, version } = asked(context, request);
      const mac = parseMac(request.params.mac);
      return commit(context, { request, reply }, () => {
        if (!mac) throw new AppError('NOT_FOUND', { detail: 'That is no MAC address.' });
        nics.remove(hardwarename, mac, { who, why, version, release });
        return { status: 204 };
      });
    },
  });
}

function recordOf({ inventory }: PeopleContext, hardwarename: Hardwarename): MachineRecord {
  const record = inventory.machines.record(hardwarename);
  if (!record) throw new AppError('MACHINE_UNKNOWN', { detail: hardwarename.slice(0, 64) });
  return record;
}

/** Cards are the site's to plug while nobody uses the machine; in use, its squad's operator says so. */
function asked(
  context: PeopleContext,
  request: Parameters<typeof principalOf>[0] & { params: { hardwarename: string } },
) {
  const principal = principalOf(request);
  const machine = recordOf(context, request.params.hardwarename as Hardwarename);
  const { hardwarename, squad, state } = machine;
  if (needsRelease(state) || !isAtLeast(principal.role, 'operator'))
    needRole(principal, squad, 'operator');
  return { hardwarename, who: principal.who, version: versionRead(request, false) };
}
