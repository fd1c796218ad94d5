/** `reveille pool ...`: pools of machines, and rolling resets of them. */
import type { Command } from 'commander';
import type { Reset } from '../../client/operations.generated.ts';
import { type CliContext, type CommonOptions, clientFor, withCommon } from './connection.ts';
import { done, show, showRecord, time } from './output.ts';
import { type WishOptions, wishOf, withWish } from './requests.ts';

export function addPoolCommands(program: Command, context: CliContext): void {
  const pools = program
    .command('pool')
    .alias('pools')
    .description('so many machines of a role, kept so: filled, replaced, reset');
  addReads(pools, context);
  addWrites(pools, context);
  addResets(pools, context);
}

function addReads(pools: Command, context: CliContext): void {
  withCommon(pools.command('list'))
    .description('all pools, by name')
    .action(async (options: CommonOptions) => {
      const { body } = await clientFor<'pools'>(context, options).call('GET /pools');
      show(context, options, {
        document: body,
        rows: body.pools,
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
    });
  withCommon(pools.command('show'))
    .description('one pool with its machines')
    .argument('<name>')
    .action(async (name: string, options: CommonOptions) => {
      const { body } = await clientFor<'pools'>(context, options).call('GET /pools/{name}', {
        path: { name },
      });
      if (options.json) return context.write(`${JSON.stringify(body)}\n`);
      showRecord(context, options, body.pool);
      context.write('\n');
      show(context, options, {
        document: body,
        rows: body.members,
        columns: [
          { title: 'MACHINE', of: ({ hardwarename }) => hardwarename },
          { title: 'HOSTNAME', of: ({ hostname }) => hostname },
          { title: 'RACK', of: ({ rack }) => rack },
          { title: 'JOINED', of: ({ joinedAt }) => time(joinedAt) },
          { title: 'UNHEALTHY', of: ({ unhealthyAt }) => time(unhealthyAt) },
          { title: 'WHY', of: ({ why, held }) => (held ? `${why} (held by a breaker)` : why) },
        ],
      });
    });
}

interface PutOptions extends CommonOptions, WishOptions {
  readonly count: string;
  readonly checkUrl?: string;
  readonly checkEvery?: string;
  readonly checkFailures?: string;
  readonly checkGrace?: string;
  readonly confirm?: string;
  readonly why: string;
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

function addWrites(pools: Command, context: CliContext): void {
  withCommon(withWish(pools.command('put')))
    .description('make a pool, or change it: its size, image, hardware, ...')
    .argument('<name>')
    .requiredOption('--count <COUNT>', 'how many, always')
    .option('--check-url <URL>', 'fetched regularly, as http://{address}:80/health')
    .option('--check-every <SECONDS>', 'how often it is fetched')
    .option('--check-failures <COUNT>', 'so many in a row: the machine has failed')
    .option('--check-grace <SECONDS>', 'not judged for so long after an install')
    .option('--confirm <COUNT>', 'how many machines go, when it becomes smaller')
    .option('--why <TEXT>', 'stands in the history', 'changed')
    .action(async (name: string, options: PutOptions) => {
      const { count, confirm, why } = options;
      const { body } = await clientFor<'pools'>(context, options).call('PUT /pools/{name}', {
        path: { name },
        query: { why, confirm } as never,
        body: { ...wishOf(options), count: Number(count), ...healthOf(options) } as never,
        version: '*',
      });
      done(context, options, `pool ${name} is to have ${body.count} machines`, body);
    });
  withCommon(pools.command('remove'))
    .description('forget a pool; its machines stay in use')
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

function addResets(pools: Command, context: CliContext): void {
  withCommon(pools.command('reset'))
    .description('install every machine of a pool anew, or of all pools of the site')
    .argument('[name]')
    .option('--site <SITE>', 'without a pool: of another site')
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
      done(context, options, `reset ${body.id} of ${body.machines.length} machines runs`, body);
    });
  withCommon(pools.command('resets'))
    .description('rolling resets, newest first')
    .action(async (options: CommonOptions) => {
      const { body } = await clientFor<'resets'>(context, options).call('GET /resets');
      const count = ({ machines }: Reset, status: string) =>
        String(machines.filter((one) => one.status === status).length);
      show(context, options, {
        document: body,
        rows: body.resets,
        columns: [
          { title: 'ID', of: ({ id }) => String(id) },
          { title: 'POOL', of: ({ pool, site }) => pool || `all of ${site}` },
          { title: 'STATUS', of: ({ status }) => status },
          { title: 'TO DO', of: (reset) => count(reset, 'to-do') },
          { title: 'RUNNING', of: (reset) => count(reset, 'running') },
          { title: 'DONE', of: (reset) => count(reset, 'done') },
          { title: 'FAILED', of: (reset) => count(reset, 'failed') },
          { title: 'STARTED', of: ({ startedAt }) => time(startedAt) },
          { title: 'WHY', of: ({ why }) => why },
        ],
      });
    });
  for (const turn of ['pause', 'resume', 'abort'] as const)
    withCommon(pools.command(`${turn}-reset`))
      .description({ pause: 'begin no more', resume: 'go on', abort: 'end it here' }[turn])
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
