/** The fleet's API for what each site is told to keep: records in the appliance's shapes, and users. */
import { z } from 'zod';
import { AppError } from '../errors.ts';
import { userDocument } from '../federation/records.ts';
import { etagOf, versionRead } from '../http/people/commit.ts';
import type { Role } from '../inventory/access.ts';
import { hashPassword } from '../inventory/password.ts';
import { RECORD_SCHEMAS, recordName } from '../inventory/record-kinds.ts';
import { needSquad, principalOf } from './access.ts';
import type { FleetApp, FleetAppParts } from './app.ts';
import type { FleetRecord, FleetRecordKind, Json } from './records.ts';

const KINDS = [
  { kind: 'naming', path: 'naming-rules', writer: 'operator' },
  { kind: 'type', path: 'hardware-types', writer: 'operator' },
  { kind: 'policy', path: 'policies', writer: 'admin' },
  { kind: 'bmc', path: 'bmc-profiles', writer: 'operator' },
  { kind: 'role', path: 'roles', writer: 'admin' },
] as const satisfies readonly { kind: FleetRecordKind; path: string; writer: Role }[];

const nameParams = z.object({ name: recordName });

/** By name, as an appliance pages its records. */
export const recordPage = z.strictObject({
  limit: z.coerce.number().int().min(1).max(1000).default(1000),
  after: z.string().max(64).default(''),
});

export const pageOf = <Item extends { readonly name: string }>(
  items: readonly Item[],
  { limit: most, after }: z.output<typeof recordPage>,
): Item[] => items.filter(({ name }) => name > after).slice(0, most);

/** What is shown beside a record: whoever changes what he has read may send it back. */
const SHOWN = [
  ...['changedAt', 'changedBy', 'updatedAt', 'createdAt'],
  ...['sites', 'has', 'promised'],
];

/** A record as it is written. */
export const writtenAs = <Schema extends z.ZodType>(schema: Schema) =>
  z.preprocess(
    (body) =>
      body === null || typeof body !== 'object' || Array.isArray(body)
        ? body
        : Object.fromEntries(Object.entries(body).filter(([name]) => !SHOWN.includes(name))),
    schema,
  );

/** What holds for all of the fleet is not for those who act for some squads. */
export const writerOf = (request: Parameters<typeof principalOf>[0]): string => {
  const principal = principalOf(request);
  needSquad(principal, undefined);
  return principal.who;
};

const flat = ({ name, doc, ...rest }: FleetRecord) => ({ name, ...doc, ...rest });

export function addRecordRoutes(app: FleetApp, parts: FleetAppParts): void {
  addRemoval(app, parts, { url: '/api/v1/squads/:name', kind: 'squad', role: 'admin' });
  for (const kind of KINDS) addKind(app, parts, kind);
  addUsers(app, parts);
}

function addKind(app: FleetApp, parts: FleetAppParts, of: (typeof KINDS)[number]): void {
  const { kind, path, writer } = of;
  const { records } = parts;
  const url = `/api/v1/${path}`;
  app.get(
    url,
    { config: { fleetRole: 'viewer' }, schema: { querystring: recordPage } },
    async (request) => ({ items: pageOf(await records.list(kind), request.query).map(flat) }),
  );
  app.get(
    `${url}/:name`,
    { config: { fleetRole: 'viewer' }, schema: { params: nameParams } },
    async (request, reply) => {
      const { name } = request.params;
      const found = await records.get(kind, name);
      if (!found) throw new AppError('NOT_FOUND', { detail: `No ${kind} ${name}.` });
      const shown = { ...flat(found), sites: await records.told(kind, name) };
      return reply.header('etag', etagOf(found.version)).send(shown);
    },
  );
  app.put(
    `${url}/:name`,
    {
      config: { fleetRole: writer },
      schema: { params: nameParams, body: writtenAs(RECORD_SCHEMAS[kind]) },
    },
    async (request) => {
      const { name } = request.params;
      const doc = request.body as unknown as Json;
      const version = versionRead(request, false);
      const put = await records.put({ kind, name, doc, who: writerOf(request), version });
      parts.nudgeAll();
      return flat(put);
    },
  );
  addRemoval(app, parts, { url: `${url}/:name`, kind, role: writer });
}

function addRemoval(
  app: FleetApp,
  { records, nudgeAll }: FleetAppParts,
  { url, kind, role }: { url: string; kind: FleetRecordKind; role: Role },
): void {
  app.delete(
    url,
    { config: { fleetRole: role }, schema: { params: nameParams } },
    async (request, reply) => {
      await records.remove({ kind, name: request.params.name, who: writerOf(request) });
      nudgeAll();
      return reply.code(204).send();
    },
  );
}

/** Nobody reads a password's hash here. */
const userOf = ({ doc, ...rest }: FleetRecord) => {
  const { passwordHash, ...user } = doc;
  // The fleet has no identity provider.
  return { ...user, ...rest, hasPassword: passwordHash !== undefined, external: false };
};

function addUsers(app: FleetApp, parts: FleetAppParts): void {
  const { records } = parts;
  const config = { fleetRole: 'admin' } as const;
  const url = '/api/v1/users';
  const body = userDocument
    .omit({ passwordHash: true })
    .extend({ password: z.string().min(10).max(256).optional() });
  app.get(url, { config }, async () => ({ users: (await records.list('user')).map(userOf) }));
  app.get(`${url}/:name`, { config, schema: { params: nameParams } }, async (request) => {
    const { name } = request.params;
    const found = await records.get('user', name);
    if (!found) throw new AppError('NOT_FOUND', { detail: `No user ${name}.` });
    return { ...userOf(found), sites: await records.told('user', name) };
  });
  app.put(`${url}/:name`, { config, schema: { params: nameParams, body } }, async (request) => {
    const { name } = request.params;
    const { password, ...rest } = request.body;
    const before = await records.get('user', name);
    const kept = before?.doc.passwordHash;
    const passwordHash = password === undefined ? kept : await hashPassword(password);
    const doc = { ...rest, ...(passwordHash !== undefined && { passwordHash }) } as Json;
    const version = versionRead(request, false);
    const put = await records.put({ kind: 'user', name, doc, who: writerOf(request), version });
    parts.nudgeAll();
    return userOf(put);
  });
  addRemoval(app, parts, { url: `${url}/:name`, kind: 'user', role: 'admin' });
}
