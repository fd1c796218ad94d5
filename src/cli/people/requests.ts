/** `reveille request ...`: ask for machines, rehearse it, follow it, call it off. */
import type { Command } from 'commander';
import type { PartView } from '../../central/request-view.ts';
import type { ApiClient, CallsBelow } from '../../client/client.ts';
import type {
  ProvisioningPlan,
  ProvisioningRequest,
  ProvisioningRequestDetail,
} from '../../client/operations.generated.ts';
import { AppError } from '../../errors.ts';
import { type CliContext, type CommonOptions, clientFor, withCommon } from './connection.ts';
import { readText } from './files.ts';
import { type OfSite, tellAge } from './fleet.ts';
import { type Column, done, renderTable, show, showRecord, time } from './output.ts';

const POLL_MS = 1000;
/** `request watch` of one that was called off, and `create --dry-run` of one that falls short: for scripts. */
const EXIT_NOT_FULFILLED = 1;

type Api = ApiClient<CallsBelow<'requests'>>;

const COLUMNS: readonly Column<ProvisioningRequest>[] = [
  { title: 'ID', of: ({ id }) => id },
  { title: 'ROLE', of: ({ role }) => role },
  { title: 'SITE', of: ({ site }) => site },
  { title: 'SQUAD', of: ({ squad }) => squad },
  { title: 'STATUS', of: ({ status }) => status },
  { title: 'DONE', of: ({ done: count, count: all }) => `${count}/${all}` },
  { title: 'REPLACED', of: ({ failed }) => (failed > 0 ? String(failed) : '') },
  { title: 'CREATED', of: ({ createdAt }) => time(createdAt) },
  { title: 'WAITS FOR', of: ({ why }) => why },
];

export function addRequestCommands(program: Command, context: CliContext): void {
  const requests = program
    .command('request')
    .alias('requests')
    .description('requests for machines: chosen, named, installed, replaced when they fail');
  addCreate(requests, context);
  addReads(requests, context);
}

/** What requests and pools are given alike. */
export interface WishOptions {
  readonly role: string;
  readonly type?: string;
  readonly hardware?: string;
  readonly site?: string;
  readonly hall?: string;
  readonly rack?: readonly string[];
  readonly squad?: string;
  readonly owner?: string;
  readonly image: string;
  readonly sshKey?: readonly string[];
  readonly install?: string;
  readonly hostname?: string;
  readonly perRack?: string;
  readonly even?: boolean;
  readonly parallel?: string;
}

const several = (value: string, before: readonly string[] = []) => [...before, value];

export function withWish(command: Command): Command {
  return command
    .requiredOption('--role <ROLE>', 'what the machines will do')
    .requiredOption('--image <REF>', 'debian-12/stable, or debian-12@VERSION')
    .option('--type <TYPE>', 'hardware type')
    .option('--hardware <WORDS>', 'e.g. "2 NVMe >= 1 TB, 256 GB memory"')
    .option('--site <SITE>', 'datacenter; the appliance’s own')
    .option('--hall <HALL>', 'only in this hall')
    .option('--rack <RACK>', 'only in these racks; may be repeated', several)
    .option('--squad <SQUAD>', 'the team that gets them')
    .option('--owner <NAME>', 'the person to ask')
    .option('--ssh-key <FILE>', 'a file of public keys; may be repeated', several)
    .option('--install <JSON>', 'more parameters of the install: layout, disks, userData, ...')
    .option('--hostname <PATTERN>', 'e.g. {role}-{n:3}; the naming rule else')
    .option('--per-rack <COUNT>', 'at most so many in one rack')
    .option('--even', 'as even over the racks as possible')
    .option('--parallel <COUNT>', 'at most so many installs at once');
}

/** @throws AppError REQUEST_INVALID, CONFIG_UNREADABLE for a file of keys */
export function wishOf(options: WishOptions) {
  const { role, image, type, hardware, site, hall, rack, squad, owner, hostname } = options;
  const words = [type === undefined ? '' : `type ${type}`, hardware ?? ''].filter(Boolean);
  const spread = {
    ...(options.perRack === undefined ? {} : { perRackMax: Number(options.perRack) }),
    ...(options.even ? { even: true } : {}),
  };
  const given = { site, hall, squad, owner, racks: rack };
  const some = Object.fromEntries(
    Object.entries(given).filter(([, value]) => value !== undefined),
  ) as { [Name in keyof typeof given]?: NonNullable<(typeof given)[Name]> };
  return {
    ...{ role, image, spread, ...some },
    hardware: words.join(', '),
    sshKeys: (options.sshKey ?? []).flatMap(readKeys),
    install: options.install === undefined ? {} : readInstall(options.install),
    ...(hostname === undefined ? {} : { hostname: { pattern: hostname } }),
    ...(options.parallel === undefined ? {} : { parallel: Number(options.parallel) }),
  };
}

function readKeys(file: string): string[] {
  const lines = readText(file)
    .split('\n')
    .map((line) => line.trim());
  return lines.filter((line) => line !== '' && !line.startsWith('#'));
}

function readInstall(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value))
      return value as Record<string, unknown>;
  } catch {
    // Told below, like every other text that is no object.
  }
  throw new AppError('REQUEST_INVALID', { detail: '--install is no JSON object.' });
}

interface CreateOptions extends CommonOptions, WishOptions {
  readonly count: string;
  readonly priority?: string;
  readonly why?: string;
  readonly dryRun?: boolean;
  readonly watch?: boolean;
  readonly sites?: string;
  readonly perSite?: string;
  readonly evenSites?: boolean;
}

/** What central alone understands: over which sites, and how. */
function overSites({ sites, perSite, evenSites }: CreateOptions) {
  const spread = {
    ...(perSite === undefined ? {} : { perSiteMax: Number(perSite) }),
    ...(evenSites ? { even: true } : {}),
  };
  return {
    ...(sites === undefined ? {} : { sites: sites.split(',') }),
    ...(Object.keys(spread).length === 0 ? {} : { siteSpread: spread }),
  };
}

function addCreate(requests: Command, context: CliContext): void {
  withCommon(withWish(requests.command('create')))
    .description('ask for machines')
    .requiredOption('--count <COUNT>', 'how many')
    .option('--priority <NUMBER>', 'higher goes first', '0')
    .option('--why <TEXT>', 'stands in the history', '')
    .option('--dry-run', 'show which machines it would get, and change nothing')
    .option('--watch', 'follow it until it has ended')
    .option('--sites <LIST>', 'at central: only in these sites, divided by commas')
    .option('--per-site <COUNT>', 'at central: at most so many in one site')
    .option('--even-sites', 'at central: as even over the sites as possible')
    .action(async (options: CreateOptions) => {
      const api: Api = clientFor<'requests'>(context, options);
      const { count, priority, why = '' } = options;
      const wanted = { count: Number(count), priority: Number(priority), why };
      const body = { ...wishOf(options), ...overSites(options), ...wanted } as never;
      if (options.dryRun) {
        const plan = (await api.call('POST /requests/plan', { body })).body;
        showPlan(context, options, plan);
        if (plan.missing > 0) process.exitCode = EXIT_NOT_FULFILLED;
        return;
      }
      const { body: made } = await api.call('POST /requests', { body });
      if (options.watch) return watch(context, options, made.id);
      done(context, options, `request ${made.id} is ${made.status}`, made);
    });
}

/** How many each site is asked for; which machines they are, it decides. */
interface FleetPlan {
  readonly parts?: readonly (Required<OfSite> & { readonly count: number })[];
  readonly waiting?: number;
}

function showPlan(context: CliContext, options: CommonOptions, plan: ProvisioningPlan): void {
  const { parts, waiting = 0 } = plan as FleetPlan;
  if (parts) {
    show(context, options, {
      document: plan,
      rows: parts,
      columns: [
        { title: 'SITE', of: ({ site }) => site },
        { title: 'MACHINES', of: ({ count }) => String(count) },
      ],
    });
    tellAge(context, options, parts);
  } else
    show(context, options, {
      document: plan,
      rows: plan.chosen,
      columns: [
        { title: 'MACHINE', of: ({ hardwarename }) => hardwarename },
        { title: 'RACK', of: ({ rack }) => rack },
        { title: 'WHY', of: ({ why }) => why },
      ],
    });
  if (options.json) return;
  if (waiting > 0) context.write(`\n${waiting} would wait for free machines\n`);
  if (plan.missing > 0) context.write(`\n${plan.missing} missing: ${plan.shortOf}\n`);
  if (plan.rejected.length > 0) context.write('\nNot these:\n');
  for (const { why, count, examples } of plan.rejected)
    context.write(`${String(count).padStart(6)}  ${why} (${examples.join(', ')})\n`);
}

interface ListOptions extends CommonOptions {
  readonly status?: string;
  readonly role?: string;
  readonly squad?: string;
  readonly pool?: string;
  readonly limit?: string;
}

function addReads(requests: Command, context: CliContext): void {
  withCommon(requests.command('list'))
    .description('list requests, newest first')
    .option('--status <LIST>', 'working, waiting, cancelling, fulfilled, cancelled')
    .option('--role <ROLE>', 'of one role')
    .option('--squad <SQUAD>', 'of one squad')
    .option('--pool <POOL>', 'of one pool')
    .option('--limit <COUNT>', 'at most so many', '100')
    .action(async (options: ListOptions) => {
      const { status, role, squad, pool, limit } = options;
      const { body } = await clientFor<'requests'>(context, options).call('GET /requests', {
        query: { status, role, squad, pool, limit } as never,
      });
      show(context, options, { document: body, rows: body.requests, columns: COLUMNS });
      const parts = (body.requests as readonly FleetParts[]).flatMap(({ parts: own = [] }) => own);
      tellAge(context, options, parts);
    });
  withCommon(requests.command('show'))
    .description('show a request: its places, its whole history')
    .argument('<id>')
    .action(async (id: string, options: CommonOptions) => {
      const { body } = await clientFor<'requests'>(context, options).call('GET /requests/{id}', {
        path: { id },
      });
      if (options.json) return context.write(`${JSON.stringify(body)}\n`);
      const { parts, ...request } = body.request as ProvisioningRequest & FleetParts;
      showRecord(context, options, request);
      if (parts) context.write(`\n${renderParts(parts)}`);
      context.write(`\n${renderPlaces(body)}\n`);
      tellAge(context, options, parts ?? []);
      for (const { at, entry } of body.log) context.write(`${time(at)}  ${renderEntry(entry)}\n`);
    });
  withCommon(requests.command('watch'))
    .description('follow a request until it has ended; the status is 1 when it was cancelled')
    .argument('<id>')
    .action((id: string, options: CommonOptions) => watch(context, options, id));
  withCommon(requests.command('cancel'))
    .description('cancel a request: installs are stopped, machines in use stay')
    .argument('<id>')
    .option('--why <TEXT>', 'stands in the history', 'cancelled')
    .action(async (id: string, options: CommonOptions & { why: string }) => {
      const { body } = await clientFor<'requests'>(context, options).call(
        'POST /requests/{id}/cancel',
        { path: { id }, body: { why: options.why } },
      );
      done(context, options, `request ${id} is ${body.status}`, body);
    });
}

/** A line for each thing that happens, so that it can be piped; how the places stand goes to standard error. */
async function watch(context: CliContext, options: CommonOptions, id: string): Promise<void> {
  const api: Api = clientFor<'requests'>(context, options);
  let seen = 0;
  let told = '';
  for (;;) {
    const { body } = await api.call('GET /requests/{id}', { path: { id } });
    for (const { seq, at, entry } of body.log) {
      if (seq <= seen) continue;
      seen = seq;
      if (options.json) context.write(`${JSON.stringify({ seq, at, entry })}\n`);
      else context.write(`${time(at)}  ${renderEntry(entry)}\n`);
    }
    if (body.request.endedAt !== null) {
      if (options.json) context.write(`${JSON.stringify(body.request)}\n`);
      if (body.request.status !== 'fulfilled') process.exitCode = EXIT_NOT_FULFILLED;
      return;
    }
    const now = `${renderPlaces(body)}${renderNow(body)}\n`;
    if (now !== told && !options.json) context.tell(now);
    told = now;
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

function renderNow({ request, remainingMs }: ProvisioningRequestDetail): string {
  const { done: count, count: all, failed, why } = request;
  const replaced = failed > 0 ? `, ${failed} replaced` : '';
  const waits = why === '' ? '' : `; waits for ${why}`;
  const left = remainingMs === null ? '' : `; about ${Math.ceil(remainingMs / 1000)} s left`;
  return `${count} of ${all} in use${replaced}${waits}${left}`;
}

interface FleetParts {
  readonly parts?: readonly PartView[];
}

const renderParts = (parts: readonly PartView[]): string =>
  renderTable([
    ['SITE', 'STATUS', 'DONE', 'WHY'],
    ...parts.map(({ site, status, done: has, count, why }) => [
      site,
      status,
      `${has}/${count}`,
      why,
    ]),
  ]);

const MARKS: Readonly<Record<string, string>> = { done: 'x', open: ' ', claimed: '>' };

function renderPlaces({ places }: ProvisioningRequestDetail): string {
  return places
    .map(({ status, hostname, machine, step, waitingFor, remainingMs, tries }) => {
      const left = remainingMs === null ? '' : `${Math.ceil(remainingMs / 1000)} s left`;
      const again = tries > 1 ? `machine number ${tries}` : '';
      const words = [hostname, machine, step, waitingFor, left, again].filter(Boolean);
      return `[${MARKS[status] ?? '?'}] ${words.join('  ')}`.trimEnd();
    })
    .map((line) => `${line}\n`)
    .join('');
}

function renderEntry({ is, ...rest }: Readonly<Record<string, unknown>>): string {
  const { hostname, machine, code, detail, why, missing, places, status } = rest;
  const short = missing === undefined ? '' : `${missing} missing`;
  const fewer = Array.isArray(places) ? `${places.length} fewer` : '';
  const words = [is, machine, hostname, code, detail, short, fewer, why, status];
  return words.filter((word) => word && word !== '').join('  ');
}
