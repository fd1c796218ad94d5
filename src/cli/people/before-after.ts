/**
 * `reveille explain` and `config diff`: what a machine is offered now, what it was at a moment of the past, and what would change over
 * the fleet. The running appliance is asked; with `-c` its database is read from beside it, which also works when it does not run.
 */
import { basename } from 'node:path';
import type { Command } from 'commander';
import type { Operations } from '../../client/operations.generated.ts';
import { loadConfig } from '../../config.ts';
import { diffFleet, type FleetDiff, type RecordChange } from '../../daemon/fleet-diff.ts';
import { AppError } from '../../errors.ts';
import type { PastMoment } from '../../inventory/past.ts';
import { parseMac } from '../../wire/mac.ts';
import { diffText } from '../config-diff.ts';
import { type Explained, explain, explainedText } from '../explain.ts';
import { explainAt, pastText } from '../explain-at.ts';
import { type CliContext, type CommonOptions, clientFor, withCommon } from './connection.ts';
import { jsonIn, readText } from './files.ts';

interface ExplainOptions extends CommonOptions {
  readonly config?: string;
  readonly at?: string;
}

interface DiffOptions extends CommonOptions {
  readonly config?: string;
  readonly record?: readonly string[];
  readonly remove?: readonly string[];
  readonly script?: readonly string[];
  readonly template?: readonly string[];
  readonly point?: readonly string[];
}

const several = (value: string, before: readonly string[] = []) => [...before, value];

export function addBeforeAfterCommands(
  program: Command,
  config: Command,
  context: CliContext,
): void {
  withCommon(program.command('explain'))
    .description('say what a machine would be offered and served at each stage, and why')
    .argument('<machine>', 'a MAC address or a hardwarename')
    .option('-c, --config <FILE>', "the daemon's configuration: its database is read")
    .option('--at <TIME>', 'what it was offered and served then, e.g. 2026-01-31T03:12Z')
    .action(async (subject: string, options: ExplainOptions) => {
      const json = options.json === true;
      const { at, config: file } = options;
      if (at === undefined) {
        if (file !== undefined) return context.write(explain(loadConfig(file), subject, json));
        return context.write(explainedText(await explained(context, options, subject), json));
      }
      if (file !== undefined)
        return context.write(explainAt(loadConfig(file), { subject, time: at, json }));
      const { body } = await clientFor<'past'>(context, options).call('GET /past', {
        query: { subject, at },
      });
      context.write(pastText(body as PastMoment, json));
    });
  withCommon(config.command('diff'))
    .description('show what would change for every machine on record, every lease and every zone')
    .argument('[file]', 'the new YAML configuration; without it, the one in force')
    .option('-c, --config <FILE>', 'the one that is: its database is read')
    .option(
      '--record <KIND/NAME=FILE>',
      'a subnet, rule, type, ... as JSON; may be repeated',
      several,
    )
    .option('--remove <KIND/NAME>', 'a record that would be deleted; may be repeated', several)
    .option('--script <FILE>', 'a template of a script, by its name; may be repeated', several)
    .option('--template <IMAGE=FILE>', "an installer's template; may be repeated", several)
    .option('--point <CHANNEL=VERSION>', 'a channel of images; may be repeated', several)
    .action(async (file: string | undefined, options: DiffOptions) => {
      const { records, ...rest } = proposed(options);
      const named = [records, ...Object.values(rest)].some((part) => Object.keys(part).length > 0);
      if (file === undefined && !named)
        throw new AppError('REQUEST_INVALID', {
          detail:
            'Nothing is named that would change: name a configuration file, or what --help lists.',
        });
      const json = options.json === true;
      if (options.config !== undefined) {
        const next = file === undefined ? undefined : loadConfig(file);
        const diff = diffFleet(loadConfig(options.config), { config: next, records, ...rest });
        return context.write(diffText(diff, json));
      }
      const text = file === undefined ? undefined : readText(file);
      const { body } = await clientFor<'configuration'>(context, options).call(
        'POST /configuration/diff',
        { body: { config: text, records: records as SentRecords, ...rest } },
      );
      context.write(diffText(body as FleetDiff, json));
    });
}

/** Of a NIC, on record or not; else of a machine. */
async function explained(
  context: CliContext,
  options: CommonOptions,
  subject: string,
): Promise<Explained> {
  const mac = parseMac(subject);
  if (mac) {
    const api = clientFor<'nics'>(context, options);
    return (await api.call('GET /nics/{mac}/explain', { path: { mac } })).body;
  }
  const api = clientFor<'machines'>(context, options);
  const path = { hardwarename: subject };
  return (await api.call('GET /machines/{hardwarename}/explain', { path })).body;
}

type SentRecords = NonNullable<Operations['POST /configuration/diff']['body']>['records'];

/** @throws AppError REQUEST_INVALID for what is not of the form, CONFIG_UNREADABLE */
function proposed({
  record = [],
  remove = [],
  script = [],
  template = [],
  point = [],
}: DiffOptions): {
  records: RecordChange[];
  scripts: Record<string, string>;
  templates: Record<string, string>;
  channels: Record<string, string>;
} {
  const records = record.map((text): RecordChange => {
    const [, kind = '', name = '', file = ''] = /^([a-z]+)\/([^=]+)=(.+)$/.exec(text) ?? [];
    if (file === '')
      throw new AppError('REQUEST_INVALID', { detail: `'${text}' is not KIND/NAME=FILE.` });
    return { kind: kind as RecordChange['kind'], name, doc: jsonIn(readText(file), file) };
  });
  const removed = remove.map((text): RecordChange => {
    const [, kind = '', name = ''] = /^([a-z]+)\/(.+)$/.exec(text) ?? [];
    if (name === '')
      throw new AppError('REQUEST_INVALID', { detail: `'${text}' is not KIND/NAME.` });
    return { kind: kind as RecordChange['kind'], name, doc: null };
  });
  const scripts = Object.fromEntries(script.map((file) => [basename(file), readText(file)]));
  const templates = template.map((text) => pairOf(text, 'IMAGE=FILE'));
  return {
    records: [...records, ...removed],
    scripts,
    templates: Object.fromEntries(templates.map(([image, file]) => [image, readText(file)])),
    channels: Object.fromEntries(point.map((text) => pairOf(text, 'CHANNEL=VERSION'))),
  };
}

function pairOf(text: string, form: string): [string, string] {
  const [, name = '', value = ''] = /^([^=]+)=(.+)$/.exec(text) ?? [];
  if (value !== '') return [name, value];
  throw new AppError('REQUEST_INVALID', { detail: `'${text}' is not ${form}.` });
}
