/** `reveille machines ...`: everything that the API can do with machines. */
import type { Command } from 'commander';
import type { BurnIn, Machine, Operations } from '../../client/operations.generated.ts';
import { AppError } from '../../errors.ts';
import { assignments, filtersOf } from './arguments.ts';
import { type CliContext, type CommonOptions, clientFor, withCommon } from './connection.ts';
import { readText, writeTo } from './files.ts';
import { type OfSite, tellAge, tellAsked, withSite } from './fleet.ts';
import { addMergeCommands, addNicCommand } from './machine-identity.ts';
import { bytes, type Column, done, show, showRecord, time } from './output.ts';

const COLUMNS: readonly Column<Machine>[] = [
  { title: 'HARDWARENAME', of: ({ hardwarename }) => hardwarename },
  { title: 'STATE', of: ({ state, overdue }) => (overdue ? `${state} (stuck)` : state) },
  { title: 'HOSTNAME', of: ({ hostname }) => hostname },
  { title: 'ROLE', of: ({ role }) => role },
  { title: 'SQUAD', of: ({ squad }) => squad },
  { title: 'PLACE', of: ({ rack, unit }) => (unit > 0 ? `${rack}/${unit}` : rack) },
  { title: 'TYPE', of: ({ hardwareType, product }) => hardwareType || product },
  { title: 'MEMORY', of: ({ memoryBytes }) => bytes(memoryBytes) },
  { title: 'SINCE', of: ({ stateAt }) => time(stateAt) },
];

function renderBurnIn({ status, at, code, detail, measured, job }: BurnIn): string {
  const figures = Object.entries(measured).map(([name, value]) => `${name}=${value}`);
  const words = [status, time(at), code, detail, ...figures, `(job ${job})`];
  return words.filter((word) => word !== '').join(' ');
}

interface ListOptions extends CommonOptions {
  readonly sort?: string;
  readonly limit: string;
  readonly all?: boolean;
}

export function addMachineCommands(program: Command, context: CliContext): void {
  const machines = program.command('machines').description('machines: find, change and move them');
  addReads(machines, context);
  addEdits(machines, context);
  addMoves(machines, context);
  addSheets(machines, context);
  addMergeCommands(machines, context);
  addNicCommand(machines, context);
}

function addReads(machines: Command, context: CliContext): void {
  withCommon(machines.command('list'))
    .description('list machines by filters, e.g. state=held rack=R1 memoryBytes.gte=68719476736')
    .argument('[filters...]', 'field=value, field.not=, .like=, .gte=, .lte=')
    .option('--sort <FIELD>', 'a field; - before it for falling order')
    .option('--limit <COUNT>', 'at most so many', '100')
    .option('--all', 'every one')
    .action(async (filters: string[], options: ListOptions) => {
      const { rows, more } = await listAll(context, options, filters);
      showMachines(context, options, { document: { machines: rows }, rows });
      if (more)
        context.tell(`reveille: there are more than these ${rows.length}: --limit, --all\n`);
    });
  withCommon(machines.command('show'))
    .description('show a machine, with its newest events')
    .argument('<hardwarename>')
    .action(async (hardwarename: string, options: CommonOptions) => {
      const api = clientFor<'machines'>(context, options);
      const { body } = await api.call('GET /machines/{hardwarename}', { path: { hardwarename } });
      if (options.json) {
        context.write(`${JSON.stringify(body)}\n`);
        return;
      }
      const { hardware: _, ...machine } = body.machine;
      showRecord(context, options, machine);
      tellAge(context, options, [machine]);
      const { claims = [] } = body as { claims?: readonly OfSite[] };
      if (claims.length > 0)
        context.tell(`reveille: also claimed by ${claims.map(({ site }) => site).join(', ')}\n`);
      if (body.burnIn) context.write(`\nburn-in: ${renderBurnIn(body.burnIn)}\n`);
      context.write('\n');
      for (const { at, name, data } of body.events)
        context.write(`${time(at)}  ${name}  ${JSON.stringify(data)}\n`);
    });
  withCommon(machines.command('search'))
    .description('find machines by a part of a serial, MAC, hostname, switch port, ...')
    .argument('<words...>')
    .action(async (words: string[], options: CommonOptions) => {
      const api = clientFor<'machines'>(context, options);
      const { body } = await api.call('GET /machines/search', { query: { q: words.join(' ') } });
      const rows = body.hits.map(({ machine }) => machine);
      showMachines(context, options, { document: body, rows });
      // At central, of hundreds of thousands, a page may end before all were looked through.
      if ('next' in body)
        context.tell(
          'reveille: there may be more than these: say more of the word, or more words\n',
        );
    });
  withCommon(machines.command('states'))
    .description('count machines by state, and say what each state waits for')
    .action(async (options: CommonOptions) => {
      const { body } = await clientFor<'states'>(context, options).call('GET /states');
      show(context, options, {
        document: body,
        rows: body.states,
        columns: [
          { title: 'STATE', of: ({ state }) => state },
          { title: 'MACHINES', of: ({ machines }) => String(machines) },
          { title: 'STUCK', of: ({ overdue }) => stuckText(overdue) },
          { title: 'NEXT', of: ({ next }) => next },
        ],
      });
      tellAge(context, options, (body as { sites?: readonly OfSite[] }).sites ?? []);
    });
}

/** @param overdue null at central: which are late, their sites know */
function stuckText(overdue: number | null): string {
  if (overdue === null) return '?';
  return overdue > 0 ? String(overdue) : '';
}

/** Of an appliance, or of all sites of a fleet. */
function showMachines(
  context: CliContext,
  options: CommonOptions,
  { document, rows }: { readonly document: unknown; readonly rows: readonly (Machine & OfSite)[] },
): void {
  show(context, options, { document, rows, columns: withSite(COLUMNS, rows) });
  tellAge(context, options, rows);
}

async function listAll(
  context: CliContext,
  options: Omit<ListOptions, 'limit'> & { readonly limit?: string },
  filters: readonly string[],
): Promise<{ rows: Machine[]; more: boolean }> {
  const api = clientFor<'machines'>(context, options);
  const { sort } = options;
  const query = { ...filtersOf(filters), ...(sort === undefined ? {} : { sort }) };
  const most = options.all ? Number.POSITIVE_INFINITY : countOf(options.limit);
  const rows: Machine[] = [];
  for (let cursor: string | undefined; ; ) {
    const limit = String(Math.min(PAGE, most - rows.length));
    const page = await api.call('GET /machines', { query: { ...query, limit, cursor } });
    rows.push(...page.body.machines);
    cursor = page.body.next;
    if (cursor === undefined || rows.length >= most) return { rows, more: cursor !== undefined };
  }
}

/** What one call gives at most. */
const PAGE = 1000;

function countOf(text = ''): number {
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text);
  throw new AppError('REQUEST_INVALID', { detail: '--limit is a number from 1.', path: '/limit' });
}

interface EditOptions extends CommonOptions {
  readonly why?: string;
  readonly version?: string;
}

function addEdits(machines: Command, context: CliContext): void {
  withCommon(machines.command('set'))
    .description('change fields, e.g. rack=R1 unit=4 tags=ssd,gpu custom.purpose=db')
    .argument('<hardwarename>')
    .argument('<fields...>', 'field=value; an empty value clears it')
    .option('--why <TEXT>', 'stands in the history', 'edited')
    .action(async (hardwarename: string, fields: string[], options: EditOptions) => {
      const api = clientFor<'machines'>(context, options);
      const path = { hardwarename };
      const { body: now, version } = await api.call('GET /machines/{hardwarename}', { path });
      const body = assignments(fields, now.machine.custom);
      const { why } = options;
      const answer = await api.call('PATCH /machines/{hardwarename}', {
        ...{ path, body, query: { why } },
        ...(version === undefined ? {} : { version }),
      });
      showRecord(context, options, answer.body);
      tellAsked(context, answer.body);
    });
  withCommon(machines.command('enter'))
    .description('enter a machine that has not reported, e.g. serial=C0MPUT3 rack=R1 nics=MAC,MAC')
    .argument('<fields...>', 'field=value; state=in-use for one that is in service already')
    .option('--why <TEXT>', 'stands in the history', 'entered')
    .action(async (fields: string[], options: EditOptions) => {
      const { nics, ...rest } = assignments(fields, {});
      const list = typeof nics === 'string' && nics !== '' ? nics.split(',') : [];
      const body = { ...rest, nics: list.map((mac) => ({ mac })) };
      const answer = await clientFor<'machines'>(context, options).call('POST /machines', {
        body: body as Operations['POST /machines']['body'],
        query: { why: options.why },
      });
      showRecord(context, options, answer.body);
      tellAsked(context, answer.body);
    });
  withCommon(machines.command('forget'))
    .description('forget a machine that was entered and never came')
    .argument('<hardwarename>')
    .action(async (hardwarename: string, options: CommonOptions) => {
      const path = { hardwarename };
      const { body } = await clientFor<'machines'>(context, options).call(
        'DELETE /machines/{hardwarename}',
        { path, version: '*' },
      );
      if (body) return tellAsked(context, body);
      done(context, options, `${hardwarename} is forgotten`);
    });
  withCommon(machines.command('name'))
    .description('give a machine its role, and a free hostname by the naming rules')
    .argument('<hardwarename>')
    .argument('<role>')
    .action(async (hardwarename: string, role: string, options: CommonOptions) => {
      const path = { hardwarename };
      const answer = await clientFor<'machines'>(context, options).call(
        'POST /machines/{hardwarename}/hostname',
        { path, body: { role } },
      );
      tellAsked(context, answer.body);
      done(context, options, `${hardwarename} is ${answer.body.hostname}`, answer.body);
    });
  withCommon(machines.command('address'))
    .description('reserve an address for a NIC or the BMC of a machine')
    .argument('<hardwarename>')
    .argument('<mac>')
    .argument('<subnet>')
    .argument('[address]', 'else the lowest free one')
    .action(async (hardwarename, mac, subnet, address, options: CommonOptions) => {
      const { body } = await clientFor<'machines'>(context, options).call(
        'POST /machines/{hardwarename}/addresses',
        { path: { hardwarename }, body: { mac, subnet, address } },
      );
      done(context, options, `${body.mac} has ${body.address}`, body);
    });
}

interface MoveOptions extends CommonOptions {
  readonly why?: string;
  readonly release?: boolean;
  readonly filter?: readonly string[];
  readonly confirm?: string;
  readonly dryRun?: boolean;
}

/** Of many machines some could not be changed; the others have been. */
const EXIT_SOME_FAILED = 1;

type BulkBody = Operations['POST /machines/bulk']['body'];

function addMoves(machines: Command, context: CliContext): void {
  const several = (value: string, before: readonly string[] = []) => [...before, value];
  withCommon(machines.command('move'))
    .description('bring machines into another state: available, held, broken, recycling, retired')
    .argument('<state>')
    .argument('[hardwarenames...]')
    .requiredOption('--why <TEXT>', 'stands in the history')
    .option('--release', 'they are in use, and what is on them may be lost')
    .option('--filter <FIELD=VALUE>', 'instead of names; may be repeated', several)
    .option('--confirm <COUNT>', 'how many machines will change')
    .option('--dry-run', 'say what would change')
    .action(async (state: string, names: string[], options: MoveOptions) => {
      const release = options.release ? names : [];
      const move = { to: state, release } as NonNullable<BulkBody['move']>;
      await bulk(context, options, { names, change: { move } });
    });
  withCommon(machines.command('edit-many'))
    .description('change fields of many machines')
    .argument('<fields...>', 'field=value')
    .requiredOption('--why <TEXT>', 'stands in the history')
    .requiredOption('--filter <FIELD=VALUE>', 'which machines; may be repeated', several)
    .option('--confirm <COUNT>', 'how many machines will change')
    .option('--dry-run', 'say what would change')
    .action(async (fields: string[], options: MoveOptions) => {
      await bulk(context, options, { names: [], change: { edit: assignments(fields, {}) } });
    });
}

async function bulk(
  context: CliContext,
  options: MoveOptions,
  { names, change }: { names: readonly string[]; change: Pick<BulkBody, 'edit' | 'move'> },
): Promise<void> {
  if ((names.length === 0) === (options.filter === undefined))
    throw new AppError('REQUEST_INVALID', { detail: 'Name machines, or give --filter.' });
  const { body } = await clientFor<'machines'>(context, options).call('POST /machines/bulk', {
    body: {
      ...(options.filter ? { filter: filtersOf(options.filter) } : { machines: names }),
      ...change,
      why: options.why ?? '',
      ...(options.confirm === undefined ? {} : { confirm: Number(options.confirm) }),
      dryRun: options.dryRun === true,
    },
  });
  showResults(context, options, body);
}

function showResults(
  context: CliContext,
  options: CommonOptions,
  body: Operations['POST /machines/bulk']['answer'],
): void {
  const verb = body.dryRun ? 'would change' : 'changed';
  // Of a fleet: sites that are away answer later.
  const { waiting = 0 } = body as { readonly waiting?: number };
  const later = waiting > 0 ? `, ${waiting} not answered yet` : '';
  context.tell(`${verb} ${body.changed}, ${body.failed} failed${later}\n`);
  if (body.failed > 0) process.exitCode = EXIT_SOME_FAILED;
  show(context, options, {
    document: body,
    rows: body.results,
    columns: [
      { title: 'HARDWARENAME', of: ({ hardwarename }) => hardwarename },
      {
        title: 'RESULT',
        of: (row) => (row.ok ? 'ok' : (row.code ?? ('asked' in row ? 'asked' : 'failed'))),
      },
      { title: 'DETAIL', of: ({ detail }) => detail ?? '' },
    ],
  });
}

interface SheetOptions extends MoveOptions {
  readonly out?: string;
}

function addSheets(machines: Command, context: CliContext): void {
  withCommon(machines.command('import'))
    .description('enter and change machines from a CSV sheet')
    .argument('<file>', '- for standard input')
    .option('--why <TEXT>', 'stands in the history', 'imported')
    .option('--confirm <COUNT>', 'how many known machines will change')
    .option('--dry-run', 'say what would change')
    .action(async (file: string, options: SheetOptions) => {
      const csv = file === '-' ? await context.readInput() : readText(file);
      const { body } = await clientFor<'machines'>(context, options).call('POST /machines/import', {
        body: {
          csv,
          why: options.why,
          dryRun: options.dryRun === true,
          ...(options.confirm === undefined ? {} : { confirm: Number(options.confirm) }),
        },
      });
      showResults(context, options, body);
    });
  withCommon(machines.command('export'))
    .description('print machines as a CSV sheet, or with --json as the records of the list')
    .argument('[filters...]', 'as in list')
    .option('-o, --out <FILE>', 'else standard output')
    .action(async (filters: string[], options: SheetOptions) => {
      const text = options.json
        ? `${JSON.stringify({ machines: (await listAll(context, { ...options, all: true }, filters)).rows })}\n`
        : await sheetOf(context, options, filters);
      if (options.out === undefined) context.write(text);
      else writeTo(options.out, text);
    });
}

async function sheetOf(
  context: CliContext,
  options: CommonOptions,
  filters: readonly string[],
): Promise<string> {
  const api = clientFor<'machines'>(context, options);
  const { body } = await api.call('GET /machines.csv', { query: filtersOf(filters) });
  return body;
}
