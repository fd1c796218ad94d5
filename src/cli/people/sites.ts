/** `reveille sites`, `notices` and `statistics`: the fleet itself, which central alone knows. */
import type { Command } from 'commander';
import type { SiteStanding } from '../../central/fleet-view.ts';
import type { Statistics } from '../../central/statistics.ts';
import { type CliContext, type CommonOptions, clientFor, withCommon } from './connection.ts';
import { tellAge } from './fleet.ts';
import { type Column, done, show, time } from './output.ts';

interface Notice {
  readonly at: number;
  readonly site: string;
  readonly code: string;
  readonly detail: string;
  /** How often within the hour from then on; a central of before does not say. */
  readonly times?: number;
}

/** Central's own operations stand in no document of an appliance's API. */
export async function askCentral<Body>(
  context: CliContext,
  options: CommonOptions,
  of: {
    readonly call: string;
    readonly path?: object;
    readonly query?: object;
    readonly body?: object;
  },
): Promise<Body> {
  const { call, ...input } = of;
  const client: unknown = clientFor(context, options);
  const api = client as { call(name: string, input: object): Promise<{ body: Body }> };
  return (await api.call(call, input)).body;
}

export function addSiteCommands(program: Command, context: CliContext): void {
  const sites = program.command('sites').description('the sites of a fleet, at central');
  addSites(sites, context);
  addNotices(program, context);
  addStatistics(program, context);
}

/** Tenths of a second; -40 ms are 0.0 s, without a sign. */
const clockOff = (ms: number): string => `${(Math.round(ms / 100) / 10).toFixed(1)} s`;

const SITES: readonly Column<SiteStanding>[] = [
  { title: 'SITE', of: ({ site }) => site },
  { title: 'KNOWN', of: ({ freshness, shutOut }) => `${freshness}${shutOut ? ', shut out' : ''}` },
  { title: 'AS OF', of: ({ asOf }) => time(asOf) },
  { title: 'ON ITS WAY', of: ({ behind }) => (behind > 0 ? `${behind} events` : '') },
  { title: 'CLOCK OFF', of: ({ clockSkewMs }) => clockOff(clockSkewMs) },
  { title: 'PROGRAM', of: ({ program }) => program },
];

function addSites(sites: Command, context: CliContext): void {
  withCommon(sites.command('list'))
    .description('list sites, and how fresh the copy of each is')
    .action(async (options: CommonOptions) => {
      const body = await askCentral<{ sites: SiteStanding[] }>(context, options, {
        call: 'GET /sites',
      });
      show(context, options, { document: body, rows: body.sites, columns: SITES });
    });
  withCommon(sites.command('join-code'))
    .description('make a code with which one appliance joins as this site: good once, for a day')
    .argument('<site>')
    .action(async (site: string, options: CommonOptions) => {
      const call = 'POST /sites/{site}/join-code';
      const body = await askCentral<{ code: string }>(context, options, { call, path: { site } });
      done(context, options, body.code, body);
    });
  withCommon(sites.command('revoke'))
    .description('end every certificate of a site: it is shut out until it joins again')
    .argument('<site>')
    .action(async (site: string, options: CommonOptions) => {
      const call = 'POST /sites/{site}/revoke';
      const body = await askCentral<{ revoked: number }>(context, options, {
        call,
        path: { site },
      });
      done(context, options, `${site} is shut out: ${body.revoked} certificates have ended`, body);
    });
}

function addNotices(program: Command, context: CliContext): void {
  withCommon(program.command('notices'))
    .description(
      'list what central has noticed: refused certificates, replays, machines of two sites',
    )
    .option('--limit <COUNT>', 'at most so many', '100')
    .action(async (options: CommonOptions & { limit: string }) => {
      const of = { call: 'GET /notices', query: { limit: options.limit } };
      const body = await askCentral<{ notices: Notice[] }>(context, options, of);
      show(context, options, {
        document: body,
        rows: body.notices,
        columns: [
          { title: 'AT', of: ({ at }) => time(at) },
          { title: 'SITE', of: ({ site }) => site },
          { title: 'WHAT', of: ({ code }) => code },
          { title: 'TIMES', of: ({ times = 1 }) => String(times) },
          { title: 'MORE', of: ({ detail }) => detail },
        ],
      });
    });
}

function addStatistics(program: Command, context: CliContext): void {
  withCommon(program.command('statistics'))
    .description('count machines by state at each site, and show how jobs have ended there')
    .option('--days <COUNT>', 'of so many days', '30')
    .action(async (options: CommonOptions & { days: string }) => {
      const of = { call: 'GET /statistics', query: { days: options.days } };
      const body = await askCentral<Statistics>(context, options, of);
      show(context, options, {
        document: body,
        rows: [...body.sites, { site: 'all', ...body }],
        columns: [
          { title: 'SITE', of: ({ site }) => site },
          { title: 'ARRIVED', of: ({ arrived }) => String(arrived) },
          { title: 'FINISHED', of: ({ jobs }) => String(jobs.finished) },
          { title: 'FAILED', of: ({ jobs }) => String(jobs.failed) },
          { title: 'CANCELLED', of: ({ jobs }) => String(jobs.cancelled) },
          {
            title: 'MACHINES',
            of: ({ machines }) =>
              Object.entries(machines)
                .map(([state, count]) => `${state} ${count}`)
                .join(', '),
          },
        ],
      });
      tellAge(context, options, body.sites);
    });
}
