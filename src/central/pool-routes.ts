/** The fleet's API for pools over several sites, and for resets that go through them site by site. */
import { z } from 'zod';
import { AppError } from '../errors.ts';
import { siteName } from '../federation/protocol.ts';
import { recordName } from '../inventory/record-kinds.ts';
import { limit } from '../limits.ts';
import { poolSchema, resetSchema } from '../provisioning/pool.ts';
import { needSquad } from './access.ts';
import { type FleetApp, type FleetAppParts, principalOf } from './app.ts';
import type { FleetRecord, Json } from './records.ts';

/** The appliance's own form; instead of one count, how many each site keeps. */
export const fleetPoolSchema = poolSchema
  .omit({ site: true, count: true })
  .extend({ sites: z.record(siteName, poolSchema.shape.count) });

const nameParams = z.object({ name: recordName });
const viewer = { fleetRole: 'viewer' } as const;
const operator = { fleetRole: 'operator' } as const;

const squadOf = ({ doc }: FleetRecord): string | undefined =>
  typeof doc.squad === 'string' && doc.squad !== '' ? doc.squad : undefined;

export function addPools(app: FleetApp, parts: FleetAppParts): void {
  const { records, fleet, nudgeAll } = parts;
  const show = async ({ doc, ...rest }: FleetRecord) => {
    const told = new Map((await records.told('pool', rest.name)).map((one) => [one.site, one]));
    const sites = Object.entries(doc.sites as Record<string, number>).map(([site, count]) => {
      const { status = 'waiting', code = '', detail = '' } = told.get(site) ?? {};
      return { site, count, status, code, detail };
    });
    const count = sites.reduce((sum, one) => sum + one.count, 0);
    return { ...doc, ...rest, count, sites };
  };
  const find = async (name: string): Promise<FleetRecord> => {
    const pool = await records.get('pool', name);
    if (!pool) throw new AppError('NOT_FOUND', { detail: `No pool ${name}.` });
    return pool;
  };
  app.get('/api/v1/pools', { config: viewer }, async () => ({
    pools: await Promise.all((await records.list('pool')).map(show)),
  }));
  app.get(
    '/api/v1/pools/:name',
    { config: viewer, schema: { params: nameParams } },
    async (request) => show(await find(request.params.name)),
  );
  app.put(
    '/api/v1/pools/:name',
    { config: operator, schema: { params: nameParams, body: fleetPoolSchema } },
    async (request) => {
      const principal = principalOf(request);
      const { name } = request.params;
      const before = await records.get('pool', name);
      if (before) needSquad(principal, squadOf(before));
      needSquad(principal, request.body.squad);
      for (const site of Object.keys(request.body.sites))
        if (!(await fleet.site(site))) throw new AppError('SITE_UNKNOWN', { detail: site });
      const doc = JSON.parse(JSON.stringify(request.body)) as Json;
      const put = await records.put({ kind: 'pool', name, doc, who: principal.who });
      nudgeAll();
      return show(put);
    },
  );
  app.delete(
    '/api/v1/pools/:name',
    { config: operator, schema: { params: nameParams } },
    async (request, reply) => {
      const principal = principalOf(request);
      const { name } = request.params;
      needSquad(principal, squadOf(await find(name)));
      await records.remove({ kind: 'pool', name, who: principal.who });
      nudgeAll();
      return reply.code(204).send();
    },
  );
  addResets(app, parts, find);
}

const TURNS = { pause: 'paused', resume: 'running', abort: 'aborted' } as const;

function addResets(
  app: FleetApp,
  { resets, nudgeAll }: FleetAppParts,
  find: (name: string) => Promise<FleetRecord>,
): void {
  const idParams = z.object({ id: z.string().min(1).max(64) });
  const page = z.strictObject({
    limit: z.coerce.number().int().min(1).max(limit('fleetPageMax')).default(50),
  });
  app.get('/api/v1/resets', { config: viewer, schema: { querystring: page } }, async (request) => ({
    resets: await resets.list(request.query.limit),
  }));
  app.get('/api/v1/resets/:id', { config: viewer, schema: { params: idParams } }, (request) =>
    resets.get(request.params.id),
  );
  const body = resetSchema.extend({
    pool: recordName,
    sites: z.array(siteName).min(1).optional().describe('In this order; all of the pool by name'),
  });
  app.post('/api/v1/resets', { config: operator, schema: { body } }, async (request, reply) => {
    const principal = principalOf(request);
    const { pool, sites: wanted, ...rest } = request.body;
    const record = await find(pool);
    needSquad(principal, squadOf(record));
    const known = Object.keys(record.doc.sites as Record<string, number>).sort();
    const foreign = wanted?.find((site) => !known.includes(site));
    if (foreign !== undefined)
      throw new AppError('SITE_UNKNOWN', { detail: `${pool} has no part in ${foreign}.` });
    const sites = [...new Set(wanted ?? known)];
    const made = await resets.start({ pool, sites, body: rest, who: principal.who });
    nudgeAll();
    return reply.code(202).send(made);
  });
  for (const turn of ['pause', 'resume', 'abort'] as const)
    app.post(
      `/api/v1/resets/:id/${turn}`,
      {
        config: operator,
        schema: { params: idParams, body: z.strictObject({ why: z.string().min(1).max(500) }) },
      },
      async (request) => {
        const principal = principalOf(request);
        const { pool } = await resets.get(request.params.id);
        const record = await find(pool).catch(() => undefined);
        needSquad(principal, record && squadOf(record));
        const cause = { who: principal.who, why: request.body.why };
        const turned = await resets.turn(request.params.id, TURNS[turn], cause);
        nudgeAll();
        return turned;
      },
    );
}
