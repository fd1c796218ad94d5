/** The fleet's API for pools over several sites, and for resets that go through them site by site. */
import type { FastifyReply } from 'fastify';
import { z } from 'zod';
import { AppError } from '../errors.ts';
import { siteName } from '../federation/protocol.ts';
import { etagOf, versionRead } from '../http/people/commit.ts';
import { recordName } from '../inventory/record-kinds.ts';
import { limit } from '../limits.ts';
import { resetSchema } from '../provisioning/pool.ts';
import { needSquad, principalOf } from './access.ts';
import type { FleetApp, FleetAppParts } from './app.ts';
import { assertNotOwn, ownOf, sizeOwn } from './own-pools.ts';
import { fleetPoolSchema, fleetSizeSchema, partsOfPool, poolDocOf } from './pools.ts';
import type { FleetRecord } from './records.ts';

const nameParams = z.object({ name: recordName });
const viewer = { fleetRole: 'viewer' } as const;
const operator = { fleetRole: 'operator' } as const;
/** As an appliance takes it; what stands in the history here is who changed it. */
const why = z.string().max(500).optional();
const putQuery = z.strictObject({
  why,
  confirm: z.coerce.number().int().min(1).max(1_000_000).optional(),
});

const squadOf = ({ doc }: FleetRecord): string | undefined =>
  typeof doc.squad === 'string' && doc.squad !== '' ? doc.squad : undefined;

export function addPools(app: FleetApp, parts: FleetAppParts): void {
  const { records, pools } = parts;
  const find = async (name: string): Promise<FleetRecord> => {
    const pool = await records.get('pool', name);
    if (!pool) throw new AppError('NOT_FOUND', { detail: `No pool ${name}.` });
    return pool;
  };
  app.get('/api/v1/pools', { config: viewer }, async () => ({ pools: await pools.list() }));
  app.get(
    '/api/v1/pools/:name',
    { config: viewer, schema: { params: nameParams } },
    async (request, reply) => {
      const detail = await pools.get(request.params.name);
      return reply.header('etag', etagOf(detail.pool.version)).send(detail);
    },
  );
  addPoolWrites(app, parts, find);
  addResets(app, parts);
}

type Find = (name: string) => Promise<FleetRecord>;

function addPoolWrites(app: FleetApp, parts: FleetAppParts, find: Find): void {
  const { records, pools, fleet, nudgeAll } = parts;
  const write = async (
    reply: FastifyReply,
    of: { name: string; template: object; sites: Readonly<Record<string, number>>; who: string },
  ) => {
    const { name, template, sites, who } = of;
    for (const site of Object.keys(sites))
      if (!(await fleet.site(site))) throw new AppError('SITE_UNKNOWN', { detail: site });
    const version = versionRead(reply.request, false);
    const doc = poolDocOf(template, sites);
    const put = await records.put({ kind: 'pool', name, doc, who, version });
    nudgeAll();
    const { pool } = await pools.get(name);
    return reply.header('etag', etagOf(put.version)).send(pool);
  };
  app.put(
    '/api/v1/pools/:name',
    {
      config: operator,
      schema: { params: nameParams, querystring: putQuery, body: fleetPoolSchema },
    },
    async (request, reply) => {
      const { who, ...principal } = principalOf(request);
      const { name } = request.params;
      const before = await records.get('pool', name);
      if (before) needSquad({ who, ...principal }, squadOf(before));
      const { sites: _, ...template } = request.body;
      needSquad({ who, ...principal }, template.squad);
      const sites = await pools.partsAfter(name, request.body, request.query.confirm);
      for (const { doc } of ownOf(await pools.own(name), sites))
        needSquad({ who, ...principal }, doc.squad);
      return write(reply, { name, template, sites, who });
    },
  );
  app.put(
    '/api/v1/pools/:name/size',
    {
      config: operator,
      schema: { params: nameParams, querystring: putQuery, body: fleetSizeSchema },
    },
    async (request, reply) => {
      const principal = principalOf(request);
      const { name } = request.params;
      const own = await pools.own(name);
      if (own.length > 0 && !(await records.get('pool', name))) {
        const asked = await sizeOwn(parts, request, own);
        const { pool } = await pools.get(name);
        return asked.length === 0 ? pool : reply.code(202).send({ ...pool, asked });
      }
      const before = await find(name);
      needSquad(principal, squadOf(before));
      const sites = await pools.partsAfter(name, request.body, request.query.confirm);
      assertNotOwn(ownOf(own, sites));
      return write(reply, { name, template: before.doc, sites, who: principal.who });
    },
  );
  app.delete(
    '/api/v1/pools/:name',
    { config: operator, schema: { params: nameParams, querystring: z.strictObject({ why }) } },
    async (request, reply) => {
      const principal = principalOf(request);
      const { name } = request.params;
      needSquad(principal, squadOf(await find(name)));
      await records.remove({ kind: 'pool', name, who: principal.who });
      nudgeAll();
      return reply.code(204).send();
    },
  );
}

const TURNS = { pause: 'paused', resume: 'running', abort: 'aborted' } as const;

/** Whose it is, and where: also of one that sites have made themselves. */
async function reachOf(
  { records, pools }: FleetAppParts,
  name: string,
): Promise<{ squads: string[]; sites: string[] }> {
  const record = await records.get('pool', name);
  const own = await pools.own(name);
  if (!record && own.length === 0) throw new AppError('NOT_FOUND', { detail: `No pool ${name}.` });
  const asked = record ? Object.keys(partsOfPool(record)) : [];
  return {
    squads: [...(record ? [squadOf(record) ?? ''] : []), ...own.map(({ doc }) => doc.squad ?? '')],
    sites: [...asked, ...own.map(({ site }) => site)].sort(),
  };
}

function addResets(app: FleetApp, parts: FleetAppParts): void {
  const { resets, nudgeAll } = parts;
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
  const body = resetSchema
    .extend({
      pool: recordName,
      site: siteName.optional(),
      sites: z.array(siteName).min(1).optional().describe('In this order; all of the pool by name'),
    })
    .refine(({ site, sites }) => site === undefined || sites === undefined, {
      message: 'site and sites are the same: one of them',
      path: ['sites'],
    });
  app.post('/api/v1/resets', { config: operator, schema: { body } }, async (request, reply) => {
    const principal = principalOf(request);
    const { pool, site, sites: several, ...rest } = request.body;
    const wanted = site === undefined ? several : [site];
    const { squads, sites: known } = await reachOf(parts, pool);
    for (const squad of squads) needSquad(principal, squad);
    const foreign = wanted?.find((one) => !known.includes(one));
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
        const { squads } = await reachOf(parts, pool).catch(() => ({ squads: [''] }));
        for (const squad of squads) needSquad(principal, squad);
        const cause = { who: principal.who, why: request.body.why };
        const turned = await resets.turn(request.params.id, TURNS[turn], cause);
        nudgeAll();
        return turned;
      },
    );
}
