/**
 * `reveille central`: the fleet's database, the listener that appliances dial, and the API for people, put together.
 *
 * Two listeners, as on an appliance: appliances come with a certificate of the fleet's authority (but for `/ca` and `/join`,
 * which is how they get one), people with a token. Any number of instances may run over one database.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { join } from 'node:path';
import type { TLSSocket } from 'node:tls';
import { WebSocketServer } from 'ws';
import { z } from 'zod';
import { AppError } from '../errors.ts';
import { WELCOME_HEADER } from '../federation/protocol.ts';
import { createRateLimit, type RateLimit } from '../http/people/rate-limit.ts';
import { limit } from '../limits.ts';
import type { Log } from '../platform/log.ts';
import { witnessQuestion } from '../standby/witness-form.ts';
import type { Clock } from '../wire/time.ts';
import { openFleetAccess } from './access.ts';
import { createFleetApp } from './app.ts';
import { openAsking } from './asking.ts';
import { issueServer, type KeyAndCertificate, makeAuthority } from './authority.ts';
import { type FleetBlobs, openFleetBlobs } from './blobs.ts';
import { openFleetChannels } from './channels.ts';
import { openFleetFeed } from './feed.ts';
import { openFleet } from './fleet.ts';
import { openFleetView } from './fleet-view.ts';
import { openFleetHealth } from './health.ts';
import { openFleetJobs } from './jobs.ts';
import { type Joining, openJoining } from './joining.ts';
import { openKeeping, startKeeping } from './keeping.ts';
import { createLines, type Lines } from './lines.ts';
import { openFleetPools } from './pools.ts';
import { openFleetProvisioning } from './provisioning.ts';
import { openFleetRecords } from './records.ts';
import { openRemoving } from './removing.ts';
import { openFleetResets } from './resets.ts';
import { openRights, type Rights } from './rights.ts';
import { migrateFleet } from './schema.ts';
import { openFleetSessions } from './sessions.ts';
import type { CentralSettings } from './settings.ts';
import { reachFleetDatabase } from './sql.ts';
import { openSquads } from './squads.ts';
import { openFleetStatistics } from './statistics.ts';
import { openUpkeep } from './upkeep.ts';
import { indexWords, type WordIndexes } from './word-index.ts';

export interface Central {
  /** Where appliances and people reach it. */
  readonly appliancesPort: number;
  readonly peoplePort: number;
  /** Of the first administrator, at the first start. */
  readonly firstToken: string | undefined;
  close(): Promise<void>;
}

/** @throws AppError CONFIG_INVALID, DATABASE_FAILED, LISTEN_FAILED */
export async function startCentral(
  settings: CentralSettings,
  { log, clock }: { readonly log: Log; readonly clock: Clock },
): Promise<Central> {
  const authority = await authorityIn(settings.folder, clock);
  const db = await reachFleetDatabase(settings.database, { log });
  let indexes: WordIndexes;
  try {
    await migrateFleet(db);
    indexes = await indexWords(db);
    if (!indexes.parts && db.engine === 'postgresql')
      log.warn('the database has no pg_trgm: a search reads the words of every machine');
  } catch (error) {
    await db.close();
    throw error;
  }
  const fleet = openFleet(db, clock, openUpkeep(log));
  const joining = openJoining(db, authority, clock);
  const access = openFleetAccess(db, clock);
  const lines = createLines({ fleet, joining, clock, log });
  const records = openFleetRecords(db, clock);
  const removing = openRemoving(db, clock);
  const blobs = openFleetBlobs(join(settings.folder, 'images'));
  const app = await createFleetApp({
    ...{
      fleet,
      joining,
      access,
      log,
      clock,
      records,
      blobs,
      removing,
      view: openFleetView(db, clock, indexes),
    },
    ...{
      feed: openFleetFeed(db),
      channels: openFleetChannels(db, records, clock),
      asking: openAsking(db, { clock, nudge: lines.nudge }),
      jobs: openFleetJobs(db, clock),
      pools: openFleetPools(db, records, clock),
      sessions: openFleetSessions(db, records, clock),
      statistics: openFleetStatistics(db, clock),
      health: openFleetHealth(db, { clock, lines: () => lines.count }),
      uiRoot: settings.people.ui,
    },
    ...{ nudge: lines.nudge, nudgeAll: lines.nudgeAll, squads: openSquads(db, records) },
    ...{ provisioning: openFleetProvisioning(db, clock), resets: openFleetResets(db, clock) },
  });
  const stopKeeping = startKeeping(openKeeping(db, settings.keepDays), { removing, clock, log });
  const { address, port, names } = settings.appliances;
  const own = await issueServer(authority, names, clock());
  const perMinute = limit('joinTriesPerMinuteMax');
  const tries = createRateLimit(clock, { perSecond: perMinute / 60, burst: perMinute });
  const strangers = createRateLimit(clock, { perSecond: perMinute / 60, burst: perMinute });
  const report = (tls: TLSSocket): void => {
    const { subject, serialNumber } = tls.getPeerCertificate();
    if (serialNumber === undefined || strangers.take('all') > 0) return;
    const claimed = String(subject?.CN ?? '').slice(0, 63);
    const reason = String(tls.authorizationError).slice(0, 64);
    const detail = `A certificate with the serial ${serialNumber} was refused: ${reason}.`;
    fleet
      .noticeAgain(claimed, 'CERTIFICATE_REFUSED', detail)
      .catch((err) => log.error({ err }, 'a refused certificate could not be noticed'));
  };
  const server = createApplianceServer({
    ...{ own, authority, joining, lines, log, tries, report, blobs },
    rights: openRights(db, clock, () => performance.now()),
  });
  const renewing = setInterval(() => {
    issueServer(authority, names, clock()).then(
      (next) => server.setSecureContext(secretsOf(next, authority)),
      (err) => log.error({ err }, "central's own certificate could not be renewed"),
    );
  }, limit('serverRenewMs'));
  const connections = new Set<Socket>();
  // What TLS has taken over is closed by its own socket alone.
  for (const event of ['connection', 'secureConnection'])
    server.on(event, (socket: Socket) => {
      connections.add(socket);
      socket.once('close', () => connections.delete(socket));
    });
  const close = async () => {
    clearInterval(renewing);
    await stopKeeping();
    lines.close();
    const closed = new Promise((resolve) => server.close(resolve));
    // Also those that have not said yet who they are, which nobody else knows.
    for (const socket of connections) socket.destroy();
    await closed;
    await app.close();
    await db.close();
  };
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, address, resolve);
    });
    await app.listen({ host: settings.people.address, port: settings.people.port });
  } catch (cause) {
    await close();
    throw new AppError('LISTEN_FAILED', { detail: (cause as Error).message, cause });
  }
  const portOf = (at: { address(): string | AddressInfo | null }) =>
    (at.address() as AddressInfo).port;
  return {
    appliancesPort: portOf(server),
    peoplePort: portOf(app.server),
    firstToken: await access.bootstrap(),
    close,
  };
}

/** Made at the first start. The folder is what has to be kept: without it every appliance joins anew. */
async function authorityIn(folder: string, clock: Clock): Promise<KeyAndCertificate> {
  const [keyFile, certificateFile] = [join(folder, 'authority.key'), join(folder, 'authority.pem')];
  if (!existsSync(keyFile)) {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const made = await makeAuthority(clock());
    writeFileSync(certificateFile, made.certificate, { flush: true });
    writeFileSync(keyFile, made.key, { mode: 0o600, flush: true });
  }
  return {
    key: readFileSync(keyFile, 'utf8'),
    certificate: readFileSync(certificateFile, 'utf8'),
  };
}

interface ApplianceParts {
  readonly own: KeyAndCertificate;
  readonly authority: KeyAndCertificate;
  readonly joining: Joining;
  readonly lines: Lines;
  readonly blobs: FleetBlobs;
  readonly rights: Rights;
  readonly log: Log;
  readonly tries: RateLimit;
  /** Somebody came with a certificate that is not, or no more, one of the fleet's. */
  report(tls: TLSSocket): void;
}

const secretsOf = (own: KeyAndCertificate, authority: KeyAndCertificate) =>
  ({
    ...{ key: own.key, cert: own.certificate, ca: authority.certificate },
    minVersion: 'TLSv1.3',
  }) as const;

function createApplianceServer(parts: ApplianceParts): Server {
  const { own, authority, lines, log } = parts;
  const server = createServer(
    {
      ...secretsOf(own, authority),
      ...{ requestCert: true, rejectUnauthorized: false },
      handshakeTimeout: limit('tlsHandshakeMs'),
      maxHeaderSize: limit('httpHeaderBytesMax'),
      requestTimeout: limit('signInProviderMs'),
    },
    (request, response): void => {
      const serve = serverOf(request.url ?? '');
      serve(request, response, parts).catch((error) => {
        if (response.headersSent) return void response.destroy();
        const isOurs = error instanceof AppError;
        if (!isOurs) log.error({ err: error }, 'an appliance could not join');
        const code = isOurs ? error.code : 'INTERNAL';
        const title = isOurs ? error.message : 'Something went wrong.';
        answer(response, isOurs ? error.httpStatus : 500, { code, title });
      });
    },
  );
  const sockets = new WebSocketServer({
    noServer: true,
    maxPayload: limit('federationMessageBytesMax'),
    perMessageDeflate: false,
  });
  server.on('upgrade', (request, socket, head) => {
    const tls = socket as TLSSocket;
    if (request.url !== '/link' || !tls.authorized) {
      if (!tls.authorized) parts.report(tls);
      // RFC 9110, section 15.5.4: there is no way in without a certificate of the fleet.
      socket.end('HTTP/1.1 403 Forbidden\r\nConnection: close\r\nContent-Length: 0\r\n\r\n');
      return;
    }
    sockets.handleUpgrade(request, socket, head, (opened) =>
      lines.accept(opened, { tls, welcome: request.headers[WELCOME_HEADER] }),
    );
  });
  return server;
}

function serverOf(url: string) {
  if (url === '/witness') return serveWitness;
  return url.startsWith('/blobs/') ? serveBlob : serveJoin;
}

/** Whose living certificate a request comes with. @throws AppError FORBIDDEN */
async function certifiedSite(
  request: IncomingMessage,
  joining: ApplianceParts['joining'],
): Promise<string> {
  const tls = request.socket as TLSSocket;
  const { serialNumber = '' } = tls.getPeerCertificate();
  const site = tls.authorized ? await joining.siteOf(serialNumber) : undefined;
  if (site !== undefined) return site;
  throw new AppError('FORBIDDEN', { detail: 'It takes a certificate of the fleet.' });
}

/** The two appliances of a site ask who of them is active. @throws AppError FORBIDDEN, REQUEST_INVALID */
async function serveWitness(
  request: IncomingMessage,
  response: ServerResponse,
  { joining, rights }: Pick<ApplianceParts, 'joining' | 'rights'>,
): Promise<void> {
  const site = await certifiedSite(request, joining);
  if (request.method !== 'POST') throw new AppError('NOT_FOUND');
  const asked = witnessQuestion.safeParse(await readJson(request));
  if (!asked.success) throw new AppError('REQUEST_INVALID');
  answer(response, 200, await rights.judge(site, asked.data));
}

/** For appliances with a living certificate alone. @throws AppError FORBIDDEN, NOT_FOUND, RATE_LIMITED */
async function serveBlob(
  request: IncomingMessage,
  response: ServerResponse,
  { joining, blobs }: Pick<ApplianceParts, 'joining' | 'blobs'>,
): Promise<void> {
  await certifiedSite(request, joining);
  const [, sha256] = /^\/blobs\/([0-9a-f]{64})$/.exec(request.url ?? '') ?? [];
  if (sha256 === undefined || !['GET', 'HEAD'].includes(request.method ?? ''))
    throw new AppError('NOT_FOUND');
  await blobs.send(sha256, request, response);
}

const joinBody = z.strictObject({
  secret: z.string().min(1).max(64),
  request: z.string().min(1).max(4096),
});

async function serveJoin(
  request: IncomingMessage,
  response: ServerResponse,
  { authority, joining, tries }: Pick<ApplianceParts, 'authority' | 'joining' | 'tries'>,
): Promise<void> {
  if (request.method === 'GET' && request.url === '/ca')
    return answer(response, 200, { certificate: authority.certificate });
  if (request.method !== 'POST' || request.url !== '/join') throw new AppError('NOT_FOUND');
  if (tries.take('all') > 0) throw new AppError('RATE_LIMITED');
  const body = joinBody.safeParse(await readJson(request));
  if (!body.success) throw new AppError('REQUEST_INVALID');
  const { site, certificate } = await joining.join(body.data);
  return answer(response, 201, { site, certificate });
}

const JOIN_BYTES_MAX = 8192;

/** @throws AppError REQUEST_INVALID */
async function readJson(request: IncomingMessage): Promise<unknown> {
  let text = '';
  for await (const chunk of request.setEncoding('utf8')) {
    text += chunk;
    if (text.length > JOIN_BYTES_MAX) throw new AppError('REQUEST_INVALID');
  }
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new AppError('REQUEST_INVALID', { cause });
  }
}

function answer(response: ServerResponse, status: number, body: object): void {
  const text = JSON.stringify(body);
  response.writeHead(status, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(text),
    connection: 'close',
  });
  response.end(text);
}
