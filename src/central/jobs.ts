/**
 * Jobs that were asked for here, in the appliance's shapes: an intent to the site of the machine, and how far it is, folded from the
 * events that the site has told of it. The id is the intent's; the site's own is beside it. What people and pools ask of a site is
 * in its events alone.
 */
import { z } from 'zod';
import { AppError } from '../errors.ts';
import { siteName } from '../federation/protocol.ts';
import { timeOf } from '../http/people/job-views.ts';
import { maskInstall } from '../http/people/mask.ts';
import { limit } from '../limits.ts';
import type { Clock } from '../wire/time.ts';
import { type Fresh, type SiteView, siteViews } from './fleet-view.ts';
import type { FleetDatabase, SqlRow, SqlValue } from './sql.ts';

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

export interface FleetJobView extends Fresh {
  readonly id: string;
  readonly site: string;
  /** Its number at the site; '' until the site has taken it on. */
  readonly siteJob: string;
  readonly action: string;
  readonly target: string;
  readonly status: 'queued' | 'running' | 'finished' | 'failed' | 'cancelled';
  readonly params: Readonly<Record<string, unknown>>;
  readonly requester: string;
  readonly user: string;
  readonly result: null;
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
  /** Newest first. */
  list(of: z.output<typeof jobFilterSchema>, count: number): Promise<FleetJobView[]>;
  /** With its steps and its log. @throws AppError NOT_FOUND */
  get(id: string): Promise<object>;
  /** @throws AppError NOT_FOUND */
  byId(id: string): Promise<FleetJobView>;
}

interface IntentRow extends SqlRow {
  id: string;
  site: string;
  who: string;
  body: string;
  asked_at: number;
  status: string;
  result: string;
  ended_at: number;
}

interface JobEvent {
  readonly id: number;
  readonly at: number;
  readonly name: string;
  readonly data: Readonly<Record<string, unknown>>;
}

const OF_JOBS = `body LIKE '{"kind":"job",%'`;

export function openFleetJobs(db: FleetDatabase, clock: Clock): FleetJobs {
  const eventsOf = async ({ site }: IntentRow, target: string, job: string) => {
    if (job === '') return [];
    const rows = await db.all<{ id: number; at: number; name: string; data: string }>(
      `SELECT id, at, name, data FROM events
       WHERE hardwarename = ? AND site = ? AND name LIKE 'job.%' ORDER BY id`,
      [target, site],
    );
    return rows
      .map((row): JobEvent => ({ ...row, data: JSON.parse(row.data) }))
      .filter(({ data }) => data.job === job);
  };
  const read = async (row: IntentRow, sites: ReadonlyMap<string, SiteView>) => {
    const body = JSON.parse(row.body) as FleetJobBody;
    const said = JSON.parse(row.result || '{}') as Partial<Record<string, string>>;
    const siteJob = row.status === 'done' ? String(said.job ?? '') : '';
    const events = await eventsOf(row, body.target, siteJob);
    return {
      events,
      job: showJob(row, { body, said, siteJob, events, fresh: sites.get(row.site) }),
    };
  };
  const find = async (id: string) => {
    const [row] = await db.all<IntentRow>(`SELECT * FROM intents WHERE id = ? AND ${OF_JOBS}`, [
      id,
    ]);
    if (!row) throw new AppError('NOT_FOUND', { detail: `No job ${id} was asked for here.` });
    return read(row, await siteViews(db, clock()));
  };
  return {
    async list({ status = '', ...of }, count) {
      const sites = await siteViews(db, clock());
      const wanted = status.split(',').filter(Boolean);
      const found: FleetJobView[] = [];
      // The status is in no column: a list by it reads on until there are enough.
      for (let behind: IntentRow | undefined; ; ) {
        const rows = await intentsLike(db, of, behind);
        for (const row of rows) {
          const { job } = await read(row, sites);
          if (isLike(job, of) && (wanted.length === 0 || wanted.includes(job.status)))
            found.push(job);
          if (found.length === count) return found;
        }
        behind = rows.at(-1);
        if (rows.length < limit('fleetPageMax')) return found;
      }
    },
    byId: async (id) => (await find(id)).job,
    async get(id) {
      const { job, events } = await find(id);
      return {
        ...{ job, phase: '', steps: stepsOf(events), waiting_for: '', waiting_until: null },
        ...{ cancelling: events.some(({ name }) => name === 'job.cancelling') },
        ...{ remaining_seconds: null, remaining_is_guess: false },
        log: events.map(({ id: seq, at, name, data: { job: _, ...entry } }) => ({
          ...{ seq, at: timeOf(at), entry: { is: name.replace('job.', ''), ...entry } },
        })),
      };
    },
  };
}

type Like = Omit<z.output<typeof jobFilterSchema>, 'status'>;

/** The next of them, newest first. What is in the body is looked for as a text, so that there may be some among them that are not like it. */
function intentsLike(db: FleetDatabase, of: Like, behind?: IntentRow): Promise<IntentRow[]> {
  const { site, requester, action, target, ids } = of;
  const conditions: (readonly [string, ...SqlValue[]])[] = [[OF_JOBS]];
  if (site !== undefined) conditions.push(['site = ?', site]);
  if (requester !== undefined) conditions.push(['who = ?', requester]);
  if (ids !== undefined) {
    const some = ids.split(',');
    conditions.push([`id IN (${some.map(() => '?').join(', ')})`, ...some]);
  }
  for (const [name, value] of Object.entries({ action, target }))
    if (value !== undefined) conditions.push([`body LIKE ? ESCAPE '!'`, likeField(name, value)]);
  if (behind) {
    const { asked_at: at, id } = behind;
    conditions.push(['(asked_at < ? OR (asked_at = ? AND id > ?))', at, at, id]);
  }
  return db.all<IntentRow>(
    `SELECT * FROM intents WHERE ${conditions.map(([text]) => text).join(' AND ')}
     ORDER BY asked_at DESC, id LIMIT ?`,
    [...conditions.flatMap(([, ...values]) => values), limit('fleetPageMax')],
  );
}

const likeField = (name: string, value: string): string =>
  `%"${name}":${JSON.stringify(value).replace(/[%_!]/g, '!$&')}%`;

const isLike = (job: FleetJobView, { ids: _, ...of }: Like): boolean =>
  Object.entries(of).every(
    ([name, value]) =>
      value === undefined ||
      String(job[name as keyof FleetJobView]).replace('hardwarename=', '') === value,
  );

interface Known {
  readonly body: FleetJobBody;
  /** The site's answer. */
  readonly said: Partial<Record<string, string>>;
  readonly siteJob: string;
  readonly events: readonly JobEvent[];
  readonly fresh: SiteView | undefined;
}

const ENDS: Readonly<Record<string, FleetJobView['status']>> = {
  'job.finished': 'finished',
  'job.failed': 'failed',
  'job.cancelled': 'cancelled',
};

function showJob(row: IntentRow, { body, said, siteJob, events, fresh }: Known): FleetJobView {
  const end = events.find(({ name }) => name in ENDS);
  const steps = events.filter(({ name }) => name === 'job.step');
  const isRefused = row.status === 'refused';
  const { code = '', detail = '' } = isRefused ? said : ((end?.data ?? {}) as typeof said);
  const { freshness = 'never', asOf = 0 } = fresh ?? {};
  const status = end ? ENDS[end.name] : steps.length > 0 ? 'running' : 'queued';
  // Called off before its site had heard of it.
  const unheard = code === 'JOB_ENDED' ? 'cancelled' : 'failed';
  const endedAt = end?.at ?? (isRefused ? row.ended_at : 0);
  return {
    ...{ id: row.id, site: row.site, siteJob, freshness, asOf },
    ...{
      action: body.action,
      target: `hardwarename=${body.target}`,
      requester: row.who,
      user: row.who,
    },
    ...{ params: maskInstall(body.params), status: isRefused ? unheard : (status ?? 'queued') },
    ...{ created_at: timeOf(row.asked_at), started_at: timeOf(steps[0]?.at ?? 0) },
    ...{ ended_at: timeOf(endedAt), step: String(steps.at(-1)?.data.step ?? '') },
    retries: events.filter(({ name }) => name === 'job.retry').length,
    // What its steps said, its site keeps.
    ...{ code, detail, result: null, priority: 0 },
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
