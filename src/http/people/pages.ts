/**
 * The portal's files. Every address that the portal knows as a page is answered with its one document, so that a link to a
 * machine works wherever it was pasted; any other address stays a 404, which a person at a browser is told by that document,
 * too. Files with a hash in their name are kept by the browser for good, the document never, so a new version is there with
 * the next page that is opened. They are sent compressed where the build has left a compressed copy beside them.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import fastifyStatic from '@fastify/static';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { PeopleServer } from './context.ts';

const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "manifest-src 'self'",
  "worker-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  // The one policy that the portal has: for the address of its service worker.
  'trusted-types portal',
].join('; ');

/** On every answer of the people's listener, whatever it is. */
export const PAGE_HEADERS = {
  'content-security-policy': CONTENT_SECURITY_POLICY,
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  // The camera reads serials from labels; nothing else is of use here.
  'permissions-policy': 'camera=(self), geolocation=(), microphone=(), payment=(), usb=()',
} as const;

/** First words of the addresses that are pages; what follows them is the page's own. */
const PAGES = [
  ...['overview', 'machines', 'racks', 'deliveries', 'boots', 'jobs', 'requests', 'pools'],
  ...['squads', 'roles', 'images', 'events', 'dns', 'people', 'settings', 'scan', 'sign-in'],
] as const;
/** The portal's own switch over its addresses is typed by this, so that neither list has a page that the other lacks. */
export type PageName = (typeof PAGES)[number];

/** For an address that is nothing: the document, where a person looks at it; programs get their problem document. */
export function strangePage(root: string): (request: FastifyRequest) => string | undefined {
  const file = join(root, 'index.html');
  return ({ method, url, headers }) =>
    method === 'GET' &&
    !url.startsWith('/api/') &&
    headers.accept?.includes('text/html') &&
    existsSync(file)
      ? readFileSync(file, 'utf8')
      : undefined;
}

/** @returns whether there was anything to serve */
export async function installPages(app: PeopleServer, root: string): Promise<boolean> {
  if (!existsSync(root)) return false;
  await app.register(fastifyStatic, {
    root: resolve(root),
    wildcard: false,
    preCompressed: true,
    setHeaders(reply, path) {
      const hashed = path.includes('/assets/');
      reply.header('cache-control', hashed ? 'public, max-age=31536000, immutable' : 'no-cache');
    },
  });
  const page = (_request: unknown, reply: FastifyReply) => reply.sendFile('index.html');
  for (const name of PAGES) {
    app.get(`/${name}`, page);
    app.get(`/${name}/*`, page);
  }
  return true;
}
