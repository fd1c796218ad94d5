/** The API's description, OpenAPI 3.1, made from the schemas that validate. docs/openapi.json is its copy, held by a test. */
import fastifySwagger from '@fastify/swagger';
import { jsonSchemaTransform, jsonSchemaTransformObject } from 'fastify-type-provider-zod';
import { z } from 'zod';
import type { PeopleServer } from './context.ts';

export const API_VERSION = '1.0.0';

/** Before the routes: the plugin notes them as they are added. */
export async function installOpenApi(app: PeopleServer): Promise<void> {
  await app.register(fastifySwagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Reveille',
        version: API_VERSION,
        description:
          'ServerDb and everything that people and programs do with it. Errors are problem documents (RFC 9457) with a stable code. Times are milliseconds since 1970, UTC.',
      },
      components: {
        securitySchemes: {
          token: { type: 'http', scheme: 'bearer' },
          session: { type: 'apiKey', in: 'cookie', name: 'reveille_session' },
        },
      },
      security: [{ token: [] }, { session: [] }],
    },
    transform: (document) => {
      const { url } = document;
      if (!url.startsWith('/api/')) return { schema: { hide: true }, url };
      return jsonSchemaTransform(document);
    },
    transformObject: jsonSchemaTransformObject,
  });
  app.get(
    '/api/v1/openapi.json',
    {
      config: { access: 'open' },
      schema: {
        tags: ['operations'],
        summary: 'This description',
        response: { 200: z.record(z.string(), z.unknown()) },
      },
    },
    async (_request, reply) => reply.send(app.swagger() as never),
  );
}
