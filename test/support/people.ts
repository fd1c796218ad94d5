/** The people's listener over a world without sockets, and callers of every role. Answers are checked against their schemas. */
import type { FastifyInstance, InjectOptions } from 'fastify';
import pino from 'pino';
import type { z } from 'zod';
import { createPeopleApp, type PeopleAppOptions } from '../../src/http/people/app.ts';
import type { Role } from '../../src/inventory/access.ts';
import { hashPassword } from '../../src/inventory/password.ts';
import { createWorld, type World } from './world.ts';

export interface CallOptions {
  readonly body?: unknown;
  readonly headers?: Record<string, string>;
  /** If-Match. */
  readonly version?: number | '*';
}

export interface Answer {
  readonly status: number;
  readonly headers: Record<string, unknown>;
  readonly text: string;
  // biome-ignore lint/suspicious/noExplicitAny: a test reads what it expects
  readonly body: any;
}

export type Caller = (method: string, path: string, options?: CallOptions) => Promise<Answer>;

export interface People {
  readonly app: FastifyInstance;
  readonly world: World;
  /** Without a token. */
  readonly nobody: Caller;
  readonly admin: Caller;
  as(role: Role, squads?: Record<string, Role>): Caller;
  withToken(secret: string): Caller;
  squad(...names: string[]): void;
}

const log = pino({ level: 'silent' });

export async function createPeople(
  settings: Partial<PeopleAppOptions> = {},
  world: World = createWorld(),
): Promise<People> {
  const app = await createPeopleApp({
    ...world,
    log,
    site: 'lab',
    uiRoot: 'no/such/folder',
    readiness: () => ({ database: true }),
    metrics: async () => ({ contentType: 'text/plain', text: 'up 1\n' }),
    settings: { anonymousRead: false, requestsPerSecond: 1_000_000 },
    ...settings,
  });
  const mismatches: string[] = [];
  app.addHook('onSend', async (request, reply, payload) => {
    if (!String(reply.getHeader('content-type')).includes('json')) return payload;
    const found = mismatch(request.routeOptions.schema?.response, reply.statusCode, payload);
    if (found) mismatches.push(`${request.method} ${request.url} ${reply.statusCode}: ${found}`);
    return payload;
  });
  const caller =
    (secret?: string): Caller =>
    async (method, path, { body, headers = {}, version } = {}) => {
      const answer = await app.inject({
        method: method as NonNullable<InjectOptions['method']>,
        url: `/api/v1${path}`,
        headers: {
          ...(secret === undefined ? {} : { authorization: `Bearer ${secret}` }),
          ...(version === undefined ? {} : { 'if-match': version === '*' ? '*' : `"${version}"` }),
          ...headers,
        },
        ...(body === undefined ? {} : { payload: body as object }),
      });
      const first = mismatches.shift();
      if (first !== undefined) throw new Error(`an answer does not fit its schema: ${first}`);
      const isJson = String(answer.headers['content-type']).includes('json');
      return {
        status: answer.statusCode,
        headers: answer.headers,
        text: answer.body,
        body: isJson ? answer.json() : undefined,
      };
    };
  const { access, records } = world.inventory.serverdb;
  let number = 0;
  const as = (role: Role, squads: Record<string, Role> = {}): Caller => {
    number += 1;
    const name = `${role}-${number}`;
    const made = world.inventory.transaction(() =>
      access.createToken({ name, role, squads }, 'test'),
    );
    return caller(made.secret);
  };
  return {
    app,
    world,
    nobody: caller(),
    admin: as('admin'),
    as,
    withToken: caller,
    squad(...names) {
      for (const name of names) {
        world.inventory.transaction(() =>
          records.put(
            'squad',
            { name, doc: { contact: '', notes: '' } },
            { who: 'test', why: 'test' },
          ),
        );
      }
    },
  };
}

type Schemas = Record<string, z.ZodType | { content: Record<string, { schema: z.ZodType }> }>;

function mismatch(schemas: unknown, status: number, payload: unknown): string | undefined {
  if (!schemas || typeof payload !== 'string' || payload === '') return undefined;
  const known = schemas as Schemas;
  const found = known[String(status)] ?? known.default;
  if (!found) return 'there is no schema for this status';
  const schema =
    'content' in found
      ? (found.content['application/json'] ?? found.content['application/problem+json'])?.schema
      : found;
  if (!schema) return undefined;
  const parsed = schema.safeParse(JSON.parse(payload));
  return parsed.success ? undefined : JSON.stringify(parsed.error.issues.slice(0, 2));
}

/** `409 TRANSITION_ILLEGAL /to`, as tests compare it. */
export function problemOf({ status, body }: Answer): string {
  return [status, body?.code, body?.path].filter(Boolean).join(' ');
}

/** The password of users that tests make. */
export const SECRET = 'correct horse battery staple';

export async function withUser(
  people: Pick<People, 'world'>,
  name: string,
  role = 'viewer',
  squads = {},
): Promise<void> {
  const passwordHash = await hashPassword(SECRET);
  const { access } = people.world.inventory.serverdb;
  people.world.inventory.transaction(() =>
    access.putUser(
      { name, role: role as 'viewer', squads, disabled: false, passwordHash },
      { who: 'test' },
    ),
  );
}
