/** `reveille jobs ...`: ask for jobs, follow them, call them off, pause the queue, and see what they have done. */
import type { Command } from 'commander';
import type { ApiClient } from '../../client/client.ts';
import type { Job, JobDetail, Operations } from '../../client/operations.generated.ts';
import { AppError } from '../../errors.ts';
import { pairs } from './arguments.ts';
import { type CliContext, type CommonOptions, clientFor, withCommon } from './connection.ts';
import { type OfSite, tellAge, tellAsked, withSite } from './fleet.ts';
import { followJobs } from './jobs-live.ts';
import { type Column, done, show, showRecord } from './output.ts';

const POLL_MS = 1000;
/** `jobs watch` of a job that did not finish: for scripts. */
const EXIT_NOT_FINISHED = 1;

const COLUMNS: readonly Column<Job>[] = [
  { title: 'ID', of: ({ id }) => id },
  { title: 'ACTION', of: ({ action }) => action },
  { title: 'TARGET', of: ({ target }) => target.replace('hardwarename=', '') },
  { title: 'STATUS', of: ({ status }) => status },
  { title: 'STEP', of: ({ step }) => step },
  { title: 'RETRIES', of: ({ retries }) => (retries > 0 ? String(retries) : '') },
  { title: 'CREATED', of: ({ created_at }) => created_at },
  { title: 'ENDED', of: ({ ended_at }) => ended_at ?? '' },
  { title: 'WHY', of: ({ code }) => code },
];

export function addJobCommands(program: Command, context: CliContext): void {
  const jobs = program.command('jobs').description('jobs: power, netboot, recon and the like');
  addReads(jobs, context);
  addCreate(jobs, context);
  addControls(jobs, context);
  addStats(jobs, context);
}

interface ListOptions extends CommonOptions {
  readonly status?: string;
  readonly action?: string;
  readonly machine?: string;
  readonly requester?: string;
  readonly site?: string;
  readonly limit?: string;
  readonly follow?: boolean;
}

function addReads(jobs: Command, context: CliContext): void {
  withCommon(jobs.command('list'))
    .description('list jobs, newest first')
    .option('--status <LIST>', 'queued, running, finished, failed, cancelled; at central also lost')
    .option('--action <KIND>', 'of one kind')
    .option('--machine <HARDWARENAME>', 'of one machine')
    .option('--requester <NAME>', 'asked for by')
    .option('--site <SITE>', 'at central: of one site')
    .option('--limit <COUNT>', 'at most so many', '100')
    .option('--follow', 'those that have not ended, live, until none is left')
    .action(async ({ machine: target, ...options }: ListOptions) => {
      const { status, action, requester, site, limit } = options;
      if (options.follow) {
        await followJobs(context, options, { filter: { action, requester, target, site } });
        return;
      }
      const { body } = await clientFor(context, options).call('GET /jobs', {
        // An appliance has one site, and no such question.
        query: { status, action, requester, target, limit, site } as never,
      });
      const rows: readonly (Job & OfSite)[] = body.jobs;
      show(context, options, { document: body, rows, columns: withSite(COLUMNS, rows) });
      tellAge(context, options, rows);
    });
  withCommon(jobs.command('show'))
    .description('show a job: its steps, what it waits for, its log')
    .argument('<id>')
    .option('--follow', 'go on until it has ended, as watch does')
    .action(async (id: string, options: CommonOptions & { readonly follow?: boolean }) => {
      if (options.follow) return watchJob(context, options, id);
      const { body } = await clientFor(context, options).call('GET /jobs/{id}', { path: { id } });
      if (options.json) return context.write(`${JSON.stringify(body)}\n`);
      showRecord(context, options, body.job);
      context.write(`\n${renderSteps(body)}`);
      context.write(body.job.ended_at === null ? `${renderNow(body)}\n\n` : '\n');
      for (const { at, entry } of body.log) context.write(`${at}  ${renderEntry(entry)}\n`);
    });
  withCommon(jobs.command('watch'))
    .description('follow a job until it has ended; the status is 1 when it did not finish')
    .argument('<id>')
    .action((id: string, options: CommonOptions) => watchJob(context, options, id));
  withCommon(jobs.command('kinds'))
    .description('list the kinds of jobs')
    .action(async (options: CommonOptions) => {
      const { body } = await clientFor(context, options).call('GET /jobs/kinds');
      show(context, options, {
        document: body,
        rows: body.kinds,
        columns: [
          { title: 'ACTION', of: ({ action }) => action },
          { title: 'STEPS', of: ({ steps }) => steps.join(' ') },
          { title: 'WHAT', of: ({ says }) => says },
        ],
      });
    });
}

interface CreateOptions extends CommonOptions {
  readonly priority?: string;
  readonly user?: string;
  readonly param?: readonly string[];
  readonly release?: boolean;
  readonly confirm?: string;
  readonly watch?: boolean;
}

function addCreate(jobs: Command, context: CliContext): void {
  const several = (value: string, before: readonly string[] = []) => [...before, value];
  withCommon(jobs.command('create'))
    .description('ask for a job on one machine, or on each of several')
    .argument('<action>', 'power-on, netboot, ... (reveille jobs kinds)')
    .argument('<machines...>', 'hardwarenames; - reads them from standard input')
    .option('--param <NAME=VALUE>', 'e.g. graceSeconds=30, or JSON; may be repeated', several)
    .option('--priority <NUMBER>', 'higher goes first', '0')
    .option('--user <NAME>', 'for whom')
    .option('--release', 'also machines that are in use: with the word of their owner')
    .option('--confirm <COUNT>', 'how many machines it is for, where that is asked')
    .option('--watch', 'follow it, or all of them, until they have ended')
    .action(async (action: string, words: string[], options: CreateOptions) => {
      const read = words.length === 1 && words[0] === '-';
      const text = read ? await context.readInput() : words.join(' ');
      const machines = text.split(/\s+/).filter((word) => word !== '');
      const api = clientFor(context, options);
      const wanted = {
        action,
        params: paramsOf(options.param ?? []),
        priority: Number(options.priority),
        ...(options.user === undefined ? {} : { user: options.user }),
      };
      const [only] = machines;
      if (machines.length === 1 && only !== undefined && !read) {
        const release = options.release ? { release: only } : {};
        const { body } = await api.call('POST /jobs', {
          body: { ...wanted, target: only, ...release },
        });
        if (options.watch) return watchJob(context, options, body.id);
        return done(context, options, `job ${body.id} is ${body.status}`, body);
      }
      await createMany(context, options, { api, wanted, machines });
    });
}

async function createMany(
  context: CliContext,
  options: CreateOptions,
  {
    api,
    wanted,
    machines,
  }: {
    api: ApiClient;
    wanted: { action: string; params: Record<string, unknown>; priority: number };
    machines: readonly string[];
  },
): Promise<void> {
  const release = options.release ? { release: machines } : {};
  const confirm = options.confirm === undefined ? {} : { confirm: Number(options.confirm) };
  const { body } = await api.call('POST /jobs/bulk', {
    body: { ...wanted, targets: machines, ...release, ...confirm },
  });
  show(context, options, {
    document: body,
    rows: body.results,
    columns: [
      { title: 'MACHINE', of: ({ target }) => target },
      { title: 'JOB', of: ({ id }) => id ?? '' },
      { title: 'WHY NOT', of: ({ code, detail }) => (code ? `${detail} [${code}]` : '') },
    ],
  });
  if (body.refused > 0) process.exitCode = EXIT_NOT_FINISHED;
  if (!options.watch) return;
  const ids = body.results.flatMap(({ id }) => id ?? []);
  if (ids.length > 0 && (await followJobs(context, options, { ids })) > 0)
    process.exitCode = EXIT_NOT_FINISHED;
}

/** Numbers and flags as such: the API says when a text was meant. */
function paramsOf(words: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(
    pairs(words).map(([name, value]) => {
      if (value === 'true' || value === 'false') return [name, value === 'true'];
      if (/^[[{]/.test(value)) return [name, parseDocument(name, value)];
      return [name, /^-?\d+$/.test(value) ? Number(value) : value];
    }),
  );
}

/** A list or an object, such as `sshKeys=["ssh-ed25519 AAAA… me"]`. */
function parseDocument(name: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new AppError('REQUEST_INVALID', { detail: `${name} is not JSON.`, cause });
  }
}

function addControls(jobs: Command, context: CliContext): void {
  withCommon(jobs.command('cancel'))
    .description('cancel a job; what it has changed is undone first')
    .argument('<id>')
    .option('--why <TEXT>', 'stands in the history', 'cancelled')
    .action(async (id: string, options: CommonOptions & { why: string }) => {
      const { body } = await clientFor(context, options).call('POST /jobs/{id}/cancel', {
        path: { id },
        body: { why: options.why },
      });
      done(context, options, `job ${id} is asked to stop`, body);
      tellAsked(context, body);
    });
  withCommon(jobs.command('queue'))
    .description('show whether the queue runs, and count jobs by status')
    .action(async (options: CommonOptions) => {
      const { body } = await clientFor<'jobs'>(context, options).call('GET /jobs/queue');
      showRecord(context, options, body);
    });
  for (const turn of ['pause', 'resume'] as const)
    withCommon(jobs.command(turn))
      .description(
        turn === 'pause' ? 'pause the queue: begin no step of any job' : 'resume the queue',
      )
      .option('--why <TEXT>', 'stands in the history', `${turn}d`)
      .action(async (options: CommonOptions & { why: string }) => {
        const api = clientFor(context, options);
        const { body } = await api.call(`POST /jobs/${turn}`, { body: { why: options.why } });
        done(context, options, body.paused ? 'the queue is paused' : 'the queue runs', body);
      });
}

interface StatsOptions extends CommonOptions {
  readonly action?: string;
  readonly steps?: boolean;
}

type Stats = Operations['GET /jobs/stats']['answer'];
type Times = Stats['steps'][number]['duration'];

const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`;
const timeColumns = <Row extends { readonly duration: Times }>(): readonly Column<Row>[] => [
  { title: 'P50', of: ({ duration }) => seconds(duration.p50Ms) },
  { title: 'P90', of: ({ duration }) => seconds(duration.p90Ms) },
  { title: 'P99', of: ({ duration }) => seconds(duration.p99Ms) },
];

function addStats(jobs: Command, context: CliContext): void {
  withCommon(jobs.command('stats'))
    .description('show success, durations, and the BMCs with most trouble')
    .option('--action <KIND>', 'of one kind')
    .option('--steps', 'how long each step takes')
    .action(async (options: StatsOptions) => {
      const { body } = await clientFor<'jobs'>(context, options).call('GET /jobs/stats');
      const asked = ({ action }: { readonly action: string }) =>
        options.action === undefined || action === options.action;
      const document = {
        ...body,
        kinds: body.kinds.filter(asked),
        steps: body.steps.filter(asked),
      };
      if (options.steps) return showSteps(context, options, document);
      show(context, options, {
        document,
        rows: document.kinds,
        columns: [
          { title: 'ACTION', of: ({ action }) => action },
          { title: 'TYPE', of: ({ hardwareType }) => hardwareType || 'all' },
          { title: 'FINISHED', of: ({ finished }) => String(finished) },
          { title: 'FAILED', of: ({ failed }) => String(failed) },
          { title: 'SUCCESS', of: ({ successRate }) => `${(100 * successRate).toFixed(2)} %` },
          ...timeColumns<Stats['kinds'][number]>(),
        ],
      });
      if (options.json || body.worstBmcs.length === 0) return;
      context.write('\nBMCs with most trouble:\n');
      for (const { bmc, target, jobs: all, failed, retries, code } of body.worstBmcs)
        context.write(
          `${bmc}  ${target}  ${all} jobs, ${failed} failed, ${retries} retries  ${code}\n`,
        );
    });
}

function showSteps(context: CliContext, options: CommonOptions, document: Stats): void {
  show(context, options, {
    document,
    rows: document.steps,
    columns: [
      { title: 'ACTION', of: ({ action }) => action },
      { title: 'TYPE', of: ({ hardwareType }) => hardwareType || 'all' },
      { title: 'STEP', of: ({ step }) => step },
      { title: 'COUNT', of: ({ duration }) => String(duration.count) },
      ...timeColumns<Stats['steps'][number]>(),
    ],
  });
}

/** A line for each thing that changes, so that it can be piped; the last one says how it ended. */
export async function watchJob(
  context: CliContext,
  options: CommonOptions,
  id: string,
): Promise<void> {
  const api = clientFor(context, options);
  let seen = 0;
  let told = '';
  for (;;) {
    const { body } = await api.call('GET /jobs/{id}', { path: { id } });
    for (const { seq, at, entry } of body.log) {
      if (seq <= seen) continue;
      seen = seq;
      if (options.json) context.write(`${JSON.stringify({ seq, at, entry })}\n`);
      else context.write(`${at}  ${renderEntry(entry)}\n`);
    }
    if (body.job.ended_at !== null) {
      if (options.json) context.write(`${JSON.stringify(body.job)}\n`);
      if (body.job.status !== 'finished') process.exitCode = EXIT_NOT_FINISHED;
      return;
    }
    const now = renderNow(body);
    if (now !== told && !options.json) context.tell(`${now}\n`);
    told = now;
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

function renderNow(detail: JobDetail): string {
  const { steps, waiting_for, waiting_until, remaining_seconds, remaining_is_guess } = detail;
  const finished = steps.filter(({ status }) => status === 'done').length;
  const until = waiting_until === null ? '' : `, until ${waiting_until} at the latest`;
  const waits = waiting_for === '' ? '' : `; waits for ${waiting_for}${until}`;
  const guess = remaining_is_guess ? ', by guess' : '';
  const left = remaining_seconds ? `; about ${remaining_seconds} s left${guess}` : '';
  return `${finished} of ${steps.length} steps${waits}${left}`;
}

const MARKS: Readonly<Record<string, string>> = {
  done: 'x',
  failed: '!',
  undone: '-',
  'to-do': ' ',
};

function renderSteps({ steps }: JobDetail): string {
  return steps
    .map(({ name, status, attempts }) => {
      const tries = attempts > 1 ? ` (${attempts} attempts)` : '';
      return `[${MARKS[status] ?? '>'}] ${name}  ${status}${tries}\n`;
    })
    .join('');
}

function renderEntry({ is, step, ...rest }: Readonly<Record<string, unknown>>): string {
  const { detail, text, why, code, status } = rest;
  const words = [is, step, status, code, text ?? why ?? detail].filter(
    (word) => word && word !== '',
  );
  return words.join('  ');
}
