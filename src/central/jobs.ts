/**
 * Jobs of all sites, in the appliance's shapes. One that was asked for here has the id of its intent, and the site's own beside it; any other
 * has the site's. How far it is, its site tells; of a site that cannot tell yet it follows from the events of what was asked
 * for here. Steps follow from events.
 */
import { z } from 'zod';
import { AppError } from '../errors.ts';
import { siteName } from '../federation/protocol.ts';
import { timeOf } from '../http/people/job-views.ts';
import { maskInstall } from '../http/people/mask.ts';
import { limit } from '../limits.ts';
import type { Clock } from '../wire/time.ts';
import { type Fresh, type SiteView, siteViews } from './fleet-view.ts';
import {
  askedJobs,
  cursorOf,
  inOrder,
  type KnownJob,
  knownJob,
  ownJobs,
  type Place,
  type Refusal,
  readCursor,
} from './job-list.ts';
import { ENDS, type KeptJob } from './site-jobs.ts';
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
  const show = async (known: KnownJob, sites: ReadonlyMap<string, SiteView>) =>
    showJob(known, {
      fresh: sites.get(known.site),
      events: known.told ? [] : await eventsOf(known),
    });
  const find = async (id: string) => {
    const known = await knownJob(db, id);
    if (!known) throw new AppError('NOT_FOUND', { detail: `No job ${id} is known here.` });
    return { known, sites: await siteViews(db, clock()) };
  };
  return {
    async page({ status = '', ...of }, { count, cursor }) {
      const sites = await siteViews(db, clock());
      const wanted = status.split(',').filter(Boolean);
      const behind = cursor === undefined ? undefined : readCursor(cursor);
      const found: { place: Place; job: FleetJobView }[] = [];
      for (const known of await ownJobs(db, { ...of, wanted }, { behind, count: count + 1 }))
        found.push({ place: known, job: await show(known, sites) });
      let asked = 0;
      // How far one is that its site has not told of is in no column: a list reads on until there are enough.
      for (let last: Place | undefined = behind; asked <= count; ) {
        const jobs = await askedJobs(db, { ...of, wanted }, last);
        for (const known of jobs) {
          const job = await show(known, sites);
          if (!isLike(job, of) || (wanted.length > 0 && !wanted.includes(job.status))) continue;
          found.push({ place: known, job });
          asked += 1;
          if (asked > count) break;
        }
        last = jobs.at(-1);
        if (jobs.length < limit('fleetPageMax')) break;
      }
      found.sort(({ place: one }, { place: other }) => inOrder(one, other));
      const page = found.slice(0, count);
      const end = found.length > count ? page.at(-1)?.place : undefined;
      return { jobs: page.map(({ job }) => job), ...(end && { next: cursorOf(end) }) };
    },
    async byId(id) {
      const { known, sites } = await find(id);
      return show(known, sites);
    },
    async get(id) {
      const { known, sites } = await find(id);
      const events = await eventsOf(known);
      const job = showJob(known, { fresh: sites.get(known.site), events });
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

/** What is in a body is looked for as a text, so that there may be some among them that are not like it. */
const isLike = (job: FleetJobView, { ids: _, status: _status, ...of }: JobFilter): boolean =>
  Object.entries(of).every(
    ([name, value]) =>
      value === undefined ||
      String(job[name as keyof FleetJobView]).replace('hardwarename=', '') === value,
  );

interface Beside {
  readonly events: readonly JobEvent[];
  readonly fresh: SiteView | undefined;
}

function showJob(known: KnownJob, { events, fresh }: Beside): FleetJobView {
  const { id, site, siteJob, target, requester, action, params, told } = known;
  const { freshness = 'never', asOf = 0 } = fresh ?? {};
  return {
    ...{ id, site, siteJob, freshness, asOf, action, target: `hardwarename=${target}` },
    ...{ requester, user: requester, params: maskInstall(params), created_at: timeOf(known.at) },
    ...(told ? stateTold(told) : stateFolded(known, events)),
    // Who asked for it here is the one for whom it is.
    ...(told && id === siteJob && { user: told.user }),
    // What its steps said, its site keeps.
    result: null,
  };
}

type State = 'status' | 'started_at' | 'ended_at' | 'step' | 'retries' | 'code' | 'detail';
type StateView = Pick<FleetJobView, State | 'version' | 'priority'>;

function stateTold({ status, step, retries, code, detail, ...told }: KeptJob): StateView {
  const { version, priority, startedAt, endedAt } = told;
  return {
    ...{ status, step, retries, code, detail, version, priority },
    ...{ started_at: timeOf(startedAt), ended_at: timeOf(endedAt) },
  };
}

/** Of one that was asked for here, while its site cannot tell of jobs, or has not yet. */
function stateFolded({ refusal }: KnownJob, events: readonly JobEvent[]): StateView {
  const end = events.find(({ name }) => name in ENDS);
  const steps = events.filter(({ name }) => name === 'job.step');
  const { code = '', detail = '' } = refusal ?? (end?.data as Partial<Refusal> | undefined) ?? {};
  const status = end ? ENDS[end.name] : steps.length > 0 ? 'running' : 'queued';
  // Called off before its site had heard of it.
  const unheard = code === 'JOB_ENDED' ? 'cancelled' : 'failed';
  return {
    ...{ code, detail, version: 0, priority: 0, status: refusal ? unheard : (status ?? 'queued') },
    ...{ started_at: timeOf(steps[0]?.at ?? 0), ended_at: timeOf(end?.at ?? refusal?.at ?? 0) },
    step: String(steps.at(-1)?.data.step ?? ''),
    retries: events.filter(({ name }) => name === 'job.retry').length,
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
