/**
 * The line between the two appliances of a site: TCP inside TLS 1.2 with a key that both have (RFC 8442, ECDHE_PSK: what was said
 * stays secret when the key is known later). Neither needs a certificate or a name; who has not the key gets no byte through.
 */
import { connect, createServer, type Server, type TLSSocket } from 'node:tls';
import { AppError } from '../errors.ts';
import { readSecret } from './secret-key.ts';

const SUITE = {
  ciphers: 'ECDHE-PSK-CHACHA20-POLY1305',
  minVersion: 'TLSv1.2',
  maxVersion: 'TLSv1.2',
} as const;
const IDENTITY = 'reveille-standby';
const HANDSHAKE_MS = 5000;

/** @throws AppError SECRET_KEY_INVALID for a file that is no key, or that others can read */
export function readPairKey(file: string): Buffer {
  const text = readSecret(file);
  if (!/^[0-9a-f]{64}$/i.test(text))
    throw new AppError('SECRET_KEY_INVALID', { detail: `(${file}: is not 64 hex digits)` });
  return Buffer.from(text, 'hex');
}

/**
 * @param at `onStranger` hears why somebody got no line: without the key, or with another one
 * @throws AppError LISTEN_FAILED
 */
export function listenForPair(
  at: {
    readonly host: string;
    readonly port: number;
    readonly key: Buffer;
    onStranger(error: Error): void;
  },
  onLine: (socket: TLSSocket) => void,
): Promise<Server> {
  const server = createServer(
    {
      ...SUITE,
      handshakeTimeout: HANDSHAKE_MS,
      pskCallback: (_socket, identity) => (identity === IDENTITY ? at.key : null),
    },
    onLine,
  );
  server.on('tlsClientError', at.onStranger);
  return new Promise((resolve, reject) => {
    server.once('error', (cause) =>
      reject(new AppError('LISTEN_FAILED', { detail: `TCP ${at.host}:${at.port}`, cause })),
    );
    server.listen(at.port, at.host, () => resolve(server));
  });
}

/** Calls back when the other one has proven that it has the key; errors are the socket's. */
export function dialPair(
  at: { readonly host: string; readonly port: number; readonly key: Buffer },
  onLine: (socket: TLSSocket) => void,
): TLSSocket {
  const socket = connect({
    ...SUITE,
    ...{ host: at.host, port: at.port, timeout: HANDSHAKE_MS },
    pskCallback: () => ({ psk: at.key, identity: IDENTITY }),
    // The key is who it is.
    checkServerIdentity: () => undefined,
  });
  socket.once('secureConnect', () => {
    socket.setTimeout(0);
    onLine(socket);
  });
  socket.once('timeout', () => socket.destroy(new Error('no answer')));
  return socket;
}
