/** `reveille racks|subnets|naming-rules|hardware-types|squads|policies|roles ...`: the same words for each. */
import type { Command } from 'commander';
import { parse } from 'yaml';
import type { Operations } from '../../client/operations.generated.ts';
import { type CliContext, type CommonOptions, clientFor, withCommon } from './connection.ts';
import { type OfSite, tellAge } from './fleet.ts';
import { done, show, showRecord } from './output.ts';

const KINDS = {
  racks: 'racks: units, switches, cables',
  subnets: 'subnets: networks, ranges and who has which address',
  'naming-rules': 'naming rules: what machines of a role are called',
  'hardware-types': 'hardware types: rules and bills of materials',
  squads: 'squads: the teams that own machines',
  policies: 'policies: what a report may make of a machine (drift)',
  'bmc-profiles': 'how BMCs are spoken to, by machine, hardware type or vendor',
  roles: 'roles: metadata, keys and user-data of machines with one',
} as const;

type Path = keyof typeof KINDS;
type Row = Readonly<Record<string, unknown>>;

/** What one call gives at most: a list goes on until a page is not full. */
const PAGE = 1000;

interface PutOptions extends CommonOptions {
  readonly why?: string;
}

export function addRecordCommands(program: Command, context: CliContext): void {
  for (const [path, description] of Object.entries(KINDS) as [Path, string][]) {
    const command = program.command(path).description(description);
    addOf(command, context, path);
    if (path === 'subnets') addAddresses(command, context);
    if (path === 'subnets') addServed(command, context);
    if (path === 'hardware-types') addApply(command, context);
  }
}

function addOf(command: Command, context: CliContext, path: Path): void {
  withCommon(command.command('list'))
    .description('list them')
    .action(async (options: CommonOptions) => {
      const api = clientFor<Path>(context, options);
      const rows: Row[] = [];
      let sites: readonly OfSite[] = [];
      for (let after = ''; ; ) {
        const { body } = await api.call(`GET /${path}`, { query: { limit: PAGE, after } });
        ({ sites = [] } = body as { sites?: readonly OfSite[] });
        const page = body.items as readonly Row[];
        rows.push(...page);
        after = String(page.at(-1)?.name ?? '');
        if (page.length < PAGE) break;
      }
      const names = Object.keys(rows[0] ?? {}).filter((name) => !/^(version|.*At)$/.test(name));
      const columns = names.map((name) => ({
        title: name.toUpperCase(),
        of: (row: Row) => brief(row[name]),
      }));
      show(context, options, { document: { items: rows }, rows, columns });
      tellAge(context, options, sites);
    });
  withCommon(command.command('show'))
    .description('show one')
    .argument('<name>')
    .action(async (name: string, options: CommonOptions) => {
      const { body } = await clientFor<Path>(context, options).call(`GET /${path}/{name}`, {
        path: { name },
      });
      showRecord(context, options, body as Readonly<Record<string, unknown>>);
      tellAge(context, options, (body as { sites?: readonly OfSite[] }).sites ?? []);
    });
  withCommon(command.command('put'))
    .description(
      'make or change one: key=value words (values are YAML), or - for YAML on standard input',
    )
    .argument('<name>')
    .argument('[fields...]', 'e.g. units=48 switches=[sw1,sw2]')
    .option('--why <TEXT>', 'stands in the history', 'edited')
    .action(async (name: string, fields: string[], options: PutOptions) => {
      await put(context, options, { path, name, fields });
    });
  withCommon(command.command('delete'))
    .description('delete one that nothing refers to')
    .argument('<name>')
    .action(async (name: string, options: CommonOptions) => {
      const api = clientFor<Path>(context, options);
      await api.call(`DELETE /${path}/{name}`, { path: { name }, version: '*' });
      done(context, options, `${name} is deleted`);
    });
}

async function put(
  context: CliContext,
  options: PutOptions,
  { path, name, fields }: { path: Path; name: string; fields: readonly string[] },
): Promise<void> {
  const api = clientFor<Path>(context, options);
  const [first] = fields;
  const given: Record<string, unknown> =
    first === '-'
      ? (parse(await context.readInput()) ?? {})
      : Object.fromEntries(
          fields.map((word) => {
            const at = word.indexOf('=');
            return [
              word.slice(0, at < 0 ? word.length : at),
              at < 0 ? true : parse(word.slice(at + 1)),
            ];
          }),
        );
  const there = await api
    .call(`GET /${path}/{name}`, { path: { name } })
    .catch((error: { code?: string }) => {
      if (error.code !== 'NOT_FOUND') throw error;
      return undefined;
    });
  const {
    name: _n,
    version: _v,
    createdAt: _c,
    updatedAt: _u,
    ...before
  } = (there?.body ?? {}) as Readonly<Record<string, unknown>>;
  const answer = await api.call(`PUT /${path}/{name}`, {
    path: { name },
    query: { why: options.why },
    body: { ...before, ...given } as Operations['PUT /racks/{name}']['body'],
    version: there?.version ?? 0,
  } as never);
  showRecord(context, options, answer.body as Readonly<Record<string, unknown>>);
}

function brief(value: unknown): string {
  if (Array.isArray(value)) return value.map(brief).join(' ');
  if (value !== null && typeof value === 'object') return JSON.stringify(value);
  return String(value ?? '');
}

function addAddresses(command: Command, context: CliContext): void {
  withCommon(command.command('addresses'))
    .description('show who has which address of a subnet')
    .argument('<name>')
    .action(async (name: string, options: CommonOptions) => {
      const api = clientFor<'subnets'>(context, options);
      type Answer = Operations['GET /subnets/{name}/addresses']['answer'];
      const rows: Answer['addresses'][number][] = [];
      let reserved = 0;
      for (let after = ''; ; ) {
        const { body } = await api.call('GET /subnets/{name}/addresses', {
          path: { name },
          query: { limit: PAGE, ...(after === '' ? {} : { after }) },
        });
        reserved = body.reserved;
        rows.push(...body.addresses);
        after = body.addresses.at(-1)?.address ?? '';
        if (body.addresses.length < PAGE) break;
      }
      show(context, options, {
        document: { reserved, addresses: rows },
        rows,
        columns: [
          { title: 'ADDRESS', of: ({ address }) => address },
          { title: 'MAC', of: ({ mac }) => mac },
          { title: 'MACHINE', of: ({ hardwarename }) => hardwarename },
        ],
      });
    });
}

function addServed(command: Command, context: CliContext): void {
  withCommon(command.command('served'))
    .description('show what DHCP serves now: the configuration with the subnets over it')
    .action(async (options: CommonOptions) => {
      const { body } = await clientFor<'segments'>(context, options).call('GET /segments');
      const refused = new Map(body.refused.map(({ subnet, why }) => [subnet, why]));
      const rows = [
        ...body.segments,
        ...body.refused
          .filter(({ subnet }) => body.segments.every(({ name }) => name !== subnet))
          .map(({ subnet }) => ({ name: subnet, origin: 'refused' })),
      ] as readonly (Partial<(typeof body.segments)[number]> & { name: string })[];
      const list = (values: readonly string[] = []) => values.join(' ');
      show(context, options, {
        document: body,
        rows,
        columns: [
          { title: 'NAME', of: ({ name }) => name },
          { title: 'FROM', of: ({ origin }) => origin ?? '' },
          { title: 'KIND', of: ({ kind }) => kind ?? '' },
          {
            title: 'BY',
            of: ({ iface, server }) => (server ? `${iface ?? 'relays'} ${server}` : ''),
          },
          { title: 'NETWORK', of: ({ cidr }) => cidr ?? '' },
          {
            title: 'POOLS',
            of: ({ pools }) => list(pools?.map(({ first, last }) => `${first}-${last}`)),
          },
          { title: 'ROUTERS', of: ({ routers }) => list(routers) },
          { title: 'DNS', of: ({ dns }) => list(dns) },
          { title: 'REFUSED', of: ({ name }) => refused.get(name) ?? '' },
        ],
      });
    });
}

function addApply(command: Command, context: CliContext): void {
  withCommon(command.command('apply'))
    .description('apply the rules to every report on record')
    .action(async (options: CommonOptions) => {
      const { body } = await clientFor<'hardware-types'>(context, options).call(
        'POST /hardware-types/apply',
      );
      done(context, options, `${body.changed} machines have another type`, body);
    });
}
