/**
 * Images: versions, the channels that point to them, and the store below.
 *
 * Anybody who may read sees them. A site operator makes versions and moves channels: what is installed on every machine of
 * the site is decided here, so no squad's role counts.
 */
import { z } from 'zod';
import { AppError } from '../../../errors.ts';
import type { ImageDesk } from '../../../images/desk.ts';
import { FILE_ROLES, IMAGE_KINDS, imageDocSchema } from '../../../inventory/images.ts';
import { limit } from '../../../limits.ts';
import { principalOf } from '../authenticate.ts';
import { commit } from '../commit.ts';
import type { PeopleContext, PeopleServer } from '../context.ts';
import {
  channelName,
  channelView,
  imageName,
  imageView,
  moveView,
  sha256Text,
  showImage,
  showStore,
  showStream,
  storeView,
  streamView,
  versionName,
} from '../image-views.ts';
import { answers, nothing, why, whyQuery } from '../schemas.ts';

const tags = ['images'];

const newImage = z.strictObject({
  name: imageName,
  version: versionName,
  kind: z.enum(IMAGE_KINDS),
  ...imageDocSchema.shape,
  files: z
    .array(z.strictObject({ role: z.enum(FILE_ROLES), sha256: sha256Text }))
    .min(1)
    .max(FILE_ROLES.length),
  signature: z
    .string()
    .max(2000)
    .default('')
    .describe("Of the manifest: base64 of an Ed25519 signature, or minisign's file"),
  channel: channelName.optional().describe('Moves this channel to the new version, at once'),
  why: why.optional(),
});

const versionParams = z.object({ name: imageName, version: versionName });
const channelParams = z.object({ name: imageName, channel: channelName });

/** @throws AppError NOT_HERE where this appliance has no image store */
export function imageDeskOf({ images }: PeopleContext): ImageDesk {
  if (!images) throw new AppError('NOT_HERE', { detail: 'This appliance keeps no images.' });
  return images;
}

export function addImageRoutes(app: PeopleServer, context: PeopleContext): void {
  const { images, blobs } = context.inventory;
  app.route({
    method: 'GET',
    url: '/api/v1/images',
    config: { access: 'read' },
    schema: {
      tags,
      summary: 'Every version of every image, or of one',
      querystring: z.strictObject({ name: imageName.optional() }),
      response: answers(z.object({ images: z.array(imageView), channels: z.array(channelView) })),
    },
    handler: async (request, reply) => {
      const { name } = request.query;
      const list = images.list(name === undefined ? {} : { name });
      return reply.send({ images: list.map(showImage), channels: images.channels(name) } as never);
    },
  });
  app.route({
    method: 'POST',
    url: '/api/v1/images',
    config: { access: 'operator' },
    schema: {
      tags,
      summary: 'Make a version of files that are in the store',
      body: newImage,
      response: answers(imageView, 201),
    },
    handler: async (request, reply) =>
      commit(context, { request, reply }, () => {
        const { description, format, kernelArguments, signature, channel, ...image } = request.body;
        const cause = { who: principalOf(request).who, why: request.body.why ?? '' };
        const doc = { description, kernelArguments, ...(format ? { format } : {}) };
        const { name, version, kind, files } = image;
        const desk = imageDeskOf(context);
        desk.add({ name, version, kind, files, doc }, signature, cause);
        if (channel !== undefined) images.move({ name, version, channel }, cause);
        return { status: 201, body: shown(context, { name, version }) };
      }),
  });
  app.route({
    method: 'GET',
    url: '/api/v1/image-store',
    config: { access: 'read' },
    schema: {
      tags,
      summary: 'What the store holds, what of it is unused, and what is free',
      response: answers(storeView),
    },
    handler: async (_request, reply) =>
      reply.send(showStore(imageDeskOf(context), blobs.list()) as never),
  });
  app.route({
    method: 'GET',
    url: '/api/v1/image-streams',
    config: { access: 'read' },
    schema: {
      tags,
      summary: 'Machines that are being sent an image, and those that wait for their turn',
      response: answers(z.object({ streams: z.array(streamView) })),
    },
    handler: async (_request, reply) => {
      const now = context.clock();
      const streams = imageDeskOf(context).admission.list(now);
      const { work } = context.inventory;
      return reply.send({
        streams: streams.map((one) => showStream(one, { now, own: work.copyEndsAt(one.key) })),
      });
    },
  });
  app.route({
    method: 'POST',
    url: '/api/v1/image-store/collect',
    config: { access: 'operator' },
    schema: {
      tags,
      summary: 'Remove files that no version is made of, at once, and what crashes left behind',
      body: z.strictObject({}),
      response: answers(
        z.object({
          files: z.number().int(),
          sizeBytes: z.number().int(),
          orphans: z.number().int(),
          uploads: z.number().int(),
        }),
      ),
    },
    handler: async (_request, reply) =>
      reply.send(imageDeskOf(context).store.collect({ unusedToo: true }) as never),
  });
  addVersionRoutes(app, context);
  addChannelRoutes(app, context);
}

function shown({ inventory }: PeopleContext, { name, version }: { name: string; version: string }) {
  const image = inventory.images.get(name, version);
  if (!image) throw new AppError('NOT_FOUND', { detail: `There is no image ${name}@${version}.` });
  return showImage(image);
}

function addVersionRoutes(app: PeopleServer, context: PeopleContext): void {
  app.route({
    method: 'GET',
    url: '/api/v1/images/:name/versions/:version',
    config: { access: 'read' },
    schema: {
      tags,
      summary: 'One version',
      params: versionParams,
      response: answers(imageView),
    },
    handler: async (request, reply) => reply.send(shown(context, request.params) as never),
  });
  app.route({
    method: 'DELETE',
    url: '/api/v1/images/:name/versions/:version',
    config: { access: 'operator' },
    schema: {
      tags,
      summary: 'Remove a version that no channel, job or request needs',
      params: versionParams,
      querystring: whyQuery,
      response: answers(nothing, 204),
    },
    handler: async (request, reply) =>
      commit(context, { request, reply }, () => {
        const cause = { who: principalOf(request).who, why: request.query.why ?? '' };
        context.inventory.images.remove(request.params, cause);
        return { status: 204 };
      }),
  });
}

function addChannelRoutes(app: PeopleServer, context: PeopleContext): void {
  const { images } = context.inventory;
  const url = '/api/v1/images/:name/channels/:channel';
  app.route({
    method: 'GET',
    url,
    config: { access: 'read' },
    schema: {
      tags,
      summary: 'Where a channel points, and where it has pointed',
      params: channelParams,
      response: answers(z.object({ channel: channelView.nullable(), moves: z.array(moveView) })),
    },
    handler: async (request, reply) => {
      const { name, channel } = request.params;
      const moves = images.moves(name, channel, limit('imageMovesShownMax'));
      if (moves.length === 0)
        throw new AppError('NOT_FOUND', { detail: `There is no channel ${name}/${channel}.` });
      return reply.send({ channel: images.at(name, channel) ?? null, moves } as never);
    },
  });
  app.route({
    method: 'PUT',
    url,
    config: { access: 'operator' },
    schema: {
      tags,
      summary: 'Point a channel to a version: installs that begin from now on get it',
      params: channelParams,
      body: z.strictObject({ version: versionName, why: why.optional() }),
      response: answers(channelView),
    },
    handler: async (request, reply) =>
      commit(context, { request, reply }, () => {
        const { version, why: reason = '' } = request.body;
        const cause = { who: principalOf(request).who, why: reason };
        return { body: images.move({ ...request.params, version }, cause) };
      }),
  });
  app.route({
    method: 'POST',
    url: `${url}/rollback`,
    config: { access: 'operator' },
    schema: {
      tags,
      summary: 'Point a channel to where it pointed before its last move',
      params: channelParams,
      body: z.strictObject({ why: why.optional() }),
      response: answers(channelView),
    },
    handler: async (request, reply) =>
      commit(context, { request, reply }, () => {
        const cause = { who: principalOf(request).who, why: request.body.why ?? '' };
        return { body: images.moveBack(request.params, cause) };
      }),
  });
  app.route({
    method: 'DELETE',
    url,
    config: { access: 'operator' },
    schema: {
      tags,
      summary: 'Remove a channel that no pool, job or request uses; its history stays',
      params: channelParams,
      querystring: whyQuery,
      response: answers(nothing, 204),
    },
    handler: async (request, reply) =>
      commit(context, { request, reply }, () => {
        const cause = { who: principalOf(request).who, why: request.query.why ?? '' };
        images.removeChannel(request.params, cause);
        return { status: 204 };
      }),
  });
}
