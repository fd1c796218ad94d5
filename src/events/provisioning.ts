/** Events of provisioning: part of the closed list in ../events.ts. */

export interface ProvisioningEventData {
  /** Somebody wants machines. `request` is its id in each of these. */
  'request.created': {
    request: string;
    role: string;
    site: string;
    count: number;
    squad: string;
    who: string;
    why: string;
  };
  /** A machine was chosen for a place of it, named, and its install queued. `why` it was chosen. */
  'request.claimed': { request: string; place: number; job: string; hostname: string; why: string };
  'request.installed': { request: string; place: number; job: string; hostname: string };
  /** Its install has failed: the place is filled by another. */
  'request.replacing': {
    request: string;
    place: number;
    job: string;
    hostname: string;
    code: string;
    detail: string;
  };
  /** It goes on by itself when what it is short of is there. */
  'request.waiting': { request: string; missing: number; why: string };
  'request.cancelling': { request: string; who: string; why: string };
  'request.fulfilled': { request: string; installed: number };
  'request.cancelled': { request: string; installed: number };
  /** Failures have something in common: machines that share it are left alone until a person has looked. */
  'breaker.opened': {
    source: string;
    factor: string;
    value: string;
    failed: number;
    tried: number;
    failedOthers: number;
    triedOthers: number;
    also: readonly { readonly factor: string; readonly value: string }[];
  };
  'breaker.closed': { factor: string; value: string; who: string; why: string };
}

export const PROVISIONING_EVENT_NAMES = [
  'request.created',
  'request.claimed',
  'request.installed',
  'request.replacing',
  'request.waiting',
  'request.cancelling',
  'request.fulfilled',
  'request.cancelled',
  'breaker.opened',
  'breaker.closed',
] as const satisfies readonly (keyof ProvisioningEventData)[];
