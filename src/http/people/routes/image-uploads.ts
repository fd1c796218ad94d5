/**
 * Files of images on their way into the store: sent by a client in as many pieces as it takes, or fetched by us.
 *
 * An upload is announced with its size and hash, then sent by PUT, whole or from where it stopped (Content-Range, RFC 9110
 * section 14.5). The body is streamed to the disk: it is never gathered, and the limit on bodies is not for it. Whether it
 * is what was announced is known some time after the last byte, when it has been read back; `state` says so.
 */
import { z } from 'zod';
import { AppError } from '../../../errors.ts';
import { limit } from '../../../limits.ts';
import { principalOf } from '../authenticate.ts';
import { commit } from '../commit.ts';
import type { PeopleContext, PeopleServer } from '../context.ts';
import { sha256Text, showUpload, uploadView } from '../image-views.ts';
import { answers, idParams, nothing } from '../schemas.ts';
import { imageDeskOf } from './images.ts';

const tags = ['images'];

const newUpload = z
  .strictObject({
    sizeBytes: z.number().int().min(1).optional().describe('Of what will be sent'),
    from: z
      .string()
      .min(1)
      .max(2000)
      .optional()
      .describe('Fetch it: a URL of HTTP, or a file in the folder that is configured for it'),
    sha256: sha256Text.optional().describe('What it must be'),
  })
  .refine(
    ({ sizeBytes, from }) => (sizeBytes === undefined) !== (from === undefined),
    'either sizeBytes or from',
  );

export function addImageUploadRoutes(app: PeopleServer, context: PeopleContext): void {
  const store = () => imageDeskOf(context).store;
  app.addContentTypeParser('application/octet-stream', (_request, payload, done) =>
    done(null, payload),
  );
  app.route({
    method: 'GET',
    url: '/api/v1/image-uploads',
    config: { access: 'read' },
    schema: {
      tags,
      summary: 'Uploads and imports, newest first',
      response: answers(z.object({ uploads: z.array(uploadView) })),
    },
    handler: async (_request, reply) => reply.send({ uploads: store().list().map(showUpload) }),
  });
  app.route({
    method: 'POST',
    url: '/api/v1/image-uploads',
    config: { access: 'operator' },
    schema: {
      tags,
      summary: 'Announce a file that will be sent, or have one fetched',
      body: newUpload,
      response: answers(uploadView, 201),
    },
    handler: async (request, reply) =>
      commit(context, { request, reply }, () => {
        const { who } = principalOf(request);
        const { from: source, sizeBytes = 0, sha256 = '' } = request.body;
        const upload =
          source === undefined
            ? store().create({ sizeBytes, sha256, who })
            : store().importFrom({ source, sha256, who });
        return { status: 201, body: showUpload(upload) };
      }),
  });
  app.route({
    method: 'PUT',
    url: '/api/v1/image-uploads/:id',
    bodyLimit: limit('imageFileBytesMax'),
    config: { access: 'operator' },
    schema: {
      tags,
      summary: 'Send its bytes: all, or from Content-Range on',
      consumes: ['application/octet-stream'],
      params: idParams,
      response: answers(uploadView),
    },
    handler: async (request, reply) => {
      const bytes = request.body as AsyncIterable<Uint8Array> | undefined;
      if (bytes === undefined || typeof bytes !== 'object' || !(Symbol.asyncIterator in bytes))
        throw new AppError('REQUEST_INVALID', {
          detail: 'The body is the bytes, as application/octet-stream.',
        });
      const offsetBytes = offsetOf(request.headers['content-range']);
      const { socket } = request.raw;
      socket.setTimeout(limit('imageUploadIdleMs'), () => socket.destroy());
      const upload = await store().receive(request.params.id, { offsetBytes, bytes });
      return reply.send(showUpload(upload));
    },
  });
  addSingleRoutes(app, context);
}

function addSingleRoutes(app: PeopleServer, context: PeopleContext): void {
  const store = () => imageDeskOf(context).store;
  app.route({
    method: 'GET',
    url: '/api/v1/image-uploads/:id',
    config: { access: 'read' },
    schema: {
      tags,
      summary: 'How far it is, and where to go on',
      params: idParams,
      response: answers(uploadView),
    },
    handler: async (request, reply) => {
      const upload = store().progress(request.params.id);
      if (!upload) throw new AppError('NOT_FOUND', { detail: 'No such upload.' });
      return reply.send(showUpload(upload));
    },
  });
  app.route({
    method: 'DELETE',
    url: '/api/v1/image-uploads/:id',
    config: { access: 'operator' },
    schema: {
      tags,
      summary: 'Give it up; what has been received is removed',
      params: idParams,
      response: answers(nothing, 204),
    },
    handler: async (request, reply) =>
      commit(context, { request, reply }, () => {
        store().cancel(request.params.id, principalOf(request).who);
        return { status: 204 };
      }),
  });
}

/** @returns where the bytes begin; 0 without the header. @throws AppError REQUEST_INVALID */
function offsetOf(header: string | undefined): number {
  if (header === undefined) return 0;
  const match = /^bytes (\d{1,15})-(\d{1,15})\/(\d{1,15}|\*)$/.exec(header.trim());
  if (!match)
    throw new AppError('REQUEST_INVALID', {
      detail: 'Content-Range is `bytes FIRST-LAST/TOTAL`, or not there.',
    });
  return Number(match[1]);
}
