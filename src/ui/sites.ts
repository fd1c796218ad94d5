/**
 * The sites of a fleet, for the portal that central serves: how fresh each one's copy is, read every few seconds. What is shown
 * beside them is read anew with them (resource.ts), for central has no feed of its own.
 */
import { signal } from '@preact/signals';
import type { SiteStanding } from '../central/fleet-view.ts';
import { read } from './api.ts';
import { connection, heardAt } from './feed.ts';

/** How often a page of the fleet is read anew. */
export const FLEET_READ_MS = 5000;

export const sites = signal<readonly SiteStanding[]>([]);

/** What is known of them now; whatever has just changed one is seen at once. */
export async function readSites(): Promise<void> {
  try {
    sites.value = (await read<{ sites: readonly SiteStanding[] }>('sites')).sites;
    heardAt.value = Date.now();
    connection.value = 'live';
  } catch {
    connection.value = 'lost';
  }
}

/** Goes on until the page is left. */
export async function startSites(): Promise<void> {
  await readSites();
  setTimeout(() => void startSites(), FLEET_READ_MS);
}
