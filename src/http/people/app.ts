/**
 * The people-facing HTTP listener: the API over ServerDb, the board, health and metrics.
 *
 * Every route names who may call it (`config.access`), and a route under /api/ without that is refused at start. It listens
 * apart from the machines' listener, and its pages load nothing from anywhere else: the content security policy says so
 * to the browser.
 */
import Fastify, { type FastifyBaseLogger, type FastifyInstance, LogController } from 'fastify';
import { validatorCompiler, type ZodTypeProvider } from 'fastify-type-provider-zod';
import { AppError } from '../../errors.ts';
import type { Inventory } from '../../inventory/inventory.ts';
import type { JobDesk } from '../../jobs/desk.ts';
import { limit } from '../../limits.ts';
import { type Cidr, parseCidr } from '../../wire/ipv4.ts';
import type { Clock } from '../../wire/time.ts';
import { installProblems, sendProblem } from '../problem.ts';
import { installAccess } from './authenticate.ts';
import type { PeopleContext, PeopleServer, PeopleSettings } from './context.ts';
import { installOpenApi } from './openapi.ts';
import { installPages, PAGE_HEADERS, strangePage } from './pages.ts';
import { addAccessRoutes } from './routes/access.ts';
import { addBeforeAfterRoutes } from './routes/before-after.ts';
import { addBmcRoutes } from './routes/bmcs.ts';
import { addBulkRoutes } from './routes/bulk.ts';
import { addCertificateRoutes } from './routes/certificates.ts';
import { addConfigurationRoutes } from './routes/configuration.ts';
import { addConsoleRoutes } from './routes/console.ts';
import { addDeliveryRoutes } from './routes/deliveries.ts';
import { addDnsRoutes } from './routes/dns.ts';
import { addDnsKeyRoutes } from './routes/dns-keys.ts';
import { addBoardRoutes, addEventRoutes } from './routes/events.ts';
import { addExplainRoutes } from './routes/explain.ts';
import { addFederationRoutes } from './routes/federation.ts';
import { addFleetRoutes } from './routes/fleet.ts';
import {
  addDiagnosisRoutes,
  addExpectedTimeRoutes,
  addFlightRoutes,
  addQuirkRoutes,
} from './routes/flights.ts';
import { addImageUploadRoutes } from './routes/image-uploads.ts';
import { addImageRoutes } from './routes/images.ts';
import { addJobQueueRoutes, addJobRoutes } from './routes/jobs.ts';
import { addMachineNicRoutes } from './routes/machine-nics.ts';
import { addMachineRelationRoutes } from './routes/machine-relations.ts';
import { addMachineRoutes } from './routes/machines.ts';
import {
  addBackupRoutes,
  addClassifierRoutes,
  addOperationsRoutes,
  type OperationsOptions,
} from './routes/operations.ts';
import { addPoolRoutes } from './routes/pools.ts';
import { addRecordRoutes } from './routes/records.ts';
import { addRequestRoutes } from './routes/requests.ts';
import { addSegmentRoutes } from './routes/segments.ts';
import { addSheetRoutes } from './routes/sheets.ts';
import { addSignInRoutes } from './routes/sign-in.ts';
import { addStandbyRoutes } from './routes/standby.ts';
import { addWebhookRoutes } from './routes/webhooks.ts';
import { installUpgrades, type Upgrades } from './upgrade.ts';

export interface PeopleAppOptions extends OperationsOptions {
  readonly inventory: Inventory;
  readonly jobs: JobDesk;
  readonly clock: Clock;
  readonly log: FastifyBaseLogger;
  readonly site: string;
  /** Folder of the built board. */
  readonly uiRoot: string;
  readonly settings?: PeopleSettings;
  readonly backup?: PeopleContext['backup'];
  /** Calls back once everything committed so far is on disk; without it, every commit waits for that by itself. */
  readonly whenDurable?: ((done: (error?: Error) => void) => void) | undefined;
  readonly dns?: PeopleContext['dns'];
  readonly configuration?: PeopleContext['configuration'];
  readonly explain?: PeopleContext['explain'];
  readonly servedSegments?: PeopleContext['servedSegments'];
  readonly fleetDiff?: PeopleContext['fleetDiff'];
  readonly standby?: PeopleContext['standby'];
  readonly federation?: PeopleContext['federation'];
  /** Another appliance of the site is active, at this address: here people can only read. */
  readonly passive?: { readonly active: string } | undefined;
  readonly oidc?: PeopleContext['oidc'];
  readonly bmcs?: PeopleContext['bmcs'];
  readonly images?: PeopleContext['images'];
  readonly certificateKey?: PeopleContext['certificateKey'];
  readonly recorder?: PeopleContext['recorder'];
  readonly consoles?: PeopleContext['consoles'];
  /** Handed the way to attach another listener: upgrades do not come by `app.routing`. */
  onUpgrades?(upgrades: Upgrades): void;
  readonly provisioning?: PeopleContext['provisioning'];
  readonly pools?: PeopleContext['pools'];
}

/** A hostname is the longest thing that stands in a path. */
const PARAM_CHARS_MAX = 253;

const LOOPBACK = parseCidr('127.0.0.0/8') as Cidr;
/** As the configuration has them. */
const DEFAULTS: PeopleSettings = { anonymousRead: [LOOPBACK], requestsPerSecond: 200 };

export async function createPeopleApp(options: PeopleAppOptions): Promise<FastifyInstance> {
  const app: PeopleServer = Fastify({
    loggerInstance: options.log,
    logController: new LogController({ disableRequestLogging: true }),
    http: { maxHeaderSize: limit('httpHeaderBytesMax') },
    bodyLimit: limit('requestBodyBytesMax'),
    routerOptions: { maxParamLength: PARAM_CHARS_MAX },
    // A path that cannot be decoded never reaches a route.
    frameworkErrors: (error, _request, reply) =>
      sendProblem(reply as never, 'REQUEST_INVALID', { detail: error.message.slice(0, 200) }),
    forceCloseConnections: true,
  }).withTypeProvider<ZodTypeProvider>();
  app.setValidatorCompiler(validatorCompiler);
  // Answers are made from typed values; that they fit their schemas is a test's work, not every request's.
  app.setSerializerCompiler(() => JSON.stringify);
  installProblems(app as unknown as FastifyInstance, strangePage(options.uiRoot));
  app.addHook('onRequest', async (_request, reply) => {
    reply.headers(PAGE_HEADERS);
  });
  app.addHook('onRoute', (route) => {
    if (route.url.startsWith('/api/') && route.config?.access === undefined)
      throw new Error(`${route.url} does not say who may call it`);
  });
  if (options.passive) refuseChanges(app, options.passive.active);
  const context = contextOf(options);
  await installAccess(app, context);
  await installOpenApi(app);
  addOperationsRoutes(app, options);
  for (const add of [
    ...[
      addMachineRoutes,
      addMachineRelationRoutes,
      addMachineNicRoutes,
      addBulkRoutes,
      addSheetRoutes,
    ],
    ...[
      addStandbyRoutes,
      addFederationRoutes,
      addSegmentRoutes,
      addRecordRoutes,
      addAccessRoutes,
      addEventRoutes,
      addBoardRoutes,
      addWebhookRoutes,
    ],
    ...[addClassifierRoutes, addBackupRoutes, addDnsRoutes, addJobRoutes, addJobQueueRoutes],
    ...[addSignInRoutes, addDnsKeyRoutes, addBmcRoutes, addImageRoutes, addImageUploadRoutes],
    addCertificateRoutes,
    ...[addDiagnosisRoutes, addFlightRoutes, addQuirkRoutes, addExpectedTimeRoutes],
    ...[addFleetRoutes, addRequestRoutes, addPoolRoutes],
    ...[addDeliveryRoutes, addConfigurationRoutes, addExplainRoutes, addBeforeAfterRoutes],
  ])
    add(app, context);
  const upgrades = installUpgrades(app);
  addConsoleRoutes(app, { ...context, upgrades });
  options.onUpgrades?.(upgrades);
  if (!(await installPages(app, options.uiRoot))) {
    options.log.warn({ uiRoot: options.uiRoot }, 'the board is not built: run `npm run build`');
  }
  return app as unknown as FastifyInstance;
}

/** Every answer names the active one. Orders of the pair are carried out here, too. */
function refuseChanges(app: PeopleServer, active: string): void {
  app.addHook('onRequest', async ({ method, url }, reply) => {
    reply.header('reveille-active', active);
    const reads = method === 'GET' || method === 'HEAD';
    if (!reads && !url.startsWith('/api/v1/standby/'))
      throw new AppError('NOT_ACTIVE', { detail: `${active} is the active one.` });
  });
}

function contextOf(options: PeopleAppOptions): PeopleContext {
  const { inventory, jobs, clock, log, site, settings = DEFAULTS } = options;
  const { backup, dns, oidc, configuration, explain, servedSegments, fleetDiff, standby } = options;
  const { bmcs, images, consoles, certificateKey, recorder, provisioning, pools } = options;
  const { federation } = options;
  return {
    ...{ inventory, jobs, clock, log, site, settings },
    ...{ backup, dns, oidc, configuration, explain, servedSegments, fleetDiff, standby },
    ...{ bmcs, images, consoles, certificateKey, recorder, provisioning, pools, federation },
    durably: createDurably(inventory, options.whenDurable),
  };
}

function createDurably(
  inventory: Inventory,
  whenDurable: PeopleAppOptions['whenDurable'],
): PeopleContext['durably'] {
  if (!whenDurable) return async (run) => inventory.transaction(run);
  return (run) =>
    new Promise((resolve, reject) => {
      const result = inventory.transactionUnsynced(run);
      whenDurable((error) => (error ? reject(error) : resolve(result)));
    });
}
