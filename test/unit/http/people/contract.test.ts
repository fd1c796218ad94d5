/** The API against its own description: the committed copies agree with it, and no invalid input brings more than a 4xx. */
import { readFileSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import { ERRORS } from '../../../../src/errors.ts';
import {
  CLIENT_FILE,
  formatted,
  OPENAPI_FILE,
  readOpenApi,
  renderClient,
} from '../../../../tools/generate-api.ts';
import { createPeople } from '../../../support/people.ts';
import { createWholePeople } from '../../../support/whole-people.ts';

const closers: (() => unknown)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

const document = await readOpenApi();
const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]) => ({
    method: method.toUpperCase(),
    path: path.replace('/api/v1', ''),
    operation: operation as typeof operation & { 'x-access': string },
  })),
);

describe('what is committed', () => {
  it('docs/openapi.json is what is served: `npm run api`', () =>
    expect(JSON.parse(readFileSync(OPENAPI_FILE, 'utf8'))).toEqual(document));
  it('the typed client is made from it: `npm run api`', () =>
    expect(readFileSync(CLIENT_FILE, 'utf8')).toBe(formatted(CLIENT_FILE, renderClient(document))));
  it('names each operation once, with who may call it', () => {
    const ids = operations.map(
      ({ operation }) => (operation as unknown as { operationId: string }).operationId,
    );
    expect(new Set(ids).size).toBe(ids.length);
    for (const { operation } of operations) expect(operation['x-access']).toBeTruthy();
  });
});

interface Schema {
  readonly $ref?: string;
  readonly type?: string | string[];
  readonly properties?: Record<string, Schema>;
  readonly required?: string[];
  readonly items?: Schema;
  readonly enum?: unknown[];
  readonly anyOf?: Schema[];
  readonly maxLength?: number;
  readonly pattern?: string;
}

/** Values that do not belong where a schema is asked for: wrong types, too long, hostile text. */
const WRONG = [
  ...[null, true, -1, 1.5, 1e300, '', '\u0000', '../..', "' OR 1=1 --", '\ud800', 'x'.repeat(5000)],
  ...[[], {}, [null], { $ne: 1 }, { __proto__: null }, [['deep']]],
];

/** Something that fits, so that one wrong part at a time can be tried. */
function fitting(schema: Schema): unknown {
  const [choice] = schema.anyOf ?? [];
  if (choice) return fitting(choice);
  if (schema.enum) return schema.enum[0];
  const type = Array.isArray(schema.type) ? schema.type[0] : schema.type;
  switch (type) {
    case 'object': {
      const names = schema.required ?? [];
      const known = schema.properties ?? {};
      return Object.fromEntries(names.map((name) => [name, fitting(known[name] ?? {})]));
    }
    case 'array':
      return [];
    case 'integer':
    case 'number':
      return 1;
    case 'boolean':
      return false;
    default:
      return 'abc';
  }
}

function* badBodies(schema: Schema): Generator<unknown> {
  yield* WRONG;
  const good = fitting(schema) as Record<string, unknown>;
  yield { ...good, nobodyKnowsThis: 1 };
  for (const name of Object.keys(schema.properties ?? {}))
    for (const value of WRONG) yield { ...good, [name]: value };
  for (const name of schema.required ?? []) {
    const { [name]: _, ...rest } = good;
    yield rest;
  }
}

const BAD_PATHS = ['%00', '..%2f..', 'a'.repeat(90), '%ff', "'", '0', '-1', 'NOPE'];

/**
 * Every request that must be answered by less than 500, by a problem document with a known code when it is refused; and by
 * the part that it is for: an operation that an appliance without that part would refuse has not been tried at all.
 */
describe('invalid input', () => {
  it.each(operations)('$method $path', async ({ method, path, operation }) => {
    const people = await createWholePeople(closers);
    people.squad('music');
    await people.admin('POST', '/machines', { body: { serial: 'SN-100' } });
    let refused = 0;
    const check = async (target: string, body?: unknown) => {
      const options = body === undefined ? {} : { body };
      const json = { 'content-type': 'application/json' };
      const answer = await people.admin(method, target, {
        ...options,
        version: '*',
        headers: body === undefined ? {} : json,
      });
      expect(
        answer.status,
        `${method} ${target} ${JSON.stringify(body)}: ${answer.text}`,
      ).toBeLessThan(500);
      expect(answer.body?.code, `${method} ${target}: ${answer.text}`).not.toBe('NOT_HERE');
      if (answer.status >= 400) {
        refused += 1;
        expect(Object.keys(ERRORS)).toContain(answer.body.code);
        expect(answer.headers['content-type']).toContain('application/problem+json');
      }
    };
    const filled = (value: string) => path.replaceAll(/\{\w+\}/g, value);
    for (const value of path.includes('{') ? BAD_PATHS : []) await check(filled(value));
    const parameters = operation.parameters ?? [];
    for (const { name } of parameters.filter((one) => one.in === 'query')) {
      for (const value of ['', '-1', 'x'.repeat(6000), '%00', '[]', 'a,b,*'])
        await check(`${filled('SN-100')}?${name}=${value}`);
      await check(`${filled('SN-100')}?${name}=1&${name}=2`);
    }
    if (method !== 'DELETE') await check(`${filled('SN-100')}?nobodyKnowsThis=1`);
    const schema = operation.requestBody?.content['application/json']?.schema;
    if (schema) for (const body of badBodies(schema as Schema)) await check(filled('SN-100'), body);
    const fits = schema && fitting(schema as Schema);
    await check(filled('SN-100'), fits);
    if (schema || path.includes('{')) expect(refused).toBeGreaterThan(0);
  });

  it.each([
    ['{', '400 REQUEST_INVALID'],
    [' '.repeat(300_000), '413 BODY_TOO_LARGE'],
    ['{"__proto__":{"x":1}}', '400 REQUEST_INVALID'],
  ])('a body that is no JSON, or no end: %.10s', async (payload, expected) => {
    const people = await createPeople();
    const { body, status } = await people.admin('POST', '/machines', {
      body: payload,
      headers: { 'content-type': 'application/json' },
    });
    expect(`${status} ${body.code}`).toBe(expected);
  });
});
