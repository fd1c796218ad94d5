/**
 * Certificates and keys from files: read, checked, and read again when they change.
 *
 * A pair that does not fit together never reaches a listener: at the start that is an error, later (somebody is half-way
 * through replacing the two files) the last good pair stays in use and the next look tries again. Files are looked at by
 * their content's description (inode, size, time) on a timer and not by notifications, because certificate tools
 * replace links and folders, which a watch on the file does not see.
 */
import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import type { SecureContextOptions } from 'node:tls';
import { AppError } from '../errors.ts';

/** PEM files. A second pair of another key type may follow, so that old and new clients each find theirs. */
export interface TlsFiles {
  /** The certificate, and behind it the intermediate ones that lead to the CA. */
  readonly cert: string | readonly string[];
  readonly key: string | readonly string[];
}

export interface TlsPair {
  readonly subject: string;
  /** `rsa`, `ec`, `ed25519`, ... */
  readonly keyType: string;
  /** SHA-256 of the certificate, as `openssl x509 -fingerprint -sha256` prints it. */
  readonly fingerprint: string;
  /** End of validity, milliseconds since 1970; of the certificate or the intermediate that ends first. */
  readonly notAfterMs: number;
}

export interface TlsMaterial {
  readonly context: SecureContextOptions;
  readonly pairs: readonly TlsPair[];
  /** The earliest end of validity of all pairs. */
  readonly notAfterMs: number;
}

/** @throws AppError TLS_INVALID that names the file and what is wrong with it */
export function loadTls(files: TlsFiles): TlsMaterial {
  const certs = [files.cert].flat();
  const keys = [files.key].flat();
  if (certs.length !== keys.length || certs.length === 0) {
    throw new AppError('TLS_INVALID', { detail: 'Each certificate needs its key.' });
  }
  const loaded = certs.map((cert, index) => loadPair(cert, keys[index] ?? ''));
  return {
    context: { cert: loaded.map(({ cert }) => cert), key: loaded.map(({ key }) => key) },
    pairs: loaded.map(({ pair }) => pair),
    notAfterMs: Math.min(...loaded.map(({ pair }) => pair.notAfterMs)),
  };
}

function loadPair(certFile: string, keyFile: string): { cert: Buffer; key: Buffer; pair: TlsPair } {
  const cert = readPem(certFile);
  const key = readPem(keyFile);
  const chain = parsing(certFile, () => parseChain(cert));
  const privateKey: KeyObject = parsing(keyFile, () => createPrivateKey(key));
  const [leaf] = chain;
  if (!leaf) throw new AppError('TLS_INVALID', { detail: `No certificate in ${certFile}.` });
  if (!leaf.checkPrivateKey(privateKey)) {
    throw new AppError('TLS_INVALID', { detail: `${keyFile} is not the key of ${certFile}.` });
  }
  const pair = {
    subject: leaf.subject.replaceAll('\n', ', '),
    keyType: privateKey.asymmetricKeyType ?? 'unknown',
    fingerprint: leaf.fingerprint256,
    notAfterMs: Math.min(...chain.map(({ validToDate }) => validToDate.getTime())),
  };
  return { cert, key, pair };
}

const PEM_CERTIFICATE = /-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g;

function parseChain(pem: Buffer): X509Certificate[] {
  const blocks = pem.toString('latin1').match(PEM_CERTIFICATE) ?? [];
  return blocks.map((block) => new X509Certificate(block));
}

function readPem(file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (cause) {
    throw new AppError('TLS_INVALID', { detail: `Cannot read ${file}.`, cause });
  }
}

function parsing<T>(file: string, parse: () => T): T {
  try {
    return parse();
  } catch (cause) {
    throw new AppError('TLS_INVALID', { detail: `${file} is not valid PEM.`, cause });
  }
}

export interface TlsWatch {
  readonly files: TlsFiles;
  readonly everyMs: number;
  onChange(material: TlsMaterial): void;
  /** A changed pair that cannot be used; told once for each change, while the last good pair stays in use. */
  onInvalid(error: unknown): void;
}

/** @returns `look` for whoever knows that something changed, and `close` */
export function watchTls({ files, everyMs, onChange, onInvalid }: TlsWatch): {
  look(): void;
  close(): void;
} {
  let seen = fingerprintOf(files);
  const look = () => {
    const now = fingerprintOf(files);
    if (now === seen) return;
    seen = now;
    try {
      onChange(loadTls(files));
    } catch (error) {
      onInvalid(error);
    }
  };
  const timer = setInterval(look, everyMs);
  timer.unref();
  return { look, close: () => clearInterval(timer) };
}

function fingerprintOf({ cert, key }: TlsFiles): string {
  return [cert, key].flat().map(stampOf).join('\n');
}

function stampOf(file: string): string {
  try {
    const { ino, size, mtimeNs } = statSync(file, { bigint: true });
    return `${ino} ${size} ${mtimeNs}`;
  } catch (error) {
    // Missing, or in a folder that may not be read for a moment: what is kept is used until it is there again.
    return String((error as NodeJS.ErrnoException).code);
  }
}

const MODERN = [
  'TLS_AES_128_GCM_SHA256',
  'TLS_AES_256_GCM_SHA384',
  'TLS_CHACHA20_POLY1305_SHA256',
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
  'ECDHE-RSA-CHACHA20-POLY1305',
];

/**
 * What iPXE knows, newest first: ECDHE since January 2024, GCM since November 2022, DHE since October 2022; release
 * 1.21.1 of 2020 has only the last four, RSA key exchange with CBC (src/crypto/mishmash and its history).
 */
const IPXE = [
  'DHE-RSA-AES128-GCM-SHA256',
  'DHE-RSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES128-SHA256',
  'DHE-RSA-AES128-SHA256',
  'AES128-GCM-SHA256',
  'AES256-GCM-SHA384',
  'AES128-SHA256',
  'AES256-SHA256',
  'AES128-SHA',
  'AES256-SHA',
];

/** `people`: browsers and tools of today. `machines`: those, and every iPXE that speaks TLS 1.2. */
export const TLS_PROFILES = {
  people: { minVersion: 'TLSv1.2', honorCipherOrder: true, ciphers: MODERN.join(':') },
  machines: {
    minVersion: 'TLSv1.2',
    honorCipherOrder: true,
    ciphers: [...MODERN, ...IPXE].join(':'),
    dhparam: 'auto',
  },
} as const satisfies Record<string, SecureContextOptions>;
