/**
 * Hands the service worker to the browser, once the page is there. Its address is one of the things that the content security
 * policy lets scripts name only through a policy of the page's own: this one knows a single address.
 */

interface TrustedTypes {
  createPolicy(
    name: string,
    rules: { createScriptURL(): string },
  ): { createScriptURL(address: string): string };
}

const ADDRESS = '/worker.js';

export function installWorker(): void {
  // Absent over HTTP, where browsers have none.
  const { serviceWorker } = navigator as { serviceWorker?: ServiceWorkerContainer };
  if (!serviceWorker) return;
  const { trustedTypes } = globalThis as { trustedTypes?: TrustedTypes };
  const policy = trustedTypes?.createPolicy('portal', { createScriptURL: () => ADDRESS });
  const address = policy?.createScriptURL(ADDRESS) ?? ADDRESS;
  const hand = () => void serviceWorker.register(address).catch(() => undefined);
  if (document.readyState === 'complete') hand();
  else addEventListener('load', hand);
}
