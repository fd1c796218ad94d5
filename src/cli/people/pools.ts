/** `reveille pool ...`: pools of machines, and rolling resets of them. */
import type { Command } from 'commander';
import type { PoolSiteView } from '../../central/pools.ts';
import type { FleetResetView } from '../../central/resets.ts';
import type { Pool, PoolDetail, Reset } from '../../client/operations.generated.ts';
import { AppError } from '../../errors.ts';
import { pairs } from './arguments.ts';
import { type CliContext, type CommonOptions, clientFor, withCommon } from './connection.ts';
import { tellAge, tellAsked, withSite } from './fleet.ts';
import { type Column, done, renderTable, show, showRecord, time } from './output.ts';
import { type WishOptions, wishOf, withWish } from './requests.ts';

export function addPoolCommands(program: Command, context: CliContext): void {
  const pools = program
    .command('pool')
    .alias('pools')
    .description('pools: a number of machines of a role, kept by filling, replacing and resetting');
  addReads(pools, context);
  addWrites(pools, context);
  addResets(pools, context);
}

/** What central adds: how many each site keeps, and what came of it there. */
interface OfFleet {
  readonly sites?: readonly PoolSiteView[];
}

const MEMBERS: readonly Column<PoolDetail['members'][number]>[] = [
  { title: 'MACHINE', of: ({ hardwarename }) => hardwarename },
  { title: 'HOSTNAME', of: ({ hostname }) => hostname },
  { title: 'RACK', of: ({ rack }) => rack },
  { title: 'JOINED', of: ({ joinedAt }) => time(joinedAt) },
  { title: 'UNHEALTHY', of: ({ unhealthyAt }) => time(unhealthyAt) },
  { title: 'WHY', of: ({ why, held }) => (held ? `${why} (held by a breaker)` : why) },
];

const renderSites = (sites: readonly PoolSiteView[]): string =>
  renderTable([
    ['SITE', 'ASKED', 'HEALTHY', 'THERE', 'WHY'],
    ...sites.map(({ site, status, healthy, count, members, why }) => [
      ...[site, status, `${healthy}/${count}`, String(members), why],
    ]),
  ]);

function addReads(pools: Command, context: CliContext): void {
  withCommon(pools.command('list'))
    .description('list pools by name')
    .action(async (options: CommonOptions) => {
      const { body } = await clientFor<'pools'>(context, options).call('GET /pools');
      const rows: readonly (Pool & OfFleet)[] = body.pools;
      show(context, options, {
        document: body,
        rows,
        columns: [
          { title: 'POOL', of: ({ name }) => name },
          { title: 'ROLE', of: ({ role }) => role },
          { title: 'SITE', of: ({ site }) => site },
          { title: 'SQUAD', of: ({ squad }) => squad },
          { title: 'HEALTHY', of: ({ healthy, count }) => `${healthy}/${count}` },
          { title: 'IMAGE', of: ({ image }) => image },
          { title: 'WHY', of: ({ why }) => why },
        ],
      });
      tellAge(
        context,
        options,
        rows.flatMap(({ sites = [] }) => sites),
      );
    });
  withCommon(pools.command('show'))
    .description('show a pool with its machines')
    .argument('<name>')
    .action(async (name: string, options: CommonOptions) => {
      const { body } = await clientFor<'pools'>(context, options).call('GET /pools/{name}', {
        path: { name },
      });
      if (options.json) return context.write(`${JSON.stringify(body)}\n`);
      const { sites = [], ...pool } = body.pool as Pool & OfFleet;
      showRecord(context, options, pool);
      if (sites.length > 0) context.write(`\n${renderSites(sites)}`);
      context.write('\n');
      const rows = body.members;
      show(context, options, { document: body, rows, columns: withSite(MEMBERS, rows) });
      tellAge(context, options, sites);
    });
}

interface SizeOptions extends CommonOptions {
  readonly count?: string;
  readonly site?: string;
  readonly sites?: string;
  readonly confirm?: string;
  readonly why: string;
}

interface PutOptions extends SizeOptions, WishOptions {
  readonly checkUrl?: string;
  readonly checkEvery?: string;
  readonly checkFailures?: string;
  readonly checkGrace?: string;
}

/** How many; with `--sites lon=3,sto=2`, at central, in each site. @throws AppError REQUEST_INVALID */
function sizeOf({ count, sites }: SizeOptions) {
  if ((count === undefined) === (sites === undefined))
    throw new AppError('REQUEST_INVALID', { detail: 'Give --count, or --sites at central.' });
  if (sites === undefined) return { count: Number(count) };
  const each = pairs(sites.split(',')).map(([site, text]) => [site, Number(text)]);
  return { sites: Object.fromEntries(each) as Record<string, number> };
}

/** Only what is given: the rest is what the API takes for granted. */
function healthOf({ checkUrl, checkEvery, checkFailures, checkGrace }: PutOptions) {
  const numbers = {
    everySeconds: checkEvery,
    failuresMax: checkFailures,
    graceSeconds: checkGrace,
  };
  const health = {
    ...(checkUrl === undefined ? {} : { url: checkUrl }),
    ...Object.fromEntries(
      Object.entries(numbers).flatMap(([name, text]) =>
        text === undefined ? [] : [[name, Number(text)]],
      ),
    ),
  };
  return Object.keys(health).length === 0 ? {} : { health };
}

const SITES = 'at central: how many in each site, as in lon=3,sto=2';

function addWrites(pools: Command, context: CliContext): void {
  withCommon(withWish(pools.command('put')))
    .description('make a pool, or change it: its size, image, hardware, ...')
    .argument('<name>')
    .option('--count <COUNT>', 'how many, always; at central with --site: there')
    .option('--sites <LIST>', SITES)
    .option('--check-url <URL>', 'fetched regularly, as http://{address}:80/health')
    .option('--check-every <SECONDS>', 'how often it is fetched')
    .option('--check-failures <COUNT>', 'so many in a row: the machine has failed')
    .option('--check-grace <SECONDS>', 'not judged for so long after an install')
    .option('--confirm <COUNT>', 'how many machines go, when it becomes smaller')
    .option('--why <TEXT>', 'stands in the history', 'changed')
    .action(async (name: string, options: PutOptions) => {
      const { confirm, why } = options;
      const { body } = await clientFor<'pools'>(context, options).call('PUT /pools/{name}', {
        path: { name },
        query: { why, confirm } as never,
        body: { ...wishOf(options), ...sizeOf(options), ...healthOf(options) } as never,
        version: '*',
      });
      done(context, options, `pool ${name} is to have ${body.count} machines`, body);
    });
  withCommon(pools.command('size'))
    .description('make a pool larger or smaller, and change nothing else of it')
    .argument('<name>')
    .option('--count <COUNT>', 'how many, always')
    .option('--site <SITE>', 'at central: of this site’s part')
    .option('--sites <LIST>', SITES)
    .option('--confirm <COUNT>', 'how many machines go, when it becomes smaller')
    .option('--why <TEXT>', 'stands in the history', 'changed')
    .action(async (name: string, options: SizeOptions) => {
      const { site, confirm, why } = options;
      const { body } = await clientFor<'pools'>(context, options).call('PUT /pools/{name}/size', {
        path: { name },
        query: { why, confirm } as never,
        body: { ...(site === undefined ? {} : { site }), ...sizeOf(options) } as never,
        version: '*',
      });
      tellAsked(context, body);
      done(context, options, `pool ${name} is to have ${body.count} machines`, body);
    });
  withCommon(pools.command('remove'))
    .description('remove a pool; its machines stay in use')
    .argument('<name>')
    .option('--why <TEXT>', 'stands in the history', 'removed')
    .action(async (name: string, options: CommonOptions & { why: string }) => {
      const api = clientFor<'pools'>(context, options);
      await api.call('DELETE /pools/{name}', {
        path: { name },
        query: { why: options.why },
        version: '*',
      });
      done(context, options, `pool ${name} is forgotten`);
    });
}

interface ResetOptions extends CommonOptions {
  readonly site?: string;
  readonly atOnce: string;
  readonly within: string;
  readonly failures: string;
  readonly image?: string;
  readonly why: string;
}

const count = ({ machines }: Reset, status: string): string =>
  String(machines.filter((one) => one.status === status).length);

const RESETS: readonly Column<Reset>[] = [
  { title: 'ID', of: ({ id }) => String(id) },
  { title: 'POOL', of: ({ pool, site }) => pool || `all of ${site}` },
  { title: 'STATUS', of: ({ status }) => status },
  { title: 'TO DO', of: (reset) => count(reset, 'to-do') },
  { title: 'RUNNING', of: (reset) => count(reset, 'running') },
  { title: 'DONE', of: (reset) => count(reset, 'done') },
  { title: 'FAILED', of: (reset) => count(reset, 'failed') },
  { title: 'STARTED', of: ({ startedAt }) => time(startedAt) },
  { title: 'WHY', of: ({ why }) => why },
];

/** What central adds: the sites, one after the other. Which machines each is at, it says itself. */
type FleetReset = Partial<Pick<FleetResetView, 'sites'>>;

const FLEET_RESETS: readonly Column<Reset & FleetReset>[] = [
  { title: 'ID', of: ({ id }) => String(id) },
  { title: 'POOL', of: ({ pool }) => pool },
  { title: 'STATUS', of: ({ status }) => status },
  {
    title: 'SITES',
    of: ({ sites = [] }) =>
      sites
        .map(({ site, status, done: has, failed }) => {
          const figures = has + failed > 0 ? ` ${has} done, ${failed} failed` : '';
          return `${site}: ${status}${figures}`;
        })
        .join('; '),
  },
  { title: 'STARTED', of: ({ startedAt }) => time(startedAt) },
  { title: 'WHY', of: ({ why }) => why },
];

const TURNS = {
  pause: 'begin no more machines of a rolling reset',
  resume: 'go on with a rolling reset',
  abort: 'end a rolling reset here: what is installed anew stays so',
};

function addResets(pools: Command, context: CliContext): void {
  withCommon(pools.command('reset'))
    .description('install every machine of a pool anew, or of all pools of the site')
    .argument('[name]')
    .option('--site <SITE>', 'without a pool: of another site; at central: of this one alone')
    .option('--at-once <COUNT>', 'away at once, whatever for', '1')
    .option('--within <HOURS>', 'nothing begins after that', '24')
    .option('--failures <COUNT>', 'more of them stop it', '0')
    .option('--image <REF>', 'another image than the pool’s')
    .requiredOption('--why <TEXT>', 'stands in the history')
    .action(async (pool: string | undefined, options: ResetOptions) => {
      const { site, atOnce, within, failures, image, why } = options;
      const numbers = { atOnceMax: Number(atOnce), withinHours: Number(within) };
      const wanted = { ...numbers, failuresMax: Number(failures), why };
      const { body } = await clientFor<'resets'>(context, options).call('POST /resets', {
        body: { ...wanted, ...JSON.parse(JSON.stringify({ pool, site, image })) },
      });
      const { sites } = body as Reset & FleetReset;
      const what = sites ? `${pool} at ${body.site}` : `${body.machines.length} machines`;
      done(context, options, `reset ${body.id} of ${what} runs`, body);
    });
  withCommon(pools.command('resets'))
    .description('list rolling resets, newest first')
    .action(async (options: CommonOptions) => {
      const { body } = await clientFor<'resets'>(context, options).call('GET /resets');
      const rows: readonly (Reset & FleetReset)[] = body.resets;
      const columns = rows.some(({ sites }) => sites) ? FLEET_RESETS : RESETS;
      show(context, options, { document: body, rows, columns });
      tellAge(
        context,
        options,
        rows.flatMap(({ sites = [] }) => sites),
      );
    });
  for (const turn of ['pause', 'resume', 'abort'] as const)
    withCommon(pools.command(`${turn}-reset`))
      .description(TURNS[turn])
      .argument('<id>')
      .option('--why <TEXT>', 'stands in the history', turn)
      .action(async (id: string, options: CommonOptions & { why: string }) => {
        const { body } = await clientFor<'resets'>(context, options).call(
          `POST /resets/{number}/${turn}`,
          { path: { number: id }, body: { why: options.why } } as never,
        );
        done(context, options, `reset ${id} is ${body.status}`, body);
      });
}
