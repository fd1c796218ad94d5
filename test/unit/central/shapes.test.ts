/** Whoever reads an appliance's answers can read central's: what openapi.json promises of them is there, in the same form. */
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { until } from '../../support/fleet.ts';
import { twoHalls } from '../../support/fleet-halls.ts';

interface Schema {
  readonly $ref?: string;
  readonly type?: string;
  readonly anyOf?: readonly Schema[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly items?: Schema;
}

const document = JSON.parse(readFileSync('docs/openapi.json', 'utf8'));
const at = (path: readonly string[]): unknown =>
  path.reduce<unknown>((node, key) => (node as Record<string, unknown>)[key], document);

const answerOf = (path: string) =>
  at(`paths|/api/v1${path}|get|responses|200|content|application/json|schema`.split('|')) as Schema;

const whole = (schema: Schema): Schema =>
  schema.$ref === undefined ? schema : (at(schema.$ref.split('/').slice(1)) as Schema);

/** Where it is not like this. */
function unlike(given: Schema, value: unknown, place: string): string[] {
  const schema = whole(given);
  if (schema.anyOf) {
    const each = schema.anyOf.map((one) => unlike(one, value, place));
    return each.some((found) => found.length === 0) ? [] : (each[0] ?? []);
  }
  const is = value === null ? 'null' : Array.isArray(value) ? 'array' : typeof value;
  const wanted = schema.type === 'integer' ? 'number' : schema.type;
  if (wanted !== undefined && is !== wanted) return [`${place} is ${is}`];
  if (Array.isArray(value))
    return value.flatMap((one) => unlike(schema.items ?? {}, one, `${place}[]`));
  if (is !== 'object') return [];
  const fields = value as Readonly<Record<string, unknown>>;
  return [
    ...(schema.required ?? []).filter((name) => !(name in fields)).map((one) => `${place}.${one}`),
    ...Object.entries(schema.properties ?? {}).flatMap(([name, of]) =>
      name in fields ? unlike(of, fields[name], `${place}.${name}`) : [],
    ),
  ];
}

/** What central cannot know, and what is another thing over several sites. */
const OTHERWISE: Readonly<Record<string, readonly string[]>> = {
  // Burn-in, warm machines, those that may not be taken, and which are late, sites know.
  '/machines/{hardwarename}': ['.burnIn'],
  '/capacity': ['.rows[].unfit is null', '.rows[].warm is null'],
  '/states': ['.states[].overdue is null'],
  '/jobs/{id}': ['.remaining_seconds is null'],
  '/requests/{id}': ['.places[].remainingMs is null', '.remainingMs is null'],
  // No token of central is made by another.
  '/tokens': ['.tokens[].parent is null'],
  // Its parts have numbers and deadlines at their sites.
  '/resets': ['.resets[].deadlineAt is null', '.resets[].id is string'],
  // A place in several feeds, or among jobs by several clocks.
  '/jobs': ['.next is string'],
  '/events': ['.next is string'],
};

/** Something of everything. */
async function filled() {
  const { fleet, lon, sto } = await twoHalls({ count: 4, squads: ['music'] });
  await fleet.call('PUT', '/policies/default', { holdOnLost: ['nic'] });
  const user = { role: 'operator', password: 'a long enough password' };
  await fleet.call('PUT', '/users/ann', user);
  await fleet.call('PUT', '/users/ann', { role: 'viewer' });
  const wish = { role: 'web', image: 'debian-12/stable', squad: 'music' };
  expect((await fleet.call('PUT', '/pools/web', { ...wish, sites: { lon: 1 } })).status).toBe(200);
  await until(
    async () => lon.hall.now.pools.store.pool('web'),
    (pool) => pool !== undefined,
  );
  await lon.hall.until(() => lon.hall.members('web').length === 1);
  const hostname = { pattern: '{role}-{site}-{n}' };
  const asked = await fleet.call('POST', '/requests', { ...wish, count: 2, hostname });
  expect(asked.status).toBe(202);
  await until(
    async () => {
      for (const { hall } of [lon, sto]) await hall.settle();
      const [request] = (await fleet.call('GET', '/requests')).body.requests;
      const [pool] = (await fleet.call('GET', '/pools')).body.pools;
      return `${request.status} ${pool.members}`;
    },
    (is) => is === 'fulfilled 1',
  );
  await fleet.call('POST', '/resets', { pool: 'web', why: 'kernel' });
  return { fleet, id: String(asked.body.id) };
}

it('has what an appliance’s answers have', async () => {
  const { fleet, id } = await filled();
  const [job] = (await fleet.call('GET', '/jobs')).body.jobs;
  const paths: Readonly<Record<string, string>> = {
    ...{ '/machines': '?limit=2', '/machines/{hardwarename}': '', '/machines/count': '' },
    ...{ '/machines/search': '?q=sn', '/states': '', '/capacity': '', '/session': '' },
    ...{ '/requests': '', '/requests/{id}': '', '/pools': '', '/pools/{name}': '', '/resets': '' },
    ...{ '/jobs': '?limit=1', '/jobs/{id}': '', '/events': '', '/squads': '', '/users': '' },
    ...{ '/squads/{name}': '', '/policies': '', '/policies/{name}': '', '/tokens': '' },
    ...{ '/images': '', '/roles': '', '/naming-rules': '', '/hardware-types': '' },
  };
  const names: Readonly<Record<string, string>> = {
    ...{ '/requests/{id}': id, '/jobs/{id}': job.id, '/pools/{name}': 'web' },
    ...{ '/squads/{name}': 'music', '/policies/{name}': 'default' },
    '/machines/{hardwarename}': 'SN00000',
  };
  const all: Record<string, readonly string[]> = {};
  for (const [path, query] of Object.entries(paths)) {
    const url = `${path.replace(/\{\w+\}/, names[path] ?? '')}${query}`;
    const { status, body } = await fleet.call('GET', url);
    const found = [...new Set(unlike(answerOf(path), body, ''))].sort();
    expect([path, status]).toEqual([path, 200]);
    if (found.length > 0) all[path] = found;
  }
  expect(all).toEqual(OTHERWISE);
});
