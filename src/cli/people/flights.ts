/** `reveille diagnose`, `boot`, `quirks` and `times`: why machines did not boot, and what was learned from it. */
import { existsSync } from 'node:fs';
import type { Command } from 'commander';
import type { ZodError } from 'zod';
import type { Diagnosis, Quirk } from '../../client/operations.generated.ts';
import { parseCase } from '../../diagnose/case.ts';
import { entryWords } from '../../diagnose/entry-words.ts';
import { type Flight, parseFlight } from '../../diagnose/flight.ts';
import { AppError } from '../../errors.ts';
import { parseMac } from '../../wire/mac.ts';
import { diagnoseFile, diagnosisText, readBoots } from '../diagnose-file.ts';
import { type CliContext, type CommonOptions, clientFor, withCommon } from './connection.ts';
import { jsonIn, writeTo } from './files.ts';
import { showCounts } from './flight-counts.ts';
import { done, show, showRecord, time } from './output.ts';

interface DiagnoseOptions extends CommonOptions {
  readonly final?: boolean;
  readonly all?: boolean;
  readonly by?: string;
}

interface ExportOptions extends CommonOptions {
  readonly to?: string;
  readonly about?: string;
  readonly expect?: string;
}

export function addFlightCommands(program: Command, context: CliContext): void {
  withCommon(program.command('diagnose'))
    .description('say why a machine did not boot, or what a capture or an exported record shows')
    .argument('[subject]', 'a hardwarename, a MAC, a boot id, or a pcap, pcapng or json file')
    .option('--final', 'of a file: judge as if nothing more was heard after its end')
    .option('--all', 'those that have ended, too')
    .option('--by <PLACE>', 'how often boots have stopped, by switch, rack or model')
    .action(async (subject: string | undefined, options: DiagnoseOptions) => {
      if (options.by !== undefined) return showCounts(context, options);
      if (subject !== undefined && existsSync(subject)) {
        context.write(await diagnoseFile(subject, options));
      } else await diagnoses(context, options, subject);
    });
  addBootCommands(program, context);
  addQuirkCommands(program, context);
  withCommon(program.command('times'))
    .description('show how long each phase of a boot takes, by model')
    .action(async (options: CommonOptions) => {
      const { body } = await clientFor<'expected-times'>(context, options).call(
        'GET /expected-times',
      );
      const seconds = (ms: number) => `${(ms / 1000).toFixed(1)} s`;
      show(context, options, {
        document: body,
        rows: body.times,
        columns: [
          { title: 'MODEL', of: ({ model }) => model || 'unknown' },
          { title: 'PHASE', of: ({ phase }) => phase },
          { title: 'BOOTS', of: ({ boots }) => String(boots) },
          { title: 'MEDIAN', of: ({ medianMs }) => seconds(medianMs) },
          { title: 'P95', of: ({ p95Ms }) => seconds(p95Ms) },
        ],
      });
    });
}

/** A MAC, a boot id, or else a hardwarename. */
function queryOf(subject: string | undefined): Record<string, string> {
  if (subject === undefined) return {};
  const mac = parseMac(subject);
  if (mac) return { mac };
  return /^[0-9a-f]{12}$/.test(subject) ? { boot: subject } : { hardwarename: subject };
}

async function diagnoses(
  context: CliContext,
  options: DiagnoseOptions,
  subject: string | undefined,
): Promise<void> {
  const { body } = await clientFor<'diagnoses'>(context, options).call('GET /diagnoses', {
    query: { ...queryOf(subject), open: String(options.all !== true) } as never,
  });
  if (options.json) return context.write(`${JSON.stringify(body)}\n`);
  if (body.diagnoses.length === 0) return context.write('no boot that stopped is known\n');
  for (const one of body.diagnoses) context.write(textOf(one));
}

function textOf(one: Diagnosis): string {
  const place = [one.rack && `rack ${one.rack}`, one.switch && `${one.switch} port ${one.port}`];
  const where = place.filter(Boolean).join(', ');
  const head = `${time(one.at)}  ${one.hardwarename || one.mac}${where ? `, ${where}` : ''}${one.boot ? `, boot ${one.boot}` : ''}`;
  const ended = one.endedAt === null ? '' : `  went on at ${time(one.endedAt)}\n`;
  const said = { ...one, confidence: one.confidence as 'certain' };
  return `${head}\n${ended}${diagnosisText(said)}\n`;
}

function addBootCommands(program: Command, context: CliContext): void {
  const boot = program.command('boot').description('the flight record of a boot');
  withCommon(boot.command('show'))
    .description('show every wire that a boot crossed, in the order of time')
    .argument('<id>', 'a boot id; or an exported record, a case of the corpus, a pcap or pcapng')
    .action(async (id: string, options: CommonOptions) => {
      const asked = async (): Promise<Flight> => {
        const api = clientFor<'boots'>(context, options);
        return parseFlight((await api.call('GET /boots/{id}/flight', { path: { id } })).body);
      };
      const flights = existsSync(id) ? (await readBoots(id)).flights : [await asked()];
      for (const flight of flights)
        context.write(options.json ? `${JSON.stringify(flight)}\n` : linesOf(flight));
    });
  withCommon(boot.command('export'))
    .description('write ID.json and ID.pcapng, which `diagnose` and `boot show` read again')
    .argument('<id>')
    .option('--to <PREFIX>', 'another name than the id')
    .option('--about <TEXT>', 'as a case of the corpus: what was done to which machine')
    .option('--expect <NAME>', 'as a case of the corpus: what it has to be called, or `healthy`')
    .action(async (id: string, options: ExportOptions) => {
      const api = clientFor<'boots'>(context, options);
      const flight = await api.call('GET /boots/{id}/flight', { path: { id } });
      const capture = await api.call('GET /boots/{id}/capture', { path: { id } });
      const to = options.to ?? id;
      const document = documentOf(flight.body, options);
      writeTo(`${to}.json`, `${JSON.stringify(document, null, 1)}\n`);
      writeTo(`${to}.pcapng`, Buffer.from(capture.body.pcapng, 'base64'));
      done(context, options, `${to}.json and ${to}.pcapng are written`);
    });
}

/** A bare record, or the case of the corpus that it is to be. @throws AppError REQUEST_INVALID */
function documentOf(flight: unknown, { about, expect }: ExportOptions): unknown {
  if (about === undefined && expect === undefined) return flight;
  const named = expect === 'healthy' ? null : expect;
  try {
    return parseCase({ about, expect: named, flight });
  } catch (cause) {
    const why = (cause as ZodError).issues
      .map(({ path, message }) => `--${path.join('.')}: ${message}`)
      .join('; ');
    throw new AppError('REQUEST_INVALID', { detail: why, cause });
  }
}

function linesOf({ entries, startedAt }: Flight): string {
  return entries
    .map((entry) => {
      const after = ((entry.at - startedAt) / 1000).toFixed(3);
      return `${after.padStart(9)}  ${entry.kind.padEnd(7)}  ${entryWords(entry)}\n`;
    })
    .join('');
}

interface QuirkOptions extends CommonOptions {
  readonly why?: string;
}

function addQuirkCommands(program: Command, context: CliContext): void {
  const quirks = program.command('quirks').description('what worked and failed on hardware');
  withCommon(quirks.command('list'))
    .description('list them; --json is the export that `quirks import` reads')
    .action(async (options: CommonOptions) => {
      const { body } = await clientFor<'quirks'>(context, options).call('GET /quirks');
      show(context, options, {
        document: body,
        rows: body.quirks,
        columns: [
          { title: 'SUBJECT', of: ({ subject }: Quirk) => subject },
          { title: 'TRAIT', of: ({ trait }) => trait },
          { title: 'VALUE', of: ({ value }) => value },
          { title: 'OUTCOME', of: ({ outcome }) => outcome },
          { title: 'SOURCE', of: ({ source }) => source },
          { title: 'WHY', of: ({ why }) => why },
        ],
      });
    });
  withCommon(quirks.command('set'))
    .description('say what works or fails: the next boot follows it, and learning never changes it')
    .argument('<subject>', 'a MAC, or "vendor / product / firmware"')
    .argument('<trait>', 'binary, blksize, local-boot or override')
    .argument('<value>')
    .argument('<outcome>', 'works or fails')
    .option('--why <TEXT>', 'stands beside it', 'set by hand')
    .action(
      async (
        subject: string,
        trait: string,
        value: string,
        outcome: string,
        options: QuirkOptions,
      ) => {
        const body = { ...keyOf(subject, trait, value), outcome, why: options.why };
        const answer = await clientFor<'quirks'>(context, options).call('PUT /quirks', {
          body: body as never,
        });
        showRecord(context, options, answer.body as unknown as Readonly<Record<string, unknown>>);
      },
    );
  withCommon(quirks.command('forget'))
    .description('delete a quirk, so that it is tried again')
    .argument('<subject>')
    .argument('<trait>')
    .argument('<value>')
    .action(async (subject: string, trait: string, value: string, options: CommonOptions) => {
      await clientFor<'quirks'>(context, options).call('DELETE /quirks', {
        query: keyOf(subject, trait, value) as never,
      });
      done(context, options, `${trait} ${value} of ${subject} is forgotten`);
    });
  withCommon(quirks.command('import'))
    .description('read what `quirks list --json` printed from standard input')
    .action(async (options: CommonOptions) => {
      const { quirks: rows = [] } = jsonIn(
        await context.readInput(),
        'What stands on standard input',
      ) as { quirks?: Quirk[] };
      const api = clientFor<'quirks'>(context, options);
      for (const { scope, subject, trait, value, outcome, why } of rows) {
        const body = { scope, subject, trait, value, outcome, why };
        await api.call('PUT /quirks', { body: body as never });
      }
      done(context, options, `${rows.length} quirks are written`);
    });
}

function keyOf(subject: string, trait: string, value: string) {
  const mac = parseMac(subject);
  return { scope: mac ? 'machine' : 'model', subject: mac ?? subject, trait, value };
}
