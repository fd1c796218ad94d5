/**
 * An appliance's membership in the fleet: holding the line to central (join-fleet.ts joins it).
 *
 * Everything is dialled from here, because datacenters are behind firewalls. While central or the way to it is gone, the
 * site works on as before and dials again, less often each time; what happened meanwhile is in the feed.
 */
import { randomUUID } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Database } from 'better-sqlite3';
import { WebSocket } from 'ws';
import { lookAtDeferred } from '../federation/deferred.ts';
import { type Intents, openIntents } from '../federation/intents.ts';
import { openFleetJobs } from '../federation/jobs.ts';
import { openFleetPools } from '../federation/pools.ts';
import {
  type FromAppliance,
  type FromCentral,
  fromCentral,
  type LivingMachine,
  parseMessage,
  WELCOME_FIELDS,
  WELCOME_HEADER,
} from '../federation/protocol.ts';
import { openFleetRequests } from '../federation/requests.ts';
import { createSession, type Session } from '../federation/session.ts';
import type { FleetLine } from '../http/people/context.ts';
import { maskInstall } from '../http/people/mask.ts';
import type { ImageDesk } from '../images/desk.ts';
import type { Inventory } from '../inventory/inventory.ts';
import type { JobDesk } from '../jobs/desk.ts';
import { limit } from '../limits.ts';
import type { Log } from '../platform/log.ts';
import type { RequestDesk } from '../provisioning/desk.ts';
import type { PoolDesk } from '../provisioning/pool-desk.ts';
import type { Hardwarename } from '../wire/ids.ts';
import type { Clock, Millis } from '../wire/time.ts';
import { VERSION } from './core.ts';
import { createRenewal } from './fleet-identity.ts';
import { watchLine } from './fleet-line.ts';
import { FLEET_FILES as FILES, type Membership } from './membership.ts';

export interface FederationParts {
  readonly folder: string;
  readonly db: Database;
  readonly inventory: Inventory;
  readonly jobs: JobDesk;
  readonly provisioning: RequestDesk;
  readonly pools: PoolDesk;
  /** Absent: it keeps no images, and says so. */
  readonly images?: ImageDesk;
  readonly clock: Clock;
  readonly log: Log;
  whenDurable(done: (error?: Error) => void): void;
}

export interface Federation {
  status(): FleetLine;
  stop(): void;
}

/** @returns undefined when this appliance has not joined a fleet */
export function startFederation(parts: FederationParts): Federation | undefined {
  const { folder, log } = parts;
  if (!existsSync(join(folder, FILES.membership))) return undefined;
  const membership: Membership = JSON.parse(readFileSync(join(folder, FILES.membership), 'utf8'));
  const keepsImages = parts.images !== undefined;
  const intents = openIntents({ ...parts, site: membership.site, keepsImages });
  const stopErrands = startErrands(parts, intents, (result) => current && send(current, result));
  let stopped = false;
  let pauseMs = limit('federationAgainMs');
  let timer: NodeJS.Timeout | undefined;
  let current: WebSocket | undefined;
  let refused = '';
  const { clock, inventory } = parts;
  const watch = watchLine(membership, { clock, lastId: inventory.events.lastId });
  /** Once for each reason, until it is let in again: it dials for as long as it takes. */
  const onRefused = (code: string, detail: string): void => {
    log.error({ code, detail }, 'central refuses this appliance');
    watch.refused(code, detail);
    if (refused === code) return;
    refused = code;
    const data = { code, detail: detail.slice(0, 500) };
    const { transaction, events } = parts.inventory;
    transaction(() => events.append({ name: 'federation.refused', data }));
  };
  const dial = (): void => {
    if (stopped) return;
    const identity = readFileSync(join(folder, FILES.identity), 'utf8');
    const socket = new WebSocket(new URL('/link', membership.url.replace(/^http/, 'ws')), {
      ca: membership.authority,
      ...{ key: identity, cert: identity, headers: { [WELCOME_HEADER]: WELCOME_FIELDS } },
      minVersion: 'TLSv1.3',
      handshakeTimeout: limit('signInProviderMs'),
      maxPayload: limit('federationMessageBytesMax'),
      perMessageDeflate: false,
    });
    current = socket;
    watch.dialled(identity);
    let fault = '';
    socket.on('error', ({ message }) => {
      fault = message;
    });
    for (const sign of ['ping', 'pong']) socket.on(sign, watch.touched);
    let welcomedAt = Number.POSITIVE_INFINITY;
    hold(parts, socket, {
      intents,
      site: membership.site,
      identity,
      onRefused,
      onHeard(message) {
        watch.heard(message);
        if (message.kind !== 'welcome') return;
        refused = '';
        welcomedAt = performance.now();
      },
    });
    socket.once('close', (code, reason) => {
      if (stopped) return;
      watch.closed(fault || String(reason) || 'central does not answer');
      // One that is let in and thrown out again at once is no reason to hurry.
      if (performance.now() - welcomedAt > pauseMs) pauseMs = limit('federationAgainMs');
      // Half of it is chance: a fleet that lost central does not come back in one instant.
      const waitMs = pauseMs * (0.5 + Math.random() / 2);
      log.warn({ code, reason: String(reason), waitMs }, 'the line to central is closed');
      pauseMs = Math.min(pauseMs * 2, limit('federationAgainMsMax'));
      timer = setTimeout(dial, waitMs);
    });
  };
  dial();
  return {
    status: watch.status,
    stop() {
      stopped = true;
      stopErrands();
      clearTimeout(timer);
      current?.terminate();
    },
  };
}

const NOT_LOOKED_AT = 'what central asks for could not be looked at';

/** What takes a while is looked at again and again, also while central is gone; old intents are forgotten. */
function startErrands(
  parts: FederationParts,
  intents: Intents,
  tell: (result: FromAppliance) => void,
): () => void {
  const { inventory, images: desk, clock, log } = parts;
  const guarded = (run: () => void) => () => {
    try {
      run();
    } catch (err) {
      log.error({ err }, NOT_LOOKED_AT);
    }
  };
  const look = setInterval(
    guarded(() => {
      if (!desk) return;
      const deferred = { intents, inventory, desk, pools: parts.pools, now: clock };
      lookAtDeferred(deferred, {
        tell,
        failed: (err, { id }) => log.error({ err, intent: id }, NOT_LOOKED_AT),
      });
    }),
    limit('federationErrandMs'),
  );
  const forget = setInterval(
    guarded(() => {
      const before = clock() - limit('federationIntentKeptMs');
      inventory.transaction(() => intents.forget(before as Millis));
    }),
    limit('federationForgetMs'),
  );
  return () => {
    clearInterval(look);
    clearInterval(forget);
  };
}

interface Held {
  readonly intents: Intents;
  readonly site: string;
  /** The key and certificate that it was opened with, as PEM. */
  readonly identity: string;
  onHeard(message: FromCentral): void;
  onRefused(code: string, detail: string): void;
}

function hold(parts: FederationParts, socket: WebSocket, held: Held): void {
  const { inventory, log } = parts;
  // What it is replaced by holds from the next line on, which is begun at once.
  const renewal = createRenewal(parts, held.identity, () => socket.close(1000, 'renewed'));
  const session = openSession(parts, socket, {
    site: held.site,
    intents: held.intents,
    onCertificate: renewal.finish,
    onRefused: held.onRefused,
    onSent: () => wake(),
  });
  // Not the time of day, which may jump.
  let heardAt = performance.now();
  let scheduled = false;
  // One look for all that is committed or sent meanwhile: a storm of packets costs the feed a batch, not a wake for each.
  const wake = () => {
    if (scheduled) return;
    scheduled = true;
    setTimeout(() => {
      scheduled = false;
      if (socket.readyState === socket.OPEN) session.pump();
    }, GATHER_MS);
  };
  const unfollow = inventory.events.follow(wake);
  const renew = () => renewal.begin((request) => send(socket, { kind: 'renew', request }));
  const renewing = setInterval(renew, limit('federationRenewalLookMs'));
  const ping = setInterval(() => {
    if (performance.now() - heardAt > 3 * limit('federationPingMs')) return socket.terminate();
    if (socket.readyState === socket.OPEN) socket.ping();
  }, limit('federationPingMs'));
  socket.on('open', () => session.open());
  socket.on('ping', () => {
    heardAt = performance.now();
  });
  socket.on('pong', () => {
    heardAt = performance.now();
  });
  socket.on('message', (data) => {
    heardAt = performance.now();
    try {
      const message = parseMessage(fromCentral, String(data));
      session.heard(message);
      held.onHeard(message);
      if (message.kind === 'welcome') renew();
    } catch (err) {
      log.error({ err }, 'central said something that cannot be used');
      socket.close(1002);
    }
  });
  socket.on('error', (err) => {
    log.warn({ err }, 'central cannot be reached');
    if (err.message.endsWith(' 403'))
      held.onRefused('CERTIFICATE_REFUSED', "Central does not take this appliance's certificate.");
  });
  socket.once('close', () => {
    unfollow();
    clearInterval(ping);
    clearInterval(renewing);
  });
}

const GATHER_MS = 20;

function send(socket: WebSocket, message: FromAppliance, onSent?: () => void): void {
  if (socket.readyState === socket.OPEN) socket.send(JSON.stringify(message), () => onSent?.());
}

interface Opened {
  readonly site: string;
  readonly intents: Intents;
  onCertificate(pem: string): void;
  onRefused(code: string, detail: string): void;
  /** The socket may have room again: a large snapshot on a quiet site waits for nothing else. */
  onSent(): void;
}

function openSession(
  parts: FederationParts,
  socket: WebSocket,
  { site, intents, onCertificate, onRefused, onSent }: Opened,
): Session {
  const { db, inventory, provisioning, clock, log, whenDurable } = parts;
  const { events, machines, serverdb, transactionUnsynced } = inventory;
  const requests = openFleetRequests(db, provisioning.store);
  const names = db.prepare<[string, number], { hardwarename: Hardwarename }>(
    'SELECT hardwarename FROM machines WHERE hardwarename > ? ORDER BY hardwarename LIMIT ?',
  );
  const document = (hardwarename: string): LivingMachine | undefined => {
    const record = machines.record(hardwarename as Hardwarename);
    return record && { ...record, nics: machines.nicsOf(record.hardwarename) };
  };
  return createSession({
    ...{ site, appliance: applianceId(db), program: VERSION, now: clock },
    after: (cursor, count) => events.after(cursor, count),
    lastId: events.lastId,
    floor: serverdb.history.floor,
    epoch: serverdb.history.epoch,
    machine: document,
    machinesAfter: (after, count) =>
      names.all(after, count).flatMap(({ hardwarename }) => document(hardwarename) ?? []),
    request: requests.byId,
    requestsAfter: requests.after,
    ...openFleetPools(parts.pools.store),
    ...openFleetJobs(db, parts.jobs.store, maskInstall),
    carryOut(intent) {
      const result = transactionUnsynced(() => intents.carryOut(intent));
      return new Promise((resolve, reject) => {
        whenDurable((error) => (error ? reject(error) : resolve(result)));
      });
    },
    snapshotId: randomUUID,
    send: (message) => send(socket, message, onSent),
    unsentBytes: () => socket.bufferedAmount,
    ...{ onCertificate, onRefused },
    onError(err) {
      log.error({ err }, 'an intent of central was not carried out; central is to ask again');
      socket.close(1011);
    },
  });
}

/** Made with the database, and gone with it. */
function applianceId(db: Database): string {
  const put = db.prepare(
    "INSERT INTO meta (key, value) VALUES ('appliance', ?) ON CONFLICT DO NOTHING",
  );
  put.run(randomUUID());
  const find = db.prepare<[], { value: string }>("SELECT value FROM meta WHERE key = 'appliance'");
  return find.get()?.value ?? '';
}
