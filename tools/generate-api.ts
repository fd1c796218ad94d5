/**
 * Writes what follows from the API's schemas: docs/openapi.json, and the types of the client (src/client). A test
 * compares both with what the daemon serves, so a schema cannot change without them: `npm run api` writes them anew.
 */
import '../src/platform/require-node.ts';
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import Sqlite from 'better-sqlite3';
import pino from 'pino';
import { createPeopleApp } from '../src/http/people/app.ts';
import { openInventory } from '../src/inventory/inventory.ts';
import { openJobDesk } from '../src/jobs/desk.ts';
import { NO_BMC_POLICY } from '../src/jobs/kinds/bmc-setup.ts';
import { jobKinds } from '../src/jobs/kinds/index.ts';
import type { Millis } from '../src/wire/time.ts';

export const OPENAPI_FILE = 'docs/openapi.json';
export const CLIENT_FILE = 'src/client/operations.generated.ts';

interface Schema {
  readonly $ref?: string;
  readonly type?: string | readonly string[];
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly anyOf?: readonly Schema[];
  readonly oneOf?: readonly Schema[];
  readonly items?: Schema;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: boolean | Schema;
  readonly description?: string;
}

type Content = Readonly<Record<string, { readonly schema: Schema }>>;

interface Operation {
  readonly summary: string;
  readonly parameters?: readonly {
    readonly in: string;
    readonly name: string;
    readonly required?: boolean;
    readonly schema: Schema;
  }[];
  readonly requestBody?: { readonly content: Content };
  readonly responses: Readonly<Record<string, { readonly content?: Content }>>;
}

export interface OpenApiDocument {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, Schema>> };
}

/** The document as the daemon serves it. */
export async function readOpenApi(): Promise<OpenApiDocument> {
  const clock = () => 0 as Millis;
  const db = new Sqlite(':memory:');
  const inventory = openInventory({ db, clock });
  const kinds = jobKinds({ bmcSetup: NO_BMC_POLICY });
  const app = await createPeopleApp({
    inventory,
    jobs: openJobDesk({ ...inventory, db, clock, kinds }),
    clock,
    log: pino({ level: 'silent' }),
    site: 'lab',
    uiRoot: 'none',
    readiness: () => ({}),
    metrics: async () => ({ contentType: '', text: '' }),
  });
  const answer = await app.inject('/api/v1/openapi.json');
  await app.close();
  return answer.json();
}

/** In Biome's own layout, as everything in the repository. */
export function formatted(file: string, text: string): string {
  const args = ['format', `--stdin-file-path=${file}`];
  return execFileSync('node_modules/.bin/biome', args, { input: text, encoding: 'utf8' });
}

export function renderClient({ paths, components }: OpenApiDocument): string {
  const named = Object.entries(components.schemas).map(
    ([name, schema]) => `export type ${name} = ${typeOf(schema)};\n`,
  );
  const operations = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => renderOperation(path, method, operation)),
  );
  return [
    '/** Made from docs/openapi.json by `npm run api`; a test holds it. Not to be edited. */\n\n',
    ...named,
    '\n/** By method and path below /api/v1. */\nexport interface Operations {\n',
    ...operations,
    '}\n',
  ].join('');
}

function renderOperation(path: string, method: string, operation: Operation): string {
  const { summary, parameters = [], requestBody, responses } = operation;
  const group = (where: string) =>
    typeOf({
      type: 'object',
      properties: Object.fromEntries(
        parameters.filter((one) => one.in === where).map((one) => [one.name, textual(one.schema)]),
      ),
      required: parameters.filter((one) => one.in === where && one.required).map((one) => one.name),
      additionalProperties: false,
    });
  const body = requestBody?.content['application/json']?.schema;
  const [, ok] = Object.entries(responses).find(([status]) => status.startsWith('2')) ?? [];
  const answer = ok?.content?.['application/json']?.schema;
  const text = ok?.content && !answer ? 'string' : 'undefined';
  const name = `${method.toUpperCase()} ${path.replace('/api/v1', '')}`;
  return `/** ${summary}. */
    '${name}': {
      path: ${group('path')};
      query: ${group('query')};
      body: ${body ? typeOf(body) : 'undefined'};
      answer: ${answer ? typeOf(answer) : text};
    };\n`;
}

/** A parameter travels as text: numbers and flags are written by the client. */
function textual(schema: Schema): Schema {
  return schema.type === 'integer' || schema.type === 'boolean'
    ? { anyOf: [{ type: 'string' }, schema] }
    : schema;
}

function typeOf(schema: Schema): string {
  if (schema.$ref) return schema.$ref.split('/').at(-1) ?? 'unknown';
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(' | ');
  const choices = schema.anyOf ?? schema.oneOf;
  if (choices) return [...new Set(choices.map(typeOf))].join(' | ');
  if (Array.isArray(schema.type))
    return schema.type.map((type: string) => typeOf({ ...schema, type })).join(' | ');
  switch (schema.type) {
    case 'string':
      return 'string';
    case 'integer':
    case 'number':
      return 'number';
    case 'boolean':
      return 'boolean';
    case 'null':
      return 'null';
    case 'array':
      return `readonly (${schema.items ? typeOf(schema.items) : 'unknown'})[]`;
    case 'object':
      return typeOfObject(schema);
    default:
      return 'unknown';
  }
}

function typeOfObject({ properties = {}, required = [], additionalProperties }: Schema): string {
  const members = Object.entries(properties).map(([name, schema]) => {
    const says = schema.description ? `/** ${schema.description.replaceAll('*/', '')} */\n` : '';
    const mark = required.includes(name) ? '' : '?';
    return `${says}readonly '${name}'${mark}: ${typeOf(schema)}${mark ? ' | undefined' : ''};\n`;
  });
  const open = typeof additionalProperties === 'object' && members.length === 0;
  if (open) return `Readonly<Record<string, ${typeOf(additionalProperties)}>>`;
  if (members.length === 0)
    return additionalProperties === false ? 'object' : 'Readonly<Record<string, unknown>>';
  return `{\n${members.join('')}}`;
}

if (import.meta.main) {
  const document = await readOpenApi();
  writeFileSync(OPENAPI_FILE, formatted(OPENAPI_FILE, JSON.stringify(document)));
  writeFileSync(CLIENT_FILE, formatted(CLIENT_FILE, renderClient(document)));
}
