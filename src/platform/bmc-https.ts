/**
 * HTTPS to one BMC, for Redfish. BMCs have certificates that they signed themselves, so trust is by fingerprint: the
 * certificate is compared before a single byte of the request, which carries the password, is sent. `any` is for
 * finding the fingerprint of a new BMC and for nothing else.
 *
 * One connection for each request: some BMCs lose requests on kept ones.
 */
import http from 'node:http';
import tls from 'node:tls';
import { AppError } from '../errors.ts';

export type BmcTrust =
  /** SHA-256 of the certificate, in hex with or without colons. */
  | { readonly kind: 'pinned'; readonly sha256: string }
  /** Signed by an authority that the system knows. */
  | { readonly kind: 'authority' }
  | { readonly kind: 'any' };

export interface BmcHttpsOptions {
  readonly address: string;
  readonly port: number;
  readonly trust: BmcTrust;
  readonly timeoutMs: number;
  readonly bodyBytesMax: number;
}

interface Request {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
}

interface Response {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** @returns a function that throws AppError BMC_UNREACHABLE, BMC_TIMEOUT, BMC_PROTOCOL */
export function createBmcHttps(options: BmcHttpsOptions): (request: Request) => Promise<Response> {
  const where = `https://${options.address}:${options.port}`;
  const failed = (cause: unknown): AppError => {
    if (cause instanceof AppError) return cause;
    const detail = `${where}: ${(cause as Error).message}`;
    return new AppError('BMC_UNREACHABLE', { detail, cause });
  };
  return async (request) => {
    let socket: tls.TLSSocket | undefined;
    try {
      socket = await connect(options);
      return await exchange(socket, request, options);
    } catch (cause) {
      throw failed(cause);
    } finally {
      socket?.destroy();
    }
  };
}

/**
 * The fingerprint of the certificate that a BMC shows; nothing is sent to it.
 * @throws AppError BMC_UNREACHABLE, BMC_TIMEOUT
 */
export async function readBmcCertificate(at: {
  readonly address: string;
  readonly port: number;
  readonly timeoutMs: number;
}): Promise<string> {
  const where = `https://${at.address}:${at.port}`;
  try {
    const socket = await connect({ ...at, trust: { kind: 'any' }, bodyBytesMax: 0 });
    const { fingerprint256 = '' } = socket.getPeerCertificate();
    socket.destroy();
    return plain(fingerprint256);
  } catch (cause) {
    if (cause instanceof AppError) throw cause;
    const detail = `${where}: ${(cause as Error).message}`;
    throw new AppError('BMC_UNREACHABLE', { detail, cause });
  }
}

function connect({ address, port, trust, timeoutMs }: BmcHttpsOptions): Promise<tls.TLSSocket> {
  return new Promise((resolve, reject) => {
    const rejectUnauthorized = trust.kind === 'authority';
    const socket = tls.connect({ host: address, port, rejectUnauthorized });
    socket.setTimeout(timeoutMs, () => {
      socket.destroy(new AppError('BMC_TIMEOUT', { detail: `https://${address}:${port}` }));
    });
    socket.once('error', reject);
    socket.once('secureConnect', () => {
      const { fingerprint256 = '' } = socket.getPeerCertificate();
      if (trust.kind === 'pinned' && plain(trust.sha256) !== plain(fingerprint256)) {
        const detail = `Its certificate is ${fingerprint256}, not the one on record.`;
        socket.destroy();
        reject(new AppError('BMC_PROTOCOL', { detail }));
        return;
      }
      resolve(socket);
    });
  });
}

function plain(fingerprint: string): string {
  return fingerprint.replaceAll(':', '').toLowerCase();
}

function exchange(
  socket: tls.TLSSocket,
  { method, path, headers, body }: Request,
  { address, bodyBytesMax }: BmcHttpsOptions,
): Promise<Response> {
  return new Promise((resolve, reject) => {
    const length = body === undefined ? {} : { 'content-length': String(Buffer.byteLength(body)) };
    const all = { ...headers, ...length, host: address, connection: 'close' };
    const request = http.request({
      // Without an agent: with one, Node would open a connection of its own.
      ...{ method, path, headers: all },
      createConnection: () => socket,
    });
    request.once('error', reject);
    request.once('response', (response) => {
      const parts: Buffer[] = [];
      let bytes = 0;
      response.on('data', (part: Buffer) => {
        bytes += part.length;
        parts.push(part);
        if (bytes > bodyBytesMax) {
          response.destroy(new AppError('BMC_PROTOCOL', { detail: `${path}: too long.` }));
        }
      });
      response.once('error', reject);
      response.once('end', () =>
        resolve({
          status: response.statusCode ?? 0,
          headers: singleHeaders(response.headers),
          body: Buffer.concat(parts).toString('utf8'),
        }),
      );
    });
    request.end(body);
  });
}

function singleHeaders(headers: http.IncomingHttpHeaders): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name, [value].flat().join(', ')]),
  );
}
