/**
 * The fleet's API: the appliance's shapes with `site` added, over what the sites have told. Reads are answered here; writes
 * become intents, which the site carries out when it hears of them.
 */
import Fastify, { type FastifyBaseLogger, type FastifyInstance, LogController } from 'fastify';
import { validatorCompiler, type ZodTypeProvider } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { AppError } from '../errors.ts';
import { askedIntent, siteName } from '../federation/protocol.ts';
import { etagOf } from '../http/people/commit.ts';
import type { PeopleServer } from '../http/people/context.ts';
import { installPages, PAGE_HEADERS, strangePage } from '../http/people/pages.ts';
import { installProblems } from '../http/problem.ts';
import type { Role } from '../inventory/access.ts';
import { assertEventNames } from '../inventory/event-history.ts';
import { limit } from '../limits.ts';
import { readHardware } from '../provisioning/request.ts';
import type { Clock } from '../wire/time.ts';
import { type FleetAccess, type FleetPrincipal, principalOf } from './access.ts';
import type { Asking } from './asking.ts';
import type { FleetBlobs } from './blobs.ts';
import type { FleetChannels } from './channels.ts';
import { FEED_CURSOR_CHARS_MAX, type FleetFeed, newestPage } from './feed.ts';
import type { Fleet } from './fleet.ts';
import { capacityRows, type FleetMachine, type FleetView } from './fleet-view.ts';
import { addHealth, type FleetHealth } from './health.ts';
import { addChannels, addImages } from './image-routes.ts';
import { addJobs } from './job-routes.ts';
import type { FleetJobs } from './jobs.ts';
import type { Joining } from './joining.ts';
import { addOrders } from './order-routes.ts';
import { addPools } from './pool-routes.ts';
import type { FleetPools } from './pools.ts';
import type { FleetProvisioning } from './provisioning.ts';
import { addRecordRoutes } from './record-routes.ts';
import type { FleetRecords } from './records.ts';
import type { Removing } from './removing.ts';
import { addRequests } from './request-routes.ts';
import type { FleetResets } from './resets.ts';
import type { FleetSessions } from './sessions.ts';
import { addSheet } from './sheet-routes.ts';
import { addSignIn, installFleetAccess } from './sign-in-routes.ts';
import { machineIn, refusalOfPath } from './site-only.ts';
import type { Squads } from './squads.ts';
import { addStates } from './state-routes.ts';
import type { FleetStatistics } from './statistics.ts';
import { addTokens } from './token-routes.ts';

export interface FleetAppParts {
  readonly fleet: Fleet;
  readonly view: FleetView;
  readonly feed: FleetFeed;
  readonly statistics: FleetStatistics;
  readonly health: FleetHealth;
  readonly joining: Joining;
  readonly removing: Removing;
  readonly access: FleetAccess;
  readonly sessions: FleetSessions;
  readonly provisioning: FleetProvisioning;
  readonly pools: FleetPools;
  readonly asking: Asking;
  readonly jobs: FleetJobs;
  readonly squads: Squads;
  readonly records: FleetRecords;
  readonly resets: FleetResets;
  readonly blobs: FleetBlobs;
  readonly channels: FleetChannels;
  readonly log: FastifyBaseLogger;
  readonly clock: Clock;
  /** The folder of the built portal. */
  readonly uiRoot: string;
  /** A site has an intent waiting. */
  nudge(site: string): void;
  /** Each of them may have. */
  nudgeAll(): void;
}

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Of a route of central's: the least role that may call it; `open` for who has not signed in yet. */
    fleetRole?: Role | 'open';
  }
  interface FastifyRequest {
    fleetPrincipal: FleetPrincipal | null;
    /** Of a session; '' for a token. */
    fleetCsrf: string;
  }
}

export type FleetApp = ReturnType<typeof createServer>;

const createServer = (log: FastifyBaseLogger) =>
  Fastify({
    loggerInstance: log,
    logController: new LogController({ disableRequestLogging: true }),
    http: { maxHeaderSize: limit('httpHeaderBytesMax') },
    bodyLimit: limit('requestBodyBytesMax'),
    forceCloseConnections: true,
  }).withTypeProvider<ZodTypeProvider>();

export async function createFleetApp(parts: FleetAppParts): Promise<FastifyInstance> {
  const app = createServer(parts.log);
  app.setValidatorCompiler(validatorCompiler);
  app.setSerializerCompiler(() => JSON.stringify);
  installProblems(app as unknown as FastifyInstance, strangePage(parts.uiRoot));
  app.addHook('onRoute', ({ url, config }) => {
    if (url.startsWith('/api/') && config?.fleetRole === undefined)
      throw new Error(`${url} does not say who may call it`);
  });
  app.addHook('onRequest', async (_request, reply) => {
    reply.headers(PAGE_HEADERS);
  });
  await installFleetAccess(app, parts);
  addHealth(app, parts);
  addSignIn(app, parts);
  addSites(app, parts);
  addMachines(app, parts);
  addOrders(app, parts);
  addIntents(app, parts);
  addRequests(app, parts);
  addRecordRoutes(app, parts);
  addImages(app, parts);
  addChannels(app, parts);
  addTokens(app, parts);
  addStates(app, parts);
  addSheet(app, parts);
  addPools(app, parts);
  addEvents(app, parts);
  addJobs(app, parts);
  addRest(app, parts);
  if (!(await installPages(app as unknown as PeopleServer, parts.uiRoot)))
    parts.log.warn({ uiRoot: parts.uiRoot }, 'the portal is not built: run `npm run build`');
  return app as unknown as FastifyInstance;
}

const count = z.coerce.number().int().min(1).max(limit('fleetPageMax')).default(100);
const days = z.coerce.number().int().min(1).max(400).default(30);
const siteParams = z.object({ site: siteName });
const name = z.string().max(63).optional();

function addSites(app: FleetApp, parts: FleetAppParts): void {
  const { view, fleet, joining, removing, statistics, nudgeAll } = parts;
  app.get('/api/v1/sites', { config: { fleetRole: 'viewer' } }, async () => ({
    sites: await view.sites(),
  }));
  const wanted = z.strictObject({
    site: siteName.optional(),
    hardware: z.string().max(1000).default(''),
  });
  app.get(
    '/api/v1/capacity',
    { config: { fleetRole: 'viewer' }, schema: { querystring: wanted } },
    async (request) => {
      const { site = '', hardware } = request.query;
      const { type: hardwareType = '' } = readHardware(hardware);
      const capacity = await view.capacity({ site, hardwareType });
      return { rows: capacityRows(capacity), capacity, sites: await view.sites() };
    },
  );
  app.get(
    '/api/v1/statistics',
    { config: { fleetRole: 'viewer' }, schema: { querystring: z.strictObject({ days }) } },
    async (request) => statistics.read(request.query.days),
  );
  app.get(
    '/api/v1/notices',
    { config: { fleetRole: 'viewer' }, schema: { querystring: z.strictObject({ limit: count }) } },
    async (request) => ({ notices: await view.notices(request.query.limit) }),
  );
  app.post(
    '/api/v1/sites/:site/join-code',
    { config: { fleetRole: 'admin' }, schema: { params: siteParams } },
    async (request, reply) => {
      const { site } = request.params;
      const code = await joining.makeCode(site, principalOf(request).who);
      return reply.code(201).send({ site, code });
    },
  );
  app.post(
    '/api/v1/sites/:site/revoke',
    { config: { fleetRole: 'admin' }, schema: { params: siteParams } },
    async (request) => {
      const { site } = request.params;
      if (!(await fleet.site(site))) throw new AppError('SITE_UNKNOWN', { detail: site });
      return { revoked: await joining.revoke(site) };
    },
  );
  app.post(
    '/api/v1/sites/:site/remove',
    {
      config: { fleetRole: 'admin' },
      schema: {
        params: siteParams,
        body: z.strictObject({ confirm: z.string().max(63).default('') }),
      },
    },
    async (request) => {
      const { site } = request.params;
      if (request.body.confirm !== site)
        throw new AppError('SITE_UNCONFIRMED', { path: '/confirm' });
      const removal = await removing.remove(site, principalOf(request).who);
      // What it was asked for, others may be asked for now.
      nudgeAll();
      return removal;
    },
  );
}

function addMachines(app: FleetApp, { view }: FleetAppParts): void {
  const config = { fleetRole: 'viewer' } as const;
  const filters = { site: siteName.optional(), state: name, hardwareType: name, role: name };
  app.get(
    '/api/v1/machines',
    {
      config,
      schema: {
        querystring: z.strictObject({
          ...{ ...filters, squad: name, rack: name, limit: count },
          cursor: z.string().max(512).optional(),
        }),
      },
    },
    async (request) => {
      const { limit: most, cursor, ...filter } = request.query;
      return view.machines(filter, { count: most, cursor });
    },
  );
  app.get(
    '/api/v1/machines/search',
    {
      config,
      schema: {
        querystring: z.strictObject({
          ...{ q: z.string().min(1).max(200), limit: count },
          cursor: z.string().max(512).optional(),
        }),
      },
    },
    async (request) => {
      const { q: words, limit: count, cursor } = request.query;
      const { machines, next } = await view.search({ words, count, cursor });
      const whole = words.trim().toLowerCase();
      const hits = machines.map((machine) => ({
        ...{ site: machine.site, rank: rankOf(machine, whole), machine },
      }));
      hits.sort((one, other) => other.rank - one.rank);
      return { hits, ...(next !== undefined && { next }) };
    },
  );
  app.get(
    '/api/v1/machines/:hardwarename',
    { config, schema: { params: z.object({ hardwarename: z.string().min(1).max(63) }) } },
    async (request, reply) => {
      const { hardwarename } = request.params;
      const found = await view.machine(hardwarename);
      const [machine, ...claims] = found;
      if (!machine) throw new AppError('MACHINE_UNKNOWN', { detail: hardwarename });
      reply.header('etag', etagOf(machine.version));
      return { machine, claims, events: await view.events({ hardwarename }, 50) };
    },
  );
}

/** As an appliance says it: 3: it is a name of it; 2: it is in one; 1: it is elsewhere. */
function rankOf({ hardwarename, serial, hostname }: FleetMachine, whole: string): 1 | 2 | 3 {
  const names = [hardwarename, serial, hostname].map((name) => String(name ?? '').toLowerCase());
  if (names.some((name) => name.split(/[ .]/).includes(whole) || name === whole)) return 3;
  return names.some((name) => name.includes(whole)) ? 2 : 1;
}

function addEvents(app: FleetApp, { view, feed }: FleetAppParts): void {
  app.get(
    '/api/v1/events',
    {
      config: { fleetRole: 'viewer' },
      schema: {
        querystring: z
          .strictObject({
            ...{ site: siteName.optional(), hardwarename: name, limit: count },
            below: z.coerce.number().int().min(1).optional(),
            after: z.string().max(FEED_CURSOR_CHARS_MAX).optional(),
            names: z.string().max(1024).default(''),
          })
          .refine(({ site, below }) => below === undefined || site !== undefined, {
            message: 'numbers are those of a site: name it',
            path: ['below'],
          }),
      },
    },
    async (request) => {
      if (request.headers.accept?.includes('text/event-stream'))
        throw new AppError('SITE_ONLY', { detail: 'Here the feed is read page by page: `after`.' });
      const { limit: most, after, below, names, ...of } = request.query;
      const wanted = names.split(',').filter(Boolean);
      assertEventNames(wanted);
      const page =
        after === undefined
          ? await newestPage(feed, () => view.events({ ...of, below }, most))
          : await feed.page({ ...of, after, names: wanted }, most);
      const told = new Set(page.events.map(({ site }) => site));
      const sites = (await view.sites()).filter(({ site }) => told.has(site));
      // As an appliance calls it.
      return { ...page, next: page.cursor, sites };
    },
  );
}

/** Whatever else an appliance answers, and what has no meaning over all of them. */
function addRest(app: FleetApp, { view }: FleetAppParts): void {
  app.all('/api/v1/*', { config: { fleetRole: 'viewer' } }, async ({ url }, reply) => {
    const path = url.replace('/api/v1/', '').split('?')[0] ?? '';
    const machine = machineIn(path);
    const known = machine === undefined ? undefined : (await view.named([machine])).get(machine);
    const sites = known ? [known.site] : (await view.sites()).map(({ site }) => site);
    const refusal = refusalOfPath(path, sites);
    if (refusal.code !== 'NOT_FOUND') throw refusal;
    // It may be there by another method.
    reply.callNotFound();
    return reply;
  });
}

function addIntents(app: FleetApp, { view, fleet, nudge }: FleetAppParts): void {
  app.post(
    '/api/v1/sites/:site/intents',
    // As it stands: who may what with which machine is looked at by the routes of machines and jobs.
    { config: { fleetRole: 'admin' }, schema: { params: siteParams, body: askedIntent } },
    async (request, reply) => {
      const { site } = request.params;
      const standing = (await view.sites()).find((one) => one.site === site);
      if (!standing) throw new AppError('SITE_UNKNOWN', { detail: site });
      if (standing.shutOut) throw new AppError('SITE_SHUT_OUT', { detail: `(${site})` });
      const id = await fleet.ask(site, principalOf(request).who, request.body);
      nudge(site);
      return reply.code(202).send({ id, site, status: 'waiting' });
    },
  );
  app.get(
    '/api/v1/intents/:id',
    { config: { fleetRole: 'viewer' }, schema: { params: z.object({ id: z.string().max(64) }) } },
    async (request) => {
      const found = await view.intent(request.params.id);
      if (!found) throw new AppError('NOT_FOUND', { detail: `No intent ${request.params.id}.` });
      return found;
    },
  );
  app.get(
    '/api/v1/intents',
    {
      config: { fleetRole: 'viewer' },
      schema: { querystring: z.strictObject({ site: siteName.optional(), limit: count }) },
    },
    async (request) => ({ intents: await view.intents(request.query.site, request.query.limit) }),
  );
}
