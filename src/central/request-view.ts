/**
 * Requests of the fleet as people see them: the appliance's shapes with `parts` beside them, so that whatever reads an appliance
 * reads central. What only the site knows (the rack, the step of an install, how long it still takes) is empty here. Pure.
 */
import { maskInstall } from '../http/people/mask.ts';
import { formatHardware } from '../provisioning/hardware-text.ts';
import { type RequestBody, readHardware } from '../provisioning/request.ts';
import type { SiteView } from './fleet-view.ts';
import { OPEN_PARTS, type PartRow, type RequestRow } from './parts.ts';
import type { SqlRow } from './sql.ts';

/** `short`: less than was asked for, and nobody is at it: refused, called off at a site, or lost there. */
export const FLEET_REQUEST_STATUSES = [
  ...(['working', 'waiting', 'cancelling', 'fulfilled', 'cancelled', 'short'] as const),
] as const;
export type FleetRequestStatus = (typeof FLEET_REQUEST_STATUSES)[number];

export interface PartView extends Pick<SiteView, 'site' | 'freshness' | 'asOf'> {
  /** Of the site's own request. */
  readonly id: string;
  readonly status: string;
  readonly count: number;
  readonly done: number;
  readonly failed: number;
  readonly why: string;
}

export interface FleetRequestView {
  readonly id: string;
  readonly pool: '';
  readonly role: string;
  /** Those that have a part, divided by commas. */
  readonly site: string;
  readonly squad: string;
  readonly owner: string;
  readonly requester: string;
  readonly priority: number;
  readonly image: string;
  readonly hardware: string;
  readonly status: FleetRequestStatus;
  readonly count: number;
  readonly done: number;
  readonly failed: number;
  readonly why: string;
  readonly createdAt: number;
  readonly endedAt: number | null;
  readonly parts: readonly PartView[];
}

export interface PlaceRow extends SqlRow {
  /** The intent of the part that it belongs to. */
  part: string;
  site: string;
  place: number;
  machine: string;
  hostname: string;
  status: string;
}

export interface FleetRequestDetail {
  readonly request: FleetRequestView;
  readonly asked: Readonly<Record<string, unknown>>;
  readonly places: readonly object[];
  readonly remainingMs: null;
  readonly log: readonly { readonly seq: number; readonly at: number; readonly entry: object }[];
}

type Sites = ReadonlyMap<string, SiteView>;

export const isOpen = ({ status }: PartRow): boolean => OPEN_PARTS.some((open) => open === status);

export function showRequest(
  row: RequestRow,
  parts: readonly PartRow[],
  sites: Sites,
): FleetRequestView {
  const sum = (of: (part: PartRow) => number) => parts.reduce((all, part) => all + of(part), 0);
  const body = JSON.parse(row.body) as Omit<RequestBody, 'count'>;
  const names = [...new Set(parts.map(({ site }) => site))];
  const reasons = parts.filter(({ why }) => why !== '').map(({ site, why }) => `${site}: ${why}`);
  const endedAt = Math.max(row.cancelled_at, ...parts.map((part) => part.ended_at));
  const status = statusOf(row, parts);
  const isOver = ['fulfilled', 'cancelled', 'short'].includes(status);
  return {
    ...{ id: row.id, pool: '', role: row.role, site: names.join(', '), squad: row.squad },
    ...{ owner: body.owner ?? row.who, requester: row.who, priority: body.priority },
    ...{ image: body.image, hardware: formatHardware(readHardware(body.hardware)) },
    ...{ status, count: row.wanted, done: sum(({ done }) => done) },
    ...{ failed: sum(({ failed }) => failed), why: reasons.join('; '), createdAt: row.asked_at },
    endedAt: isOver && endedAt > 0 ? endedAt : null,
    parts: parts.map(({ intent: id, site, status: is, wanted, done, failed, why }) => {
      const { freshness = 'never', asOf = 0 } = sites.get(site) ?? {};
      return { id, site, status: is, count: wanted, done, failed, why, freshness, asOf };
    }),
  };
}

export function showDetail(
  row: RequestRow,
  of: {
    readonly parts: readonly PartRow[];
    readonly places: readonly PlaceRow[];
    readonly sites: Sites;
  },
): FleetRequestDetail {
  const asked = JSON.parse(row.body) as RequestBody;
  // A site's record of a request may come a batch before the event of its last machine.
  const whole = of.parts.filter(({ status }) => status === 'fulfilled');
  const isWhole = (part: string) => whole.some(({ intent }) => intent === part);
  const unknown = { rack: '', why: '', job: '', step: '', waitingFor: '' };
  return {
    request: showRequest(row, of.parts, of.sites),
    asked: { ...asked, install: maskInstall(asked.install) },
    places: of.places.map(({ status, part, ...place }) => ({
      ...{ ...place, status: status === 'installed' || isWhole(part) ? 'done' : 'claimed' },
      ...unknown,
      ...{ tries: 1, sinceAt: null, remainingMs: null },
    })),
    remainingMs: null,
    log: logOf(row, of.parts),
  };
}

/** By time, so that what comes later has a higher number. */
function logOf(row: RequestRow, parts: readonly PartRow[]): FleetRequestDetail['log'] {
  const entries = [
    { at: row.asked_at, entry: { is: 'asked' } },
    ...(row.cancelled_at > 0
      ? [{ at: row.cancelled_at, entry: { is: 'cancelling', who: row.cancelled_by } }]
      : []),
    ...parts
      .filter((part) => part.ended_at > 0)
      .map(({ ended_at: at, site, status, why }) => ({
        ...{ at, entry: { is: 'ended', hostname: site, status, why } },
      })),
  ];
  return entries.sort((a, b) => a.at - b.at).map((one, index) => ({ seq: index + 1, ...one }));
}

/** What can be said of the whole, from what the sites have told. */
function statusOf(
  { wanted, cancelled_at: cancelledAt }: Pick<RequestRow, 'wanted' | 'cancelled_at'>,
  parts: readonly PartRow[],
): FleetRequestStatus {
  const open = parts.filter(isOpen);
  const done = parts.reduce((sum, part) => sum + part.done, 0);
  if (done >= wanted) return 'fulfilled';
  if (cancelledAt > 0) return open.length > 0 ? 'cancelling' : 'cancelled';
  if (open.length === 0) return 'short';
  return open.every(({ status }) => status === 'waiting') ? 'waiting' : 'working';
}
