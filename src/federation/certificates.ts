/**
 * Keys and certificate requests of the fleet: ECDSA P-256, PKCS #8, PKCS #10, as PEM. Node signs and verifies, but makes neither
 * requests nor certificates; `@peculiar/x509` encodes them.
 */
import 'reflect-metadata';
import { createHash, webcrypto, X509Certificate } from 'node:crypto';
import * as x509 from '@peculiar/x509';

export { x509 };

export const KEY = { name: 'ECDSA', namedCurve: 'P-256' } as const;
export const SIGNING = { name: 'ECDSA', hash: 'SHA-256' } as const;

interface KeyPair {
  readonly privateKey: webcrypto.CryptoKey;
  readonly publicKey: webcrypto.CryptoKey;
}

x509.cryptoProvider.set(webcrypto as never);

export const newKeys = async (): Promise<KeyPair> =>
  (await webcrypto.subtle.generateKey(KEY, true, ['sign', 'verify'])) as KeyPair;

export async function privatePem({ privateKey }: KeyPair): Promise<string> {
  const der = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', privateKey));
  const lines = der.toString('base64').match(/.{1,64}/g) ?? [];
  return `-----BEGIN PRIVATE KEY-----\n${lines.join('\n')}\n-----END PRIVATE KEY-----\n`;
}

/** What an appliance sends: its request, and the key that stays with it. */
export async function makeRequest(site: string): Promise<{ key: string; request: string }> {
  const keys = await newKeys();
  const request = await x509.Pkcs10CertificateRequestGenerator.create({
    name: `CN=${site}`,
    signingAlgorithm: SIGNING,
    keys: keys as never,
  });
  return { key: await privatePem(keys), request: request.toString('pem') };
}

/** SHA-256 of the certificate, base64url: how a join code names the authority. @throws Error for what is none */
export function fingerprintOf(certificate: string): string {
  return createHash('sha256').update(new X509Certificate(certificate).raw).digest('base64url');
}
