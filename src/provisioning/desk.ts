/**
 * Where requests are asked for, looked at and called off. It checks, writes and answers; carrying them out is the engine's.
 * Each write happens inside the caller's transaction, with its event. Who may do it is the caller's question.
 */
import { randomUUID } from 'node:crypto';
import type { Database } from 'better-sqlite3';
import { AppError } from '../errors.ts';
import type { Inventory } from '../inventory/inventory.ts';
import { rackPlace } from '../inventory/rack-place.ts';
import type { JobDesk } from '../jobs/desk.ts';
import { formatImageRef } from '../wire/image-ref.ts';
import type { Clock } from '../wire/time.ts';
import { type Breakers, openBreakers } from './breakers.ts';
import { type Candidates, openCandidates } from './candidates.ts';
import type { RequestFold } from './fold.ts';
import { checkInstall, disksOfInstall } from './install-wish.ts';
import { type Match, match, type Wish } from './match.ts';
import { openQuotas, type Quotas } from './quota.ts';
import { type RequestBody, type RequestDoc, readHardware } from './request.ts';
import type { ProvisioningSettings } from './settings.ts';
import { openRequestStore, type ProvisioningRequest, type RequestStore } from './store.ts';

export interface RequestDesk {
  readonly store: RequestStore;
  readonly candidates: Candidates;
  readonly breakers: Breakers;
  readonly quotas: Quotas;
  /** What would be kept. @throws AppError REQUEST_INVALID, NOT_FOUND without a naming rule */
  prepare(body: RequestBody, requester: string): RequestDoc;
  /** Which machines it would get now, and why. */
  plan(doc: RequestDoc, count: number, fold?: RequestFold): Match;
  /** @throws AppError as `prepare` */
  create(
    body: RequestBody,
    by: { readonly requester: string; readonly pool?: string; readonly id?: string },
  ): ProvisioningRequest;
  /** Stops its installs; what is in use stays. Twice is as once. @throws AppError NOT_FOUND, REQUEST_ENDED */
  cancel(id: string, cause: { who: string; why: string }): ProvisioningRequest;
  /** Gives up places that have no machine in use: installs in them are called off, the others go on. @throws AppError NOT_FOUND */
  shrink(id: string, places: readonly number[], cause: { who: string; why: string }): void;
  /** @throws AppError NOT_FOUND */
  get(id: string): ProvisioningRequest;
  /** What every machine of it is installed with. */
  paramsOf(doc: RequestDoc, hostname: string): Record<string, unknown>;
}

export interface DeskParts {
  readonly db: Database;
  readonly clock: Clock;
  readonly inventory: Inventory;
  readonly jobs: JobDesk;
  readonly settings: ProvisioningSettings;
  /** The site of this appliance. */
  readonly site: string;
}

const HOUR_MS = 3_600_000;

export function openRequestDesk(parts: DeskParts): RequestDesk {
  const { db, clock, inventory, jobs, settings, site } = parts;
  const { events, serverdb, images } = inventory;
  const store = openRequestStore(db, clock, events);
  const recentFailureMs = settings.recentFailureHours * HOUR_MS;
  const candidates = openCandidates(db, clock, { site, recentFailureMs });
  const { windowHours, assumedFailureRate: assumedRate } = settings.breaker;
  const rules = { windowMs: windowHours * HOUR_MS, assumedRate };
  const breakers = openBreakers(db, { clock, events, settings: rules });
  const quotas = openQuotas(db, serverdb.records);
  images.guard(({ name, version, refs }) => {
    const isUsed = ({ image, imageAsked }: RequestDoc): boolean =>
      version === undefined
        ? refs.includes(imageAsked)
        : image === formatImageRef({ name, version });
    const open = store.open().filter(({ doc }) => isUsed(doc));
    return open.map(({ id, role }) => `request ${id} (${role}) has not ended`);
  });

  const get = (id: string): ProvisioningRequest => {
    const request = store.byId(id);
    if (!request) throw new AppError('NOT_FOUND', { detail: `No request ${id.slice(0, 64)}.` });
    return request;
  };
  const paramsOf: RequestDesk['paramsOf'] = ({ install, image, role, sshKeys }, hostname) => ({
    ...install,
    ...{ image, hostname, role, sshKeys },
  });
  const prepare: RequestDesk['prepare'] = (body, requester) => {
    const { squad = '', owner = requester, site: at = site } = body;
    if (squad !== '' && !serverdb.records.get('squad', squad))
      throw new AppError('REQUEST_INVALID', { detail: `No squad ${squad}.`, path: '/squad' });
    const resolved = images.resolve(body.image);
    if (!resolved) {
      const detail = `There is no sound image ${body.image.slice(0, 130)}.`;
      throw new AppError('REQUEST_INVALID', { detail, path: '/image' });
    }
    const { name, version } = resolved;
    const image = formatImageRef({ name, version });
    const hardware = readHardware(body.hardware);
    const doc = { ...body, hardware, squad, owner, site: at, image, imageAsked: body.image };
    if (!jobs.kinds.newest('install'))
      throw new AppError('REQUEST_INVALID', { detail: 'This appliance cannot install.' });
    checkInstall(body, { params: paramsOf(doc, 'sample'), image: resolved });
    serverdb.hostnames.allocate({ role: doc.role, site: at, serial: 'SAMPLE' }, doc.hostname);
    return doc;
  };
  return {
    ...{ store, candidates, breakers, quotas, get, paramsOf, prepare },
    plan(doc, count, fold) {
      const disks = disksOfInstall(images.resolve(doc.image), paramsOf(doc, 'sample'));
      const wish = wishOf(doc, count, { fold, breakers, quotas, candidates });
      return match({ ...wish, disks }, candidates.read());
    },
    create(body, { requester, pool = '', id = randomUUID() }) {
      const doc = prepare(body, requester);
      return store.insert({ id, pool, requester, doc, count: body.count });
    },
    cancel(id, { who, why }) {
      const request = get(id);
      if (request.endedAt > 0)
        throw new AppError('REQUEST_ENDED', { detail: `It is ${request.status}.` });
      const fold = store.foldOf(request);
      if (!fold.cancelling) store.append(request, fold, { is: 'cancelling', who, why });
      return get(id);
    },
    shrink(id, places, cause) {
      const request = get(id);
      store.append(request, store.foldOf(request), { is: 'shrunk', places, ...cause });
    },
  };
}

/** The wish behind a request as it stands: what it has is counted into the spread, what failed is left out. */
function wishOf(
  doc: RequestDoc,
  count: number,
  {
    fold,
    breakers,
    quotas,
    candidates,
  }: Pick<RequestDesk, 'breakers' | 'quotas' | 'candidates'> & { fold: RequestFold | undefined },
): Wish {
  const { site, hall, racks, hardware, spread, squad } = doc;
  const machines = new Set(
    (fold?.places ?? []).flatMap((place) => ('machine' in place ? [place.machine] : [])),
  );
  const placed = new Map<string, number>();
  if (machines.size > 0)
    for (const candidate of candidates.read())
      if (machines.has(candidate.hardwarename)) {
        const place = rackPlace(candidate);
        placed.set(place, (placed.get(place) ?? 0) + 1);
      }
  return {
    ...{ site, hall, racks, hardware, count, spread, placed },
    avoid: new Set(fold?.failed),
    blocked: breakers.open(),
    quota: quotas.left(squad),
  };
}
