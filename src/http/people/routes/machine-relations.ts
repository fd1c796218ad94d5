/** What belongs to a machine: its hostname by the rules, addresses of its NICs, and records that are one machine. */
import { z } from 'zod';
import { AppError } from '../../../errors.ts';
import { macText } from '../../../inventory/machine-schema.ts';
import type { MergeRecord } from '../../../inventory/merge.ts';
import { recordName, text } from '../../../inventory/record-kinds.ts';
import type { Hardwarename } from '../../../wire/ids.ts';
import { parseMac } from '../../../wire/mac.ts';
import { needAddresses, needEdit, needRole } from '../access-rules.ts';
import { principalOf } from '../authenticate.ts';
import { commit, versionRead } from '../commit.ts';
import type { PeopleContext, PeopleServer } from '../context.ts';
import { answers, hardwarenameText, machineParams, machineView, nothing, why } from '../schemas.ts';
import { viewOf } from './machines.ts';

const tags = ['machines'];

export function addMachineRelationRoutes(app: PeopleServer, context: PeopleContext): void {
  addHostnames(app, context);
  addAddresses(app, context);
  addMerges(app, context);
}

function found({ inventory }: PeopleContext, hardwarename: string) {
  const record = inventory.machines.record(hardwarename as Hardwarename);
  if (!record) throw new AppError('MACHINE_UNKNOWN', { detail: hardwarename.slice(0, 64) });
  return record;
}

function addHostnames(app: PeopleServer, context: PeopleContext): void {
  const { hostnames, editor } = context.inventory.serverdb;
  app.route({
    method: 'POST',
    url: '/api/v1/machines/:hardwarename/hostname',
    config: { access: 'any' },
    schema: {
      tags,
      summary: 'Give a machine its role and a free hostname by the naming rules',
      params: machineParams,
      body: z.strictObject({ role: text.min(1), why: why.default('named by its role') }),
      response: answers(machineView),
    },
    handler: async (request, reply) => {
      const principal = principalOf(request);
      const record = found(context, request.params.hardwarename);
      needEdit(principal, record, { hostname: '', role: '' });
      const version = versionRead(request, false);
      const { role, why } = request.body;
      return commit(context, { request, reply }, () => {
        const site = record.site || context.site;
        const { hardwarename, serial } = record;
        const { hostname } = hostnames.allocate({ role, site, serial, hardwarename });
        const cause = { who: principal.who, why, version };
        const after = editor.edit(record.hardwarename, { role, hostname }, cause);
        return { body: viewOf(context, after), version: after.version };
      });
    },
  });
}

const addressView = z.object({
  address: z.string(),
  subnet: z.string(),
  mac: z.string(),
  hardwarename: z.string(),
});

function addAddresses(app: PeopleServer, context: PeopleContext): void {
  const { addresses } = context.inventory.serverdb;
  const { machines } = context.inventory;
  app.route({
    method: 'POST',
    url: '/api/v1/machines/:hardwarename/addresses',
    config: { access: 'any' },
    schema: {
      tags,
      summary:
        'Reserve an address for a NIC or the BMC: this one, or the lowest free one of a subnet',
      params: machineParams,
      body: z.strictObject({
        mac: macText,
        subnet: recordName,
        address: z.string().max(15).optional(),
      }),
      response: answers(addressView, 201),
    },
    handler: async (request, reply) => {
      const principal = principalOf(request);
      const record = found(context, request.params.hardwarename);
      const { hardwarename, bmcMac } = record;
      needAddresses(principal, record);
      const { mac, subnet, address } = request.body;
      const own = machines.nicsOf(hardwarename).some((nic) => nic.mac === mac) || mac === bmcMac;
      if (!own) {
        const detail = `${mac} is no NIC of ${hardwarename}.`;
        throw new AppError('REQUEST_INVALID', { detail, path: '/mac' });
      }
      return commit(context, { request, reply }, () => {
        const wanted = { hardwarename, mac, subnet, address };
        const { reserved, changed } = addresses.reserve(wanted, principal.who);
        if (changed) machines.touch(hardwarename);
        return { status: 201, body: reserved };
      });
    },
  });
  app.route({
    method: 'DELETE',
    url: '/api/v1/machines/:hardwarename/addresses/:mac',
    config: { access: 'any' },
    schema: {
      tags,
      summary: 'Free the address of a NIC',
      params: z.object({ hardwarename: hardwarenameText, mac: z.string().max(32) }),
      response: answers(nothing, 204),
    },
    handler: async (request, reply) => {
      const principal = principalOf(request);
      const record = found(context, request.params.hardwarename);
      const { hardwarename } = record;
      needAddresses(principal, record);
      const mac = parseMac(request.params.mac);
      const own = machines.nicsOf(hardwarename).some((nic) => nic.mac === mac);
      const bmc = found(context, hardwarename).bmcMac === mac;
      return commit(context, { request, reply }, () => {
        const freed =
          mac !== undefined &&
          (own || bmc) &&
          addresses.free({ mac, owner: hardwarename }, principal.who);
        if (!freed)
          throw new AppError('NOT_FOUND', { detail: `No address of ${request.params.mac}.` });
        machines.touch(hardwarename);
        return { status: 204 };
      });
    },
  });
}

const mergeView = z.object({
  id: z.number().int(),
  kept: z.string(),
  gone: z.string(),
  at: z.number().int(),
  who: z.string(),
  why: z.string(),
  undone: z.boolean(),
});

function addMerges(app: PeopleServer, context: PeopleContext): void {
  const { merges } = context.inventory.serverdb;
  app.route({
    method: 'GET',
    url: '/api/v1/machines/:hardwarename/merges',
    config: { access: 'read' },
    schema: {
      tags,
      summary: 'Merges that this record was part of, and what it has in common with its conflict',
      params: machineParams,
      response: answers(
        z.object({
          merges: z.array(mergeView),
          likeness: z
            .object({
              with: z.string(),
              score: z.number().int(),
              shared: z.array(z.string()),
              differing: z.array(z.string()),
            })
            .optional(),
        }),
      ),
    },
    handler: async (request) => {
      const hardwarename = request.params.hardwarename as Hardwarename;
      const other = context.inventory.machines.record(hardwarename)?.conflictWith ?? '';
      const like = other === '' ? undefined : merges.likeness(hardwarename, other as Hardwarename);
      return {
        merges: merges.ofMachine(hardwarename).map(mutable),
        ...(like && {
          likeness: {
            ...like,
            with: other,
            shared: [...like.shared],
            differing: [...like.differing],
          },
        }),
      };
    },
  });
  app.route({
    method: 'POST',
    url: '/api/v1/machines/:hardwarename/merge',
    config: { access: 'operator' },
    schema: {
      tags,
      summary: 'This record and another are one machine: keep this one; a split takes it back',
      params: machineParams,
      body: z.strictObject({ gone: hardwarenameText, why }),
      response: answers(mergeView, 201),
    },
    handler: async (request, reply) => {
      const principal = principalOf(request);
      const [kept, gone] = [request.params.hardwarename, request.body.gone].map((name) =>
        found(context, name),
      ) as [ReturnType<typeof found>, ReturnType<typeof found>];
      for (const { squad } of [kept, gone]) needRole(principal, squad, 'operator');
      const cause = { who: principal.who, why: request.body.why };
      return commit(context, { request, reply }, () => ({
        status: 201,
        body: merges.merge(kept.hardwarename, gone.hardwarename, cause),
      }));
    },
  });
  app.route({
    method: 'POST',
    url: '/api/v1/merges/:id/split',
    config: { access: 'operator' },
    schema: {
      tags,
      summary: 'Undo a merge: the record that went comes back as it was',
      params: z.object({ id: z.coerce.number().int().min(1) }),
      body: z.strictObject({
        why,
        release: hardwarenameText
          .optional()
          .describe('The hardwarename of the record that was kept, when it is in use'),
      }),
      response: answers(mergeView),
    },
    handler: async (request, reply) => {
      const principal = principalOf(request);
      const { id } = request.params;
      const found = merges.find(id);
      if (!found) throw new AppError('NOT_FOUND', { detail: `No merge ${id}.` });
      for (const squad of found.squads) needRole(principal, squad, 'operator');
      return commit(context, { request, reply }, () => ({
        body: merges.split(id, { who: principal.who, ...request.body }),
      }));
    },
  });
}

const mutable = (merge: MergeRecord) => ({ ...merge });
