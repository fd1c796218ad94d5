/** `reveille events`: the feed, as pages or live; and `reveille enc` for configuration management. */
import type { Command } from 'commander';
import { stringify } from 'yaml';
import { ApiProblem } from '../../client/client.ts';
import { followFeed } from '../../client/feed.ts';
import type { Event } from '../../client/operations.generated.ts';
import {
  type CliContext,
  type CommonOptions,
  clientFor,
  reachOf,
  withCommon,
} from './connection.ts';
import { type OfSite, tellAge } from './fleet.ts';
import { time } from './output.ts';

interface EventOptions extends CommonOptions {
  readonly after?: string;
  readonly names?: string;
  readonly machine?: string;
  readonly limit?: string;
  readonly follow?: boolean;
}

export function addEventCommands(program: Command, context: CliContext): void {
  withCommon(program.command('events'))
    .description('list what has happened, oldest first')
    .option(
      '--after <CURSOR>',
      'behind this event: its number, or NUMBER.EPOCH; at central, SITE.NUMBER_SITE.NUMBER',
    )
    .option('--names <LIST>', 'e.g. machine.state,machine.edited or machine.')
    .option('--machine <HARDWARENAME>', 'of one machine')
    .option('--limit <COUNT>', 'at most so many', '1000')
    .option('-f, --follow', 'go on until it is interrupted; without --after, from now')
    .action(async (options: EventOptions) => {
      await (options.follow ? follow(context, options) : list(context, options));
    });

  withCommon(program.command('enc'))
    .description('classify a machine for Puppet: an external node classifier, as YAML')
    .argument('<name>', 'hostname or hardwarename')
    .action(async (name: string, options: CommonOptions) => {
      const { body } = await clientFor<'enc'>(context, options).call('GET /enc/{name}', {
        path: { name },
      });
      context.write(options.json ? `${JSON.stringify(body)}\n` : `---\n${stringify(body)}`);
    });
}

/** @returns the cursor behind what was printed */
async function list(context: CliContext, options: EventOptions): Promise<string> {
  const api = clientFor<'events'>(context, options);
  let left = Number(options.limit);
  let after = options.after ?? '0';
  for (let more = true; more && left > 0; ) {
    const { body } = await api.call('GET /events', {
      query: {
        after,
        limit: String(Math.min(left, PAGE)),
        names: options.names,
        hardwarename: options.machine,
      },
    });
    for (const event of body.events) context.write(line(event, options.json === true));
    after = body.cursor;
    left -= body.events.length;
    more = body.more;
    if (!more || left <= 0)
      tellAge(context, options, (body as { sites?: readonly OfSite[] }).sites ?? []);
  }
  return after;
}

const PAGE = 1000;
/** Central has pages alone. */
const LOOK_MS = 1000;

async function follow(context: CliContext, options: EventOptions): Promise<void> {
  try {
    await followLive(context, options);
  } catch (error) {
    if (!(error instanceof ApiProblem) || error.code !== 'SITE_ONLY') throw error;
    await followPages(context, options);
  }
}

async function followPages(context: CliContext, options: EventOptions): Promise<void> {
  const api = clientFor<'events'>(context, options);
  let after = options.after ?? (await api.call('GET /events', { query: { limit: 1 } })).body.cursor;
  for (;;) {
    try {
      after = await list(context, { ...options, after, limit: String(PAGE) });
    } catch (error) {
      if (!(error instanceof ApiProblem) || error.code !== 'FEED_RESTARTED') throw error;
      after = String(error.more.oldest);
      context.tell(`reveille: ${error.message} (${after})\n`);
    }
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
}

async function followLive(context: CliContext, options: EventOptions): Promise<void> {
  const reach = reachOf(context.environment, options);
  const { after, names, machine } = options;
  const feed = followFeed({
    ...reach,
    after,
    query: { names, hardwarename: machine },
    onLost: (why, againInMs) =>
      context.tell(`reveille: the feed was lost (${why}); again in ${againInMs / 1000} s\n`),
  });
  for await (const item of feed) {
    if (item.kind === 'event') context.write(line(item.event, options.json === true));
    else if (options.json) context.write(`${JSON.stringify({ resync: item })}\n`);
    else context.tell(`reveille: ${RESYNC[item.why] ?? RESYNC.compacted} ${item.oldest}\n`);
  }
}

/** Why the state has to be read anew, and from where the feed goes on. */
const RESYNC: Readonly<Record<string, string>> = {
  compacted: 'events have been compacted away, up to',
  restarted:
    'the database was put back from a copy: what you have seen may not have happened; from',
};

function line(event: Event, json: boolean): string {
  if (json) return `${JSON.stringify(event)}\n`;
  const subject = event.hardwarename ?? event.mac ?? '';
  const { site } = event as OfSite;
  const id = site === undefined ? event.id : `${site} ${event.id}`;
  return `${id}  ${time(event.at)}  ${event.name.padEnd(18)}  ${subject.padEnd(18)}  ${JSON.stringify(event.data)}\n`;
}
