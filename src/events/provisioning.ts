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
  /** Its install has failed or was called off: the place is filled by another, if it is still wanted. */
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
  /** Its pool has become smaller: it brings `count` machines in all. */
  'request.shrunk': { request: string; count: number; who: string; why: string };
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
  /** `change`: made, changed or removed; `before` and `after` are its sizes. */
  'pool.changed': {
    pool: string;
    change: string;
    before: number;
    after: number;
    who: string;
    why: string;
  };
  /** Something keeps a pool from its size. */
  'pool.waiting': { pool: string; why: string };
  'pool.joined': { pool: string };
  'pool.left': { pool: string; why: string };
  'pool.unhealthy': { pool: string; why: string };
  'pool.healthy': { pool: string };
  /** It has failed, and is not replaced: `why` is the breaker. */
  'pool.held': { pool: string; why: string };
  /** Machines are installed anew, one after the other; `pool` is '' for all pools of a site. */
  'reset.started': {
    reset: number;
    pool: string;
    site: string;
    machines: number;
    atOnceMax: number;
    who: string;
    why: string;
  };
  /** `status`: running (resumed), paused, finished, stopped or aborted. */
  'reset.turned': { reset: number; status: string; who: string; why: string };
  /** `status`: running, done, failed, or gone (it has left its pool). */
  'reset.machine': { reset: number; status: string; job: string; code: string };
  /** Switched on, to wait for work, or off, because enough others wait. `warm` before that, of the `keep` of its rule. */
  'capacity.waking': { type: string; keep: number; warm: number; job: string };
  'capacity.resting': { type: string; keep: number; warm: number; job: string };
  /** So many fewer are free than are to be kept warm; 0: enough again. */
  'capacity.short': { type: string; keep: number; warm: number; missing: number };
}

export const PROVISIONING_EVENT_NAMES = [
  'request.created',
  'request.claimed',
  'request.installed',
  'request.replacing',
  'request.waiting',
  'request.shrunk',
  'request.cancelling',
  'request.fulfilled',
  'request.cancelled',
  'breaker.opened',
  'breaker.closed',
  'pool.changed',
  'pool.waiting',
  'pool.joined',
  'pool.left',
  'pool.unhealthy',
  'pool.healthy',
  'pool.held',
  'reset.started',
  'reset.turned',
  'reset.machine',
  'capacity.waking',
  'capacity.resting',
  'capacity.short',
] as const satisfies readonly (keyof ProvisioningEventData)[];
