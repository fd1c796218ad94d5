/** The API's description, OpenAPI 3.1, made from the schemas that validate. docs/openapi.json is its copy, held by a test. */
import fastifySwagger from '@fastify/swagger';
import type { FastifySchema, RouteOptions } from 'fastify';
import { jsonSchemaTransform, jsonSchemaTransformObject } from 'fastify-type-provider-zod';
import { z } from 'zod';
import type { PeopleServer } from './context.ts';

const API_VERSION = '1.0.0';

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
      const { url, route } = document;
      if (!url.startsWith('/api/') || isHead(route)) return { schema: { hide: true }, url };
      const transformed = jsonSchemaTransform(document);
      return { url, schema: { ...transformed.schema, ...describe(route) } as FastifySchema };
    },
    transformObject: (document) => {
      const transformed = jsonSchemaTransformObject(document) as OpenApi;
      return { ...transformed, components: withoutUnused(transformed) } as never;
    },
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

interface OpenApi {
  readonly paths: unknown;
  readonly components?: { readonly schemas?: Record<string, unknown> };
}

const methodOf = ({ method }: RouteOptions): string => String(method);
const isHead = (route: RouteOptions): boolean => methodOf(route) === 'HEAD';

/** What the plugin cannot know: a name for each operation, who may call it, and the headers that writes take. */
function describe(route: RouteOptions): object {
  const method = methodOf(route);
  const access = route.config?.access ?? 'open';
  return {
    operationId: operationId(method, route.url),
    'x-access': access,
    ...(access === 'open' ? { security: [] } : {}),
    ...(method === 'GET' ? {} : { headers: headersOf(method) }),
  };
}

/** `PATCH /api/v1/machines/:hardwarename` -> `patchMachinesByHardwarename`. */
function operationId(method: string, url: string): string {
  const words = url
    .replace('/api/v1/', '')
    .split(/[/.-]/)
    .map((part) => (part.startsWith(':') ? `By${capital(part.slice(1))}` : capital(part)));
  return method.toLowerCase() + words.join('');
}

const capital = (word: string): string => word.charAt(0).toUpperCase() + word.slice(1);

function headersOf(method: string): object {
  const versioned = method === 'PATCH' || method === 'PUT' || method === 'DELETE';
  return {
    type: 'object',
    properties: {
      'idempotency-key': {
        type: 'string',
        maxLength: 128,
        description: 'A repeated request with this key gets the first answer and changes nothing.',
      },
      ...(versioned
        ? {
            'if-match': {
              type: 'string',
              description: 'The ETag that was read, or * for whatever is there.',
            },
          }
        : {}),
    },
  };
}

/** Schemas that no call refers to are the plugin's other half of each: they would only confuse. */
function withoutUnused({ paths, components }: OpenApi): object {
  const schemas = components?.schemas ?? {};
  const used = new Set<string>();
  const visit = (value: unknown): void => {
    for (const [, name = ''] of JSON.stringify(value).matchAll(
      /"#\/components\/schemas\/(\w+)"/g,
    )) {
      if (used.has(name)) continue;
      used.add(name);
      visit(schemas[name] ?? {});
    }
  };
  visit(paths);
  const kept = Object.entries(schemas).filter(([name]) => used.has(name));
  return { ...components, schemas: Object.fromEntries(kept) };
}
