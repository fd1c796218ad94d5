/**
 * Opens the HTTP listeners: for machines on the address of each segment, for people on theirs, each plain or with TLS.
 *
 * Part of the composition root: it wires apps to sockets, certificates and metrics, and decides nothing. What it opens is
 * closed by the closers that it leaves behind, in reverse order: listeners before the app that they serve.
 */
import type { FastifyInstance } from 'fastify';
import { Counter, Gauge, type Registry } from 'prom-client';
import type { BootDesk } from '../boot/desk.ts';
import type { Config } from '../config.ts';
import type { Segment } from '../dhcp/ports.ts';
import { AppError, type ErrorCode } from '../errors.ts';
import {
  closeServer,
  createHttps,
  createRedirect,
  type HttpsOptions,
  listenAt,
} from '../http/https.ts';
import { createMachineApp, sendOptions } from '../http/machine/app.ts';
import {
  boundTimes,
  createConnectionGuard,
  SHED_REASONS,
  type WebServer,
} from '../http/machine/connections.ts';
import type { Flows } from '../http/machine/flows.ts';
import type { MachineAppOptions } from '../http/machine/holder.ts';
import { createPeopleApp, type PeopleAppOptions } from '../http/people/app.ts';
import { createOidcDesk } from '../http/people/oidc.ts';
import type { OidcSettings } from '../http/people/oidc-settings.ts';
import type { Upgrades } from '../http/people/upgrade.ts';
import type { Inventory } from '../inventory/inventory.ts';
import { limit } from '../limits.ts';
import { keepAccepting } from '../platform/accept.ts';
import { SEND_ENDS, type SendEnd } from '../platform/file-sender.ts';
import type { Log } from '../platform/log.ts';
import { readSecret } from '../platform/secret-key.ts';
import { openSendThreads } from '../platform/sendfile.ts';
import type { Recorder } from '../recorder/recorder.ts';
import { formatIpv4 } from '../wire/ipv4.ts';
import type { Clock } from '../wire/time.ts';
import { onceOurs } from './interfaces.ts';
import type { Metrics } from './metrics.ts';
import { whoHas } from './who-has.ts';

export interface HttpParts {
  readonly config: Config;
  readonly log: Log;
  readonly clock: Clock;
  readonly inventory: Inventory;
  readonly desk: BootDesk;
  readonly segments: readonly Segment[];
  readonly metrics: Pick<Metrics, 'registry' | 'http' | 'threadsLost'>;
  readonly flows: Flows;
  readonly recorder: Recorder;
  readonly closers: (() => unknown)[];
  /** Another appliance of the site is active: machines are told what to boot, and nothing is taken from them. */
  readonly readOnly?: boolean;
}

export function createHttpMetrics(registry: Registry) {
  const registers = [registry];
  const counter = (name: string, help: string, labelNames: string[]) =>
    new Counter({ name, help, labelNames, registers });
  const shed = counter('reveille_http_shed_total', 'HTTP connections closed on machines', [
    'reason',
  ]);
  for (const reason of SHED_REASONS) shed.inc({ reason }, 0);
  const downloads = counter('reveille_http_downloads_total', 'Downloads over, by how they ended', [
    'result',
  ]);
  for (const result of SEND_ENDS) downloads.inc({ result }, 0);
  return {
    shed,
    sent: counter('reveille_http_sent_bytes_total', 'Bytes of files sent to machines', []),
    downloads,
    refused: counter('reveille_http_refused_total', 'Requests of machines answered with an error', [
      'code',
    ]),
    tlsNotAfter: new Gauge({
      name: 'reveille_tls_not_after_seconds',
      help: "End of validity of a listener's certificate, seconds since 1970",
      labelNames: ['listener'],
      registers,
    }),
  };
}

async function listen(
  parts: HttpParts,
  app: FastifyInstance,
  at: { host: string; port: number },
): Promise<void> {
  parts.closers.push(() => app.close());
  await listening(at, app.listen(at));
}

async function listening(at: { host: string; port: number }, opened: Promise<unknown>) {
  try {
    await opened;
  } catch (cause) {
    const detail = `TCP ${at.host}:${at.port}: ${(cause as Error).message}`;
    throw new AppError('LISTEN_FAILED', { detail, cause });
  }
}

/** @param prepare what else the listener of this side needs */
async function listenTls(
  { log, clock, metrics, closers }: HttpParts,
  at: { host: string; port: number; backlog?: number },
  {
    prepare,
    ...options
  }: Pick<HttpsOptions, 'app' | 'files' | 'profile'> & { prepare?(server: WebServer): void },
): Promise<void> {
  const https = await createHttps({
    ...options,
    clock,
    log,
    onNotAfter: (ms) => metrics.http.tlsNotAfter.set({ listener: options.profile }, ms / 1000),
  });
  prepare?.(https.server);
  try {
    await listening(at, listenAt(https.server, at));
  } catch (error) {
    // Who tries again makes a new one.
    await https.close();
    throw error;
  }
  closers.push(() => https.close());
}

export async function startMachineHttp(
  parts: HttpParts,
  services: Pick<MachineAppOptions, 'images' | 'recycle'>,
): Promise<void> {
  const { config, segments, inventory, desk, clock, log, metrics, flows } = parts;
  const pace = {
    everyMs: limit('httpAcceptEveryMs'),
    atOnceMax: limit('httpAcceptAtOnceMax'),
  };
  const guard = createConnectionGuard((reason) => metrics.http.shed.inc({ reason }));
  const threads = openSendThreads({
    threads: limit('httpSendThreadsMax'),
    idleMs: limit('httpIdleMs'),
    onError: (err) => log.error({ err }, 'a thread that sends files has failed'),
    onLost: () => metrics.threadsLost.inc({ thread: 'files' }),
  });
  parts.closers.push(() => threads.close());
  const send = { ...sendOptions(), threads };
  const onDownload = (sentBytes: number, result: SendEnd) => {
    metrics.http.sent.inc(sentBytes);
    metrics.http.downloads.inc({ result });
  };
  const onRefused = (code: ErrorCode) => metrics.http.refused.inc({ code });
  for (const host of new Set(segments.map(({ serverAddress }) => formatIpv4(serverAddress)))) {
    const { assets, pxeimage } = config.boot;
    const { domain = '' } = config.dns;
    const shared = { inventory, desk, clock, log, guard, send, onDownload, onRefused, flows };
    const parties = { ...shared, ...services, domain, whoHas: whoHas(parts) };
    const { port, tls } = config.machineHttp;
    const ca = tls ? { ca: tls.ca } : {};
    const app = createMachineApp({ ...parties, ...ca, assets, pxeimage });
    if (parts.readOnly)
      app.addHook('onRequest', async ({ method }) => {
        if (method !== 'GET' && method !== 'HEAD') throw new AppError('NOT_ACTIVE');
      });
    parts.closers.push(() => app.close());
    const prepare = (server: WebServer) => {
      boundTimes(server);
      guard.watch(server);
      keepAccepting(server, pace);
    };
    keepAccepting(app.server, pace);
    const of = { address: host, ifaces: ifacesOf(segments, host), ...parts };
    const backlog = limit('httpBacklogMax');
    // Apart: what listens cannot be opened again because the other one failed.
    await onceOurs({ what: 'HTTP for machines', ...of }, () =>
      listening({ host, port }, app.listen({ host, port, backlog })),
    );
    if (!tls) continue;
    const at = { host, port: tls.port, backlog };
    await onceOurs({ what: 'HTTPS for machines', ...of }, () =>
      listenTls(parts, at, { app, files: tls, profile: 'machines', prepare }),
    );
  }
}

/** Which interfaces are to have that address: none where clients come through relays. */
export function ifacesOf(
  segments: readonly Pick<Segment, 'iface' | 'serverAddress'>[],
  address: string,
): string[] {
  return segments.flatMap(({ iface, serverAddress }) =>
    iface !== undefined && formatIpv4(serverAddress) === address ? [iface] : [],
  );
}

/** @throws AppError SECRET_KEY_INVALID when the file cannot be read, or others can read it */
function clientSecretOf({ clientSecretFile: file }: OidcSettings): string | undefined {
  return file === undefined ? undefined : readSecret(file);
}

export async function startPeopleHttp(
  parts: HttpParts,
  given: Pick<
    PeopleAppOptions,
    | 'readiness'
    | 'backup'
    | 'jobs'
    | 'bmcs'
    | 'consoles'
    | 'images'
    | 'certificateKey'
    | 'provisioning'
    | 'pools'
    | 'dns'
    | 'whenDurable'
    | 'configuration'
    | 'explain'
    | 'servedSegments'
    | 'fleetDiff'
    | 'standby'
    | 'federation'
    | 'passive'
  >,
): Promise<void> {
  const { config, inventory, clock, log, metrics } = parts;
  const { address, port, tls, ui, anonymousRead, requestsPerSecond, oidc } = config.peopleHttp;
  let upgrades: Upgrades | undefined;
  const app = await createPeopleApp({
    inventory,
    clock,
    log,
    site: config.site,
    uiRoot: ui,
    settings: { anonymousRead, requestsPerSecond },
    ...given,
    onUpgrades: (installed) => {
      upgrades = installed;
    },
    // Who signs in changes something.
    oidc: given.passive ? undefined : oidc && createOidcDesk(oidc, clientSecretOf(oidc), clock),
    recorder: parts.recorder,
    metrics: async () => ({
      contentType: metrics.registry.contentType,
      text: await metrics.registry.metrics(),
    }),
  });
  const host = formatIpv4(address);
  if (!tls) return listen(parts, app, { host, port });
  parts.closers.push(() => app.close());
  const prepare = (server: WebServer) => upgrades?.attach(server);
  await listenTls(parts, { host, port }, { app, files: tls, profile: 'people', prepare });
  if (tls.redirectPort === undefined) return;
  const redirect = createRedirect(port);
  parts.closers.push(() => closeServer(redirect));
  const at = { host, port: tls.redirectPort };
  await listening(at, listenAt(redirect, at));
}
