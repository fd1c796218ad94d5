/** Which entries of a request's log are events for everybody, and what they say. Pure. */
import type { NewEvent } from '../events.ts';
import type { Hardwarename } from '../wire/ids.ts';
import { unreachable } from '../wire/result.ts';
import { type RequestEntry, type RequestFold, wantedPlaces } from './fold.ts';
import type { ProvisioningRequest } from './store.ts';

/** @param fold as it was before the entry */
export function eventOfEntry(
  request: ProvisioningRequest,
  fold: RequestFold,
  entry: RequestEntry,
): NewEvent {
  const { id, role, site, squad, count, requester } = request;
  const at = (place: number) => {
    const one = fold.places[place];
    if (!one || one.is === 'open' || one.is === 'off')
      throw new Error(`place ${place} has no machine`);
    const { machine: hardwarename, hostname, job } = one;
    return { hardwarename, data: { request: id, place, job, hostname } };
  };
  switch (entry.is) {
    case 'asked': {
      const data = { request: id, role, site, count, squad, who: requester, why: request.doc.why };
      return { name: 'request.created', data };
    }
    case 'claimed': {
      const { place, machine, hostname, job, why } = entry;
      const data = { request: id, place, job, hostname, why };
      return { name: 'request.claimed', hardwarename: machine as Hardwarename, data };
    }
    case 'installed':
      return { name: 'request.installed', ...at(entry.place) };
    case 'failed': {
      const { hardwarename, data } = at(entry.place);
      const { code, detail } = entry;
      return { name: 'request.replacing', hardwarename, data: { ...data, code, detail } };
    }
    case 'waiting': {
      const { missing, why } = entry;
      return { name: 'request.waiting', data: { request: id, missing, why } };
    }
    case 'shrunk': {
      const { places, who, why } = entry;
      const left = wantedPlaces(fold) - places.length;
      return { name: 'request.shrunk', data: { request: id, count: left, who, why } };
    }
    case 'cancelling': {
      const { who, why } = entry;
      return { name: 'request.cancelling', data: { request: id, who, why } };
    }
    case 'ended': {
      const installed = fold.places.filter(({ is }) => is === 'done').length;
      return entry.status === 'fulfilled'
        ? { name: 'request.fulfilled', data: { request: id, installed } }
        : { name: 'request.cancelled', data: { request: id, installed } };
    }
    default:
      return unreachable(entry);
  }
}
