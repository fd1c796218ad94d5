/**
 * The fleet's own certificate authority: it says which appliance is which site, and appliances trust no other for central.
 *
 * ECDSA P-256 throughout. An appliance's key never leaves it: it sends a request (PKCS #10), signed by its key, and gets a
 * certificate whose common name is its site, for client authentication only. What a certificate is worth at this moment
 * (known, not revoked, of the site it claims) is looked up in the database at each connection; there are no lists to fetch.
 */
import { randomBytes, webcrypto } from 'node:crypto';
import { AppError } from '../errors.ts';
import { KEY, newKeys, privatePem, SIGNING, x509 } from '../federation/certificates.ts';
import { limit } from '../limits.ts';

const SERVER_AUTH = '1.3.6.1.5.5.7.3.1';
const CLIENT_AUTH = '1.3.6.1.5.5.7.3.2';
/** Clocks differ: a certificate of this second is valid on a machine that is an hour behind. */
const BACKDATE_MS = 3_600_000;

export interface KeyAndCertificate {
  readonly key: string;
  readonly certificate: string;
}

export interface IssuedCertificate {
  readonly certificate: string;
  readonly serial: string;
  readonly notAfter: number;
}

/** A new root, for as long as the fleet lives. PEM. */
export async function makeAuthority(now: number): Promise<KeyAndCertificate> {
  const keys = await newKeys();
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: newSerial(),
    name: `CN=Reveille fleet ${randomBytes(3).toString('hex')}`,
    notBefore: new Date(now - BACKDATE_MS),
    notAfter: new Date(now + limit('authorityCertificateMs')),
    signingAlgorithm: SIGNING,
    keys: keys as never,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign, true),
    ],
  });
  return { key: await privatePem(keys), certificate: certificate.toString('pem') };
}

/** A certificate for central itself, under the names and addresses by which appliances dial it. */
export async function issueServer(
  authority: KeyAndCertificate,
  names: readonly string[],
  now: number,
): Promise<KeyAndCertificate> {
  const keys = await newKeys();
  const isAddress = (name: string) => /^[\d.]+$|:/.test(name);
  const { certificate } = await issue(authority, {
    ...{ subject: 'CN=central', publicKey: keys.publicKey, usage: SERVER_AUTH, now },
    lifeMs: limit('applianceCertificateMs'),
    names: names.map((value) => ({ type: isAddress(value) ? 'ip' : 'dns', value })),
  });
  return { key: await privatePem(keys), certificate };
}

/** @throws AppError CERTIFICATE_REFUSED for what is no request, or is not signed by the key that it names */
export async function issueAppliance(
  authority: KeyAndCertificate,
  of: { readonly site: string; readonly request: string },
  now: number,
): Promise<IssuedCertificate> {
  let request: x509.Pkcs10CertificateRequest;
  try {
    request = new x509.Pkcs10CertificateRequest(of.request);
    if (!(await request.verify())) throw new Error('its signature is not that of its key');
    const { namedCurve } = request.publicKey.algorithm as { namedCurve?: string };
    if (namedCurve !== 'P-256') throw new Error('its key is not P-256');
  } catch (cause) {
    const detail = `The certificate request cannot be used: ${(cause as Error).message}.`;
    throw new AppError('CERTIFICATE_REFUSED', { detail: detail.slice(0, 300), cause });
  }
  const publicKey = await request.publicKey.export();
  const lifeMs = limit('applianceCertificateMs');
  const subject = `CN=${of.site}`;
  return issue(authority, { subject, publicKey, usage: CLIENT_AUTH, now, lifeMs, names: [] });
}

interface Wanted {
  readonly subject: string;
  readonly publicKey: unknown;
  readonly usage: string;
  readonly now: number;
  readonly lifeMs: number;
  readonly names: readonly { readonly type: 'ip' | 'dns'; readonly value: string }[];
}

async function issue(
  { key, certificate }: KeyAndCertificate,
  { subject, publicKey, usage, now, lifeMs, names }: Wanted,
): Promise<IssuedCertificate> {
  const issuer = new x509.X509Certificate(certificate);
  const serial = newSerial();
  const notAfter = now + lifeMs;
  const issued = await x509.X509CertificateGenerator.create({
    ...{ serialNumber: serial, subject, issuer: issuer.subject },
    notBefore: new Date(now - BACKDATE_MS),
    notAfter: new Date(notAfter),
    signingAlgorithm: SIGNING,
    publicKey: publicKey as never,
    signingKey: (await readPrivate(key)) as never,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([usage], true),
      ...(names.length > 0 ? [new x509.SubjectAlternativeNameExtension([...names])] : []),
    ],
  });
  return { certificate: issued.toString('pem'), serial, notAfter };
}

/** Positive and of 127 bits (RFC 5280, section 4.1.2.2). */
function newSerial(): string {
  const bytes = randomBytes(16);
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x40;
  return bytes.toString('hex');
}

function readPrivate(pem: string): Promise<webcrypto.CryptoKey> {
  const der = Buffer.from(pem.replace(/-----[^-]+-----|\s/g, ''), 'base64');
  return webcrypto.subtle.importKey('pkcs8', der, KEY, false, ['sign']);
}
