/** `reveille dns keys`, `ds` and `rollover`: the keys of signed zones. */
import type { Command } from 'commander';
import { type CliContext, type CommonOptions, clientFor, withCommon } from './people/connection.ts';
import { done, show, time } from './people/output.ts';

const at = (seconds: number | null) => (seconds === null ? '' : time(seconds * 1000));

export function addDnsKeyCommands(dns: Command, context: CliContext): void {
  withCommon(dns.command('keys'))
    .description('list signing keys, with the time of each step of their lives')
    .action(async (options: CommonOptions) => {
      const { body } = await clientFor<'dns'>(context, options).call('GET /dns/keys');
      type Row = (typeof body.keys)[number];
      const columns = [
        { title: 'TAG', of: (row: Row) => String(row.tag) },
        { title: 'ROLE', of: (row: Row) => row.role },
        { title: 'STATE', of: (row: Row) => row.state },
        { title: 'PUBLISHED', of: (row: Row) => at(row.publishedAt) },
        { title: 'KNOWN EVERYWHERE', of: (row: Row) => at(row.readyAt) },
        { title: 'ACTIVE', of: (row: Row) => at(row.activeAt) },
        { title: 'RETIRED', of: (row: Row) => at(row.retiredAt) },
        { title: 'REMOVED', of: (row: Row) => at(row.removedAt) },
      ];
      show(context, options, { document: body, rows: body.keys, columns });
    });
  withCommon(dns.command('ds'))
    .description('print the DS records for the parent of a signed zone')
    .argument('<zone>')
    .action(async (zone: string, options: CommonOptions) => {
      const { body } = await clientFor<'dns'>(context, options).call('GET /dns/zones/{zone}/ds', {
        path: { zone },
      });
      if (options.json) {
        context.write(`${JSON.stringify(body)}\n`);
        return;
      }
      for (const { data, notBefore, wanted } of body.ds) {
        const when = wanted ? 'for the parent now' : `not before ${at(notBefore)}, or going`;
        context.write(`${zone.replace(/\.$/, '')}. IN DS ${data} ; ${when}\n`);
      }
    });
  withCommon(dns.command('rollover'))
    .description('replace a key: zsk or ksk begins, confirm says that the parent has the new DS')
    .argument('<what>', 'zsk, ksk or confirm')
    .action(async (what: string, options: CommonOptions) => {
      const api = clientFor<'dns'>(context, options);
      if (what === 'confirm') {
        const { body } = await api.call('POST /dns/rollover/confirm');
        done(context, options, 'the old key-signing key goes once no cache has its DS', body);
        return;
      }
      // Another word is refused by the API, which names those that it knows.
      const role = what as 'zsk' | 'ksk';
      const { body } = await api.call('POST /dns/rollover', { body: { role } });
      done(context, options, `a successor of the ${what} is published`, body);
    });
}
