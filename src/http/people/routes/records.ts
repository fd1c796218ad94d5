/**
 * Racks, subnets, naming rules, hardware types, squads, policies and roles: the same five calls for each, made from one table
 * of kinds, because they are stored alike (inventory/records.ts).
 */
import { z } from 'zod';
import { AppError } from '../../../errors.ts';
import type { Principal, Role } from '../../../inventory/access.ts';
import { within } from '../../../inventory/machine-edit.ts';
import {
  RECORD_SCHEMAS,
  type RecordDoc,
  type RecordKind,
} from '../../../inventory/record-kinds.ts';
import type { StoredRecord } from '../../../inventory/records.ts';
import { retype } from '../../../inventory/retype.ts';
import { limit } from '../../../limits.ts';
import { parseIpv4 } from '../../../wire/ipv4.ts';
import { needRole } from '../access-rules.ts';
import { principalOf } from '../authenticate.ts';
import { commit, etagOf, versionRead } from '../commit.ts';
import type { PeopleContext, PeopleServer } from '../context.ts';
import { answers, nameParams, nothing, pageQuery, whyQuery } from '../schemas.ts';
import { inChunks } from '../slices.ts';

interface Kind {
  readonly kind: RecordKind;
  readonly path: string;
  readonly one: string;
  readonly writer: Role;
}

const KINDS: readonly Kind[] = [
  { kind: 'rack', path: 'racks', one: 'a rack', writer: 'technician' },
  { kind: 'subnet', path: 'subnets', one: 'a subnet', writer: 'operator' },
  { kind: 'naming', path: 'naming-rules', one: 'a naming rule', writer: 'operator' },
  { kind: 'type', path: 'hardware-types', one: 'a hardware type', writer: 'operator' },
  { kind: 'squad', path: 'squads', one: 'a squad', writer: 'admin' },
  { kind: 'policy', path: 'policies', one: 'a policy', writer: 'admin' },
  { kind: 'bmc', path: 'bmc-profiles', one: 'a way to speak to BMCs', writer: 'operator' },
  // Its keys and its user-data are root on machines of every squad.
  { kind: 'role', path: 'roles', one: 'what a role brings to installs', writer: 'admin' },
];

export function addRecordRoutes(app: PeopleServer, context: PeopleContext): void {
  for (const kind of KINDS) {
    addReads(app, context, kind);
    addWrites(app, context, kind);
  }
  addSubnetAddresses(app, context);
  addTypeApplication(app, context);
}

const viewSchema = (kind: RecordKind) =>
  z.object({
    name: z.string(),
    version: z.number().int(),
    createdAt: z.number().int(),
    updatedAt: z.number().int(),
    ...(RECORD_SCHEMAS[kind] as z.ZodObject).shape,
  });

function view<Name extends RecordKind>({ doc, ...rest }: StoredRecord<Name>) {
  return { ...rest, ...(doc as RecordDoc<Name>) };
}

function addReads(app: PeopleServer, context: PeopleContext, { kind, path, one }: Kind): void {
  const { records } = context.inventory.serverdb;
  const schema = viewSchema(kind);
  app.route({
    method: 'GET',
    url: `/api/v1/${path}`,
    config: { access: 'read' },
    schema: {
      tags: [path],
      summary: `A page of ${path}, by name`,
      querystring: z.strictObject({ after: z.string().max(63).default(''), ...pageQuery }),
      response: answers(z.object({ items: z.array(schema), next: z.string().optional() })),
    },
    handler: async (request, reply) => {
      const { after, limit: count } = request.query;
      const page = records.list(kind, { after, count: count + 1 });
      const items = page.slice(0, count).map(view);
      const next = page.length > count ? items.at(-1)?.name : undefined;
      return reply.send({ items, ...(next === undefined ? {} : { next }) } as never);
    },
  });
  app.route({
    method: 'GET',
    url: `/api/v1/${path}/:name`,
    config: { access: 'read' },
    schema: {
      tags: [path],
      summary: `Read ${one}; its ETag is its version`,
      params: nameParams,
      response: answers(schema),
    },
    handler: async (request, reply) => {
      const record = records.get(kind, request.params.name);
      if (!record)
        throw new AppError('NOT_FOUND', { detail: `No ${kind} ${request.params.name}.` });
      return reply.header('etag', etagOf(record.version)).send(view(record) as never);
    },
  });
}

function addWrites(
  app: PeopleServer,
  context: PeopleContext,
  { kind, path, one, writer }: Kind,
): void {
  const { records } = context.inventory.serverdb;
  app.route({
    method: 'PUT',
    url: `/api/v1/${path}/:name`,
    config: { access: writer },
    schema: {
      tags: [path],
      summary: `Make or replace ${one}: If-Match is the version that was read, "0" for a new one`,
      params: nameParams,
      querystring: whyQuery,
      body: RECORD_SCHEMAS[kind] as z.ZodType,
      response: answers(viewSchema(kind)),
    },
    handler: async (request, reply) => {
      const principal = principalOf(request);
      const { who } = principal;
      if (kind === 'bmc') needKey(context, principal, request.body as RecordDoc<'bmc'>);
      if (kind === 'subnet') needWire(principal, request.body as RecordDoc<'subnet'>);
      const version = versionRead(request);
      const { why = 'edited' } = request.query;
      const entry = { name: request.params.name, doc: request.body as never };
      return commit(context, { request, reply }, () => {
        const record = records.put(kind, entry, { who, why, version });
        return { body: view(record), version: record.version };
      });
    },
  });
  app.route({
    method: 'DELETE',
    url: `/api/v1/${path}/:name`,
    config: { access: writer },
    schema: {
      tags: [path],
      summary: `Delete ${one} that nothing refers to`,
      params: nameParams,
      querystring: whyQuery,
      response: answers(nothing, 204),
    },
    handler: async (request, reply) => {
      const { who } = principalOf(request);
      const version = versionRead(request);
      const { why = 'deleted' } = request.query;
      return commit(context, { request, reply }, () => {
        records.remove(kind, request.params.name, { who, why, version });
        return { status: 204 };
      });
    },
  });
}

/**
 * A profile says at which BMCs a secret is used, and a stored credential may be another squad's. So it is an administrator who
 * names one, as for the credential of a machine's BMC, and who changes a profile that names one.
 * @throws AppError FORBIDDEN, REQUEST_INVALID
 */
function needKey(
  { inventory }: PeopleContext,
  principal: Principal,
  { keyCredential }: RecordDoc<'bmc'>,
): void {
  if (keyCredential === '') return;
  const path = '/keyCredential';
  within(path, () => needRole(principal, '', 'admin'));
  if (inventory.serverdb.credentials.get(keyCredential)) return;
  throw new AppError('REQUEST_INVALID', { detail: `No credential ${keyCredential}.`, path });
}

/**
 * What DHCP gives an address to on an out-of-band network is a BMC, which the appliance logs in to with its secrets: which
 * networks those are is for the configuration to say, or for an administrator.
 * @throws AppError FORBIDDEN
 */
function needWire(principal: Principal, { relayed, use }: RecordDoc<'subnet'>): void {
  if (relayed && use === 'out-of-band') within('/use', () => needRole(principal, '', 'admin'));
}

function addSubnetAddresses(app: PeopleServer, context: PeopleContext): void {
  const { addresses, records } = context.inventory.serverdb;
  app.route({
    method: 'GET',
    url: '/api/v1/subnets/:name/addresses',
    config: { access: 'read' },
    schema: {
      tags: ['subnets'],
      summary: 'Who has which address of a subnet, in order',
      params: nameParams,
      querystring: z.strictObject({ after: z.string().max(15).default(''), ...pageQuery }),
      response: answers(
        z.object({
          reserved: z.number().int(),
          addresses: z.array(
            z.object({
              address: z.string(),
              subnet: z.string(),
              mac: z.string(),
              hardwarename: z.string(),
            }),
          ),
          next: z.string().optional(),
        }),
      ),
    },
    handler: async (request) => {
      const { name } = request.params;
      if (!records.get('subnet', name))
        throw new AppError('NOT_FOUND', { detail: `No subnet ${name}.` });
      const count = request.query.limit;
      const after = parseIpv4(request.query.after) ?? -1;
      const page = addresses.ofSubnet(name, { after, count: count + 1 });
      const shown = page.slice(0, count).map((row) => ({ ...row }));
      const next = page.length > count ? shown.at(-1)?.address : undefined;
      const reserved = addresses.countOf(name);
      return { reserved, addresses: shown, ...(next === undefined ? {} : { next }) };
    },
  });
}

/** Rules apply to reports as they come; after a change of the rules, this applies them to the reports on record. */
function addTypeApplication(app: PeopleServer, context: PeopleContext): void {
  const { inventory } = context;
  const { addresses } = inventory.serverdb;
  app.route({
    method: 'POST',
    url: '/api/v1/hardware-types/apply',
    config: { access: 'operator' },
    schema: {
      tags: ['hardware-types'],
      summary: 'Apply the hardware types to every report on record',
      response: answers(z.object({ changed: z.number().int() })),
    },
    handler: async () => {
      let changed = 0;
      for (let after = '', page = addresses.pageOfNames(after, PAGE); page.length > 0; ) {
        const names = page.map(({ hardwarename }) => hardwarename);
        const hits = await inChunks(names, limit('bulkChunkMax'), (chunk) =>
          context.durably(() => chunk.map((name) => retype(inventory, name))),
        );
        changed += hits.filter(Boolean).length;
        after = page.at(-1)?.hardwarename ?? '';
        page = addresses.pageOfNames(after, PAGE);
      }
      return { changed };
    },
  });
}

const PAGE = 100;
