/**
 * The service worker: the portal's own files, for a time without network. It keeps the document and the scripts of one build,
 * so that a page which is opened or reloaded while the Wi-Fi is down is there, and shows what the device knows (kept.ts).
 *
 * The document comes from the appliance whenever that answers: a new version is there with the next page that is opened. Files
 * with a hash in their name never change. It does not touch the API: no answer of it is ever made up, and none is kept here. It
 * imports nothing, because it is one file under one name. The terminal is left out: a console without a network is nothing.
 * Browsers have service workers over HTTPS, and on the appliance itself; over HTTP they have none.
 */

/** Put in its place by the build: the files below assets/, and what tells this build from another. */
declare const BUILD: { readonly files: readonly string[]; readonly name: string };

interface Lasting extends Event {
  waitUntil(done: Promise<unknown>): void;
}
interface Asked extends Lasting {
  readonly request: Request;
  respondWith(answer: Promise<Response>): void;
}
const scope = globalThis as unknown as {
  readonly location: Location;
  readonly clients: { claim(): Promise<void> };
  skipWaiting(): Promise<void>;
  addEventListener(name: 'install' | 'activate', act: (event: Lasting) => void): void;
  addEventListener(name: 'fetch', act: (event: Asked) => void): void;
};

const DOCUMENT = '/';
/** Behind a wall of racks nothing fails, it only never comes. */
const PATIENCE_MS = 4000;

async function install(): Promise<void> {
  const cache = await caches.open(BUILD.name);
  await cache.addAll([DOCUMENT, '/icon.svg', ...BUILD.files]);
  await scope.skipWaiting();
}

async function activate(): Promise<void> {
  for (const name of await caches.keys()) if (name !== BUILD.name) await caches.delete(name);
  await scope.clients.claim();
}

async function documentOf(request: Request): Promise<Response> {
  const fetched = fetch(request);
  const late = new Promise<undefined>((done) => setTimeout(done, PATIENCE_MS));
  const answer = await Promise.race([fetched.catch(() => undefined), late]);
  return answer ?? (await caches.match(DOCUMENT)) ?? fetched;
}

scope.addEventListener('install', (event) => event.waitUntil(install()));
scope.addEventListener('activate', (event) => event.waitUntil(activate()));
scope.addEventListener('fetch', (event) => {
  const { request } = event;
  const { origin, pathname } = new URL(request.url);
  if (request.method !== 'GET' || origin !== scope.location.origin) return;
  if (pathname.startsWith('/api/')) return;
  if (request.mode === 'navigate') event.respondWith(documentOf(request));
  else if (pathname.startsWith('/assets/') || pathname === '/icon.svg')
    event.respondWith(caches.match(request).then((found) => found ?? fetch(request)));
});
