/** `reveille dns`: zones, generations with their causes, the way back, and where an answer comes from. */
import type { Command } from 'commander';
import { addDnsKeyCommands } from './dns-keys.ts';
import { type CliContext, type CommonOptions, clientFor, withCommon } from './people/connection.ts';
import { done, show, showRecord, time } from './people/output.ts';

export function addDnsCommands(program: Command, context: CliContext): void {
  const dns = program.command('dns').description('names: zones, generations, records');
  addReads(dns, context);
  addGenerations(dns, context);
  addRecords(dns, context);
  addDnsKeyCommands(dns, context);
}

function addReads(dns: Command, context: CliContext): void {
  withCommon(dns.command('zones'))
    .description('list zones, and what keeps the next generation from being served')
    .action(async (options: CommonOptions) => {
      const { body } = await clientFor<'dns'>(context, options).call('GET /dns');
      const columns = [
        { title: 'ZONE', of: (zone: Zone) => zone.name },
        { title: 'SERIAL', of: (zone: Zone) => String(zone.serial) },
        { title: 'RECORDS', of: (zone: Zone) => String(zone.records) },
      ];
      show(context, options, { document: body, rows: body.zones, columns });
      if (options.json) return;
      const held = body.held === null ? '' : `, held at ${body.held} (reveille dns resume)`;
      context.write(`generation ${body.generation}${held}\n`);
      const { threads, running, restarts, silent } = body.udp;
      if (restarts > 0 || running < threads) {
        context.write(`UDP: ${running} of ${threads} threads, ${restarts} restarted\n`);
      }
      for (const address of silent) context.write(`nobody answers at ${address}\n`);
      for (const fault of body.faults) {
        context.write(`not served: ${fault.name} ${fault.why} [${fault.code}]\n`);
      }
    });
  withCommon(dns.command('export'))
    .description('print a zone as a file, its lines sorted')
    .argument('<zone>')
    .option('--signed', 'with all that DNSSEC adds, as secondaries get it')
    .action(async (zone: string, options: CommonOptions & { signed?: true }) => {
      const { body } = await clientFor<'dns'>(context, options).call('GET /dns/zones/{zone}', {
        path: { zone },
        query: { signed: String(options.signed === true) },
      });
      const [soa = '', ...rest] = String(body).trimEnd().split('\n');
      context.write(`${[soa, ...rest.sort()].join('\n')}\n`);
    });
  withCommon(dns.command('explain'))
    .description('show the answer to a question, and who put it there')
    .argument('<name>')
    .argument('[type]', 'A, AAAA, PTR, …', 'A')
    .action(async (name: string, type: string, options: CommonOptions) => {
      const { body } = await clientFor<'dns'>(context, options).call('GET /dns/explain', {
        query: { name, type },
      });
      if (options.json) {
        context.write(`${JSON.stringify(body)}\n`);
        return;
      }
      const zone = body.zone === null ? 'no zone of ours' : `${body.zone} serial ${body.serial}`;
      context.write(`${body.question}: ${body.rcode}, from ${zone}\n`);
      for (const answer of body.answers) {
        context.write(`  ${answer.name} ${answer.ttl} ${answer.type} ${answer.data}\n`);
      }
      for (const origin of body.origins) {
        context.write(`${origin.name} by ${origin.owners.join(', ')}\n`);
        for (const line of origin.records) context.write(`  ${line.replaceAll('\t', ' ')}\n`);
      }
    });
}

interface Zone {
  readonly name: string;
  readonly serial: number;
  readonly records: number;
}

function addGenerations(dns: Command, context: CliContext): void {
  withCommon(dns.command('generations'))
    .description('list what was served and refused, newest first, and why')
    .option('--limit <COUNT>', 'at most so many', '20')
    .option('--before <GENERATION>', 'those before this one')
    .action(async (options: CommonOptions & { limit: string; before?: string }) => {
      const { limit, before } = options;
      const { body } = await clientFor<'dns'>(context, options).call('GET /dns/generations', {
        query: { limit, ...(before === undefined ? {} : { cursor: before }) },
      });
      type Row = (typeof body.generations)[number];
      const columns = [
        { title: 'ID', of: (row: Row) => String(row.id) },
        { title: 'AT', of: (row: Row) => time(row.at) },
        { title: 'STATUS', of: (row: Row) => row.status },
        { title: '+', of: (row: Row) => String(row.added) },
        { title: '-', of: (row: Row) => String(row.removed) },
        { title: 'CAUSE', of: (row: Row) => row.cause },
        { title: 'FAULT', of: (row: Row) => row.faults.map(({ why }) => why).join('; ') },
      ];
      show(context, options, { document: body, rows: body.generations, columns });
      const older = body.next === undefined ? '' : `older ones: --before ${body.next}\n`;
      if (!options.json) context.write(older);
    });
  withCommon(dns.command('diff'))
    .description('show what a generation changed; without a number, what the next one would change')
    .argument('[generation]')
    .action(async (id: string | undefined, options: CommonOptions) => {
      const api = clientFor<'dns'>(context, options);
      const { body } =
        id === undefined
          ? await api.call('GET /dns/pending')
          : await api.call('GET /dns/generations/{id}', { path: { id } });
      context.write(options.json ? `${JSON.stringify(body)}\n` : body.text);
    });
  withCommon(dns.command('rollback'))
    .description('serve an older generation again and hold it')
    .argument('<generation>')
    .action(async (id: string, options: CommonOptions) => {
      const { body } = await clientFor<'dns'>(context, options).call('POST /dns/rollback', {
        body: { generation: Number(id) },
      });
      done(context, options, `generation ${id} is served again and held`, body);
    });
  withCommon(dns.command('accept'))
    .description('serve the next generation although zones shrink')
    .action(async (options: CommonOptions) => {
      const { body } = await clientFor<'dns'>(context, options).call('POST /dns/accept');
      done(context, options, `generation ${body.generation} is served`, body);
    });
  withCommon(dns.command('resume'))
    .description('end a hold: the inventory decides again')
    .action(async (options: CommonOptions) => {
      const { body } = await clientFor<'dns'>(context, options).call('POST /dns/resume');
      done(context, options, `generation ${body.generation} is served`, body);
    });
}

function addRecords(dns: Command, context: CliContext): void {
  const records = dns.command('records').description('records that people wrote');
  withCommon(records.command('list'))
    .description('list them')
    .action(async (options: CommonOptions) => {
      const { body } = await clientFor<'dns'>(context, options).call('GET /dns/records');
      type Row = (typeof body.records)[number];
      const columns = [
        { title: 'ID', of: (row: Row) => row.id },
        { title: 'NAME', of: (row: Row) => row.name },
        { title: 'TTL', of: (row: Row) => String(row.ttl) },
        { title: 'TYPE', of: (row: Row) => row.type },
        { title: 'DATA', of: (row: Row) => row.data },
        { title: 'NOTE', of: (row: Row) => row.note },
      ];
      show(context, options, { document: body, rows: body.records, columns });
    });
  withCommon(records.command('add'))
    .description('add a record; it is checked before it is kept')
    .argument('<name>')
    .argument('<type>')
    .argument('<data...>', 'as a zone file has it')
    .option('--ttl <SECONDS>', 'how long the answer may be kept', '300')
    .option('--note <TEXT>', 'for those who come after you', '')
    .option('--why <REASON>', 'stands in the history')
    .action(async (name: string, type: string, data: string[], options: AddOptions) => {
      const { body } = await clientFor<'dns'>(context, options).call('POST /dns/records', {
        body: {
          ...{ name, type, data: data.join(' '), ttl: Number(options.ttl), note: options.note },
          ...(options.why === undefined ? {} : { why: options.why }),
        },
      });
      showRecord(context, options, body);
    });
  withCommon(records.command('remove'))
    .description('remove a record')
    .argument('<id>')
    .option('--why <REASON>', 'stands in the history')
    .action(async (id: string, options: CommonOptions & { why?: string }) => {
      const query = options.why === undefined ? {} : { why: options.why };
      const which = { path: { id }, query };
      await clientFor<'dns'>(context, options).call('DELETE /dns/records/{id}', which);
      done(context, options, `${id} is removed`);
    });
}

interface AddOptions extends CommonOptions {
  readonly ttl: string;
  readonly note: string;
  readonly why?: string;
}
