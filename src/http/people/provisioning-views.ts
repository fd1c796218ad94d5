/** Provisioning as the API shows it: requests with their places and history, plans, capacity, breakers. */
import { z } from 'zod';
import type { JobDesk } from '../../jobs/desk.ts';
import type { Breaker } from '../../provisioning/breakers.ts';
import type { RequestDesk } from '../../provisioning/desk.ts';
import type { Place, RequestFold } from '../../provisioning/fold.ts';
import { formatHardware } from '../../provisioning/hardware-text.ts';
import type { Match } from '../../provisioning/match.ts';
import type { RequestDoc } from '../../provisioning/request.ts';
import { type ProvisioningRequest, REQUEST_STATUSES } from '../../provisioning/store.ts';
import { maskInstall } from './mask.ts';

const time = z.number().int().describe('Milliseconds since 1970, UTC');

export const requestView = z
  .object({
    id: z.string(),
    pool: z.string().describe('The pool that asked; empty when people did'),
    role: z.string(),
    site: z.string(),
    squad: z.string(),
    owner: z.string(),
    requester: z.string(),
    priority: z.number().int(),
    image: z.string(),
    hardware: z.string().describe('In words'),
    status: z.enum(REQUEST_STATUSES),
    count: z.number().int().describe('To bring in all: fewer than asked for once its pool shrank'),
    done: z.number().int(),
    failed: z.number().int().describe('Machines that failed and were replaced'),
    why: z.string().describe('What it waits for; empty when nothing'),
    createdAt: time,
    endedAt: time.nullable(),
  })
  .meta({ id: 'ProvisioningRequest' });

const placeView = z.object({
  place: z.number().int(),
  status: z.enum(['open', 'claimed', 'done']),
  hostname: z.string(),
  machine: z.string(),
  rack: z.string(),
  why: z.string().describe('Why this machine'),
  tries: z.number().int().describe('Machines that had this place'),
  job: z.string(),
  step: z.string(),
  waitingFor: z.string(),
  sinceAt: time.nullable(),
  remainingMs: z.number().nullable().describe('By what others took; null when not known'),
});

export const requestDetail = z
  .object({
    request: requestView,
    asked: z.record(z.string(), z.unknown()).describe('As it was asked for'),
    places: z.array(placeView),
    remainingMs: z.number().nullable(),
    log: z.array(
      z.object({ seq: z.number().int(), at: time, entry: z.record(z.string(), z.unknown()) }),
    ),
  })
  .meta({ id: 'ProvisioningRequestDetail' });

export const planView = z
  .object({
    chosen: z.array(z.object({ hardwarename: z.string(), rack: z.string(), why: z.string() })),
    rejected: z.array(
      z.object({ why: z.string(), count: z.number().int(), examples: z.array(z.string()) }),
    ),
    fitting: z.number().int(),
    missing: z.number().int(),
    shortOf: z.string(),
    asked: z.record(z.string(), z.unknown()),
  })
  .meta({ id: 'ProvisioningPlan' });

export const breakerView = z
  .object({
    id: z.number().int(),
    source: z.string().describe('`install`, or `work`: machines of pools'),
    factor: z.string(),
    value: z.string(),
    failed: z.number().int(),
    tried: z.number().int(),
    failedOthers: z.number().int(),
    triedOthers: z.number().int(),
    also: z.array(z.object({ factor: z.string(), value: z.string() })),
    openedAt: time,
    closedAt: time.nullable(),
    who: z.string(),
    why: z.string(),
  })
  .meta({ id: 'Breaker' });

export function showRequest({ doc, endedAt, ...request }: ProvisioningRequest) {
  const { number: _, ...rest } = request;
  const { owner, image, hardware } = doc;
  const words = formatHardware(hardware);
  return { ...rest, owner, image, hardware: words, endedAt: endedAt || null };
}

function showDoc({ install, ...doc }: RequestDoc): Record<string, unknown> {
  return { ...doc, hardware: formatHardware(doc.hardware), install: maskInstall(install) };
}

export function showDetail(
  request: ProvisioningRequest,
  { desk, jobs }: { desk: RequestDesk; jobs: JobDesk },
) {
  const fold = desk.store.foldOf(request);
  const places = fold.places.flatMap((place, index) =>
    place.is === 'off' ? [] : [showPlace(place, index, { desk, jobs })],
  );
  const left = places.map(({ remainingMs }) => remainingMs ?? 0);
  return {
    request: showRequest(request),
    asked: showDoc(request.doc),
    places,
    remainingMs: isPredictable(fold, places) ? Math.max(0, ...left) : null,
    log: desk.store.logOf(request.number).map(({ entry, ...rest }) => ({
      ...rest,
      entry: { ...entry },
    })),
  };
}

/** Nobody knows when capacity comes, nor how long an install takes that nobody has seen. */
function isPredictable(
  { places, ended }: RequestFold,
  shown: readonly { status: string; remainingMs: number | null }[],
): boolean {
  const isOpen = places.some(({ is }) => is === 'open');
  const isKnown = shown.every((one) => one.status !== 'claimed' || one.remainingMs !== null);
  return ended === undefined && !isOpen && isKnown;
}

function showPlace(
  place: Exclude<Place, { is: 'off' }>,
  index: number,
  { desk, jobs }: { desk: RequestDesk; jobs: JobDesk },
) {
  const { is: status, hostname, tries } = place;
  const none = { machine: '', rack: '', why: '', job: '', sinceAt: null };
  const progress = { step: '', waitingFor: '', remainingMs: null };
  const base = { place: index, status, hostname, tries, ...progress };
  if (place.is === 'open') return { ...base, ...none };
  const { machine, why, job: id, sinceAt } = place;
  const rack = desk.candidates.one(machine)?.rack ?? '';
  const job = place.is === 'claimed' ? jobs.store.byId(id) : undefined;
  const said = job && jobs.progress(job);
  return {
    ...base,
    ...{ machine, rack, why, job: id, sinceAt },
    step: job?.step ?? '',
    waitingFor: said?.waitingFor ?? '',
    remainingMs: said?.remainingMs ?? null,
  };
}

export function showPlan(doc: RequestDoc, match: Match) {
  const { chosen, rejected, ...rest } = match;
  return {
    ...rest,
    chosen: chosen.map((one) => ({ ...one })),
    rejected: rejected.map(({ examples, ...one }) => ({ ...one, examples: [...examples] })),
    asked: showDoc(doc),
  };
}

export function showBreaker({ evidence, closedAt, ...breaker }: Breaker) {
  const { chance: _, also, ...counts } = evidence;
  return {
    ...{ ...breaker, ...counts, closedAt: closedAt || null },
    also: also.map((one) => ({ ...one })),
  };
}
