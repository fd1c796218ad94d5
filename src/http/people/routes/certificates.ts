/** Certificates of machines that were recycled: what was done to each disk, signed, to be checked without us. */
import { z } from 'zod';
import { AppError } from '../../../errors.ts';
import type { StoredCertificate } from '../../../inventory/certificates.ts';
import type { PeopleContext, PeopleServer } from '../context.ts';
import { answers, hardwarenameText, idParams, pageQuery } from '../schemas.ts';

const tags = ['certificates'];

const certificateView = z
  .object({
    id: z.string(),
    hardwarename: z.string(),
    job: z.string(),
    issuedAt: z.number().int().describe('Milliseconds since 1970, UTC'),
    result: z.enum(['sanitized', 'failed']),
    level: z
      .enum(['', 'clear', 'purge'])
      .describe('The lowest of any disk; empty: one reached none'),
    disks: z.number().int(),
    text: z.string().describe('What is signed, byte for byte; JSON'),
    signature: z.string().describe('Ed25519 over the text, base64'),
  })
  .meta({ id: 'Certificate' });

const show = ({ issuedAt, ...rest }: StoredCertificate) => ({ ...rest, issuedAt });

export function addCertificateRoutes(app: PeopleServer, context: PeopleContext): void {
  const { certificates } = context.inventory;
  app.route({
    method: 'GET',
    url: '/api/v1/certificates',
    config: { access: 'read' },
    schema: {
      tags,
      summary: 'Certificates of recycled machines, newest first',
      querystring: z.strictObject({
        hardwarename: hardwarenameText.optional(),
        before: z.coerce.number().int().optional().describe('Issued before this time'),
        ...pageQuery,
      }),
      response: answers(z.object({ certificates: z.array(certificateView) })),
    },
    handler: async (request, reply) => {
      const { limit: count, ...filter } = request.query;
      return reply.send({ certificates: certificates.list({ ...filter, count }).map(show) });
    },
  });
  app.route({
    method: 'GET',
    url: '/api/v1/certificates/:id',
    config: { access: 'read' },
    schema: {
      tags,
      summary: 'One certificate',
      params: idParams,
      response: answers(certificateView),
    },
    handler: async (request, reply) => {
      const found = certificates.get(request.params.id);
      if (!found) throw new AppError('NOT_FOUND', { detail: 'No such certificate.' });
      return reply.send(show(found));
    },
  });
  app.route({
    method: 'GET',
    url: '/api/v1/certificate-key',
    config: { access: 'open' },
    schema: {
      tags,
      summary: 'The public key that certificates are checked with',
      response: answers(z.object({ algorithm: z.literal('Ed25519'), pem: z.string() })),
    },
    handler: async (_request, reply) => {
      if (context.certificateKey === undefined)
        throw new AppError('NOT_HERE', { detail: 'This appliance signs nothing.' });
      return reply.send({ algorithm: 'Ed25519' as const, pem: context.certificateKey });
    },
  });
}
