/** The fleet's API for what each site is told to keep: records in the appliance's shapes, users, images and channels. */
import { z } from 'zod';
import { AppError } from '../errors.ts';
import { channelDocument, imageDocument, userDocument } from '../federation/records.ts';
import { etagOf, versionRead } from '../http/people/commit.ts';
import { channelName, imageName, sha256Text, versionName } from '../http/people/image-views.ts';
import type { Role } from '../inventory/access.ts';
import { imageDocSchema } from '../inventory/images.ts';
import { hashPassword } from '../inventory/password.ts';
import { RECORD_SCHEMAS, recordName } from '../inventory/record-kinds.ts';
import { limit } from '../limits.ts';
import { needSquad } from './access.ts';
import { type FleetApp, type FleetAppParts, principalOf } from './app.ts';
import type { FleetBlobs } from './blobs.ts';
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
const SHOWN = ['changedAt', 'changedBy', 'sites', 'has', 'promised'];

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
const writerOf = (request: Parameters<typeof principalOf>[0]): string => {
  const principal = principalOf(request);
  needSquad(principal, undefined);
  return principal.who;
};

const flat = ({ name, doc, ...rest }: FleetRecord) => ({ name, ...doc, ...rest });

export function addRecordRoutes(app: FleetApp, parts: FleetAppParts): void {
  for (const kind of KINDS) addKind(app, parts, kind);
  addUsers(app, parts);
  addImages(app, parts);
  addChannels(app, parts);
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
  return { ...user, ...rest, hasPassword: passwordHash !== undefined };
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

/** As an appliance shows them: what is kept here is kept under both names. */
const imageOf = (
  { name: whole, changedAt, changedBy, doc }: FleetRecord,
  { blobs, channels }: { blobs: FleetBlobs; channels: readonly FleetRecord[] },
) => {
  const [name = '', version = ''] = whole.split('@');
  const files = (doc.files as { sha256: string }[]).map((file) => {
    const sizeBytes = blobs.sizeOf(file.sha256) ?? 0;
    return { ...file, sizeBytes };
  });
  const mine = channels.map(channelOf).filter((one) => one.name === name);
  return {
    ...{ format: null, ...doc, files, name, version, changedAt, changedBy },
    ...{ createdAt: changedAt, createdBy: changedBy },
    channels: mine.filter((one) => one.version === version).map(({ channel }) => channel),
    // Each site judges the signature by its own keys.
    ...{ signedBy: '', damaged: '' },
  };
};
function channelOf({ name: whole, changedAt, changedBy, doc }: FleetRecord) {
  const [name = '', channel = ''] = whole.split('/');
  const changed = { changedAt, changedBy, movedAt: changedAt };
  return { ...doc, version: String(doc.version), name, channel, ...changed };
}

/** In an appliance's form; there it stands in the history, and here who has changed it does. */
const saidWhy = z.string().max(500).optional();

const newImage = z.strictObject({
  name: imageName,
  version: versionName,
  kind: imageDocument.shape.kind,
  ...imageDocSchema.shape,
  files: imageDocument.shape.files,
  signature: imageDocument.shape.signature.default(''),
  channel: channelName.optional(),
  why: saidWhy,
});

function addImages(app: FleetApp, parts: FleetAppParts): void {
  const { records, blobs } = parts;
  const config = { fleetRole: 'operator' } as const;
  app.addContentTypeParser('application/octet-stream', (_request, payload, done) =>
    done(null, payload),
  );
  app.put(
    '/api/v1/blobs/:sha256',
    {
      bodyLimit: limit('imageFileBytesMax'),
      config,
      schema: { params: z.object({ sha256: sha256Text }) },
    },
    async (request, reply) => {
      writerOf(request);
      const bytes = request.body as AsyncIterable<Uint8Array> | undefined;
      if (bytes === undefined || typeof bytes !== 'object' || !(Symbol.asyncIterator in bytes)) {
        const detail = 'The body is the bytes, as application/octet-stream.';
        throw new AppError('REQUEST_INVALID', { detail });
      }
      const { socket } = request.raw;
      socket.setTimeout(limit('imageUploadIdleMs'), () => socket.destroy());
      const { sha256 } = request.params;
      return reply.code(201).send({ sha256, ...(await blobs.take(sha256, bytes)) });
    },
  );
  app.get('/api/v1/images', { config: { fleetRole: 'viewer' } }, async () => {
    const [images, channels] = [await records.list('image'), await records.list('channel')];
    const shown = images.map(async (image) => ({
      ...imageOf(image, { blobs, channels }),
      sites: await records.told('image', image.name),
    }));
    return { images: await Promise.all(shown), channels: channels.map(channelOf) };
  });
  app.post('/api/v1/images', { config, schema: { body: newImage } }, async (request, reply) => {
    const who = writerOf(request);
    const { name: image, version, channel, kind, files, signature, why: _, ...doc } = request.body;
    const name = `${image}@${version}`;
    const lacking = files.find(({ sha256 }) => blobs.sizeOf(sha256) === undefined);
    if (lacking)
      throw new AppError('IMAGE_INCOMPLETE', { detail: `No file ${lacking.sha256} is here.` });
    const whole = JSON.parse(JSON.stringify({ kind, doc, files, signature })) as Json;
    const there = await records.get('image', name);
    if (there && JSON.stringify(there.doc) !== JSON.stringify(whole))
      throw new AppError('ALREADY_EXISTS', { detail: `(${name})` });
    const put = there ?? (await records.put({ kind: 'image', name, doc: whole, who }));
    if (channel !== undefined)
      await records.put({ kind: 'channel', name: `${image}/${channel}`, doc: { version }, who });
    parts.nudgeAll();
    const channels = await records.list('channel');
    return reply.code(201).send(imageOf(put, { blobs, channels }));
  });
  const versionParams = z.object({ name: imageName, version: versionName });
  app.get(
    '/api/v1/images/:name/versions/:version',
    { config: { fleetRole: 'viewer' }, schema: { params: versionParams } },
    async (request) => {
      const name = `${request.params.name}@${request.params.version}`;
      const found = await records.get('image', name);
      if (!found) throw new AppError('NOT_FOUND', { detail: `No image ${name}.` });
      const channels = await records.list('channel');
      return { ...imageOf(found, { blobs, channels }), sites: await records.told('image', name) };
    },
  );
  app.delete(
    '/api/v1/images/:name/versions/:version',
    { config, schema: { params: versionParams } },
    async (request, reply) => {
      const name = `${request.params.name}@${request.params.version}`;
      await records.remove({ kind: 'image', name, who: writerOf(request) });
      parts.nudgeAll();
      return reply.code(204).send();
    },
  );
}

function addChannels(app: FleetApp, parts: FleetAppParts): void {
  const { records } = parts;
  const config = { fleetRole: 'operator' } as const;
  const url = '/api/v1/images/:name/channels/:channel';
  const params = z.object({ name: imageName, channel: channelName });
  const body = channelDocument.extend({ why: saidWhy });
  app.put(url, { config, schema: { params, body } }, async (request) => {
    const { name, channel } = request.params;
    const { version } = request.body;
    const who = writerOf(request);
    if (!(await records.get('image', `${name}@${version}`)))
      throw new AppError('NOT_FOUND', { detail: `No image ${name}@${version}.` });
    const of = { kind: 'channel', name: `${name}/${channel}` } as const;
    const put = await records.put({ ...of, doc: { version }, who });
    parts.nudgeAll();
    return { ...channelOf(put), sites: await records.told(of.kind, of.name) };
  });
  app.get(url, { config: { fleetRole: 'viewer' }, schema: { params } }, async (request) => {
    const name = `${request.params.name}/${request.params.channel}`;
    const found = await records.get('channel', name);
    if (!found) throw new AppError('NOT_FOUND', { detail: `No channel ${name}.` });
    const channel = channelOf(found);
    const { version: to, changedAt: at, changedBy: who } = channel;
    // Only the last move is kept here.
    const moves = [{ at, from: '', to, who, why: '' }];
    return { channel, moves, sites: await records.told('channel', name) };
  });
  app.delete(url, { config, schema: { params } }, async (request, reply) => {
    const name = `${request.params.name}/${request.params.channel}`;
    await records.remove({ kind: 'channel', name, who: writerOf(request) });
    parts.nudgeAll();
    return reply.code(204).send();
  });
}
