/** `reveille deliveries ...`: packing lists, and what of them has come. */
import type { Command } from 'commander';
import type { Operations } from '../../client/operations.generated.ts';
import { type CliContext, type CommonOptions, clientFor, withCommon } from './connection.ts';
import { readText } from './files.ts';
import { type Column, done, show } from './output.ts';

type Listed = Operations['GET /deliveries']['answer']['deliveries'][number];
type Line = Operations['GET /deliveries/{name}']['answer']['lines'][number];

/** `deliveries show` of one of which something is missing or wrong: for scripts. */
const EXIT_NOT_COMPLETE = 1;

const LIST: readonly Column<Listed>[] = [
  { title: 'NAME', of: ({ name }) => name },
  { title: 'SUPPLIER', of: ({ supplier }) => supplier },
  { title: 'EXPECTED', of: ({ expectedOn }) => expectedOn },
  ...(['arrived', 'missing', 'wrong slot', 'duplicate', 'unexpected'] as const).map((status) => ({
    title: status.toUpperCase(),
    of: ({ counts }: Listed) => String(counts[status] ?? 0),
  })),
];

const LINES: readonly Column<Line>[] = [
  { title: 'STATUS', of: ({ status }) => status },
  { title: 'SERIAL', of: ({ serial }) => serial },
  { title: 'PRODUCT', of: ({ product }) => product },
  { title: 'BELONGS IN', of: ({ rack, unit }) => slot(rack, unit) },
  { title: 'IS IN', of: ({ foundRack, foundUnit }) => slot(foundRack, foundUnit) },
  { title: 'MACHINE', of: ({ hardwarename }) => hardwarename },
  { title: 'WHY', of: ({ why }) => why },
];

const slot = (rack: string, unit: number) =>
  [rack, unit > 0 ? `U${unit}` : ''].filter(Boolean).join(' ');

export function addDeliveryCommands(program: Command, context: CliContext): void {
  const deliveries = program
    .command('deliveries')
    .description('packing lists, compared with what has come');
  addReads(deliveries, context);
  addWrites(deliveries, context);
}

function addReads(deliveries: Command, context: CliContext): void {
  withCommon(deliveries.command('list'))
    .description('list deliveries, newest first')
    .action(async (options: CommonOptions) => {
      const { body } = await clientFor<'deliveries'>(context, options).call('GET /deliveries');
      show(context, options, { document: body, rows: body.deliveries, columns: LIST });
    });
  withCommon(deliveries.command('show'))
    .description(
      'compare each line with the machines on record; status 1 when something is missing',
    )
    .argument('<name>')
    .option('--status <STATUS>', 'only these, divided by commas: missing, wrong slot, ...')
    .action(async (name: string, options: CommonOptions & { status?: string }) => {
      const api = clientFor<'deliveries'>(context, options);
      const { body } = await api.call('GET /deliveries/{name}', { path: { name } });
      const wanted = options.status?.split(',').map((word) => word.trim());
      const rows = body.lines.filter(({ status }) => wanted?.includes(status) ?? true);
      show(context, options, { document: { ...body, lines: rows }, rows, columns: LINES });
      if (body.lines.some(({ status }) => status !== 'arrived'))
        process.exitCode = EXIT_NOT_COMPLETE;
    });
}

interface PutOptions extends CommonOptions {
  readonly supplier: string;
  readonly expectedOn: string;
  readonly replace?: boolean;
  readonly why?: string;
}

function addWrites(deliveries: Command, context: CliContext): void {
  withCommon(deliveries.command('put'))
    .description('take in a packing list: CSV with a header of serial, and product, rack, unit')
    .argument('<name>', 'or order number')
    .argument('<file>', '- for standard input')
    .option('--supplier <NAME>', 'who sends it', '')
    .option('--expected-on <DAY>', 'as in 2026-11-30', '')
    .option('--replace', 'in the place of the one that is there')
    .option('--why <TEXT>', 'stands in the history')
    .action(async (name: string, file: string, options: PutOptions) => {
      const sheet = file === '-' ? await context.readInput() : readText(file);
      const { supplier, expectedOn, why } = options;
      const { body } = await clientFor<'deliveries'>(context, options).call(
        'PUT /deliveries/{name}',
        {
          path: { name },
          query: { why },
          body: { supplier, expectedOn, sheet },
          version: options.replace ? '*' : 0,
        },
      );
      const lines = Object.values(body.counts).reduce<number>(
        (sum, count) => sum + (count ?? 0),
        0,
      );
      done(context, options, `${name} is taken in: ${lines} lines`, body);
    });
  withCommon(deliveries.command('remove'))
    .description('remove a packing list; machines stay as they are')
    .argument('<name>')
    .option('--why <TEXT>', 'stands in the history')
    .action(async (name: string, options: CommonOptions & { why?: string }) => {
      const api = clientFor<'deliveries'>(context, options);
      await api.call('DELETE /deliveries/{name}', {
        path: { name },
        query: { why: options.why },
        version: '*',
      });
      done(context, options, `${name} is forgotten`);
    });
}
