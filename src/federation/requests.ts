/**
 * How far the requests are that central has asked this site for, as documents: the row with every batch whose events have
 * brought it further, the places as well in a snapshot, which replaces events that are told no more.
 *
 * What the site's own people and pools ask for is theirs: central hears of it by events and by records of machines alone.
 */
import type { Database } from 'better-sqlite3';
import type { ProvisioningRequest, RequestStore } from '../provisioning/store.ts';
import type { PlaceDocument, RequestDocument } from './protocol.ts';

export interface FleetRequests {
  /** Undefined for one that central has not asked for. */
  byId(id: string): RequestDocument | undefined;
  /** With their places, behind this one by id. */
  after(id: string, count: number): readonly RequestDocument[];
}

/** As intents.ts names who asks. */
const isOfCentral = ({ requester }: ProvisioningRequest): boolean =>
  requester.startsWith('central:');

export function openFleetRequests(db: Database, store: RequestStore): FleetRequests {
  const page = db.prepare<[string, number], { id: string }>(
    "SELECT id FROM requests WHERE requester GLOB 'central:*' AND id > ? ORDER BY id LIMIT ?",
  );
  const find = (id: string): ProvisioningRequest | undefined => {
    const request = store.byId(id);
    return request && isOfCentral(request) ? request : undefined;
  };
  return {
    byId(id) {
      const request = find(id);
      return request && documentOf(request);
    },
    after: (after, count) =>
      page.all(after, count).flatMap(({ id }) => {
        const request = find(id);
        return request ? [{ ...documentOf(request), places: placesOf(store, request) }] : [];
      }),
  };
}

const WHY_CHARS_MAX = 1000;

const documentOf = (request: ProvisioningRequest): RequestDocument => {
  const { id, status, done, failed, why, endedAt } = request;
  return { id, status, done, failed, why: why.slice(0, WHY_CHARS_MAX), endedAt };
};

const placesOf = (store: RequestStore, request: ProvisioningRequest): PlaceDocument[] =>
  store.foldOf(request).places.flatMap((place, index): PlaceDocument[] => {
    if (place.is === 'open' || place.is === 'off') return [];
    const { machine, hostname, is } = place;
    return [{ place: index, machine, hostname, status: is === 'done' ? 'installed' : 'claimed' }];
  });
