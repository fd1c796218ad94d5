/** The fleet's API for images: files that central keeps and sites fetch, versions made of them, and channels that point to versions. */
import { z } from 'zod';
import { AppError } from '../errors.ts';
import { channelDocument, imageDocument } from '../federation/records.ts';
import { channelName, imageName, sha256Text, versionName } from '../http/people/image-views.ts';
import { imageDocSchema } from '../inventory/images.ts';
import { limit } from '../limits.ts';
import type { FleetApp, FleetAppParts } from './app.ts';
import type { FleetBlobs } from './blobs.ts';
import { writerOf } from './record-routes.ts';
import type { FleetRecord, Json } from './records.ts';

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

export function addImages(app: FleetApp, parts: FleetAppParts): void {
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
    const {
      name: image,
      version,
      channel,
      kind,
      files,
      signature,
      why = '',
      ...doc
    } = request.body;
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
      await parts.channels.point(`${image}/${channel}`, version, { who, why });
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

const MOVES_SHOWN = 50;

export function addChannels(app: FleetApp, parts: FleetAppParts): void {
  const { records, channels } = parts;
  const config = { fleetRole: 'operator' } as const;
  const url = '/api/v1/images/:name/channels/:channel';
  const params = z.object({ name: imageName, channel: channelName });
  const body = channelDocument.extend({ why: saidWhy });
  const nameOf = (of: z.output<typeof params>) => `${of.name}/${of.channel}`;
  const pointed = async (record: FleetRecord) => {
    parts.nudgeAll();
    return { ...channelOf(record), sites: await records.told('channel', record.name) };
  };
  app.put(url, { config, schema: { params, body } }, async (request) => {
    const { version, why = '' } = request.body;
    const cause = { who: writerOf(request), why };
    return pointed(await channels.point(nameOf(request.params), version, cause));
  });
  const back = z.strictObject({ why: saidWhy });
  app.post(`${url}/rollback`, { config, schema: { params, body: back } }, async (request) => {
    const cause = { who: writerOf(request), why: request.body.why ?? '' };
    return pointed(await channels.moveBack(nameOf(request.params), cause));
  });
  app.get(url, { config: { fleetRole: 'viewer' }, schema: { params } }, async (request) => {
    const name = nameOf(request.params);
    const found = await records.get('channel', name);
    if (!found) throw new AppError('NOT_FOUND', { detail: `No channel ${name}.` });
    const moves = await channels.moves(name, MOVES_SHOWN);
    return { channel: channelOf(found), moves, sites: await records.told('channel', name) };
  });
  const reason = z.strictObject({ why: saidWhy });
  app.delete(url, { config, schema: { params, querystring: reason } }, async (request, reply) => {
    const cause = { who: writerOf(request), why: request.query.why ?? '' };
    await channels.remove(nameOf(request.params), cause);
    parts.nudgeAll();
    return reply.code(204).send();
  });
}
