/**
 * A TLS listener in front of an app, and the plain one that only says where it is.
 *
 * The app stays what it is: the same routes answer behind both kinds of listener, and ask the socket which it was. A
 * certificate that is replaced on disk is in use within seconds, without a restart; one that cannot be used is told of
 * and the last good one stays. People's side says HSTS, machines' does not: firmware would not understand it.
 */
import { createServer } from 'node:http';
import { createServer as createTlsServer, type Server } from 'node:https';
import type { FastifyBaseLogger, FastifyInstance } from 'fastify';
import { limit } from '../limits.ts';
import {
  loadTls,
  TLS_PROFILES,
  type TlsFiles,
  type TlsMaterial,
  watchTls,
} from '../platform/tls-files.ts';
import type { Clock } from '../wire/time.ts';
import type { WebServer } from './machine/connections.ts';

export interface HttpsOptions {
  /** Closed by its owner, after the listener. */
  readonly app: FastifyInstance;
  readonly profile: keyof typeof TLS_PROFILES;
  readonly files: TlsFiles;
  readonly clock: Clock;
  readonly log: FastifyBaseLogger;
  /** End of validity in milliseconds since 1970, at the start and after each change. */
  onNotAfter?(notAfterMs: number): void;
}

export interface Https {
  readonly server: Server;
  /** Looks at the files now instead of within seconds. */
  look(): void;
  close(): Promise<void>;
}

const HSTS = 'max-age=31536000';

/** Ready to listen. @throws AppError TLS_INVALID */
export async function createHttps(options: HttpsOptions): Promise<Https> {
  const { app, profile, files, log } = options;
  const material = loadTls(files);
  tell(options, material);
  await app.ready();
  const server = createTlsServer(
    {
      ...TLS_PROFILES[profile],
      ...material.context,
      handshakeTimeout: limit('tlsHandshakeMs'),
      maxHeaderSize: limit('httpHeaderBytesMax'),
      connectionsCheckingInterval: 1000,
    },
    (request, response) => {
      if (profile === 'people') response.setHeader('strict-transport-security', HSTS);
      app.routing(request, response);
    },
  );
  const watch = watchTls({
    files,
    everyMs: limit('tlsReloadMs'),
    onChange(renewed) {
      // Connections that are open keep the certificate they were opened with.
      server.setSecureContext({ ...TLS_PROFILES[profile], ...renewed.context });
      tell(options, renewed);
    },
    onInvalid: (err) => log.warn({ err, listener: profile }, 'a changed certificate is not used'),
  });
  return {
    server,
    look: watch.look,
    close() {
      watch.close();
      return closeServer(server);
    },
  };
}

function tell({ log, profile, clock, onNotAfter }: HttpsOptions, material: TlsMaterial): void {
  onNotAfter?.(material.notAfterMs);
  const leftMs = material.notAfterMs - clock();
  const about = {
    listener: profile,
    certificates: material.pairs.map(({ subject, keyType, fingerprint, notAfterMs }) => ({
      ...{ subject, keyType, fingerprint },
      notAfter: new Date(notAfterMs).toISOString(),
    })),
  };
  if (leftMs <= 0) log.error(about, 'the certificate has expired: no client will accept it');
  else if (leftMs < limit('tlsExpiryWarnMs')) log.warn(about, 'the certificate expires soon');
  else log.info(about, 'certificate in use');
  if (profile === 'machines' && !material.pairs.some(({ keyType }) => keyType === 'rsa')) {
    log.warn(about, 'no RSA certificate: iPXE older than December 2025 cannot connect');
  }
}

/** Answers every request with the same path on the TLS port. Only a name or an address is taken over from `Host`. */
export function createRedirect(tlsPort: number): WebServer {
  const port = tlsPort === 443 ? '' : `:${tlsPort}`;
  const named = /^(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::\d+)?$/i;
  return createServer({ maxHeaderSize: limit('httpHeaderBytesMax') }, (request, response) => {
    const host = named.exec(request.headers.host ?? '')?.[1];
    const path = request.url?.startsWith('/') ? request.url : '/';
    if (host === undefined) response.writeHead(400, { 'content-length': 0 });
    else {
      response.writeHead(308, { location: `https://${host}${port}${path}`, 'content-length': 0 });
    }
    response.end();
  });
}

/** Resolves when it listens. @throws the error of the socket */
export function listenAt(
  server: WebServer,
  at: { readonly host: string; readonly port: number; readonly backlog?: number },
): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(at, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

export function closeServer(server: WebServer): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}
