/** How an appliance joins a fleet: its key never leaves it, and central is known by the code before anything secret is sent. */
import { mkdirSync } from 'node:fs';
import { request as httpsRequest } from 'node:https';
import { AppError } from '../errors.ts';
import { limit } from '../limits.ts';
import { writeFleetFile } from './fleet-identity.ts';
import { FLEET_FILES as FILES, type Membership } from './membership.ts';

/**
 * Joins the fleet with a code that was made at central.
 *
 * @param folder where the key, the certificate and central's address are kept
 * @returns the site that this appliance is now
 * @throws AppError REQUEST_INVALID for what is no code, CENTRAL_UNREACHABLE, JOIN_REFUSED when the code or central is not the right one
 */
export async function joinFleet(folder: string, url: string, code: string): Promise<string> {
  const { fingerprintOf, makeRequest } = await import('../federation/certificates.ts');
  const [, secret = '', fingerprint = ''] = JOIN_CODE.exec(code.trim()) ?? [];
  if (secret === '') {
    const detail = 'What was read is no code: one is two words with a dot between them.';
    // Central has not been asked: what was typed is at fault.
    throw new AppError('REQUEST_INVALID', { detail });
  }
  // Nothing that is secret is sent before this certificate has been found to be the one that the code names.
  const { certificate: authority = '' } = await ask(new URL('/ca', url), {
    rejectUnauthorized: false,
  });
  if (authority === '' || fingerprintOf(authority) !== fingerprint) {
    const detail = 'Central shows another authority than the one that the code names.';
    throw new AppError('JOIN_REFUSED', { detail });
  }
  const { key, request } = await makeRequest('appliance');
  const tls = { ca: authority };
  const answer = await ask(new URL('/join', url), tls, JSON.stringify({ secret, request }));
  const { site = '', certificate = '' } = answer;
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  writeFleetFile(folder, FILES.identity, key + certificate);
  const membership: Membership = { url, site, authority };
  writeFleetFile(folder, FILES.membership, `${JSON.stringify(membership, null, 2)}\n`);
  return site;
}

/** 128 bits and a SHA-256, as central makes them. */
const JOIN_CODE = /^([\w-]{22})\.([\w-]{43})$/;

/** A code is at fault only where central says so: with another one, a central without its database refuses as well. */
function refusalOf({ code, title }: { readonly code?: string; readonly title?: string }): AppError {
  if (code === 'JOIN_REFUSED') return new AppError('JOIN_REFUSED');
  if (code === 'RATE_LIMITED') return new AppError('RATE_LIMITED');
  return new AppError('CENTRAL_UNREACHABLE', { detail: `It answers ${code}: ${title}` });
}

function ask(
  url: URL,
  tls: { readonly ca?: string; readonly rejectUnauthorized?: boolean },
  body?: string,
): Promise<Partial<Record<string, string>>> {
  const unreachable = (cause: unknown) =>
    new AppError('CENTRAL_UNREACHABLE', {
      detail: `(${url.origin}: ${(cause as Error).message})`,
      cause,
    });
  return new Promise((resolve, reject) => {
    const method = body === undefined ? 'GET' : 'POST';
    const timeout = limit('signInProviderMs');
    const sent = httpsRequest(url, { ...tls, method, timeout, minVersion: 'TLSv1.3' }, (answer) => {
      let text = '';
      answer.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk;
        if (text.length > limit('federationUnsentBytesMax')) sent.destroy();
      });
      answer.on('error', (error) => reject(unreachable(error)));
      answer.on('end', () => {
        try {
          const document = JSON.parse(text);
          if (answer.statusCode === 200 || answer.statusCode === 201) resolve(document);
          else reject(refusalOf(document));
        } catch (error) {
          reject(unreachable(error));
        }
      });
    });
    sent.on('timeout', () => sent.destroy(new Error('no answer')));
    sent.on('error', (error) => reject(unreachable(error)));
    sent.end(body);
  });
}
