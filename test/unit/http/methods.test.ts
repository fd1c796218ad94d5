/** An address that is there and is asked by a method that it does not answer says which it does (RFC 9110 15.5.6). */
import Fastify, { type FastifyInstance } from 'fastify';
import pino from 'pino';
import { afterEach, expect, it } from 'vitest';
import { createMachineApp } from '../../../src/http/machine/app.ts';
import { installProblems } from '../../../src/http/problem.ts';
import { createPeople } from '../../support/people.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { createWorld } from '../../support/world.ts';

const apps: FastifyInstance[] = [];
afterEach(async () => {
  for (const app of apps.splice(0)) await app.close();
});

type Method = 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE' | 'OPTIONS';

async function told(app: FastifyInstance, method: Method, url: string): Promise<string> {
  const { statusCode, headers, body } = await app.inject({ method, url });
  const { code } = body.startsWith('{') ? JSON.parse(body) : {};
  const allow = headers.allow && `(${headers.allow})`;
  return [statusCode, code, allow].filter((word) => word !== undefined).join(' ');
}

it('names the methods of every route that the path is one of, and of no other', async () => {
  const app = Fastify();
  apps.push(app);
  installProblems(app);
  const done = async () => 'done';
  app.get('/machines', done);
  app.get('/machines/:name', { exposeHeadRoute: false }, done);
  app.patch('/machines/:name', done);
  app.post('/machines/import', done);
  app.route({ method: ['PUT', 'DELETE'], url: '/machines/:name/nics/:mac', handler: done });
  app.get('/pages/*', done);
  app.get('/a.b', done);
  expect(await told(app, 'POST', '/machines?limit=1')).toBe('405 METHOD_NOT_ALLOWED (GET, HEAD)');
  expect(await told(app, 'HEAD', '/machines/x')).toBe('405 (GET, PATCH)');
  expect(await told(app, 'PUT', '/machines/x')).toBe('405 METHOD_NOT_ALLOWED (GET, PATCH)');
  expect(await told(app, 'PUT', '/machines/import')).toBe(
    '405 METHOD_NOT_ALLOWED (GET, PATCH, POST)',
  );
  expect(await told(app, 'PATCH', '/machines/import')).toBe('200');
  expect(await told(app, 'GET', '/machines/x/nics/y')).toBe('405 METHOD_NOT_ALLOWED (DELETE, PUT)');
  expect(await told(app, 'POST', '/pages/x/y')).toBe('405 METHOD_NOT_ALLOWED (GET, HEAD)');
  expect(await told(app, 'OPTIONS', '/a.b')).toBe('405 METHOD_NOT_ALLOWED (GET, HEAD)');
  for (const url of ['/machines/', '/machines/x/nics', '/machine', '/pages', '/axb', '/'])
    expect(await told(app, 'POST', url)).toBe('404 NOT_FOUND');
});

it('what a handler does not find is not found, whatever method it has', async () => {
  const app = Fastify();
  apps.push(app);
  installProblems(app);
  app.get('/files/:name', (_request, reply) => reply.callNotFound());
  app.put('/rest/one', async () => 'done');
  app.all('/rest/*', (_request, reply) => reply.callNotFound());
  expect(await told(app, 'GET', '/files/x')).toBe('404 NOT_FOUND');
  expect(await told(app, 'GET', '/rest/two')).toBe('404 NOT_FOUND');
  expect(await told(app, 'GET', '/rest/one')).toBe('405 METHOD_NOT_ALLOWED (PUT)');
});

it('holds for machines, and is counted by its code', async () => {
  const refused: string[] = [];
  const dir = temporaryFolder('methods');
  const log = pino({ level: 'silent' });
  const onRefused = (code: string) => void refused.push(code);
  const app = createMachineApp({
    ...createWorld(),
    ...{ log, assets: dir, pxeimage: dir, onRefused },
  });
  apps.push(app);
  expect(await told(app, 'GET', '/recon/token')).toBe('405 METHOD_NOT_ALLOWED (POST)');
  expect(await told(app, 'HEAD', '/boot/token/script.ipxe')).toBe('405 (GET)');
  expect(await told(app, 'PUT', '/boot/ipxe/x.efi')).toBe('405 METHOD_NOT_ALLOWED (GET, HEAD)');
  expect(await told(app, 'PUT', '/boot/x')).toBe('404 NOT_FOUND');
  expect(refused).toEqual([
    ...['METHOD_NOT_ALLOWED', 'METHOD_NOT_ALLOWED', 'METHOD_NOT_ALLOWED'],
    'NOT_FOUND',
  ]);
});

it('holds for people, on every path of the API', async () => {
  const { app } = await createPeople();
  expect(await told(app, 'POST', '/healthz')).toBe('405 METHOD_NOT_ALLOWED (GET, HEAD)');
  expect(await told(app, 'POST', '/api/v1/nowhere')).toBe('404 NOT_FOUND');
  const document = (await app.inject('/api/v1/openapi.json')).json() as {
    paths: Record<string, Record<string, unknown>>;
  };
  const paths = Object.entries(document.paths);
  expect(paths.length).toBeGreaterThan(50);
  for (const [path, methods] of paths) {
    const url = path.replaceAll(/\{[^}]+\}/g, 'x');
    const answer = await app.inject({ method: 'OPTIONS', url });
    expect([path, answer.statusCode]).toEqual([path, 405]);
    const allowed = `${answer.headers.allow}`.split(', ');
    for (const method of Object.keys(methods)) expect(allowed).toContain(method.toUpperCase());
  }
});
