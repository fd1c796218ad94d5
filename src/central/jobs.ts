/**
 * Jobs of all sites, in the appliance's shapes. One that was asked for here has the id of its intent, and the site's own beside it; any other
 * has the site's. How far it is, its site tells (site-jobs.ts); steps follow from events.
 */
import { z } from 'zod';
import { AppError } from '../errors.ts';
import { siteName } from '../federation/protocol.ts';
import { timeOf } from '../http/people/job-views.ts';
import { maskInstall } from '../http/people/mask.ts';
import type { Clock } from '../wire/time.ts';
import { type Fresh, type SiteView, siteViews } from './fleet-view.ts';
import { cursorOf, type KnownJob, knownJob, knownJobs, readCursor } from './job-list.ts';
import type { KeptJob } from './site-jobs.ts';
import type { FleetDatabase } from './sql.ts';

/** The appliance's form, of one machine; when it comes is the site's to decide, and so is what goes first. */
export const fleetJobSchema = z.strictObject({
  action: z.string().min(1).max(64),
  target: z.string().min(1).max(63),
  params: z.record(z.string(), z.json()).default({}),
  release: z.string().max(63).optional(),
  priority: z.literal(0).default(0).describe('What goes first, the site decides'),
});
export type FleetJobBody = z.output<typeof fleetJobSchema>;

export const jobFilterSchema = z.strictObject({
  ...{ site: siteName.optional(), target: z.string().max(63).optional() },
  ...{ action: z.string().max(64).optional(), status: z.string().max(200).optional() },
  requester: z.string().max(128).optional(),
  ids: z.string().max(4000).optional().describe('These, divided by commas'),
});
export type JobFilter = z.output<typeof jobFilterSchema>;

export interface FleetJobView extends Fresh {
  readonly id: string;
  readonly site: string;
  /** Its id at the site; '' until the site has taken it on. The same as `id` when it was not asked for here. */
  readonly siteJob: string;
  readonly action: string;
  readonly target: string;
  /** `lost`: it had not ended when its site told of it no more, as one that was put back from an older copy. */
  readonly status: KeptJob['status'];
  readonly params: Readonly<Record<string, unknown>>;
  readonly requester: string;
  readonly user: string;
  readonly result: null;
  readonly version: number;
  readonly priority: number;
  readonly created_at: string | null;
  readonly started_at: string | null;
  readonly ended_at: string | null;
  readonly step: string;
  readonly retries: number;
  readonly code: string;
  readonly detail: string;
}

export const jobIntent = ({ priority: _, release, ...body }: FleetJobBody) =>
  ({ kind: 'job', ...body, ...(release !== undefined && { release }) }) as const;

export interface FleetJobs {
  /** Newest first. @throws AppError REQUEST_INVALID for what is no cursor */
  page(of: JobFilter, page: { count: number; cursor?: string | undefined }): Promise<FleetJobPage>;
  /** With its steps and its log. @throws AppError NOT_FOUND */
  get(id: string): Promise<object>;
  /** @throws AppError NOT_FOUND */
  byId(id: string): Promise<FleetJobView>;
}

export interface FleetJobPage {
  readonly jobs: FleetJobView[];
  /** The cursor of the next page. */
  readonly next?: string;
}

interface JobEvent {
  readonly id: number;
  readonly at: number;
  readonly name: string;
  readonly data: Readonly<Record<string, unknown>>;
}

export function openFleetJobs(db: FleetDatabase, clock: Clock): FleetJobs {
  const eventsOf = async ({ site, target, siteJob }: KnownJob): Promise<JobEvent[]> => {
    if (siteJob === '') return [];
    const rows = await db.all<{ id: number; at: number; name: string; data: string }>(
      `SELECT id, at, name, data FROM events
       WHERE hardwarename = ? AND site = ? AND name LIKE 'job.%' ORDER BY id`,
      [target, site],
    );
    return rows
      .map((row): JobEvent => ({ ...row, data: JSON.parse(row.data) }))
      .filter(({ data }) => data.job === siteJob);
  };
  const find = async (id: string) => {
    const known = await knownJob(db, id);
    if (!known) throw new AppError('NOT_FOUND', { detail: `No job ${id} is known here.` });
    return { known, sites: await siteViews(db, clock()) };
  };
  return {
    async page({ status = '', ...of }, { count, cursor }) {
      const sites = await siteViews(db, clock());
      const wanted = statusesIn(status);
      const behind = cursor === undefined ? undefined : readCursor(cursor);
      const found = await knownJobs(db, { ...of, wanted }, { behind, count: count + 1 });
      const page = found.slice(0, count);
      const end = found.length > count ? page.at(-1) : undefined;
      const jobs = page.map((known) => showJob(known, sites.get(known.site)));
      return { jobs, ...(end && { next: cursorOf(end) }) };
    },
    async byId(id) {
      const { known, sites } = await find(id);
      return showJob(known, sites.get(known.site));
    },
    async get(id) {
      const { known, sites } = await find(id);
      const events = await eventsOf(known);
      const job = showJob(known, sites.get(known.site));
      const isAsked = events.some(({ name }) => name === 'job.cancelling');
      return {
        ...{ job, cancelling: isAsked && job.ended_at === null },
        ...{ phase: '', steps: stepsOf(events), waiting_for: '', waiting_until: null },
        ...{ remaining_seconds: null, remaining_is_guess: false },
        log: events.map(({ id: seq, at, name, data: { job: _, ...entry } }) => ({
          ...{ seq, at: timeOf(at), entry: { is: name.replace('job.', ''), ...entry } },
        })),
      };
    },
  };
}

const STATUSES = ['queued', 'running', 'finished', 'failed', 'cancelled', 'lost'];

/** Each once; of whatever is none of them, and no job has, the empty one. */
const statusesIn = (list: string): string[] => [
  ...new Set(
    list
      .split(',')
      .filter(Boolean)
      .map((one) => (STATUSES.includes(one) ? one : '')),
  ),
];

function showJob(known: KnownJob, fresh: SiteView | undefined): FleetJobView {
  const { id, site, siteJob, target, requester, action, told } = known;
  const { freshness = 'never', asOf = 0 } = fresh ?? {};
  const { status, step, retries, code, detail, version, priority, params } = told;
  return {
    ...{ id, site, siteJob, freshness, asOf, action, target: `hardwarename=${target}` },
    // Who asked for it here is the one for whom it is.
    ...{ requester, user: id === siteJob ? told.user : requester, params: maskInstall(params) },
    ...{ created_at: timeOf(known.at), started_at: timeOf(told.startedAt) },
    ...{ ended_at: timeOf(told.endedAt), status, step, retries, code, detail, version, priority },
    // What its steps said, its site keeps.
    result: null,
  };
}

/** What a step that has said this is. */
const PHASES: Readonly<Record<string, string>> = { succeeded: 'done', undone: 'undone' };

function stepsOf(events: readonly JobEvent[]) {
  const steps = new Map<string, { name: string; status: string; attempts: number }>();
  for (const { name, data } of events) {
    const step = String(data.step ?? '');
    if (step === '' || (name !== 'job.step' && name !== 'job.retry')) continue;
    const { attempts = 0, status = '' } = steps.get(step) ?? {};
    const phase = String(data.phase ?? 'failed');
    const tried = phase === 'started' ? attempts + 1 : attempts;
    const is = phase === 'noted' ? status : (PHASES[phase] ?? phase);
    steps.set(step, { name: step, status: is, attempts: tried });
  }
  return [...steps.values()].map((step) => ({ ...step, started_at: null, ended_at: null }));
}
