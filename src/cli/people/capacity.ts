/** `reveille capacity` and `breakers`: what there is, and what keeps machines from being taken. */
import type { Command } from 'commander';
import { type CliContext, type CommonOptions, clientFor, withCommon } from './connection.ts';
import { type OfSite, tellAge } from './fleet.ts';
import { done, show, time } from './output.ts';

export function addCapacityCommands(program: Command, context: CliContext): void {
  addCapacity(program, context);
  addBreakers(program, context);
}

function addCapacity(program: Command, context: CliContext): void {
  withCommon(program.command('capacity'))
    .description('count machines by site and hardware type: free, warm, by state')
    .option('--site <SITE>', 'of one site')
    .option('--hardware <WORDS>', 'only machines that meet it', '')
    .action(async (options: CommonOptions & { site?: string; hardware: string }) => {
      const { site, hardware } = options;
      const { body } = await clientFor<'capacity'>(context, options).call('GET /capacity', {
        query: { site, hardware } as never,
      });
      show(context, options, {
        document: body,
        rows: body.rows,
        columns: [
          { title: 'SITE', of: (row) => row.site },
          { title: 'TYPE', of: ({ type }) => type || '-' },
          { title: 'TOTAL', of: ({ total }) => String(total) },
          { title: 'FREE', of: ({ free }) => String(free) },
          { title: 'WARM', of: ({ warm }) => known(warm) },
          { title: 'UNFIT', of: ({ unfit }) => known(unfit) },
          {
            title: 'STATES',
            of: ({ states }) =>
              Object.entries(states)
                .map(([state, count]) => `${state} ${count}`)
                .join(', '),
          },
        ],
      });
      const { sites = [] } = body as { sites?: readonly OfSite[] };
      tellAge(
        context,
        options,
        sites.filter((one) => site === undefined || one.site === site),
      );
    });
}

/** What only the site of a fleet knows is null. */
const known = (count: number | null): string => (count === null ? '?' : String(count));

function addBreakers(program: Command, context: CliContext): void {
  const breakers = program
    .command('breakers')
    .description('causes that several failures share: machines with one are not taken');
  withCommon(breakers.command('list'))
    .description('list breakers, newest first; open ones keep machines out')
    .action(async (options: CommonOptions) => {
      const { body } = await clientFor<'breakers'>(context, options).call('GET /breakers');
      show(context, options, {
        document: body,
        rows: body.breakers,
        columns: [
          { title: 'ID', of: ({ id }) => String(id) },
          { title: 'FACTOR', of: ({ factor }) => factor },
          { title: 'VALUE', of: ({ value }) => value },
          { title: 'FAILED', of: ({ failed, tried }) => `${failed}/${tried}` },
          { title: 'OTHERS', of: (row) => `${row.failedOthers}/${row.triedOthers}` },
          { title: 'OPENED', of: ({ openedAt }) => time(openedAt) },
          {
            title: 'CLOSED',
            of: ({ closedAt, who }) => (closedAt ? `${time(closedAt)} ${who}` : ''),
          },
        ],
      });
    });
  withCommon(breakers.command('close'))
    .description('close a breaker: its cause is gone, and its machines may be taken again')
    .argument('<id>')
    .requiredOption('--why <TEXT>', 'what it was; stands in the history')
    .action(async (id: string, options: CommonOptions & { why: string }) => {
      const { body } = await clientFor<'breakers'>(context, options).call(
        'POST /breakers/{number}/close',
        { path: { number: id }, body: { why: options.why } } as never,
      );
      done(context, options, `breaker ${id} (${body.factor} ${body.value}) is closed`, body);
    });
}
