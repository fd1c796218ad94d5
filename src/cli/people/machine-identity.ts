/** `reveille machines merge|split|nic`: which records are one machine, and which NICs it has. */
import type { Command } from 'commander';
import { type CliContext, type CommonOptions, clientFor, withCommon } from './connection.ts';
import { done } from './output.ts';

interface WhyOptions extends CommonOptions {
  readonly why?: string;
}

export function addMergeCommands(machines: Command, context: CliContext): void {
  withCommon(machines.command('merge'))
    .description('merge two records of one machine, and keep the first')
    .argument('<kept>')
    .argument('<gone>')
    .requiredOption('--why <TEXT>', 'stands in the history')
    .action(async (kept: string, gone: string, options: WhyOptions) => {
      const { body } = await clientFor<'machines'>(context, options).call(
        'POST /machines/{hardwarename}/merge',
        {
          path: { hardwarename: kept },
          body: { gone, why: options.why ?? '' },
        },
      );
      done(context, options, `merge ${body.id}; \`machines split ${body.id}\` takes it back`, body);
    });
  withCommon(machines.command('split'))
    .description('undo a merge')
    .argument('<merge>', 'its number')
    .requiredOption('--why <TEXT>', 'stands in the history')
    .option('--release <HARDWARENAME>', 'the record that was kept, when it is in use')
    .action(async (merge: string, { release, ...options }: WhyOptions & { release?: string }) => {
      const { body } = await clientFor<'merges'>(context, options).call('POST /merges/{id}/split', {
        path: { id: merge },
        body: { why: options.why ?? '', ...(release === undefined ? {} : { release }) },
      });
      done(context, options, `${body.gone} has a record of its own again`, body);
    });
}

interface NicOptions extends WhyOptions {
  readonly remove?: boolean;
  readonly release?: boolean;
}

export function addNicCommand(machines: Command, context: CliContext): void {
  withCommon(machines.command('nic'))
    .description('put a NIC on record, or take it off')
    .argument('<hardwarename>')
    .argument('<mac>')
    .requiredOption('--why <TEXT>', 'stands in the history')
    .option('--remove', 'it is in another machine, or in none')
    .option('--release', 'the machine is in use')
    .action(async (hardwarename: string, mac: string, options: NicOptions) => {
      const api = clientFor<'machines'>(context, options);
      const { why = '', remove, release } = options;
      if (remove) {
        const path = { hardwarename, mac };
        const query = { why, ...(release ? { release: hardwarename } : {}) };
        await api.call('DELETE /machines/{hardwarename}/nics/{mac}', { path, query });
        done(context, options, `${hardwarename} has ${mac} no more`, { hardwarename, mac });
        return;
      }
      const { body } = await api.call('POST /machines/{hardwarename}/nics', {
        path: { hardwarename },
        body: { mac, why },
      });
      done(context, options, `${hardwarename} has ${mac}`, body);
    });
}
